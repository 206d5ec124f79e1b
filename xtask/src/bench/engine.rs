//! `cargo xtask bench engine`: how long a decision, a snapshot and an answer take, at 100 and at 1,000 offers, natively and
//! inside workerd.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::page;
use crate::command::{cargo, output};
use crate::places::Places;
use crate::step::say;
use crate::{build, setup};

/// What `engine/benches/decide` measures, with what it is in words.
const MEASURED: [(&str, &str); 4] = [
    ("decide", "a decision: 3 placements, 40 facts, rules, contact policy"),
    ("explain", "the same with its full trace"),
    ("lay_out", "a snapshot: decoded and laid out"),
    ("fold", "an answer folded"),
];
const OFFERS: [&str; 2] = ["100", "1000"];

#[derive(Args)]
pub(crate) struct EngineArguments {
    /// Put the table into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// Runs the benchmark natively and inside workerd, and prints its table.
pub(crate) fn run(places: &Places, arguments: &EngineArguments) -> Result<()> {
    let tools = setup::for_builds(places)?;
    let modules = build::inside::build(places, &tools)?;
    say("  ...     engine: compiling and running natively, two minutes");
    let mut bench = cargo(&places.root);
    bench.args(["bench", "--quiet", "--package", "portico-engine", "--bench", "decide"]);
    let said =
        output(&mut bench).context("the benchmark failed; run `cargo bench -p portico-engine --bench decide`")?;
    say("  ...     engine: compiling and running inside workerd, a minute");
    let mut bench = cargo(&places.root);
    bench.args(["bench", "--quiet", "--package", "portico-tests", "--bench", "inside"]);
    let inside = output(bench.env("PORTICO_INSIDE", modules).env("PORTICO_WORKERD", tools.npm.workerd()))
        .context("the benchmark failed inside workerd")?;
    let inside = read_inside(&inside);
    let folder = target_folder(places)?.join("criterion/engine");
    let mut table = "| one thread, mean | native, 100 offers | native, 1,000 offers | grows by | workerd, 100 offers | × native | workerd, 1,000 offers | × native |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    for (id, words) in MEASURED {
        let native = OFFERS.map(|offers| mean_ns(&folder.join(id).join(offers)));
        let [small, large] = native;
        let (small, large) = (small?, large?);
        write!(table, "| {words} | {} | {} | {:.1} × |", time(small), time(large), large / small)?;
        for (offers, native) in OFFERS.into_iter().zip([small, large]) {
            let inside = inside
                .get(&(id, offers))
                .with_context(|| format!("the benchmark inside workerd does not say how long {id} takes"))?;
            write!(table, " {} | {:.1} × |", time(*inside), inside / native)?;
        }
        table.push('\n');
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

/// Nanoseconds by what and offers, from lines `inside <what> <offers> <nanoseconds>`.
fn read_inside(said: &str) -> BTreeMap<(&str, &str), f64> {
    let read = |line| match *str::split_whitespace(line).collect::<Vec<_>>() {
        ["inside", what, offers, ns] => Some(((what, offers), ns.parse().ok()?)),
        _ => None,
    };
    said.lines().filter_map(read).collect()
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
    fn what_is_said_inside_is_read() {
        let read = read_inside("noise\ninside decide 100 61234\ninside fold 100 many\n");
        assert_eq!(read, BTreeMap::from([(("decide", "100"), 61_234.0)]));
    }

    #[test]
    fn times_are_read_at_a_glance() {
        let check = |ns, expect: &str| assert_eq!(time(ns), expect);
        check(2_767.0, "2.8 µs");
        check(61_234.0, "61 µs");
        check(28_116_000.0, "28.1 ms");
    }
}
