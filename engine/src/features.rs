//! Facts as features: each known or missing fact becomes a hashed bin that the models have a weight for.

use crate::config::Attribute;
use crate::facts::Value;
use crate::policy::Policy;
use crate::random::name_hash;

/// A hashed bin of one fact.
pub type Feature = u32;

/// Members of a set that become features; a longer set says little by its tail.
const SET_MEMBERS: usize = 8;

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
        let mut features = vec![bias()];
        self.for_each_bin(slots, |attribute, bin| {
            features.push(hash(&[b"fact", attribute.name.as_bytes(), bin.as_bytes()]));
        });
        features
    }

    /// The same features in words, in the same order.
    pub(crate) fn feature_names(&self, slots: &[Value]) -> Vec<String> {
        let mut names = vec!["any visitor".to_owned()];
        self.for_each_bin(slots, |attribute, bin| names.push(format!("{} {bin}", attribute.name)));
        names
    }

    fn for_each_bin(&self, slots: &[Value], mut each: impl FnMut(&Attribute, &str)) {
        for (attribute, value) in self.attributes.iter().zip(slots).filter(|(attribute, _)| attribute.learn) {
            match value {
                Value::Missing => each(attribute, "is missing"),
                Value::Bool(flag) => each(attribute, if *flag { "= yes" } else { "= no" }),
                Value::Text(text) => each(attribute, &format!("= {text}")),
                // A moment or a place repeats for nobody else; what follows from them is for rules.
                Value::Date(_) | Value::Point(_) => each(attribute, "is known"),
                Value::Number(number) => each(attribute, &bin(&attribute.bins, *number)),
                Value::Set(words) if words.is_empty() => each(attribute, "is empty"),
                Value::Set(words) => {
                    words.iter().take(SET_MEMBERS).for_each(|word| each(attribute, &format!("has {word}")));
                }
            }
        }
    }
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
mod tests {
    use super::*;

    #[test]
    fn bins_include_their_lower_edge() {
        let check = |number, expect: &str| assert_eq!(bin(&[25.0, 35.0], number), expect);
        check(24.9, "below 25");
        check(25.0, "25 to 35");
        check(35.0, "35 and more");
        assert_eq!(bin(&[], 3.0), "is known");
    }
}
