//! Rates and their uncertainty, for the curve.
//!
//! Every interval here is for one look at one point. Whether the model is better than the hold-out is the experiment's to
//! say, whose interval holds at all looks together.

use portico_protocol::report::CurvePoint;

/// Two-sided 95 % quantile of the standard normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// Neighbouring pairs of buckets needed before their differences say how noisy value is.
const MIN_PAIRS: usize = 5;

/// What is compared between the arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Value per 1,000 impressions, in units of the weighed KPIs.
    Value,
    /// Clicks per impression.
    ClickRate,
}

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A figure with its uncertainty, where that can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    pub(crate) interval: Option<Interval>,
}

/// The Wilson score interval of a rate; nothing without trials. More successes than trials count as all.
pub(crate) fn wilson(successes: u64, trials: u64) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let n = trials as f64;
    let p = successes.min(trials) as f64 / n;
    let z2 = Z95 * Z95;
    let centre = p + z2 / (2.0 * n);
    let half = Z95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    Some(Interval { low: ((centre - half) / scale).max(0.0), high: ((centre + half) / scale).min(1.0) })
}

/// Variance of the value of one impression, from the differences between neighbouring buckets of one arm
/// (von Neumann, 1941). A slow trend, which is what learning looks like, hardly enters a difference of neighbours,
/// while it would swell the plain variance. Buckets without impressions are passed over.
pub(crate) fn value_variance(buckets: &[CurvePoint]) -> Option<f64> {
    let filled: Vec<_> = buckets.iter().filter(|b| b.impressions > 0).collect();
    let pairs = filled.len().saturating_sub(1);
    if pairs < MIN_PAIRS {
        return None;
    }
    let sum: f64 = filled
        .windows(2)
        .map(|pair| match pair {
            [a, b] => {
                let (n, m) = (a.impressions as f64, b.impressions as f64);
                let step = b.value / m - a.value / n;
                step * step / (1.0 / n + 1.0 / m)
            }
            _ => 0.0,
        })
        .sum();
    Some(sum / pairs as f64)
}

/// The metric of some counts. `variance` is that of [`value_variance`].
pub(crate) fn estimate(metric: Metric, tally: CurvePoint, variance: Option<f64>) -> Option<Estimate> {
    if tally.impressions == 0 {
        return None;
    }
    let n = tally.impressions as f64;
    Some(match metric {
        Metric::ClickRate => Estimate {
            mean: tally.clicks.min(tally.impressions) as f64 / n,
            interval: wilson(tally.clicks, tally.impressions),
        },
        Metric::Value => {
            let mean = 1000.0 * tally.value / n;
            Estimate {
                mean,
                interval: variance.map(|variance| {
                    let half = 1000.0 * Z95 * (variance / n).sqrt();
                    Interval { low: mean - half, high: mean + half }
                }),
            }
        }
    })
}

/// Counts taken together.
pub(crate) fn sum(points: impl IntoIterator<Item = CurvePoint>) -> CurvePoint {
    points.into_iter().fold(CurvePoint::default(), |mut sum, point| {
        sum.impressions += point.impressions;
        sum.clicks += point.clicks;
        sum.value += point.value;
        sum
    })
}

/// The probabilities one standard deviation of the logit below and above `mean`.
pub(crate) fn probability_range(mean: f64, deviation: f64) -> Interval {
    let mean = mean.clamp(1e-9, 1.0 - 1e-9);
    let logit = (mean / (1.0 - mean)).ln();
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    Interval { low: logistic(logit - deviation), high: logistic(logit + deviation) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(impressions: u64, clicks: u64, value: f64) -> CurvePoint {
        CurvePoint { impressions, clicks, value }
    }

    fn close(a: f64, b: f64, within: f64) {
        assert!((a - b).abs() <= within, "{a} is not within {within} of {b}");
    }

    #[test]
    fn wilson_matches_published_figures() {
        fn check(successes: u64, trials: u64, low: f64, high: f64) {
            let Some(interval) = wilson(successes, trials) else { unreachable!("trials > 0") };
            close(interval.low, low, 5e-5);
            close(interval.high, high, 5e-5);
        }
        // Newcombe (1998), table I, method 3.
        check(81, 263, 0.2553, 0.3662);
        check(15, 148, 0.0624, 0.1605);
        check(0, 20, 0.0, 0.1611);
        check(1, 29, 0.0061, 0.1718);
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(9, 4), wilson(4, 4));
    }

    #[test]
    fn a_trend_hardly_enters_the_variance_of_value() {
        let flat: Vec<_> = (0..200).map(|i| point(100, 3, if i % 2 == 0 { 90.0 } else { 110.0 })).collect();
        let rising: Vec<_> = flat.iter().enumerate().map(|(i, p)| point(100, 3, p.value + i as f64)).collect();
        let (Some(flat), Some(rising)) = (value_variance(&flat), value_variance(&rising)) else {
            unreachable!("enough pairs")
        };
        close(rising / flat, 1.0, 0.02);
        assert_eq!(value_variance(&[point(1, 0, 0.0); 5]), None);
    }

    #[test]
    fn value_variance_recovers_a_known_spread() {
        // Value 20 at 1 in 10, else 0: mean 2, variance 36; 100 buckets of 1,000 by a fixed generator.
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40).is_multiple_of(10)
        };
        let buckets: Vec<_> =
            (0..100).map(|_| point(1000, 0, (0..1000).filter(|_| draw()).count() as f64 * 20.0)).collect();
        close(value_variance(&buckets).unwrap_or(0.0), 36.0, 8.0);
    }

    #[test]
    fn probability_range_is_symmetric_in_the_logit() {
        let range = probability_range(0.5, 1.0);
        close(range.low + range.high, 1.0, 1e-12);
        close(range.high, 0.731_058_6, 1e-6);
        assert!(probability_range(0.0, 3.0).low >= 0.0);
        assert!(probability_range(1.0, 3.0).high <= 1.0);
    }
}
