//! How often each fact went with each answer: counts beside the model, by offer, stage and feature.
//!
//! They are whole numbers with forward decay (see [`Clock`]): from one landmark to the next any order of the same rows gives
//! the same counts, and counts of parts of the record add up exactly. They say in reports which facts go with an offer's success, without the
//! model's view of it, and they can stand in for a model: see [`Frequencies::model`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decay::Clock;
use crate::features::Feature;
use crate::model::{Block, Cell, Model, sigmoid};
use crate::policy::{OfferPolicy, Policy};

/// An answer at the landmark: weights are rounded to such parts of it.
const ONE: f64 = 64.0;
/// Offers that are counted; 1,000 live ones and as many that are no longer offered.
const MOST_OFFERS: usize = 2_000;
/// Answers that are taken for granted before a fact is believed to matter: it starts out as frequent among the answers
/// as among all.
const SMOOTHING: f64 = 8.0;
/// Facts in a report.
const REPORTED: usize = 24;

/// Counts with forward decay by offer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frequencies {
    clock: Clock,
    /// By offer key, what happened (0: seen, s + 1: stage s reached), and the feature's place.
    offers: BTreeMap<u64, Vec<Vec<u64>>>,
}

/// How an offer did at a stage, by fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Associations {
    /// Showings that could have reached the stage, as far as they are remembered.
    pub open: f64,
    /// Those that did.
    pub reached: f64,
    /// The facts that go with it most clearly, the clearest first.
    pub facts: Vec<Association>,
}

/// What went with a fact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Association {
    /// The fact.
    pub feature: Feature,
    /// Showings to visitors with the fact, as far as they are remembered.
    pub open: f64,
    /// Those that reached the stage.
    pub reached: f64,
    /// Standard deviations by which their rate is above the rate among the other visitors (pooled two-proportion z).
    /// It goes with the fact; whether because of it, counts cannot tell.
    pub z: f64,
}

impl Frequencies {
    /// Counts a showing that was seen (0) or has reached stage s (s + 1), at the places of its features.
    pub(crate) fn count(&mut self, policy: &Policy, offer: u64, what: usize, places: &[usize], at_ms: u64) {
        self.change(policy, offer, what, places, at_ms, u64::saturating_add);
    }

    /// Takes a count back, with the weight of the moment.
    pub(crate) fn uncount(&mut self, policy: &Policy, offer: u64, what: usize, places: &[usize], at_ms: u64) {
        self.change(policy, offer, what, places, at_ms, u64::saturating_sub);
    }

    fn change(
        &mut self,
        policy: &Policy,
        offer: u64,
        what: usize,
        places: &[usize],
        at_ms: u64,
        change: fn(u64, u64) -> u64,
    ) {
        if self.offers.len() >= MOST_OFFERS && !self.offers.contains_key(&offer) {
            return;
        }
        let half_life_ms = policy.stages.first().and_then(|stage| stage.half_life_ms).unwrap_or(f64::INFINITY);
        let (weight, moved) = self.clock.weigh(at_ms, half_life_ms);
        if let Some(factor) = moved {
            self.fade(factor);
        }
        let weight = libm::round(weight * ONE) as u64;
        let columns = self.offers.entry(offer).or_default();
        if columns.len() <= what {
            columns.resize(what + 1, Vec::new());
        }
        let (Some(column), Some(last)) = (columns.get_mut(what), places.iter().max()) else { return };
        if column.len() <= *last {
            column.resize(last + 1, 0);
        }
        for place in places {
            if let Some(count) = column.get_mut(*place) {
                *count = change(*count, weight);
            }
        }
    }

    fn fade(&mut self, factor: f64) {
        for column in self.offers.values_mut().flatten() {
            column.iter_mut().for_each(|count| *count = libm::round(*count as f64 * factor) as u64);
        }
        self.offers.retain(|_, columns| columns.iter().flatten().any(|count| *count > 0));
    }

    /// Open and reached showings of an offer at a stage, by place; all of them at the bias's, 0.
    fn at(&self, offer: &OfferPolicy, stage: usize) -> impl Fn(usize) -> (f64, f64) {
        let columns = self.offers.get(&offer.key).map_or(&[][..], |columns| columns);
        let factor = self.clock.factor() / ONE;
        move |place| {
            let count = |what: usize| columns.get(what).and_then(|column| column.get(place)).copied().unwrap_or(0);
            let (open, reached) = (count(stage) as f64 * factor, count(stage + 1) as f64 * factor);
            // Young answers may weigh more than the old showings that they belong to.
            (open.max(reached), reached)
        }
    }

