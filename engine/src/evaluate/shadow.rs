//! A candidate configuration in shadow: decided for every visitor, shown to nobody.
//!
//! What each of two policies would earn is told from explorers: they are shown an eligible offer at random, with the known
//! probability p, so where a policy would have put that very offer, its answer weighs 1/p (Li et al. 2011, "Unbiased
//! offline evaluation of contextual-bandit-based news article recommendation algorithms"). Answers come late; each
//! explorer counts with what has come so far.

use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::mixture::boundary;
use super::sequence::{Interval, Level};
use crate::Arm;
use crate::policy::Policy;

/// How often the interval of a comparison may ever be wrong.
const LEVEL: f64 = 0.05;

/// Probabilities with which an offer may have come first by chance: as many offers cannot be configured.
const CHANCES: RangeInclusive<f64> = 1e-6..=1.0;
/// Beyond it, squares of rewards would not be numbers any more.
const MOST_REWARD: f64 = 1e100;

/// What was compared where an offer stood first in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The candidate's number.
    pub candidate: u64,
    /// Whether the candidate would have put the same offer there.
    pub by_candidate: bool,
    /// Whether the model of the live configuration would have.
    pub by_live: bool,
    /// Probability with which it was put there by chance; none where it was not.
    pub by_chance: Option<f64>,
}

/// A comparison of a candidate with the live configuration, from what explorers answered. What serde writes is a
/// checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    candidate: u64,
    shown: u64,
    same: u64,
    explored: u64,
    candidates: Weights,
    lives: Weights,
    /// Σ and Σ² of the weighed differences.
    sum: f64,
    squares: f64,
    /// No difference is larger.
    largest: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Weights {
    weight: f64,
    reward: f64,
}

/// What a shadow has shown so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowFigures {
    /// The candidate's number.
    pub candidate: u64,
    /// First ranks that the model's arm filled and visitors saw.
    pub shown: u64,
    /// Those in which the candidate would have put the same offer.
    pub same: u64,
    /// First ranks that were filled at random and seen.
    pub explored: u64,
    /// Value per first rank with the candidate's choice, in units of the weighed KPIs (SNIPS); none before explorers met
    /// such a choice.
    pub candidate_value: Option<f64>,
    /// The same with the live model's choice.
    pub live_value: Option<f64>,
    /// Between which values the difference of the two lies (candidate − live), with 95 % certainty at all looks
    /// together; none before the first explorer.
    pub difference: Option<Interval>,
}

impl Shadow {
    /// Where an offer was seen that had earned so much already. Another candidate's number begins another comparison.
    pub(crate) fn seen(&mut self, policy: &Policy, arm: Arm, compared: &Compared, reward: f64) {
        if compared.candidate > self.candidate {
            *self = Self { candidate: compared.candidate, largest: policy.largest_difference(), ..Self::default() };
        }
        if compared.candidate != self.candidate {
            return;
        }
        match (arm, compared.by_chance) {
            (Arm::Model, _) => {
                self.shown += 1;
                self.same += u64::from(compared.by_candidate);
            }
            (Arm::Explore, Some(chance)) if CHANCES.contains(&chance) => {
                self.explored += 1;
                for (weights, would) in self.by_each(compared) {
                    weights.weight += f64::from(u8::from(would)) / chance;
                }
                self.earned(arm, compared, 0.0, reward);
            }
            _ => {}
        }
    }

    /// An offer that was seen before has earned so much in all, where it had earned so much before.
    pub(crate) fn earned(&mut self, arm: Arm, compared: &Compared, before: f64, now: f64) {
        let Some(chance) = compared.by_chance.filter(|chance| CHANCES.contains(chance)) else { return };
        if arm != Arm::Explore || compared.candidate != self.candidate || before.abs().max(now.abs()) > MOST_REWARD {
            return;
        }
        for (weights, would) in self.by_each(compared) {
            weights.reward += f64::from(u8::from(would)) / chance * (now - before);
        }
        let weight = (f64::from(u8::from(compared.by_candidate)) - f64::from(u8::from(compared.by_live))) / chance;
        let (before, now) = (weight * before, weight * now);
        self.sum += now - before;
        self.squares += now * now - before * before;
        self.largest = self.largest.max(now.abs());
    }

    fn by_each(&mut self, compared: &Compared) -> [(&mut Weights, bool); 2] {
        [(&mut self.candidates, compared.by_candidate), (&mut self.lives, compared.by_live)]
    }

    /// The comparison with a candidate, if it is this one's.
    #[must_use]
    pub fn figures(&self, candidate: u64) -> Option<ShadowFigures> {
        let value = |weights: Weights| (weights.weight > 0.0).then(|| weights.reward / weights.weight);
        let difference = || {
            let (count, level) = (self.explored as f64, Level::new(LEVEL)?);
            let reach = boundary(self.squares, self.largest, level.log_threshold());
            Some(Interval { lower: (self.sum - reach) / count, upper: (self.sum + reach) / count })
        };
        (candidate == self.candidate).then(|| ShadowFigures {
            candidate,
            shown: self.shown,
            same: self.same,
            explored: self.explored,
            candidate_value: value(self.candidates),
            live_value: value(self.lives),
            difference: (self.explored > 0 && self.largest > 0.0 && self.largest.is_finite())
                .then(difference)
                .flatten(),
        })
    }
}

