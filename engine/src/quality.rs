//! How good the predictions are: what was promised when offers were chosen, against what came of them.
//!
//! Each showing of the model's arm brings the probabilities that it was chosen with. They are gathered in buckets of the
//! logit, by stage, as sums with forward decay (see [`Clock`]). From the buckets follow calibration (promised against
//! reached rate), AUC (how well the reached are ranked above the rest; Hanley and McNeil 1982), and a drift alarm: over a
//! short memory, how many standard deviations the answers are away from their promise.
//!
//! A slow stage's young showings count as not reached yet, so its rates run behind while traffic grows.

use serde::{Deserialize, Serialize};

use crate::decay::Clock;

/// Buckets of half a logit from -10 to 6: a rate of 0.005 % to one of 99.7 %.
const BUCKETS: usize = 32;
const LOWEST: f64 = -10.0;
const PER_LOGIT: f64 = 2.0;
/// Half-life of what is reported, and of the drift alarm.
const HALF_LIFE_MS: f64 = 7.0 * 86_400_000.0;
const RECENT_HALF_LIFE_MS: f64 = HALF_LIFE_MS / 56.0;
/// Standard deviations beyond which answers are no chance deviation from their promise, looked at again and again.
const ALARM: f64 = 5.0;
/// Responses promised or seen lately before there can be an alarm.
const ALARM_LEAST: f64 = 30.0;

/// Promises and answers, by stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    stages: Vec<Stage>,
    all: Clock,
    recent: Clock,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stage {
    buckets: Vec<Bucket>,
    recent: Recent,
}