    pub(crate) fn associations(&self, model: &Model, offer: &OfferPolicy, stage: usize) -> Associations {
        let at = self.at(offer, stage);
        let (open, reached) = at(0);
        let compare = |(place, feature): (usize, &Feature)| {
            let (with, reached_with) = at(place);
            let (without, reached_without) = (open - with, reached - reached_with);
            let pooled = reached / open;
            let error = libm::sqrt(pooled * (1.0 - pooled) * (1.0 / with + 1.0 / without));
            let z = (reached_with / with - reached_without / without) / error;
            z.is_finite().then_some(Association { feature: *feature, open: with, reached: reached_with, z })
        };
        let mut facts: Vec<Association> = model.features().enumerate().skip(1).filter_map(compare).collect();
        facts.sort_by(|left, right| right.z.abs().total_cmp(&left.z.abs()));
        facts.truncate(REPORTED);
        Associations { open, reached, facts }
    }

    /// What the counts say, in the form of a model: naive Bayes, each offer for itself. With k of n open showings
    /// reached, and k_i of n_i among visitors with fact i, the logit is
    ///
    /// ```text
    /// ln (k + 1)/(n − k + 1/r − 1)  +  Σ_i ln [(k_i + c·n_i/n)/(k + c)] / [(n_i − k_i + c·n_i/n)/(n − k + c)]
    /// ```
    ///
    /// r being the rate that was expected beforehand and c = 8. It treats facts as independent, so it learns less well than the
    /// model, but it is nothing but counts: there is no step in it that could go wrong.
    pub(crate) fn model(&self, policy: &Policy, of: &Model) -> Model {
        let mut model = of.without_weights();
        let places = model.places();
        for offer in &policy.offers {
            for (stage, of) in policy.stages.iter().enumerate() {
                let at = self.at(offer, stage);
                let (open, reached) = at(0);
                if open <= 0.0 {
                    continue;
                }
                let offset = offer.offset(stage, of);
                let expected = sigmoid(offset);
                let rate = (reached + 1.0) / (open + 1.0 / expected);
                let certain = rate * (1.0 - rate);
                let cell = |place| {
                    let (open_with, reached_with) = at(place);
                    let share = SMOOTHING * open_with / open;
                    let among_reached = (reached_with + share) / (reached + SMOOTHING);
                    let among_others = (open_with - reached_with + share) / (open - reached + SMOOTHING);
                    let mean = match place {
                        0 => libm::log(rate / (1.0 - rate)) - offset,
                        _ if open_with > 0.0 => libm::log(among_reached / among_others),
                        _ => 0.0,
                    };
                    Cell { mean: mean as f32, evidence: (open_with * certain) as f32 }
                };
                model.set_row(Block::offer(&policy.model.priors, offer, stage), (0..places).map(cell).collect());
            }
        }
        model
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Arm, Learner, Observation, Place, Progress, Step};

    const DAY_MS: u64 = 86_400_000;

    fn policy(half_life_days: Option<f64>) -> Policy {
        let config = json!({
            "attributes": [{ "name": "topic", "type": "text", "source": "context" }],
            "stages": [{ "id": "click" }], "kpis": [{ "id": "value", "weight": 1.0 }], "groups": [{ "id": "all" }],
            "offers": [{ "id": "a", "group": "all" }, { "id": "b", "group": "all" }], "placements": [],
            "model": { "half_life_days": half_life_days },
        });
        Policy::compile(&serde_json::from_value(config).unwrap()).0
    }

    /// A showing to a visitor with facts 1 to 3, and its click.
    fn show(learner: &mut Learner, policy: &Policy, offer: &str, fact: u32, clicks: bool, at_ms: u64) {
        let mut row = Observation {
            showing: at_ms ^ u64::from(fact),
            offer: offer.into(),
            placement: "hero".into(),
            rank: 1,
            channel: "web".into(),
            arm: Arm::Model,
            features: vec![crate::features::bias(), fact],
            promised: vec![],
            compared: None,
            entrant: None,
            step: Step::Impression,
            before: Progress::default(),
            impression: None,
            since_ms: None,
            place: Place { shard: 0, seq: 1 },
            at_ms,
        };
        learner.fold(policy, &row);
        if clicks {
            (row.before, row.step) = (row.before.after(row.step), Step::Stage(0));
            learner.fold(policy, &row);
        }
    }

