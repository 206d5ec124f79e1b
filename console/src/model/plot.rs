//! Geometry of a line chart: scales, ticks, paths, labels that do not overlap.

/// A linear scale from values to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) start_px: f64,
    pub(crate) end_px: f64,
}

impl Scale {
    /// Where a value is drawn.
    pub(crate) fn px(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        if span == 0.0 {
            return self.start_px;
        }
        self.start_px + (value - self.low) / span * (self.end_px - self.start_px)
    }

    /// Which value is drawn there.
    pub(crate) fn value(&self, px: f64) -> f64 {
        let span = self.end_px - self.start_px;
        if span == 0.0 {
            return self.low;
        }
        self.low + (px - self.start_px) / span * (self.high - self.low)
    }
}

/// Round values from `low` to at least `high`, about `count` of them.
pub(crate) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return vec![low];
    }
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = power
        * match rough / power {
            r if r <= 1.0 => 1.0,
            r if r <= 2.0 => 2.0,
            r if r <= 5.0 => 5.0,
            _ => 10.0,
        };
    let first = (low / step).floor() as i64;
    let last = (high / step - 1e-9).ceil() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Decimal places that tell these ticks apart.
pub(crate) fn tick_digits(ticks: &[f64]) -> usize {
    let step = match ticks {
        [a, b, ..] => b - a,
        _ => return 0,
    };
    (0..6)
        .find(|digits| {
            let scaled = step * 10f64.powi(*digits as i32);
            (scaled - scaled.round()).abs() < 1e-6
        })
        .unwrap_or(6)
}

/// An SVG path through the points.
pub(crate) fn line(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        path.push(if i == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{x:.1} {y:.1}"));
    }
    path
}

/// A closed SVG path around `(x, low, high)`.
pub(crate) fn band(points: &[(f64, f64, f64)]) -> String {
    let there = points.iter().map(|&(x, _, high)| (x, high));
    let back = points.iter().rev().map(|&(x, low, _)| (x, low));
    let mut path = line(&there.chain(back).collect::<Vec<_>>());
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

/// Moves labels apart until they are `gap` from each other, inside `top..=bottom`, keeping their order.
pub(crate) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    let at = |i: usize| wanted.get(i).copied().unwrap_or_default();
    order.sort_by(|&a, &b| at(a).total_cmp(&at(b)));
    let mut placed = wanted.to_vec();
    let mut floor = top;
    for &i in &order {
        if let Some(y) = placed.get_mut(i) {
            *y = y.max(floor);
            floor = *y + gap;
        }
    }
    let mut ceiling = bottom;
    for &i in order.iter().rev() {
        if let Some(y) = placed.get_mut(i) {
            *y = y.min(ceiling);
            ceiling = *y - gap;
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover() {
        fn check(low: f64, high: f64, count: usize, expect: &[f64], digits: usize) {
            let got = ticks(low, high, count);
            assert_eq!(got.len(), expect.len(), "{got:?}");
            assert!(got.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-9), "{got:?}");
            assert_eq!(tick_digits(&got), digits);
        }
        check(0.0, 100.0, 5, &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0], 0);
        check(0.0, 0.034, 4, &[0.0, 0.01, 0.02, 0.03, 0.04], 2);
        check(-3.0, 7.0, 4, &[-5.0, 0.0, 5.0, 10.0], 0);
        check(5.0, 5.0, 4, &[5.0], 0);
    }

    #[test]
    fn scale_goes_there_and_back() {
        let scale = Scale { low: 0.0, high: 10.0, start_px: 200.0, end_px: 0.0 };
        assert_eq!(scale.px(2.5), 150.0);
        assert_eq!(scale.value(150.0), 2.5);
        assert_eq!(Scale { high: 0.0, ..scale }.px(3.0), 200.0);
    }

    #[test]
    fn labels_keep_apart_and_inside() {
        assert_eq!(spread(&[50.0, 52.0, 51.0], 16.0, 0.0, 100.0), [50.0, 82.0, 66.0]);
        assert_eq!(spread(&[98.0, 97.0], 16.0, 0.0, 100.0), [100.0, 84.0]);
        assert_eq!(spread(&[], 16.0, 0.0, 100.0), Vec::<f64>::new());
    }

    #[test]
    fn paths() {
        assert_eq!(line(&[(0.0, 1.0), (2.0, 3.5)]), "M0.0 1.0L2.0 3.5");
        assert_eq!(band(&[(0.0, 1.0, 2.0), (5.0, 1.0, 3.0)]), "M0.0 2.0L5.0 3.0L5.0 1.0L0.0 1.0Z");
        assert_eq!(band(&[]), "");
    }
}
