//! A changed world: answers that keep falling short of their promise.
//!
//! Page's cumulative sum (Page 1954) of the log-likelihood ratio of "answers come at half the promised rate" against "as
//! promised", rare answers taken for Poisson: a promise p adds p·r·(1 − ½), an answer adds ln ½, and the sum never
//! falls below 0. Here r is the part of their promises that answers have kept in the long run, at most 1: a policy that
//! chooses by promise is disappointed a little on average.

use serde::{Deserialize, Serialize};

/// The rate of answers, as a part of the promised, that is looked for.
const FALLEN_TO: f64 = 0.5;
/// Where the sum says that the world has changed: such evidence is e^12 times likelier in a changed world.
const ENOUGH: f64 = 12.0;
/// Answers before anything is looked for: a young model promises too much.
const LEAST_ANSWERS: f64 = 100.0;
/// How firmly promises are taken to be kept in the beginning, in answers.
const KEPT_AT_FIRST: f64 = 20.0;
/// Changes that are remembered.
const MOST_FOUND: usize = 16;

/// The sum, and what it has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    sum: f64,
    found_ms: Vec<u64>,
}

impl Watch {
    /// Takes in a promise when its showing was seen, or the answer that kept it. `promised` and `reached` are how many
    /// answers were to be expected in the long run and how many came. Says whether the world has changed.
    pub(super) fn sees(&mut self, promise: f64, answered: bool, promised: f64, reached: f64, now_ms: u64) -> bool {
        // What is no probability says nothing.
        if !(promise > 0.0 && promise < 1.0) || reached < LEAST_ANSWERS {
            return false;
        }
        if answered {
            self.sum = (self.sum + libm::log(FALLEN_TO)).max(0.0);
            return false;
        }
        let kept = ((reached + KEPT_AT_FIRST) / (promised + KEPT_AT_FIRST)).min(1.0);
        self.sum += promise * kept * (1.0 - FALLEN_TO);
        if self.sum < ENOUGH {
            return false;
        }
        self.sum = 0.0;
        if self.found_ms.len() >= MOST_FOUND {
            self.found_ms.remove(0);
        }
        self.found_ms.push(now_ms);
        true
    }

    pub(super) fn found_ms(&self) -> &[u64] {
        &self.found_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    /// Showings with a promise of 4 %, kept at a rate of its own for each; the numbers of those at which a change was found.
    fn found(seed: u64, showings: u32, rate: impl Fn(u32) -> f64) -> Vec<u32> {
        let (mut watch, mut found, mut promised, mut reached) = (Watch::default(), Vec::new(), 0.0, 0.0);
        for at in 0..showings {
            promised += 0.04;
            if watch.sees(0.04, false, promised, reached, u64::from(at)) {
                found.push(at);
            }
            if Seed(seed).uniform(0, at) < rate(at) {
                reached += 1.0;
                watch.sees(0.04, true, promised, reached, u64::from(at));
            }
        }
        assert_eq!(watch.found_ms().len(), found.len().min(MOST_FOUND));
        found
    }

    #[test]
    fn a_fall_of_answers_is_found_soon_and_chance_is_not() {
        for seed in 0..20 {
            let steady = found(seed, 50_000, |_| 0.04);
            assert!(steady.is_empty(), "seed {seed}: {steady:?}");
            let disappointed = found(seed, 50_000, |_| 0.034);
            assert!(disappointed.is_empty(), "seed {seed}: a little less all the time is no change: {disappointed:?}");
            let changed = found(seed, 30_000, |at| if at < 20_000 { 0.04 } else { 0.015 });
            assert!(changed.first().is_some_and(|at| (20_000..24_000).contains(at)), "seed {seed}: {changed:?}");
        }
    }

    #[test]
    fn a_young_model_is_not_watched() {
        assert!(found(1, 4_000, |_| 0.02).is_empty());
    }
}