impl Policy {
    /// No explorer's weighed reward is larger: as many offers as there are, times what the best or worst brings.
    fn largest_difference(&self) -> f64 {
        let most = self.offers.iter().map(|offer| offer.most_worth(1.0).max(offer.most_worth(-1.0)));
        self.offers.len() as f64 * most.fold(0.0, f64::max)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::random::Seed;

    const OFFERS: u32 = 4;

    fn policy() -> Policy {
        let offer = |at| json!({ "id": format!("{at}"), "group": "all", "values": { "value": { "click": 1.0 } } });
        let config = json!({
            "attributes": [], "stages": [{ "id": "click" }], "kpis": [{ "id": "value", "weight": 1.0 }],
            "groups": [{ "id": "all" }], "offers": (0..OFFERS).map(offer).collect::<Vec<_>>(), "placements": [],
        });
        Policy::compile(&serde_json::from_value(config).unwrap()).0
    }

    /// Explorers of four offers, of which the first is clicked by `best` and the others by one in ten; the candidate always
    /// offers the first, the live model the one after `live`. Looked at after each hundred, until a difference is found.
    fn compare(seed: u64, explorers: u32, best: f64, live: u32) -> (ShadowFigures, bool) {
        let policy = policy();
        let mut shadow = Shadow::default();
        let mut found = false;
        for at in 0..explorers {
            let shown = (Seed(seed).uniform(1, at) * f64::from(OFFERS)) as u32;
            let compared = Compared {
                candidate: 7,
                by_candidate: shown == 0,
                by_live: shown == live,
                by_chance: Some(1.0 / f64::from(OFFERS)),
            };
            shadow.seen(&policy, Arm::Explore, &compared, 0.0);
            if Seed(seed).uniform(2, at) < if shown == 0 { best } else { 0.1 } {
                shadow.earned(Arm::Explore, &compared, 0.0, 1.0);
            }
            if at % 100 == 0 {
                let interval = shadow.figures(7).unwrap().difference.unwrap();
                found |= interval.lower > 0.0 || interval.upper < 0.0;
            }
        }
        (shadow.figures(7).unwrap(), found)
    }

    #[test]
    fn a_better_candidate_is_found_and_valued() {
        let (figures, found) = compare(1, 20_000, 0.2, 1);
        assert!(found);
        let near = |value: Option<f64>, expect: f64| value.is_some_and(|value| (value - expect).abs() < 0.01);
        assert!(near(figures.candidate_value, 0.2) && near(figures.live_value, 0.1), "{figures:?}");
        let interval = figures.difference.unwrap();
        assert!(interval.lower < 0.1 && interval.upper > 0.1, "{interval:?}");
    }

    #[test]
    fn without_a_difference_none_is_claimed_more_often_than_the_level_says() {
        let claims = (0..200).filter(|seed| compare(*seed, 5_000, 0.1, 1).1).count();
        assert!(claims <= 10, "{claims} of 200");
        let (same, found) = compare(1, 5_000, 0.1, 0);
        assert!(!found && same.candidate_value == same.live_value, "{same:?}");
    }

    #[test]
    fn only_what_chance_has_shown_is_weighed() {
        let policy = policy();
        let mut shadow = Shadow::default();
        let compared = Compared { candidate: 1, by_candidate: true, by_live: false, by_chance: None };
        shadow.seen(&policy, Arm::Model, &compared, 0.0);
        shadow.earned(Arm::Model, &compared, 0.0, 1.0);
        shadow.earned(Arm::Model, &Compared { by_chance: Some(0.5), ..compared }, 0.0, 1.0);
        for chance in [0.0, -1.0, 2.0, f64::NAN, f64::MIN_POSITIVE] {
            shadow.seen(&policy, Arm::Explore, &Compared { by_chance: Some(chance), ..compared }, 1.0);
        }
        let figures = shadow.figures(1).unwrap();
        assert_eq!((figures.shown, figures.same, figures.explored), (1, 1, 0));
        assert_eq!((figures.candidate_value, figures.difference), (None, None));
        assert_eq!(shadow.figures(2), None);
    }

    #[test]
    fn another_candidate_begins_anew_and_an_older_one_is_passed_over() {
        let policy = policy();
        let mut shadow = Shadow::default();
        let compared = |candidate| Compared { candidate, by_candidate: true, by_live: true, by_chance: Some(0.25) };
        for candidate in [1, 1, 2, 1] {
            shadow.seen(&policy, Arm::Explore, &compared(candidate), 0.0);
            shadow.earned(Arm::Explore, &compared(candidate), 0.0, 1.0);
        }
        let figures = shadow.figures(2).unwrap();
        assert_eq!((figures.explored, figures.candidate_value), (1, Some(1.0)));
    }
}
