//! The learning curve laid out in pixels.

use portico_engine::Arm;

use super::curve::{Point, Series, Span};
use super::plot::{self, Scale};
use super::stats::Metric;

/// Pixels around the plot: ticks on the left, direct labels on the right, the axis below.
const LEFT: f64 = 48.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;
/// Two direct labels closer than this overlap.
const LABEL_GAP: f64 = 30.0;
/// How far above the highest line an interval may stretch the axis; wider ones are cut off, or the first few points
/// of a thin arm would press the lines flat.
const HEADROOM: f64 = 1.4;
/// From this many points on, only some carry a marker.
const FEW_POINTS: usize = 16;

/// One arm drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) arm: Arm,
    pub(crate) path: String,
    /// The 95 % intervals; empty where there are none.
    pub(crate) band: String,
    pub(crate) markers: Vec<(f64, f64)>,
    /// Where its newest point is, the newest value, and where the label goes so as not to cover another.
    pub(crate) end: (f64, f64),
    pub(crate) newest: f64,
    pub(crate) label_y: f64,
}

/// The whole chart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
    pub(crate) x_ticks: Vec<u64>,
    /// Value and text.
    pub(crate) y_ticks: Vec<(f64, String)>,
    pub(crate) lines: Vec<Line>,
}

/// Lays out the visible series.
pub(crate) fn layout(series: &[&Series], metric: Metric, span: Span, width: f64, height: f64) -> Chart {
    let right = if width < 520.0 { 84.0 } else { 112.0 };
    let points = || series.iter().flat_map(|s| &s.points);
    let ends = points().map(|p| p.to as f64);
    let x = Scale {
        low: points().map(|p| p.from as f64).reduce(f64::min).unwrap_or(0.0),
        high: ends.fold(1.0, f64::max),
        start_px: LEFT,
        end_px: (width - right).max(LEFT + 40.0),
    };
    let highest = points().map(|p| p.estimate.mean).fold(0.0, f64::max);
    let lowest = points().map(|p| p.estimate.mean).fold(0.0, f64::min);
    let wish = points().filter_map(|p| p.estimate.interval).map(|i| i.high).fold(highest, f64::max);
    let top = wish.min(highest * HEADROOM);
    let top = if top > 0.0 { top } else { empty_top(metric) };
    let ticks = plot::ticks(lowest, top, 4);
    let y = Scale {
        low: ticks.first().copied().unwrap_or(0.0),
        high: ticks.last().copied().unwrap_or(1.0),
        start_px: height - BOTTOM,
        end_px: TOP,
    };
    let y_ticks = tick_texts(metric, ticks);
    let count = ((x.end_px - x.start_px) / 110.0).clamp(2.0, 8.0) as usize;
    let x_ticks = plot::ticks(x.low, x.high, count)
        .into_iter()
        // Impressions are whole: the axis of an empty chart has only its beginning.
        .filter(|t| t.fract() == 0.0 && points().next().is_some() || *t == 0.0)
        .filter(|t| (x.low..=x.high).contains(t))
        .map(|t| t as u64)
        .collect();

    let mut lines: Vec<Line> = series
        .iter()
        .filter_map(|series| {
            let newest = series.points.last()?;
            let at: Vec<_> = series.points.iter().map(|p| (x.px(p.at(span)), y.px(p.estimate.mean))).collect();
            let band: Vec<_> = series
                .points
                .iter()
                .filter_map(|p| p.estimate.interval.map(|i| (x.px(p.at(span)), y.px(i.low), y.px(i.high))))
                .collect();
            let every = if at.len() <= FEW_POINTS { 1 } else { at.len().div_ceil(FEW_POINTS) };
            let last = at.len() - 1;
            let markers = at.iter().enumerate().filter(|(i, _)| (last - i) % every == 0).map(|(_, at)| *at).collect();
            let end = at.last().copied()?;
            Some(Line {
                arm: series.arm,
                path: plot::line(&at),
                band: plot::band(&band),
                markers,
                end,
                newest: newest.estimate.mean,
                label_y: end.1,
            })
        })
        .collect();
    let wanted: Vec<f64> = lines.iter().map(|line| line.label_y).collect();
    for (line, label_y) in lines.iter_mut().zip(plot::spread(&wanted, LABEL_GAP, TOP + 4.0, height - BOTTOM - 8.0)) {
        line.label_y = label_y;
    }
    Chart { width, height, x, y, x_ticks, y_ticks, lines }
}

fn empty_top(metric: Metric) -> f64 {
    match metric {
        Metric::Value => 100.0,
        Metric::ClickRate => 0.1,
    }
}

