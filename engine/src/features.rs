//! Facts as features: each known or missing fact becomes a hashed bin that the models have a weight for.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Attribute, AttributeKind};
use crate::facts::Value;
use crate::policy::Policy;
use crate::random::{NamePrefix, name_hash};

/// A hashed bin of one fact.
pub type Feature = u32;

/// Members of a set that become features; a longer set says little by its tail.
const SET_MEMBERS: usize = 8;
/// What the bias is called.
const ANYBODY: &str = "any visitor";

/// The feature that is always on.
pub(crate) fn bias() -> Feature {
    hash(&[b"bias"])
}

/// Where and how prominently an offer stood: taught at the site's level only, so that a good position is not
/// taken for a good offer.
pub(crate) fn examination(placement: &str, rank: u32) -> Feature {
    hash(&[b"examination", placement.as_bytes(), &rank.to_le_bytes()])
}

impl Policy {
    /// The features of facts in slot order, the bias first.
    #[must_use]
    pub fn features(&self, slots: &[Value]) -> Vec<Feature> {
        let mut features = Vec::with_capacity(slots.len() + self.crosses.len() + 1);
        features.push(bias());
        let mut ends = Vec::with_capacity(slots.len());
        for (bins, value) in self.bins.iter().zip(slots) {
            bins.push(value, &mut features);
            ends.push(features.len());
        }
        self.for_each_cross(&ends, |left, right| {
            if let (Some(left), Some(right)) = (features.get(left), features.get(right)) {
                features.push(crossed(*left, *right));
            }
        });
        features
    }

    /// The same features in words, in the same order.
    pub(crate) fn feature_names(&self, slots: &[Value]) -> Vec<String> {
        let mut names = vec![ANYBODY.to_owned()];
        let mut ends = Vec::new();
        for (attribute, value) in self.attributes.iter().zip(slots) {
            if attribute.learn {
                for_each_bin(attribute, value, &mut |bin| names.push(named(attribute, bin)));
            }
            ends.push(names.len());
        }
        self.for_each_cross(&ends, |left, right| {
            if let (Some(left), Some(right)) = (names.get(left), names.get(right)) {
                names.push(named_together(left, right));
            }
        });
        names
    }

    /// The places of two facts that are also looked at together; `ends` says where those of each slot end.
    fn for_each_cross(&self, ends: &[usize], mut each: impl FnMut(usize, usize)) {
        let of = |slot: usize| {
            // Before those of the first stands the bias.
            let begin = slot.checked_sub(1).map_or(Some(1), |before| ends.get(before).copied());
            begin.zip(ends.get(slot).copied()).map_or(0..0, |(begin, end)| begin..end)
        };
        for [left, right] in &self.crosses {
            for left in of(*left) {
                of(*right).for_each(|right| each(left, right));
            }
        }
    }

    /// The features of an attribute's known values; a value that is missing is none.
    pub(crate) fn known_features(attribute: &Attribute) -> Vec<Feature> {
        let mut known = Vec::new();
        for value in values(attribute).into_iter().filter(|value| *value != Value::Missing) {
            for_each_bin(attribute, &value, &mut |bin| known.push(feature(attribute, bin)));
        }
        known
    }

    /// What some features are called, as far as the configuration can tell: a word that it does not name has none.
    #[must_use]
    pub fn names_of(&self, wanted: &BTreeSet<Feature>) -> BTreeMap<Feature, String> {
        let of = |attribute: &Attribute| {
            let mut known = Vec::new();
            for value in values(attribute) {
                for_each_bin(attribute, &value, &mut |bin| {
                    known.push((feature(attribute, bin), named(attribute, bin)))
                });
            }
            known
        };
        let learned = self.attributes.iter().filter(|attribute| attribute.learn);
        let mut names: BTreeMap<Feature, String> =
            learned.flat_map(of).filter(|(feature, _)| wanted.contains(feature)).collect();
        if wanted.contains(&bias()) {
            names.insert(bias(), ANYBODY.to_owned());
        }
        let attribute = |slot: &usize| self.attributes.get(*slot).map(of).unwrap_or_default();
        for [left, right] in &self.crosses {
            let (left, right) = (attribute(left), attribute(right));
            for (left, left_name) in &left {
                for (right, right_name) in &right {
                    let both = crossed(*left, *right);
                    if wanted.contains(&both) {
                        names.insert(both, named_together(left_name, right_name));
                    }
                }
            }
        }
        names
    }
}

