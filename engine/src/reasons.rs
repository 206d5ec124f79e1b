//! Why an offer was chosen, for whoever sees it: which kinds of facts spoke for it, from the record that travels with it.

use crate::config::Attribute;
use crate::features::Feature;
use crate::model::{Block, Model};
use crate::policy::Policy;

/// Least part of the logit that counts as a reason: below it, odds move by less than a twentieth.
const LEAST_WEIGHT: f64 = 0.05;

/// A kind of fact that spoke for an offer.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// The kind of fact.
    pub attribute: &'a Attribute,
    /// Its part of the logit of a first answer, by what is believed today; positive.
    pub weight: f64,
}

impl Policy {
    /// What spoke for an offer, strongest first, as [`explain`](crate::explain()) would name it: of the features with which it was
    /// chosen, those that the configuration knows by name and whose weights, the offer's and its group's, are for it. What
    /// was missing is no reason.
    #[must_use]
    pub fn reasons(&self, model: &Model, offer: &str, features: &[Feature]) -> Vec<Reason<'_>> {
        let Some(offer) = self.offers.iter().find(|known| known.id == offer) else {
            return Vec::new();
        };
        let blocks = [Block::offer(&self.model.priors, offer, 0), Block::group(self, offer.group, 0)];
        let rows = blocks.map(|block| model.row(block));
        let weight = |feature: Feature| {
            let place = features.contains(&feature).then(|| model.place(feature)).flatten()?;
            Some(rows.iter().flatten().map(|row| row.mean(place)).sum::<f64>())
        };
        let of = |attribute| {
            let weight = Self::known_features(attribute).into_iter().filter_map(weight).sum();
            Reason { attribute, weight }
        };
        let mut reasons: Vec<Reason<'_>> = self.attributes.iter().filter(|attribute| attribute.learn).map(of).collect();
        reasons.retain(|reason| reason.weight >= LEAST_WEIGHT);
        reasons.sort_by(|left, right| right.weight.total_cmp(&left.weight));
        reasons
    }
}
