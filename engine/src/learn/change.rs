//! A changed world: answers that keep falling short of their promise.
//!
//! Page's cumulative sum (Page 1954) of the log-likelihood ratio of "answers come at half the promised rate" against "as
//! promised", rare answers taken for Poisson: a promise p adds p·r·(1 − ½), an answer adds ln ½, and the sum never
//! falls below 0. It is kept for all offers together, and for each by itself. Here r is the part of their promises that
//! answers have kept in the long run, at most 1: a policy that chooses by promise is disappointed a little on average.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The rate of answers, as a part of the promised, that is looked for.
const FALLEN_TO: f64 = 0.5;
/// How firmly promises are taken to be kept in the beginning, in answers.
const KEPT_AT_FIRST: f64 = 20.0;
/// Answers after which older ones count half.
const REMEMBERED: f64 = 20_000.0;
/// Changes that are remembered.
const MOST_FOUND: usize = 32;
/// Offers that are watched.
const MOST_OFFERS: usize = 2_000;

/// What is watched, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    all: Sum,
    offers: BTreeMap<u64, Sum>,
    found: Vec<Change>,
}

/// The world was found changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The offer whose answers fell; none where all of them together did.
    pub offer: Option<String>,
}

/// When a sum is worth looking at, and when it says that the world has changed.
struct Limits {
    /// Answers before anything is looked for: a young model promises too much.
    least_answers: f64,
    /// ln of how much likelier the evidence is in a changed world.
    enough: f64,
}

const OF_ALL: Limits = Limits { least_answers: 100.0, enough: 12.0 };
const OF_AN_OFFER: Limits = Limits { least_answers: 20.0, enough: 8.0 };

/// The sum, and how many answers there were to be and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    sum: f64,
    promised: f64,
    reached: f64,
}

impl Sum {
    /// Takes in a promise when its showing was seen, or the answer that kept it. Says whether the world has changed.
    fn sees(&mut self, limits: &Limits, promise: f64, answered: bool) -> bool {
        if self.reached >= REMEMBERED {
            (self.promised, self.reached) = (self.promised / 2.0, self.reached / 2.0);
        }
        if answered {
            self.reached += 1.0;
            self.sum = (self.sum + libm::log(FALLEN_TO)).max(0.0);
            return false;
        }
        self.promised += promise;
        if self.reached < limits.least_answers {
            return false;
        }
        let kept = ((self.reached + KEPT_AT_FIRST) / (self.promised + KEPT_AT_FIRST)).min(1.0);
        self.sum += promise * kept * (1.0 - FALLEN_TO);
        let changed = self.sum >= limits.enough;
        if changed {
            self.sum = 0.0;
        }
        changed
    }
}

impl Watch {
    /// Takes in what an offer promised when it was seen, or the answer that kept the promise. Says what has changed:
    /// everything, or the offer.
    pub(super) fn sees(&mut self, offer: (u64, &str), promise: f64, answered: bool, now_ms: u64) -> Option<Changed> {
        // What is no probability says nothing.
        if !(promise > 0.0 && promise < 1.0) {
            return None;
        }
        let (key, id) = offer;
        let everything = self.all.sees(&OF_ALL, promise, answered);
        let room = self.offers.len() < MOST_OFFERS || self.offers.contains_key(&key);
        let own = room && self.offers.entry(key).or_default().sees(&OF_AN_OFFER, promise, answered);
        let changed = match (everything, own) {
            (true, _) => Changed::Everything,
            (false, true) => Changed::Offer,
            (false, false) => return None,
        };
        if self.found.len() >= MOST_FOUND {
            self.found.remove(0);
        }
        self.found.push(Change { at_ms: now_ms, offer: (changed == Changed::Offer).then(|| id.to_owned()) });
        Some(changed)
    }

    pub(super) fn found(&self) -> &[Change] {
        &self.found
    }
}

/// How much has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Everything,
    Offer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    /// Showings of some offers in turn with a promise of 4 %, kept at a rate of its own for each showing and offer; the
    /// numbers of the showings at which a change was found, and of what.
    fn found(seed: u64, offers: u64, showings: u32, rate: impl Fn(u32, u64) -> f64) -> Vec<(u32, Changed)> {
        let (mut watch, mut found) = (Watch::default(), Vec::new());
        for at in 0..showings {
            let offer = u64::from(at) % offers;
            found.extend(watch.sees((offer, "offer"), 0.04, false, u64::from(at)).map(|changed| (at, changed)));
            if Seed(seed).uniform(0, at) < rate(at, offer) {
                assert_eq!(watch.sees((offer, "offer"), 0.04, true, u64::from(at)), None);
            }
        }
        assert_eq!(watch.found().len(), found.len().min(MOST_FOUND));
        found
    }

    #[test]
    fn a_fall_of_answers_is_found_soon_and_chance_is_not() {
        let mut by_chance = 0;
        for seed in 0..20 {
            // Kept, and a little disappointed all the time, which is no change.
            for rate in [0.04, 0.034] {
                let found = found(seed, 4, 50_000, |_, _| rate);
                assert!(found.iter().all(|(_, what)| *what == Changed::Offer), "seed {seed}: {found:?}");
                by_chance += found.len();
            }
            let changed = found(seed, 4, 30_000, |at, _| if at < 20_000 { 0.04 } else { 0.015 });
            let first = changed.iter().find(|(_, what)| *what == Changed::Everything);
            assert!(first.is_some_and(|(at, _)| (20_000..24_000).contains(at)), "seed {seed}: {changed:?}");
        }
        assert!(by_chance <= 4, "{by_chance} in 74,000 answers");
    }

    #[test]
    fn an_offer_that_falls_by_itself_is_told_from_the_others() {
        let mut by_chance = 0;
        for seed in 0..20 {
            let found = found(seed, 4, 40_000, |at, offer| if at >= 20_000 && offer == 2 { 0.012 } else { 0.04 });
            assert!(found.iter().all(|(_, what)| *what == Changed::Offer), "seed {seed}: {found:?}");
            let (own, others): (Vec<_>, Vec<_>) = found.iter().partition(|(at, _)| at % 4 == 2);
            assert!(own.first().is_some_and(|(at, _)| (20_000..30_000).contains(at)), "seed {seed}: {found:?}");
            by_chance += others.len();
        }
        assert!(by_chance <= 2, "{by_chance} in 28,000 answers");
    }

    #[test]
    fn a_young_model_is_not_watched() {
        assert!(found(1, 1, 450, |_, _| 0.02).is_empty());
    }

    #[test]
    fn what_is_no_probability_is_passed_over() {
        let mut watch = Watch::default();
        for promise in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(watch.sees((1, "offer"), promise, false, 1), None);
            assert_eq!(watch.sees((1, "offer"), promise, true, 1), None);
        }
        assert_eq!(watch, Watch::default());
    }
}