impl Default for Stage {
    fn default() -> Self {
        Self { buckets: vec![Bucket::default(); BUCKETS], recent: Recent::default() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bucket {
    shown: f64,
    promised: f64,
    reached: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Recent {
    promised: f64,
    reached: f64,
    /// Σ w² p(1-p): the variance of the reached if the promises hold.
    variance: f64,
}

/// What the buckets say of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageQuality {
    /// Showings that could have reached it, as far as they are remembered.
    pub shown: f64,
    /// How many were to be expected to reach it by what was promised.
    pub promised: f64,
    /// How many did.
    pub reached: f64,
    /// Probability that one that reached it was promised more than one that did not; none before there are both.
    pub auc: Option<f64>,
    /// Promised and reached rates, from the lowest promise to the highest.
    pub calibration: Vec<Calibration>,
    /// Standard deviations by which recent answers exceed their promise; beyond 5 either way the model is off.
    pub drift: f64,
    /// Whether that is an alarm.
    pub alarm: bool,
}

/// Showings with about the same promise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Showings, as far as they are remembered.
    pub shown: f64,
    /// Mean probability that was promised.
    pub promised: f64,
    /// Share that reached the stage.
    pub reached: f64,
}

impl Quality {
    /// A showing can reach a stage, and `promise` says with which probability.
    pub(crate) fn open(&mut self, stage: usize, promise: f32, at_ms: u64) {
        self.count(stage, promise, at_ms, |bucket, recently, p, (all, recent)| {
            bucket.shown += all;
            bucket.promised += all * p;
            recently.promised += recent * p;
            recently.variance += recent * recent * p * (1.0 - p);
        });
    }

    /// It has reached the stage.
    pub(crate) fn reach(&mut self, stage: usize, promise: f32, at_ms: u64) {
        self.count(stage, promise, at_ms, |bucket, recently, _, (all, recent)| {
            bucket.reached += all;
            recently.reached += recent;
        });
    }

    /// It has not reached the stage after all.
    pub(crate) fn unreach(&mut self, stage: usize, promise: f32, at_ms: u64) {
        self.count(stage, promise, at_ms, |bucket, recently, _, (all, recent)| {
            bucket.reached = (bucket.reached - all).max(0.0);
            recently.reached = (recently.reached - recent).max(0.0);
        });
    }

    /// Adds to a promise's bucket and to the short memory, with the weights of the moment in either. What is no
    /// probability between 0 and 1 is passed over.
    fn count(
        &mut self,
        stage: usize,
        promise: f32,
        at_ms: u64,
        add: impl FnOnce(&mut Bucket, &mut Recent, f64, (f64, f64)),
    ) {
        let p = f64::from(promise);
        if p > 0.0 && p < 1.0 {
            let weights = self.weights(at_ms);
            let Stage { buckets, recent } = self.stage(stage);
            if let Some(bucket) = buckets.get_mut(bucket_of(p)) {
                add(bucket, recent, p, weights);
            }
        }
    }

    /// What is known of each stage.
    #[must_use]
    pub fn stages(&self) -> Vec<StageQuality> {
        let (all, recent) = (self.all.factor(), self.recent.factor());
        self.stages.iter().map(|stage| stage.report(all, recent)).collect()
    }

    fn stage(&mut self, at: usize) -> &mut Stage {
        // A configuration has at most 8 stages.
        let at = at.min(7);
        if self.stages.len() <= at {
            self.stages.resize_with(at + 1, Stage::default);
        }
        &mut self.stages[at]
    }

    fn weights(&mut self, at_ms: u64) -> (f64, f64) {
        let (all, fade) = self.all.weigh(at_ms, HALF_LIFE_MS);
        if let Some(factor) = fade {
            for bucket in self.stages.iter_mut().flat_map(|stage| &mut stage.buckets) {
                bucket.shown *= factor;
                bucket.promised *= factor;
                bucket.reached *= factor;
            }
        }
        let (recent, fade) = self.recent.weigh(at_ms, RECENT_HALF_LIFE_MS);
        if let Some(factor) = fade {
            for stage in &mut self.stages {
                stage.recent.promised *= factor;
                stage.recent.reached *= factor;
                stage.recent.variance *= factor * factor;
            }
        }
        (all, recent)
    }
}

impl Stage {
    fn report(&self, all: f64, recent: f64) -> StageQuality {
        let sum = |of: fn(&Bucket) -> f64| self.buckets.iter().map(of).sum::<f64>() * all;
        let seen = self.buckets.iter().filter(|bucket| bucket.shown > 0.0);
        let calibration = seen.map(|bucket| Calibration {
            shown: bucket.shown * all,
            promised: bucket.promised / bucket.shown,
            reached: (bucket.reached / bucket.shown).min(1.0),
        });
        let Recent { promised, reached, variance } = self.recent;
        let drift = if variance > 0.0 { (reached - promised) / libm::sqrt(variance) } else { 0.0 };
        let told = promised.max(reached) * recent;
        StageQuality {
            shown: sum(|bucket| bucket.shown),
            promised: sum(|bucket| bucket.promised),
            reached: sum(|bucket| bucket.reached),
            auc: self.auc(),
            calibration: calibration.collect(),
            drift,
            alarm: told >= ALARM_LEAST && drift.abs() > ALARM,
        }
    }

    /// Each pair of one that reached and one that did not, ties counting half.
    fn auc(&self) -> Option<f64> {
        let (mut below, mut won, mut reached) = (0.0, 0.0, 0.0);
        for bucket in &self.buckets {
            let not = (bucket.shown - bucket.reached).max(0.0);
            won += bucket.reached * (below + not / 2.0);
            below += not;
            reached += bucket.reached;
        }
        (below > 0.0 && reached > 0.0).then(|| won / (below * reached))
    }
}

fn bucket_of(p: f64) -> usize {
    let logit = libm::log(p / (1.0 - p));
    (((logit - LOWEST) * PER_LOGIT) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    const START_MS: u64 = 1_790_000_000_000;

    /// Showings with promises of 0.1 % to 20 % that are kept, or all missed by a factor.
    fn quality(truth: impl Fn(f64, u32) -> f64, showings: u32) -> StageQuality {
        let mut quality = Quality::default();
        for at in 0..showings {
            let p = libm::pow(10.0, -3.0 + 2.3 * Seed(1).uniform(0, at));
            let at_ms = START_MS + u64::from(at) * 1_000;
            quality.open(0, p as f32, at_ms);
            if Seed(2).uniform(0, at) < truth(p, at) {
                quality.reach(0, p as f32, at_ms);
            }
        }
        quality.stages().remove(0)
    }

    #[test]
    fn kept_promises_are_calibrated_and_ranked() {
        let kept = quality(|p, _| p, 100_000);
        assert!((kept.reached / kept.promised - 1.0).abs() < 0.05, "{kept:?}");
        assert!(kept.auc.is_some_and(|auc| (0.75..0.9).contains(&auc)), "{:?}", kept.auc);
        for part in kept.calibration.iter().filter(|part| part.shown * part.promised > 100.0) {
            assert!((part.reached / part.promised - 1.0).abs() < 0.3, "{part:?}");
        }
        assert!(!kept.alarm && kept.drift.abs() < 4.0, "{}", kept.drift);
        let chance = quality(|_, _| 0.05, 50_000);
        assert!(chance.auc.is_some_and(|auc| (auc - 0.5).abs() < 0.02), "{:?}", chance.auc);
    }

    #[test]
    fn a_change_raises_the_alarm_and_a_steady_world_does_not() {
        let changed = quality(|p, at| if at < 80_000 { p } else { p * 2.0 }, 100_000);
        assert!(changed.alarm && changed.drift > 5.0, "{}", changed.drift);
        for length in [2_000, 20_000, 60_000] {
            assert!(!quality(|p, _| p, length).alarm);
        }
    }

    #[test]
    fn old_showings_fade() {
        let mut quality = Quality::default();
        quality.open(0, 0.1, START_MS);
        quality.reach(0, 0.1, START_MS);
        // 30 weeks are more than a landmark lasts.
        for week in 1..=30 {
            quality.open(0, 0.1, START_MS + week * HALF_LIFE_MS as u64);
        }
        let stage = quality.stages().remove(0);
        assert!((stage.shown - 2.0).abs() < 1e-6, "{}", stage.shown);
        assert!(stage.reached < 1e-8, "{}", stage.reached);
    }

    #[test]
    fn a_promise_that_is_no_probability_is_passed_over() {
        let mut quality = Quality::default();
        for promise in [0.0, 1.0, -1.0, f32::NAN, f32::INFINITY] {
            quality.open(0, promise, START_MS);
            quality.reach(0, promise, START_MS);
        }
        assert_eq!(quality, Quality::default());
    }
}
