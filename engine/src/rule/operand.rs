//! What an operator wants of its value, by the type of the attribute: from JSON to a comparison.

use serde_json::Value as Json;

use super::compare::{Bound, DateTest, How, Order, SetTest, Test};
use super::limits::{DAYS, KM, LIST_ITEMS, TEXT_BYTES};
use super::text::Case;
use crate::config::AttributeKind;
use crate::date::{Moment, Precision};
use crate::geo::Point;

/// A comparison, as it stands or turned around.
#[derive(Debug)]
pub(super) enum Comparison {
    Holds(Test),
    HoldsNot(Test),
}

/// What is wrong with an operator or its value.
#[derive(Debug)]
pub(super) enum Wrong {
    Operator(String),
    Value(String),
}

/// Letters of a wrong value that are repeated in the error.
const SHOWN_LETTERS: usize = 40;

/// Operators that a number has.
const ORDERS: &str = "eq, ne, lt, le, gt, ge, between";

/// A type of facts in words, and the operators that it has.
fn described(kind: AttributeKind) -> (&'static str, &'static str) {
    match kind {
        AttributeKind::Number => ("a number", ORDERS),
        AttributeKind::Bool => ("yes or no", "eq, ne"),
        AttributeKind::Text => ("a text", "eq, ne, in, not_in, contains, starts_with, ends_with, matches, url_matches"),
        AttributeKind::Set => (
            "a set",
            "overlaps, contains_all, contains_none, size_eq, size_ne, size_lt, size_le, size_gt, size_ge, size_between",
        ),
        AttributeKind::Date => ("a date", "before, after, on, within_days, older_than_days, within_next_days"),
        AttributeKind::Point => ("a place", "within_km"),
    }
}

/// Reads the comparison `op value` for a fact of a type.
pub(super) fn comparison(kind: AttributeKind, op: &str, value: &Json, case: Case) -> Result<Comparison, Wrong> {
    let test = match kind {
        AttributeKind::Number => bound(op, value).map(|bound| bound.map(Test::Number)),
        AttributeKind::Bool => truth(op, value),
        AttributeKind::Text => return text(op, value, case),
        AttributeKind::Set => return set(op, value),
        AttributeKind::Date => date(op, value).map(|test| test.map(Test::Date)),
        AttributeKind::Point => (op == "within_km").then(|| near(value)),
    };
    test.unwrap_or_else(|| Err(no_such(kind, op))).map(Comparison::Holds)
}

/// Reads a bound on a number; `None` when there is no such operator.
pub(super) fn bound(op: &str, value: &Json) -> Option<Result<Bound, Wrong>> {
    let order = match op {
        "eq" => Order::Eq,
        "ne" => Order::Ne,
        "lt" => Order::Lt,
        "le" => Order::Le,
        "gt" => Order::Gt,
        "ge" => Order::Ge,
        "between" => return Some(between(value)),
        _ => return None,
    };
    let number = value.as_f64().filter(|number| number.is_finite());
    Some(number.map(|number| Bound::Order(order, number)).ok_or_else(|| wanted("a number", value)))
}

/// What to say of an operator that a type does not have, after "it is".
pub(super) fn no_such(kind: AttributeKind, op: &str) -> Wrong {
    let (what, has) = described(kind);
    Wrong::Operator(format!("{what}, which has no `{op}`; it has {has}"))
}

fn wanted(what: &str, value: &Json) -> Wrong {
    Wrong::Value(format!("{what} is needed here, not {}", shown(value)))
}

/// The beginning of a value, to recognise it by.
pub(super) fn shown(value: &Json) -> String {
    let text = value.to_string();
    let mut letters = text.chars();
    let mut begin: String = letters.by_ref().take(SHOWN_LETTERS).collect();
    if letters.next().is_some() {
        begin.push('…');
    }
    begin
}

fn between(value: &Json) -> Result<Bound, Wrong> {
    let ends = value.as_array().map(|ends| ends.iter().filter_map(Json::as_f64).collect::<Vec<_>>());
    match ends.as_deref() {
        Some([low, high]) if value.as_array().is_some_and(|ends| ends.len() == 2) && low <= high => {
            Ok(Bound::Between(*low, *high))
        }
        _ => Err(wanted("a list of two numbers, the smaller first,", value)),
    }
}

fn truth(op: &str, value: &Json) -> Option<Result<Test, Wrong>> {
    let flag = value.as_bool().ok_or_else(|| wanted("true or false", value));
    match op {
        "eq" => Some(flag.map(Test::Is)),
        "ne" => Some(flag.map(|flag| Test::Is(!flag))),
        _ => None,
    }
}