fn tick_texts(metric: Metric, ticks: Vec<f64>) -> Vec<(f64, String)> {
    let shown: Vec<f64> = match metric {
        Metric::Value => ticks.clone(),
        Metric::ClickRate => ticks.iter().map(|t| t * 100.0).collect(),
    };
    let digits = plot::tick_digits(&shown);
    let text = |value: f64| match metric {
        Metric::Value => super::format::decimal(value, digits),
        Metric::ClickRate => super::format::decimal(value, digits) + "%",
    };
    ticks.into_iter().zip(shown).map(|(tick, value)| (tick, text(value))).collect()
}

/// The point of a series that answers for `x`: the first that ends there or later.
pub(crate) fn reading(series: &Series, x: f64) -> Option<&Point> {
    series.points.iter().find(|p| p.to as f64 >= x).or(series.points.last())
}

/// Where the cursor may stand: the points of the series that has the most.
pub(crate) fn stops(series: &[&Series], span: Span) -> Vec<f64> {
    series
        .iter()
        .max_by_key(|s| s.points.len())
        .map_or_else(Vec::new, |s| s.points.iter().map(|p| p.at(span)).collect())
}

/// A step of the cursor along its stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Back,
    On,
    First,
    Last,
}

/// The stop after a step; without a place yet it begins at the newest.
pub(crate) fn stepped(stops: &[f64], from: Option<f64>, step: Step) -> Option<f64> {
    let here = from.and_then(|x| nearest(stops, x)).and_then(|x| stops.iter().position(|s| *s == x));
    let last = stops.len().checked_sub(1)?;
    let index = match (step, here) {
        (Step::First, _) => 0,
        (Step::Last, _) | (_, None) => last,
        (Step::Back, Some(i)) => i.saturating_sub(1),
        (Step::On, Some(i)) => (i + 1).min(last),
    };
    stops.get(index).copied()
}

/// The stop nearest to `x`.
pub(crate) fn nearest(stops: &[f64], x: f64) -> Option<f64> {
    stops.iter().copied().min_by(|a, b| (a - x).abs().total_cmp(&(b - x).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stats::{Estimate, Interval};

    fn series(arm: Arm, means: &[f64]) -> Series {
        let points = means
            .iter()
            .enumerate()
            .map(|(i, mean)| Point {
                from: i as u64 * 100,
                to: (i as u64 + 1) * 100,
                tally: Default::default(),
                estimate: Estimate { mean: *mean, interval: Some(Interval { low: mean / 2.0, high: mean * 2.0 }) },
            })
            .collect();
        Series { arm, points }
    }

    #[test]
    fn everything_but_wide_intervals_is_inside() {
        let (model, control) = (series(Arm::Model, &[0.02, 0.04, 0.05]), series(Arm::Control, &[0.02, 0.02]));
        let chart = layout(&[&model, &control], Metric::ClickRate, Span::Each, 800.0, 300.0);
        assert_eq!((chart.y.low, chart.x.low, chart.x.high), (0.0, 0.0, 300.0));
        assert!(chart.y.high >= 0.05 && chart.y.high <= 0.1, "{}", chart.y.high);
        assert!(chart.lines.iter().all(|l| l.end.0 <= chart.x.end_px && l.label_y >= TOP));
        assert_eq!(chart.lines.first().map(|l| l.newest), Some(0.05));
        assert_eq!(chart.y_ticks.first().map(|t| t.1.as_str()), Some("0%"));
    }

    #[test]
    fn an_empty_chart_has_axes() {
        let empty = series(Arm::Model, &[]);
        let chart = layout(&[&empty], Metric::Value, Span::Each, 800.0, 300.0);
        assert!(chart.lines.is_empty() && chart.y_ticks.len() > 2, "{chart:?}");
    }

    #[test]
    fn the_cursor_steps_along_the_finest_series() {
        let (model, control) = (series(Arm::Model, &[1.0, 2.0, 3.0]), series(Arm::Control, &[1.0]));
        let stops = stops(&[&model, &control], Span::Each);
        assert_eq!(stops, [50.0, 150.0, 250.0]);
        fn check(stops: &[f64], from: Option<f64>, step: Step, expect: f64) {
            assert_eq!(stepped(stops, from, step), Some(expect));
        }
        check(&stops, None, Step::Back, 250.0);
        check(&stops, Some(250.0), Step::Back, 150.0);
        check(&stops, Some(250.0), Step::On, 250.0);
        check(&stops, Some(160.0), Step::Back, 50.0);
        check(&stops, Some(160.0), Step::First, 50.0);
        assert_eq!(stepped(&[], None, Step::On), None);
        assert_eq!(reading(&control, 250.0).map(|p| p.to), Some(100));
        assert_eq!(reading(&model, 150.0).map(|p| p.to), Some(200));
    }
}
