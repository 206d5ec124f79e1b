//! What is known about a visitor and a request, typed, with *missing* as a value of its own.

use std::collections::BTreeMap;

use crate::config::{AttributeKind, Source};

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
}

impl Value {
    /// Reads a JSON value as the type that is wanted; anything else is missing.
    #[must_use]
    pub fn from_json(kind: AttributeKind, json: &serde_json::Value) -> Self {
        match (kind, json) {
            (AttributeKind::Bool, serde_json::Value::Bool(flag)) => Self::Bool(*flag),
            (AttributeKind::Number, serde_json::Value::Number(number)) => {
                number.as_f64().filter(|number| number.is_finite()).map_or(Self::Missing, Self::Number)
            }
            (AttributeKind::Text, serde_json::Value::String(text)) => Self::Text(text.clone()),
            (AttributeKind::Set, serde_json::Value::Array(items)) => {
                let words: Option<Vec<_>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                words.map_or(Self::Missing, |mut words| {
                    words.sort_unstable();
                    words.dedup();
                    Self::Set(words)
                })
            }
            _ => Self::Missing,
        }
    }
}

/// Facts by source and name, before they are typed by a policy's attributes.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    by_source: BTreeMap<Source, BTreeMap<String, serde_json::Value>>,
}

impl Facts {
    /// Adds or replaces one fact of a source.
    pub fn insert(&mut self, source: Source, name: impl Into<String>, value: impl Into<serde_json::Value>) {
        self.by_source.entry(source).or_default().insert(name.into(), value.into());
    }

    /// Adds all facts of a source.
    pub fn extend(&mut self, source: Source, facts: impl IntoIterator<Item = (String, serde_json::Value)>) {
        self.by_source.entry(source).or_default().extend(facts);
    }

    /// What a source says under a name.
    #[must_use]
    pub fn get(&self, source: Source, name: &str) -> Option<&serde_json::Value> {
        self.by_source.get(&source)?.get(name)
    }
}
