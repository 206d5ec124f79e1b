//! What a benchmark has found: a value by name for each round, of which the medians count.

use std::collections::BTreeMap;

/// Everything found so far.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    /// A value of one round.
    pub fn add(&mut self, name: &str, value: f64) {
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    /// Prints every median as a line `<topic> <name> <value>`.
    #[allow(clippy::print_stdout, reason = "a benchmark says what it finds")]
    pub fn print(&self, topic: &str) {
        for (name, values) in &self.0 {
            println!("{topic} {name} {}", median(values));
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |at: usize| sorted.get(at).copied().unwrap_or(f64::NAN);
    match sorted.len() {
        even if even % 2 == 0 => f64::midpoint(at((even / 2).saturating_sub(1)), at(even / 2)),
        odd => at(odd / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
