//! The chart's geometry: areas over years, in whole units of its view box.

use crate::money::Year;

/// The view box.
pub(crate) const WIDTH: i32 = 640;
/// See [`WIDTH`].
pub(crate) const HEIGHT: i32 = 260;
/// Both, as SVG has them.
pub(crate) const VIEW_BOX: &str = "0 0 640 260";
/// Room for the words on the value axis, above the plot, and for the years.
const LEFT: i32 = 96;
const TOP: i32 = 12;
const BOTTOM: i32 = 32;
const RIGHT: i32 = 12;

/// A line across with its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tick {
    /// The value, or the year.
    pub(crate) value: f64,
    /// Where it stands along its axis.
    pub(crate) at: i32,
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    /// Area of what has been paid in, or of what is owed.
    pub(crate) lower: String,
    /// Area of the interest upon it; empty for a loan.
    pub(crate) upper: String,
    /// Values.
    pub(crate) values: Vec<Tick>,
    /// Years.
    pub(crate) years: Vec<Tick>,
}

/// The leftmost place of the plot, and its rightmost.
pub(crate) const fn sides() -> (i32, i32) {
    (LEFT, WIDTH - RIGHT)
}

/// A round step so that at most `most` of them make up `span`.
fn step(span: f64, most: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for round in [1.0, 2.0, 5.0] {
            if step * round * most >= span {
                return step * round;
            }
        }
        step *= 10.0;
    }
}

/// Draws a course from left to right, or from right to left.
pub(crate) fn chart(course: &[Year], is_loan: bool, mirrored: bool) -> Chart {
    let last = course.len().saturating_sub(1).max(1) as f64;
    let most = course.iter().map(|year| year.balance).fold(1.0, f64::max);
    let each = step(most, 4.0);
    let top = (most / each).ceil() * each;
    let (left, right) = sides();
    let x = |year: f64| {
        let along = f64::from(right - left) * year / last;
        (if mirrored { f64::from(WIDTH - left) - along } else { f64::from(left) + along }).round() as i32
    };
    let y = |value: f64| (f64::from(HEIGHT - BOTTOM) - f64::from(HEIGHT - BOTTOM - TOP) * value / top).round() as i32;
    let places = |of: &dyn Fn(&Year) -> f64| -> Vec<(i32, i32)> {
        (0_u32..).zip(course).map(|(year, at)| (x(f64::from(year)), y(of(at)))).collect()
    };
    let balance = places(&|year| year.balance);
    let ground = places(&|_| 0.0);
    let (lower, upper) = if is_loan {
        (area(&balance, &ground), String::new())
    } else {
        let paid = places(&|year| year.paid);
        (area(&paid, &ground), area(&balance, &paid))
    };
    let every = step(last, 6.0);
    let ticks = |end: f64, each: f64, at: &dyn Fn(f64) -> i32| {
        let mut ticks = Vec::new();
        let mut value = 0.0;
        while value <= end {
            ticks.push(Tick { value, at: at(value) });
            value += each;
        }
        ticks
    };
    Chart { lower, upper, values: ticks(top, each, &y), years: ticks(last, every, &x) }
}

/// A path there along one line and back along another.
fn area(there: &[(i32, i32)], back: &[(i32, i32)]) -> String {
    let mut path = String::new();
    for (x, y) in there.iter().chain(back.iter().rev()) {
        path.push_str(if path.is_empty() { "M" } else { "L" });
        path.push_str(&x.to_string());
        path.push(' ');
        path.push_str(&y.to_string());
    }
    path.push('Z');
    path
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::money::{loan, savings};

    #[test]
    fn areas_lie_within_the_plot_and_upon_each_other() {
        let drawn = chart(&savings(1_000.0, 100.0, 5.0, 10), false, false);
        assert!(drawn.lower.starts_with("M96 ") && drawn.lower.ends_with("L96 228Z"), "{}", drawn.lower);
        assert!(drawn.upper.starts_with("M96 "), "{}", drawn.upper);
        assert_eq!(drawn.years.first(), Some(&Tick { value: 0.0, at: 96 }));
        assert_eq!(drawn.years.last(), Some(&Tick { value: 10.0, at: 628 }));
        assert_eq!(drawn.values.last().map(|tick| (tick.value, tick.at)), Some((20_000.0, 12)));
        assert_eq!(chart(&loan(5_000.0, 6.0, 3), true, false).upper, "");
    }

    #[test]
    fn from_right_to_left_the_years_run_the_other_way() {
        let drawn = chart(&savings(1_000.0, 0.0, 5.0, 2), false, true);
        let at: Vec<i32> = drawn.years.iter().map(|tick| tick.at).collect();
        assert_eq!(at, [544, 278, 12]);
    }

    #[test]
    fn steps_are_round_and_few() {
        for (span, most, expect) in [(1.0, 4.0, 1.0), (9.0, 4.0, 5.0), (4_300.0, 4.0, 2_000.0), (30.0, 6.0, 5.0)] {
            assert_eq!(step(span, most), expect, "{span}");
        }
    }
}
