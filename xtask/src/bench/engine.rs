//! `cargo xtask bench engine`: how long a decision, a snapshot and an answer take, at 100 and at 1,000 offers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::page;
use crate::command::{cargo, output};
use crate::places::Places;
use crate::step::say;

/// Ids of `engine/benches/decide.rs`, with what they are in words.
const MEASURED: [(&str, &str); 4] = [
    ("decide 3 placements", "a decision: 3 placements, 40 facts, rules, contact policy"),
    ("explain 3 placements", "the same with its full trace"),
    ("decode and lay out a snapshot", "a snapshot: decoded and laid out"),
    ("fold", "an answer folded"),
];
const OFFERS: [&str; 2] = ["100", "1000"];

#[derive(Args)]
pub(crate) struct EngineArguments {
    /// Put the table into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// Runs the benchmark and prints its table.
pub(crate) fn run(places: &Places, arguments: &EngineArguments) -> Result<()> {
    say("  ...     engine: compiling and running, two minutes");
    let mut bench = cargo(&places.root);
    bench.args(["bench", "--quiet", "--package", "portico-engine", "--bench", "decide"]);
    let said =
        output(&mut bench).context("the benchmark failed; run `cargo bench -p portico-engine --bench decide`")?;
    let folder = target_folder(places)?.join("criterion/engine");
    let mut table =
        "| natively, one thread, mean | 100 offers | 1,000 offers | grows by |\n|---|---|---|---|\n".to_owned();
    for (id, words) in MEASURED {
        let [small, large] = OFFERS.map(|offers| mean_ns(&folder.join(id).join(offers)));
        let (small, large) = (small?, large?);
        writeln!(table, "| {words} | {} | {} | {:.1} × |", time(small), time(large), large / small)?;
    }
    let sizes: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("snapshot of ")).collect();
    writeln!(table, "\nThe taught snapshot: {}.", sizes.join("; "))?;
    #[expect(clippy::print_stdout, reason = "the table is what the command is for")]
    {
        println!("{table}");
    }
    if arguments.write {
        page::write(places, "engine", "cargo xtask bench engine --write", &table)?;
    }
    Ok(())
}

fn target_folder(places: &Places) -> Result<PathBuf> {
    let metadata = output(cargo(&places.root).args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}

/// The mean of a benchmark in nanoseconds for each of the elements that it says it handles, from what criterion left.
fn mean_ns(folder: &Path) -> Result<f64> {
    let read = |name: &str| -> Result<Value> {
        let path = folder.join("new").join(name);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
    };
    let elements = read("benchmark.json")?.pointer("/throughput/Elements").and_then(Value::as_f64).unwrap_or(1.0);
    match read("estimates.json")?.pointer("/mean/point_estimate").and_then(Value::as_f64) {
        Some(mean) if mean > 0.0 && elements > 0.0 => Ok(mean / elements),
        _ => bail!("{} has no mean", folder.display()),
    }
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e4 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns => format!("{:.1} ms", ns / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_at_a_glance() {
        let check = |ns, expect: &str| assert_eq!(time(ns), expect);
        check(2_767.0, "2.8 µs");
        check(61_234.0, "61 µs");
        check(28_116_000.0, "28.1 ms");
    }
}