fn text(op: &str, value: &Json, case: Case) -> Result<Comparison, Wrong> {
    let test = |how, words| Test::Text { how, words, case };
    let is = |words| test(How::Is, words);
    let one = || word(value, "").map(|word| vec![word]);
    let parts = |how| {
        let words = if value.is_array() { list(value) } else { one() }?;
        if words.iter().any(String::is_empty) {
            return Err(Wrong::Value("an empty text is part of every text".to_owned()));
        }
        Ok(Comparison::Holds(test(how, words)))
    };
    match op {
        "eq" => one().map(is).map(Comparison::Holds),
        "ne" => one().map(is).map(Comparison::HoldsNot),
        "in" => list(value).map(is).map(Comparison::Holds),
        "not_in" => list(value).map(is).map(Comparison::HoldsNot),
        "contains" => parts(How::Contains),
        "starts_with" => parts(How::StartsWith),
        "ends_with" => parts(How::EndsWith),
        "matches" => parts(How::Matches),
        "url_matches" => parts(How::UrlMatches),
        _ => Err(no_such(AttributeKind::Text, op)),
    }
}

fn set(op: &str, value: &Json) -> Result<Comparison, Wrong> {
    let overlaps = |words| Test::Set(SetTest::Overlaps(words));
    if let Some(bound) = op.strip_prefix("size_").and_then(|op| bound(op, value)) {
        return Ok(Comparison::Holds(Test::Set(SetTest::Size(bound?))));
    }
    match op {
        "overlaps" => list(value).map(overlaps).map(Comparison::Holds),
        "contains_none" => list(value).map(overlaps).map(Comparison::HoldsNot),
        "contains_all" => list(value).map(|words| Comparison::Holds(Test::Set(SetTest::ContainsAll(words)))),
        _ => Err(no_such(AttributeKind::Set, op)),
    }
}

fn date(op: &str, value: &Json) -> Option<Result<DateTest, Wrong>> {
    let moment = || {
        Moment::from_json(value).ok_or_else(|| {
            wanted(
                "a date such as \"2026-11-22\", a time such as \"2026-11-22T09:30Z\" or milliseconds since 1970",
                value,
            )
        })
    };
    let day = || {
        let day = moment()?;
        match day.precision {
            Precision::Day => Ok(day),
            Precision::Instant => Err(wanted("a day such as \"2026-11-22\"", value)),
        }
    };
    Some(match op {
        "before" => moment().map(DateTest::Before),
        "after" => moment().map(DateTest::After),
        "on" => day().map(DateTest::On),
        "within_days" => days(value, DAYS).map(DateTest::WithinDays),
        "older_than_days" => days(value, DAYS).map(DateTest::OlderThanDays),
        "within_next_days" => days(value, DAYS).map(DateTest::WithinNextDays),
        _ => return None,
    })
}

/// A whole number of days from 1 up to a bound.
pub(super) fn days(value: &Json, most: u64) -> Result<i64, Wrong> {
    let days = value.as_u64().filter(|days| (1..=most).contains(days)).and_then(|days| i64::try_from(days).ok());
    days.ok_or_else(|| wanted(&format!("a whole number of days from 1 to {most}"), value))
}

fn near(value: &Json) -> Result<Test, Wrong> {
    let known = |key: &String| matches!(key.as_str(), "lat" | "lon" | "km" | "name");
    let only_known = value.as_object().is_some_and(|object| object.keys().all(known));
    let (centre, km) = (Point::from_json(value), value.get("km").and_then(Json::as_f64));
    let name = value.get("name").map(|name| word(name, "name")).transpose()?;
    match (centre, km) {
        (Some(centre), Some(km)) if only_known && km > 0.0 && km <= KM => Ok(Test::Near { centre, km, name }),
        _ => Err(wanted("a place and a distance such as {\"lat\":53.8,\"lon\":-1.55,\"km\":25}", value)),
    }
}

/// One text within its bounds; `what` says which one in the error.
pub(super) fn word(value: &Json, what: &str) -> Result<String, Wrong> {
    let text = value.as_str().ok_or_else(|| wanted(format!("a text {what}").trim_end(), value))?;
    if text.len() > TEXT_BYTES {
        return Err(Wrong::Value(format!("a text here has at most {TEXT_BYTES} bytes")));
    }
    Ok(text.to_owned())
}

/// A list of texts within its bounds.
pub(super) fn list(value: &Json) -> Result<Vec<String>, Wrong> {
    let items = value.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| wanted("a list with at least one text", value))?;
    if items.len() > LIST_ITEMS {
        return Err(Wrong::Value(format!("a list has at most {LIST_ITEMS} values")));
    }
    items.iter().map(|item| word(item, "in each place of the list")).collect()
}
