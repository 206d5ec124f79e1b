//! The learning curve: buckets of impressions brought to as many points as can be told apart, arm by arm.

use portico_engine::Arm;
use portico_protocol::report::{CurveBucket, CurvePoint};

use super::stats::{self, Estimate, Metric};

/// The arms in the order in which they are drawn, named and listed.
pub(crate) const ARMS: [Arm; 3] = [Arm::Model, Arm::Control, Arm::Explore];

/// More points than this are a fence, not a line.
const MOST_POINTS: usize = 32;
/// A point of fewer impressions says nothing: at a rate of 2 % it has 4 clicks.
const LEAST_IMPRESSIONS: u64 = 200;

/// Whether a point stands for its own stretch or for everything up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Its own stretch.
    Each,
    /// All from the first impression on.
    Cumulative,
}

/// One point of an arm's curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// First impression of its stretch, counted over all arms.
    pub(crate) from: u64,
    /// One past the last.
    pub(crate) to: u64,
    /// What was counted.
    pub(crate) tally: CurvePoint,
    /// The metric.
    pub(crate) estimate: Estimate,
}

impl Point {
    /// Where it is drawn: in the middle of its own stretch, or at the end of everything it sums up.
    pub(crate) fn at(&self, span: Span) -> f64 {
        match span {
            Span::Each => (self.from + self.to) as f64 / 2.0,
            Span::Cumulative => self.to as f64,
        }
    }
}

/// One arm's curve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) arm: Arm,
    pub(crate) points: Vec<Point>,
}

/// The buckets of one arm, empty ones included.
pub(crate) fn of_arm(buckets: &[CurveBucket], arm: Arm) -> Vec<CurvePoint> {
    buckets.iter().map(|bucket| bucket.arms.get(&arm).copied().unwrap_or_default()).collect()
}

/// All arms' curves; an arm without impressions has no points.
pub(crate) fn series(buckets: &[CurveBucket], metric: Metric, span: Span) -> Vec<Series> {
    ARMS.into_iter()
        .map(|arm| {
            let tallies = of_arm(buckets, arm);
            let variance = stats::value_variance(&tallies);
            let group = match span {
                Span::Each => group_size(&tallies),
                Span::Cumulative => group_for(tallies.len()),
            };
            let mut so_far = CurvePoint::default();
            let first = buckets.first().map_or(0, |bucket| bucket.from);
            let points = groups(buckets.len(), group)
                .filter_map(|range| {
                    let tally = stats::sum(tallies.get(range.clone())?.iter().copied());
                    so_far = stats::sum([so_far, tally]);
                    let (from, tally) = match span {
                        Span::Each => (buckets.get(range.start)?.from, tally),
                        Span::Cumulative => (first, so_far),
                    };
                    let to = buckets.get(range.end.checked_sub(1)?)?.to;
                    let estimate = stats::estimate(metric, tally, variance)?;
                    Some(Point { from, to, tally, estimate })
                })
                .collect();
            Series { arm, points }
        })
        .collect()
}

/// How many neighbouring buckets of an arm make one point: a power of two, so that points keep their place while
/// buckets are added, large enough for [`MOST_POINTS`] and, where the arm is thin, for [`LEAST_IMPRESSIONS`].
fn group_size(tallies: &[CurvePoint]) -> usize {
    let impressions: u64 = tallies.iter().map(|tally| tally.impressions).sum();
    let mut group = group_for(tallies.len());
    while group < tallies.len() && impressions * (group as u64) < LEAST_IMPRESSIONS * tallies.len() as u64 {
        group *= 2;
    }
    group
}

fn group_for(buckets: usize) -> usize {
    buckets.div_ceil(MOST_POINTS).next_power_of_two()
}

/// Ranges of `group` buckets; a rest of less than half a group joins the last.
fn groups(buckets: usize, group: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let whole = buckets / group;
    let rest = buckets % group;
    let count = if rest * 2 >= group || whole == 0 { whole + usize::from(rest > 0) } else { whole };
    (0..count).map(move |i| {
        let end = if i + 1 == count { buckets } else { (i + 1) * group };
        i * group..end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(count: u64, per_arm: [(Arm, CurvePoint); 2]) -> Vec<CurveBucket> {
        (0..count)
            .map(|i| CurveBucket { from: i * 100, to: (i + 1) * 100, arms: per_arm.into_iter().collect() })
            .collect()
    }

    fn point(impressions: u64, clicks: u64) -> CurvePoint {
        CurvePoint { impressions, clicks, value: clicks as f64 }
    }

    #[test]
    fn groups_cover_every_bucket_once() {
        fn check(buckets: usize, group: usize, expect: &[(usize, usize)]) {
            let got: Vec<_> = groups(buckets, group).map(|r| (r.start, r.end)).collect();
            assert_eq!(got, expect);
        }
        check(0, 1, &[]);
        check(1, 4, &[(0, 1)]);
        check(8, 4, &[(0, 4), (4, 8)]);
        check(9, 4, &[(0, 4), (4, 9)]);
        check(10, 4, &[(0, 4), (4, 8), (8, 10)]);
        check(3, 1, &[(0, 1), (1, 2), (2, 3)]);
    }

    #[test]
    fn a_thin_arm_gets_fewer_points_and_loses_no_impression() {
        let buckets = buckets(100, [(Arm::Model, point(90, 3)), (Arm::Control, point(10, 0))]);
        let series = series(&buckets, Metric::ClickRate, Span::Each);
        let count = |arm| series.iter().find(|s| s.arm == arm).map_or(0, |s| s.points.len());
        let impressions = |arm: Arm| -> u64 {
            series.iter().filter(|s| s.arm == arm).flat_map(|s| &s.points).map(|p| p.tally.impressions).sum()
        };
        assert_eq!((count(Arm::Model), count(Arm::Control), count(Arm::Explore)), (25, 3, 0));
        assert_eq!((impressions(Arm::Model), impressions(Arm::Control)), (9000, 1000));
    }

    #[test]
    fn cumulative_ends_at_the_sum() {
        let buckets = buckets(10, [(Arm::Model, point(90, 3)), (Arm::Control, point(10, 1))]);
        let series = series(&buckets, Metric::ClickRate, Span::Cumulative);
        let last = series.first().and_then(|s| s.points.last());
        assert_eq!(
            last.map(|p| (p.from, p.to, p.tally)),
            Some((0, 1000, CurvePoint { impressions: 900, clicks: 30, value: 30.0 }))
        );
        assert_eq!(last.map(|p| p.at(Span::Cumulative)), Some(1000.0));
    }

    #[test]
    fn no_buckets_no_points() {
        assert!(series(&[], Metric::Value, Span::Each).iter().all(|s| s.points.is_empty()));
    }
}