fn named(attribute: &Attribute, bin: &str) -> String {
    format!("{} {bin}", attribute.name)
}

fn named_together(left: &str, right: &str) -> String {
    format!("{left} and {right}")
}

/// The features of one attribute: those that its configuration knows, and how to make the others.
#[derive(Clone, Debug)]
pub(crate) struct Bins {
    learn: bool,
    edges: Vec<f64>,
    /// By what [`Bins::push`] looks for; the last is *missing*.
    known: Vec<Feature>,
    prefix: NamePrefix,
}

impl Bins {
    pub(crate) fn new(attribute: &Attribute) -> Self {
        let mut known = Vec::new();
        let wordless = Attribute { words: Vec::new(), ..attribute.clone() };
        for value in values(&wordless) {
            for_each_bin(attribute, &value, &mut |bin| known.push(feature(attribute, bin)));
        }
        Self {
            learn: attribute.learn,
            edges: attribute.bins.clone(),
            known,
            prefix: NamePrefix::new(&[b"fact", attribute.name.as_bytes()]),
        }
    }

    /// Adds the features of a value; the same as by name, without making the names.
    fn push(&self, value: &Value, features: &mut Vec<Feature>) {
        if !self.learn {
            return;
        }
        let known = match value {
            Value::Text(text) => return features.push(self.prefix.hash(&[b"= ", text.as_bytes()]) as Feature),
            Value::Set(words) if !words.is_empty() => {
                let members = words.iter().take(SET_MEMBERS);
                return features.extend(members.map(|word| self.prefix.hash(&[b"has ", word.as_bytes()]) as Feature));
            }
            Value::Missing => self.known.last(),
            Value::Bool(flag) => self.known.get(usize::from(*flag)),
            Value::Number(number) => self.known.get(self.edges.partition_point(|edge| edge <= number)),
            Value::Date(_) | Value::Point(_) | Value::Set(_) => self.known.first(),
        };
        features.extend(known);
    }
}

/// A value for each bin of an attribute that the configuration knows of.
fn values(attribute: &Attribute) -> Vec<Value> {
    let words = || attribute.words.iter();
    let mut values = match attribute.kind {
        AttributeKind::Bool => vec![Value::Bool(false), Value::Bool(true)],
        AttributeKind::Number => {
            let edges = attribute.bins.iter().copied();
            [f64::NEG_INFINITY].into_iter().chain(edges).map(Value::Number).collect()
        }
        AttributeKind::Text => words().cloned().map(Value::Text).collect(),
        AttributeKind::Set => {
            [Vec::new()].into_iter().chain(words().map(|word| vec![word.clone()])).map(Value::Set).collect()
        }
        // Either is only known.
        AttributeKind::Date | AttributeKind::Point => vec![Value::Date(0)],
    };
    values.push(Value::Missing);
    values
}

fn for_each_bin(attribute: &Attribute, value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::Missing => each("is missing"),
        Value::Bool(flag) => each(if *flag { "= yes" } else { "= no" }),
        Value::Text(text) => each(&format!("= {text}")),
        // A moment or a place repeats for nobody else; what follows from them is for rules.
        Value::Date(_) | Value::Point(_) => each("is known"),
        Value::Number(number) => each(&bin(&attribute.bins, *number)),
        Value::Set(words) if words.is_empty() => each("is empty"),
        Value::Set(words) => words.iter().take(SET_MEMBERS).for_each(|word| each(&format!("has {word}"))),
    }
}

