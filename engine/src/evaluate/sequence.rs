//! An interval for a mean that may be looked at after every observation.

use serde::{Deserialize, Serialize};

use super::mixture::boundary;

/// How often a statement may be wrong, over all looks together: a probability above 0 and below 1, such as 0.05.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level(f64);

impl Level {
    /// A level; nothing where it is not above 0 and below 1.
    #[must_use]
    pub fn new(level: f64) -> Option<Self> {
        (level > 0.0 && level < 1.0).then_some(Self(level))
    }

    /// ln of the evidence that one of two sides needs.
    pub(super) fn log_threshold(self) -> f64 {
        libm::log(2.0 / self.0)
    }
}

/// Between which values an observation must lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// A range; nothing where its ends are not finite and in order.
    #[must_use]
    pub fn new(low: f64, high: f64) -> Option<Self> {
        (low.is_finite() && high.is_finite() && low < high).then_some(Self { low, high })
    }

    /// Its lower end.
    #[must_use]
    pub fn low(self) -> f64 {
        self.low
    }

    /// Its upper end.
    #[must_use]
    pub fn high(self) -> f64 {
        self.high
    }

    pub(super) fn admit(self, value: f64) -> Result<f64, OutOfRange> {
        if value >= self.low && value <= self.high { Ok(value) } else { Err(OutOfRange { value, range: self }) }
    }
}

/// An observation outside the stated range; counting it, or cutting it off, would make the interval wrong.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("observation {value} is not between {low} and {high}", low = range.low, high = range.high)]
pub struct OutOfRange {
    /// What was observed.
    pub value: f64,
    /// What was stated.
    pub range: Range,
}

/// Where the true value lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

/// Confidence sequence for the mean of bounded observations: all its intervals together contain the true mean with
/// probability 1 − level or more, however often and for whatever reason one looks or stops.
///
/// Empirical Bernstein by a mixture of bets (Howard et al. 2021, theorem 4): its width follows the variance seen, not the
/// range. Where the mean moves, the interval is about the average of the means so far. Constant memory: what serde writes is
/// a checkpoint, read again as it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanSequence {
    range: Range,
    level: Level,
    count: u64,
    sum: f64,
    squares: f64,
}

impl MeanSequence {
    /// A sequence that has seen nothing.
    #[must_use]
    pub fn new(range: Range, level: Level) -> Self {
        Self { range, level, count: 0, sum: 0.0, squares: 0.0 }
    }

    /// Counts one observation, independent of the earlier ones.
    ///
    /// # Errors
    ///
    /// An observation outside the range is not counted.
    pub fn observe(&mut self, value: f64) -> Result<(), OutOfRange> {
        let value = self.range.admit(value)?;
        // The mean so far, with the middle of the range as one observation more.
        let centre = (self.sum + f64::midpoint(self.range.low, self.range.high)) / (self.count as f64 + 1.0);
        self.squares += (value - centre) * (value - centre);
        self.sum += value;
        self.count += 1;
        Ok(())
    }

    /// Observations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where the true mean lies; the whole range before the first observation.
    #[must_use]
    pub fn interval(&self) -> Interval {
        if self.count == 0 {
            return Interval { lower: self.range.low, upper: self.range.high };
        }
        let count = self.count as f64;
        let reach = boundary(self.squares, self.range.high - self.range.low, self.level.log_threshold());
        Interval {
            lower: ((self.sum - reach) / count).max(self.range.low),
            upper: ((self.sum + reach) / count).min(self.range.high),
        }
    }
}
