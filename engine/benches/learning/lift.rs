//! What a run achieved: the share of the possible lift that it captured, by true values and not by sampled answers.

use std::ops::Range;

use crate::stream::Stream;
use crate::world::OFFERS;

/// Sums of true values over a range of decisions.
#[derive(Clone, Debug)]
struct Window {
    range: Range<usize>,
    chosen: f64,
    uniform: f64,
    best: f64,
}

/// Watches a run.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    windows: Vec<Window>,
}

impl Meter {
    pub(crate) fn new(ranges: &[Range<usize>]) -> Self {
        let window = |range: &Range<usize>| Window { range: range.clone(), chosen: 0.0, uniform: 0.0, best: 0.0 };
        Self { windows: ranges.iter().map(window).collect() }
    }

    /// Takes note of a choice.
    pub(crate) fn chose(&mut self, stream: &Stream<'_>, decision: usize, offer: usize) {
        if !self.windows.iter().any(|window| window.range.contains(&decision)) {
            return;
        }
        let values: Vec<f64> = (0..OFFERS)
            .filter(|offer| decision >= stream.starts_at(*offer))
            .map(|offer| stream.value(decision, offer))
            .collect();
        let uniform = values.iter().sum::<f64>() / values.len() as f64;
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let chosen = stream.value(decision, offer);
        for window in self.windows.iter_mut().filter(|window| window.range.contains(&decision)) {
            window.chosen += chosen;
            window.uniform += uniform;
            window.best += best;
        }
    }

    /// (chosen − uniform) / (best − uniform) for each range.
    pub(crate) fn lifts(&self) -> Vec<f64> {
        self.windows.iter().map(|window| (window.chosen - window.uniform) / (window.best - window.uniform)).collect()
    }
}

/// The last tenth before each mark, then everything before each mark.
pub(crate) fn ranges(marks: &[usize]) -> Vec<Range<usize>> {
    marks.iter().map(|mark| mark - mark / 10..*mark).chain(marks.iter().map(|mark| 0..*mark)).collect()
}

/// The share of the lift that the one offer captures that is best on average: what there is to gain without looking at
/// the visitor.
pub(crate) fn without_context(stream: &Stream<'_>) -> f64 {
    let decisions = 0..stream.decisions.min(10_000);
    let total = |offer: usize| decisions.clone().map(|decision| stream.value(decision, offer)).sum::<f64>();
    let best = (0..OFFERS).max_by(|left, right| total(*left).total_cmp(&total(*right))).unwrap_or(0);
    let mut meter = Meter::new(std::slice::from_ref(&decisions));
    decisions.for_each(|decision| meter.chose(stream, decision, best));
    meter.lifts()[0]
}

/// A mean with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    pub(crate) error: f64,
    count: usize,
}

impl Estimate {
    pub(crate) fn of(values: &[f64]) -> Self {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let error = if count > 1 { (squares / (count - 1) as f64 / count as f64).sqrt() } else { f64::NAN };
        Self { mean, error, count }
    }

    /// A ratio of two means of paired values, by the jackknife.
    pub(crate) fn of_ratio(above: &[f64], below: &[f64]) -> Self {
        let count = above.len();
        let (above_sum, below_sum) = (above.iter().sum::<f64>(), below.iter().sum::<f64>());
        let mean = above_sum / below_sum;
        let without: Vec<f64> =
            above.iter().zip(below).map(|(above, below)| (above_sum - above) / (below_sum - below)).collect();
        let centre = without.iter().sum::<f64>() / count as f64;
        let squares = without.iter().map(|ratio| (ratio - centre).powi(2)).sum::<f64>();
        Self { mean, error: ((count - 1) as f64 / count as f64 * squares).sqrt(), count }
    }

    /// The 95 % interval by Student's t.
    pub(crate) fn interval(self) -> (f64, f64) {
        let half = student(self.count.saturating_sub(1)) * self.error;
        (self.mean - half, self.mean + half)
    }
}

/// The 97.5 % point of Student's t.
fn student(freedom: usize) -> f64 {
    const POINTS: [f64; 20] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086,
    ];
    match freedom {
        0 => f64::NAN,
        // Cornish and Fisher's first term is right to a thousandth from here on.
        _ => POINTS.get(freedom - 1).copied().unwrap_or_else(|| 1.960 + 2.3722 / freedom as f64),
    }
}
