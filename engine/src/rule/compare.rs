//! Comparisons of one fact with what a rule wants.

use super::Truth;
use super::text::{Case, url_matches};
use crate::date::{DAY_MS, Moment};
use crate::facts::Value;
use crate::geo::Point;

/// A comparison; a fact of another type leaves it unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Number(Bound),
    Is(bool),
    /// Any of the words.
    Text {
        how: How,
        words: Vec<String>,
        case: Case,
    },
    Set(SetTest),
    Date(DateTest),
    /// Within so many kilometres of a place, which may have a name.
    Near {
        centre: Point,
        km: f64,
        name: Option<String>,
    },
}

/// Where a number must lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    Order(Order, f64),
    /// Both ends belong to it.
    Between(f64, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// How a text is compared with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Is,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    UrlMatches,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum SetTest {
    Holds(String),
    Overlaps(Vec<String>),
    ContainsAll(Vec<String>),
    Size(Bound),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateTest {
    Before(Moment),
    After(Moment),
    /// On that day, UTC.
    On(Moment),
    /// Not in the future, and at most so many times 24 hours ago.
    WithinDays(i64),
    /// More than so many times 24 hours ago.
    OlderThanDays(i64),
    /// Not in the past, and in at most so many times 24 hours.
    WithinNextDays(i64),
}

impl Test {
    pub(super) fn evaluate(&self, fact: &Value, now_ms: u64) -> Truth {
        match (self, fact) {
            (Self::Number(bound), Value::Number(number)) => Truth::of(bound.holds(*number)),
            (Self::Is(wanted), Value::Bool(flag)) => Truth::of(flag == wanted),
            (Self::Text { how, words, case }, Value::Text(text)) => any(words, |word| how.holds(text, word, *case)),
            (Self::Set(test), Value::Set(set)) => Truth::of(test.holds(set)),
            (Self::Date(test), Value::Date(ms)) => {
                Truth::of(test.holds(*ms, i64::try_from(now_ms).unwrap_or(i64::MAX)))
            }
            (Self::Near { centre, km, .. }, Value::Point(point)) => Truth::of(point.distance_km(*centre) <= *km),
            _ => Truth::Unknown,
        }
    }
}

/// True where one word answers true, unknown where none does and one cannot answer.
fn any(words: &[String], holds: impl Fn(&str) -> Option<bool>) -> Truth {
    let mut answer = Truth::False;
    for word in words {
        match holds(word) {
            Some(true) => return Truth::True,
            Some(false) => {}
            None => answer = Truth::Unknown,
        }
    }
    answer
}

impl Bound {
    pub(super) fn holds(self, number: f64) -> bool {
        match self {
            Self::Order(order, bound) => match order {
                Order::Eq => number == bound,
                Order::Ne => number != bound,
                Order::Lt => number < bound,
                Order::Le => number <= bound,
                Order::Gt => number > bound,
                Order::Ge => number >= bound,
            },
            Self::Between(low, high) => (low..=high).contains(&number),
        }
    }
}

impl Order {
    /// The order that holds exactly where this one does not.
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }
}

impl How {
    fn holds(self, text: &str, word: &str, case: Case) -> Option<bool> {
        match self {
            Self::Is => Some(case.equal(text, word)),
            Self::Contains => Some(case.contains(text, word)),
            Self::StartsWith => Some(case.starts_with(text, word)),
            Self::EndsWith => Some(case.ends_with(text, word)),
            Self::Matches => Some(case.matches(text, word)),
            Self::UrlMatches => url_matches(text, word, case),
        }
    }
}

impl SetTest {
    fn holds(&self, set: &[String]) -> bool {
        let has = |word: &String| set.binary_search(word).is_ok();
        match self {
            Self::Holds(word) => has(word),
            Self::Overlaps(words) => words.iter().any(has),
            Self::ContainsAll(words) => words.iter().all(has),
            Self::Size(bound) => bound.holds(set.len() as f64),
        }
    }
}

impl DateTest {
    fn holds(self, ms: i64, now_ms: i64) -> bool {
        let ago = |days: i64| now_ms.saturating_sub(days.saturating_mul(DAY_MS));
        match self {
            Self::Before(moment) => ms < moment.ms,
            Self::After(moment) => ms >= moment.end_ms(),
            Self::On(moment) => ms.div_euclid(DAY_MS) == moment.ms.div_euclid(DAY_MS),
            Self::WithinDays(days) => (ago(days)..=now_ms).contains(&ms),
            Self::OlderThanDays(days) => ms < ago(days),
            Self::WithinNextDays(days) => (now_ms..=ago(-days)).contains(&ms),
        }
    }
}
