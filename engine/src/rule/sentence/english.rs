//! Conditions in English.

use super::{Clause, LISTED, Polarity};
use crate::rule::compare::{Bound, DateTest, How, Order, SetTest, Test};
use crate::rule::text::Case;

pub(super) fn clause(clause: &Clause<'_>, polarity: Polarity) -> String {
    let is = polarity.pick("is", "is not");
    match clause {
        Clause::Known(fact) => format!("{fact} {is} known"),
        Clause::Fact(fact, test) => comparison(fact, test, polarity),
        Clause::Events { name, within_days, bound } => {
            let days = if *within_days == 1 { "today".to_owned() } else { format!("in the last {within_days} days") };
            format!("“{name}” happened {} {days}", times(*bound, polarity))
        }
        Clause::Segment(name) => format!("the visitor {is} in the segment “{name}”"),
        Clause::Tier(name, levels) => format!("the {name} tier {}", any_of(("is", "is not"), levels, polarity)),
    }
}

fn comparison(fact: &str, test: &Test, polarity: Polarity) -> String {
    let (is, lies) = (polarity.pick("is", "is not"), polarity.pick("lies", "does not lie"));
    match test {
        Test::Number(bound) => format!("{fact} {}", number(*bound, polarity)),
        Test::Is(flag) => format!("{fact} is {}", if *flag == (polarity == Polarity::Holds) { "yes" } else { "no" }),
        Test::Text { how, words, case } => {
            let verbs = match how {
                How::Is => ("is", "is not"),
                How::Contains => ("contains", "does not contain"),
                How::StartsWith => ("starts with", "does not start with"),
                How::EndsWith => ("ends with", "does not end with"),
                How::Matches => ("matches", "does not match"),
                How::UrlMatches => ("is at", "is not at"),
            };
            let case = if *case == Case::Ignored { " ignoring case" } else { "" };
            format!("{fact} {}{case}", any_of(verbs, words, polarity))
        }
        Test::Set(SetTest::Holds(product)) => {
            format!("the visitor {} “{product}”", polarity.pick("holds", "does not hold"))
        }
        Test::Set(SetTest::Overlaps(words)) => {
            format!("{fact} {}", any_of(("includes", "does not include"), words, polarity))
        }
        Test::Set(SetTest::ContainsAll(words)) => {
            format!("{fact} {} {}", polarity.pick("includes", "does not include"), all_of(words))
        }
        Test::Set(SetTest::Size(bound)) => format!("the number of {fact} {}", number(*bound, polarity)),
        Test::Date(DateTest::Before(moment)) => format!("{fact} {is} before {moment}"),
        Test::Date(DateTest::After(moment)) => format!("{fact} {is} after {moment}"),
        Test::Date(DateTest::On(moment)) => format!("{fact} {is} on {moment}"),
        Test::Date(DateTest::WithinDays(days)) => format!("{fact} {lies} in the last {}", count(*days)),
        Test::Date(DateTest::OlderThanDays(days)) => format!("{fact} {is} more than {} ago", count(*days)),
        Test::Date(DateTest::WithinNextDays(days)) => format!("{fact} {lies} in the next {}", count(*days)),
        Test::Near { centre, km, name } => {
            let place =
                name.clone().unwrap_or_else(|| format!("latitude {}, longitude {}", centre.lat(), centre.lon()));
            format!("{fact} {is} within {km} km of {place}")
        }
    }
}

fn number(bound: Bound, polarity: Polarity) -> String {
    match bound {
        Bound::Between(low, high) => format!("{} from {low} to {high}", polarity.pick("is", "is not")),
        Bound::Order(order, number) => match polarity.pick(order, order.opposite()) {
            Order::Eq => format!("is {number}"),
            Order::Ne => format!("is not {number}"),
            Order::Lt => format!("is less than {number}"),
            Order::Le => format!("is at most {number}"),
            Order::Gt => format!("is more than {number}"),
            Order::Ge => format!("is at least {number}"),
        },
    }
}

fn times(bound: Bound, polarity: Polarity) -> String {
    match bound {
        Bound::Between(low, high) => format!("{}from {low} to {high} times", polarity.pick("", "other than ")),
        Bound::Order(order, number) => {
            let order = match polarity.pick(order, order.opposite()) {
                Order::Eq => "exactly",
                Order::Ne => "other than",
                Order::Lt => "fewer than",
                Order::Le => "at most",
                Order::Gt => "more than",
                Order::Ge => "at least",
            };
            format!("{order} {number} {}", if number == 1.0 { "time" } else { "times" })
        }
    }
}

fn count(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// A verb, and its denial, before one word or several of which one counts.
fn any_of((holds, holds_not): (&str, &str), words: &[impl AsRef<str>], polarity: Polarity) -> String {
    match (words, polarity) {
        ([word], _) => format!("{} “{}”", polarity.pick(holds, holds_not), word.as_ref()),
        (words, Polarity::Holds) => format!("{holds} one of {}", listed(words)),
        (words, Polarity::HoldsNot) => format!("{holds} none of {}", listed(words)),
    }
}

fn all_of(words: &[impl AsRef<str>]) -> String {
    match words {
        [word] => format!("“{}”", word.as_ref()),
        words => format!("all of {}", listed(words)),
    }
}

fn listed(words: &[impl AsRef<str>]) -> String {
    let named: Vec<String> = words.iter().take(LISTED).map(|word| format!("“{}”", word.as_ref())).collect();
    match words.len().saturating_sub(LISTED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
