//! Forward decay (Cormode et al. 2009): a sum over time in which old parts count for less, without touching them.
//!
//! What comes at a moment t is added with weight 2^((t − L)/H), L being a landmark and H the half-life; the sum as of now
//! is what was added, times 2^(−(now − L)/H). So only one factor changes with time, and sums over parts of the record add
//! up to the sum over all of it. What comes from before the landmark counts as if it came then: a clock that once jumped
//! ahead makes nothing that follows worthless.

use serde::{Deserialize, Serialize};

/// Half-lives after which sums are taken down to a new landmark, so that weights stay within bounds.
const LASTS: f64 = 20.0;

/// Weights of sums with one half-life: 1 at the landmark, doubled every half-life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Clock {
    landmark_ms: u64,
    now_ms: u64,
    half_life_ms: f64,
}

impl Clock {
    /// The weight of a moment, with this half-life in milliseconds (infinite: nothing fades). When the landmark is used
    /// up or the half-life is another than before, there is a new landmark, and every sum is to be multiplied by the
    /// factor returned before anything is added.
    pub(crate) fn weigh(&mut self, at_ms: u64, half_life_ms: f64) -> (f64, Option<f64>) {
        if self.landmark_ms == 0 {
            *self = Self { landmark_ms: at_ms, now_ms: at_ms, half_life_ms };
        }
        self.now_ms = self.now_ms.max(at_ms);
        let age = self.now_ms.saturating_sub(self.landmark_ms) as f64 / self.half_life_ms;
        let moved = (age >= LASTS || half_life_ms != self.half_life_ms).then(|| {
            (self.landmark_ms, self.half_life_ms) = (self.now_ms, half_life_ms);
            libm::exp2(-age)
        });
        (libm::exp2(at_ms.saturating_sub(self.landmark_ms) as f64 / self.half_life_ms), moved)
    }

    /// What turns a sum into one as of now.
    pub(crate) fn factor(&self) -> f64 {
        let age = self.now_ms.saturating_sub(self.landmark_ms) as f64;
        if age > 0.0 { libm::exp2(-age / self.half_life_ms) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    /// The sum as of the last of some days, of 1 added on each of them.
    fn sum(days: impl Iterator<Item = u64>, half_life: impl Fn(u64) -> f64) -> f64 {
        let (mut clock, mut sum) = (Clock::default(), 0.0);
        for day in days {
            let (weight, moved) = clock.weigh((1_000 + day) * DAY_MS, half_life(day) * DAY_MS as f64);
            sum = sum * moved.unwrap_or(1.0) + weight;
        }
        sum * clock.factor()
    }

    #[test]
    fn what_is_a_half_life_old_counts_half() {
        assert_eq!(sum([0, 7].into_iter(), |_| 7.0), 1.5);
        // Over several landmarks: 1 / (1 - 1/2).
        assert!((sum((0..700).map(|week| week * 7), |_| 7.0) - 2.0).abs() < 1e-12);
        assert_eq!(sum(0..1_000, |_| f64::INFINITY), 1_000.0, "nothing fades");
    }

    #[test]
    fn what_comes_late_counts_for_its_time() {
        assert_eq!(sum([0, 7, 0].into_iter(), |_| 7.0), 2.0);
    }

    #[test]
    fn after_a_clock_that_jumped_ahead_everything_still_counts() {
        assert_eq!(sum([0, 10_000, 1, 2].into_iter(), |_| 7.0), 3.0, "only what was before the jump has faded");
    }

    #[test]
    fn another_half_life_begins_when_it_is_set() {
        let changed = sum([0, 7, 14].into_iter(), |day| if day < 14 { 7.0 } else { 70.0 });
        assert_eq!(changed, 1.75, "the past keeps its weight");
        assert_eq!(sum([0, 7].into_iter(), |day| if day < 7 { f64::INFINITY } else { 7.0 }), 2.0);
    }
}
