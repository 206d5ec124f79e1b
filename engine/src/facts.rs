//! What is known about a visitor and a request, typed, with *missing* as a value of its own.

use std::collections::BTreeMap;

use crate::config::{AttributeKind, Source};
use crate::date::Moment;
use crate::events::EventCounts;
use crate::geo::Point;
use crate::rule::limits::{FACT_SET_ITEMS, FACT_TEXT_BYTES};

/// One fact's value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nobody has said. Never the same as 0 or the empty text.
    #[default]
    Missing,
    /// Yes or no.
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// A word.
    Text(String),
    /// Several words, sorted, each once.
    Set(Vec<String>),
    /// A moment, in milliseconds since 1970.
    Date(i64),
    /// A place.
    Point(Point),
}

impl Value {
    /// Reads a JSON value as the type that is wanted; anything else is missing, and so is a text of more than 2,048
    /// bytes or a set of more than 256 words.
    #[must_use]
    pub fn from_json(kind: AttributeKind, json: &serde_json::Value) -> Self {
        match (kind, json) {
            (AttributeKind::Bool, serde_json::Value::Bool(flag)) => Self::Bool(*flag),
            (AttributeKind::Number, serde_json::Value::Number(number)) => {
                number.as_f64().filter(|number| number.is_finite()).map_or(Self::Missing, Self::Number)
            }
            (AttributeKind::Text, serde_json::Value::String(text)) if text.len() <= FACT_TEXT_BYTES => {
                Self::Text(text.clone())
            }
            (AttributeKind::Set, serde_json::Value::Array(items)) if items.len() <= FACT_SET_ITEMS => {
                let words: Option<Vec<_>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                words.map_or(Self::Missing, |mut words| {
                    words.sort_unstable();
                    words.dedup();
                    Self::Set(words)
                })
            }
            (AttributeKind::Date, json) => {
                Moment::from_json(json).map_or(Self::Missing, |moment| Self::Date(moment.ms))
            }
            (AttributeKind::Point, json) => Point::from_json(json).map_or(Self::Missing, Self::Point),
            _ => Self::Missing,
        }
    }
}

/// Facts by source and name, before they are typed by a policy's attributes.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    by_source: BTreeMap<Source, BTreeMap<String, serde_json::Value>>,
    events: Option<EventCounts>,
}

impl Facts {
    /// Adds or replaces one fact of a source.
    pub fn insert(&mut self, source: Source, name: impl Into<String>, value: impl Into<serde_json::Value>) {
        self.by_source.entry(source).or_default().insert(name.into(), value.into());
    }

    /// Adds all facts of a source.
    pub fn extend(&mut self, source: Source, mut facts: BTreeMap<String, serde_json::Value>) {
        self.by_source.entry(source).or_default().append(&mut facts);
    }

    /// Gives the history of events. Without one, because none may be kept, every count of events is unknown; an empty
    /// one says that nothing happened.
    pub fn set_events(&mut self, events: EventCounts) {
        self.events = Some(events);
    }

    /// The history of events, where one may be kept.
    #[must_use]
    pub fn events(&self) -> Option<&EventCounts> {
        self.events.as_ref()
    }

    /// What a source says, in the order of names.
    pub(crate) fn of(&self, source: Source) -> impl Iterator<Item = (&String, &serde_json::Value)> {
        self.by_source.get(&source).into_iter().flatten()
    }
}