/// Two facts together.
fn crossed(left: Feature, right: Feature) -> Feature {
    hash(&[b"cross", &left.to_le_bytes(), &right.to_le_bytes()])
}

fn feature(attribute: &Attribute, bin: &str) -> Feature {
    hash(&[b"fact", attribute.name.as_bytes(), bin.as_bytes()])
}

/// The bin of a number in words, such as `25 to 35`; the lower edge belongs to the bin.
fn bin(edges: &[f64], number: f64) -> String {
    let above = edges.partition_point(|edge| *edge <= number);
    let low = above.checked_sub(1).and_then(|at| edges.get(at));
    match (low, edges.get(above)) {
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("{low} and more"),
        (None, Some(high)) => format!("below {high}"),
        (None, None) => "is known".to_owned(),
    }
}

fn hash(parts: &[&[u8]]) -> Feature {
    name_hash(parts) as Feature
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn what_the_configuration_knows_has_a_name() {
        let attributes = json!([
            { "name": "topic", "type": "text", "source": "context", "words": ["savings", "loans"] },
            { "name": "age", "type": "number", "source": "context", "bins": [25.0, 60.0] },
            { "name": "products", "type": "set", "source": "context", "words": ["card"] },
            { "name": "student", "type": "bool", "source": "context" },
            { "name": "since", "type": "date", "source": "context" },
            { "name": "home", "type": "point", "source": "context" },
            { "name": "secret", "type": "bool", "source": "context", "learn": false },
        ]);
        let crosses = [["topic", "age"], ["student", "products"]].map(|pair| pair.map(str::to_owned)).to_vec();
        let config = Config { attributes: serde_json::from_value(attributes).unwrap(), crosses, ..Config::default() };
        let policy = Policy::compile(&config).0;
        let home = json!({ "lat": 51.5, "lon": -0.1 });
        let mut visitors = vec![json!({ "since": "2026-01-01", "home": home })];
        for topic in [json!(null), json!("savings"), json!("loans")] {
            for age in [json!(null), json!(24), json!(25), json!(99)] {
                visitors.push(json!({ "topic": topic, "age": age }));
            }
        }
        for student in [json!(null), json!(true), json!(false)] {
            for products in [json!(null), json!([]), json!(["card"])] {
                visitors.push(json!({ "student": student, "products": products }));
            }
        }
        let mut met = BTreeMap::new();
        for visitor in visitors {
            let slots: Vec<Value> = config
                .attributes
                .iter()
                .map(|attribute| {
                    visitor.get(&attribute.name).map_or(Value::Missing, |fact| Value::from_json(attribute.kind, fact))
                })
                .collect();
            let (features, names) = (policy.features(&slots), policy.feature_names(&slots));
            assert_eq!(features.len(), names.len());
            met.extend(features.into_iter().zip(names));
        }
        let all: BTreeSet<Feature> = met.keys().copied().collect();
        assert_eq!(policy.names_of(&all), met, "made with its name and without");
        assert!(met.values().any(|name| name == "topic = loans and age 25 to 60"));
        let one = *all.first().unwrap();
        assert_eq!(policy.names_of(&BTreeSet::from([one])).into_keys().collect::<Vec<_>>(), [one]);
        let unknown = policy.features(&[Value::Text("cards".into())]);
        assert!(policy.names_of(&BTreeSet::from([unknown[1]])).is_empty());
    }

    #[test]
    fn bins_include_their_lower_edge() {
        let check = |number, expect: &str| assert_eq!(bin(&[25.0, 35.0], number), expect);
        check(24.9, "below 25");
        check(25.0, "25 to 35");
        check(35.0, "35 and more");
        assert_eq!(bin(&[], 3.0), "is known");
    }
}