    /// Offer a is clicked by every fifth visitor with fact 1 and by every fiftieth other.
    fn taught(policy: &Policy) -> Learner {
        let mut learner = Learner::default();
        for at in 0..3_000 {
            let fact = (at % 3) as u32 + 1;
            show(&mut learner, policy, "a", fact, (at / 3) % if fact == 1 { 5 } else { 50 } == 0, DAY_MS + at);
        }
        learner
    }

    #[test]
    fn what_goes_with_answers_is_found() {
        let policy = policy(None);
        let learner = taught(&policy);
        let found = learner.associations(&policy, "a", 0).unwrap();
        assert_eq!((found.open, found.reached), (3_000.0, 240.0));
        let first = found.facts[0];
        assert_eq!((first.feature, first.open, first.reached), (1, 1_000.0, 200.0));
        // (0.2 - 0.02) / sqrt(0.08 * 0.92 * (1/1000 + 1/2000)).
        assert!((first.z - 17.131).abs() < 0.001, "{}", first.z);
        assert!(found.facts.iter().skip(1).all(|fact| fact.z < 0.0), "{found:?}");
        let none = learner.associations(&policy, "b", 0).unwrap();
        assert_eq!((none.open, none.facts.len()), (0.0, 0));
        assert_eq!(learner.associations(&policy, "nobody's", 0), None);
        assert_eq!(learner.associations(&policy, "a", 1), None);
    }

    #[test]
    fn old_answers_count_less_by_the_half_life() {
        let policy = policy(Some(7.0));
        let mut learner = Learner::default();
        show(&mut learner, &policy, "a", 1, true, DAY_MS);
        show(&mut learner, &policy, "a", 2, false, 8 * DAY_MS);
        let found = learner.associations(&policy, "a", 0).unwrap();
        assert_eq!((found.open, found.reached), (1.5, 0.5));
        // After more than a landmark lasts, nothing of them is left.
        show(&mut learner, &policy, "b", 2, false, 1_000 * DAY_MS);
        assert_eq!(learner.associations(&policy, "a", 0).unwrap().open, 0.0);
    }

    #[test]
    fn a_model_that_is_damaged_is_replaced_by_what_was_counted() {
        let policy = policy(None);
        let mut learner = taught(&policy);
        let sound = learner.usable_model(&policy).into_owned();
        assert_eq!(sound, learner.model);
        let broken = Block::offer(&policy.model.priors, &policy.offers[0], 0);
        learner.model.set_row(broken, vec![Cell { mean: f32::NAN, evidence: 1.0 }]);
        let replaced = learner.usable_model(&policy).into_owned();
        assert_eq!(replaced, learner.fallback(&policy));
        let replaced = Model::decode(&replaced.encode_compact()).unwrap();
        assert_eq!(replaced.counted(policy.offers[0].key, 0), 3_000);
        let predictor = crate::Predictor::new(&policy, replaced);
        let rate = |offer: usize, fact| {
            let mean = predictor.beliefs(0, 1, &[crate::features::bias(), fact])[0].of(offer).mean;
            sigmoid(policy.offers[offer].offset(0, &policy.stages[0]) + mean)
        };
        assert!((rate(0, 1) - 0.2).abs() < 0.01, "{}", rate(0, 1));
        assert!((rate(0, 2) - 0.02).abs() < 0.01, "{}", rate(0, 2));
        assert!((rate(1, 1) - 0.02).abs() < 1e-6, "what was never shown is as expected: {}", rate(1, 1));
    }

    proptest! {
        #[test]
        fn counts_do_not_depend_on_the_order(
            rows in prop::collection::vec((0_usize..3, prop::collection::vec(0_usize..9, 1..4), 0_u64..50), 1..60),
        ) {
            let policy = policy(Some(7.0));
            let count = |rows: &[(usize, Vec<usize>, u64)]| {
                let mut counts = Frequencies::default();
                counts.count(&policy, 1, 0, &[0], DAY_MS);
                rows.iter().for_each(|(what, places, day)| {
                    counts.count(&policy, 1, *what, places, DAY_MS + day * DAY_MS);
                });
                counts
            };
            let backwards: Vec<_> = rows.iter().rev().cloned().collect();
            let (mut one, mut other) = (count(&rows), count(&backwards));
            one.clock.weigh(60 * DAY_MS, 7.0 * DAY_MS as f64);
            other.clock.weigh(60 * DAY_MS, 7.0 * DAY_MS as f64);
            prop_assert_eq!(one, other);
        }
    }
}
