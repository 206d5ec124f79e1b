//! What has been found: a value by name for each round, of which the medians count.

use std::collections::BTreeMap;

use crate::load::Measured;

/// Everything found so far.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    /// A loop: requests a second, latencies and processor time for one request in microseconds.
    pub(crate) fn measured(&mut self, name: &str, measured: &Measured) {
        self.add(&format!("{name}.per_second"), measured.per_second());
        self.add(&format!("{name}.p50"), measured.latency(0.5));
        self.add(&format!("{name}.p99"), measured.latency(0.99));
        self.add(&format!("{name}.p999"), measured.latency(0.999));
        self.add(&format!("{name}.cpu"), measured.cpu_each());
    }

    /// A loop beside its baseline of the same round.
    pub(crate) fn beside(&mut self, name: &str, measured: &Measured, baseline: &Measured) {
        self.measured(name, measured);
        self.add(&format!("{name}.per_second_ratio"), measured.per_second() / baseline.per_second());
        self.add(&format!("{name}.p99_ratio"), measured.latency(0.99) / baseline.latency(0.99));
    }

    /// Prints every median as a line `edge <name> <value>`.
    pub(crate) fn print(&self) {
        for (name, values) in &self.0 {
            println!("edge {name} {}", median(values));
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
