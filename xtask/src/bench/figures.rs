//! What a benchmark says on stdout: a line `<topic> <name> <value>` for each figure.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// Medians by name.
pub(crate) struct Figures<'a>(BTreeMap<&'a str, f64>);

impl<'a> Figures<'a> {
    /// Reads the lines of a topic.
    pub(crate) fn read(topic: &str, said: &'a str) -> Self {
        let read = |line: &'a str| match *line.split_whitespace().collect::<Vec<_>>() {
            [first, name, value] if first == topic => Some((name, value.parse().ok()?)),
            _ => None,
        };
        Self(said.lines().filter_map(read).collect())
    }

    /// A figure; an error if the benchmark does not say it.
    pub(crate) fn get(&self, name: &str) -> Result<f64> {
        self.0.get(name).copied().with_context(|| format!("the benchmark does not say {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_name() {
        let said = "noise\nedge lag.p95 612.5\nedge lag.p99 many\nedge too many words\nwidget lag.p50 1\n";
        let figures = Figures::read("edge", said);
        assert_eq!(figures.get("lag.p95").unwrap(), 612.5);
        assert!(figures.get("lag.p99").is_err());
        assert!(figures.get("lag.p50").is_err());
    }
}
