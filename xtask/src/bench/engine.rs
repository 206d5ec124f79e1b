//! `cargo xtask bench engine`: how long a decision, a snapshot and an answer take, at 100 and at 1,000 offers, natively and
//! inside workerd.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::page;
use super::rows::Target::{AtLeast, AtMost};
use super::rows::{self, Row};
use crate::command::{cargo, command, output};
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
    let python = setup::for_learning(places)?.python;
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
    let inside = read_times("inside", &inside);
    say("  ...     engine: Vowpal Wabbit on the same visitors and offers");
    let mut rival = command(&python);
    rival.arg(places.root.join("engine/benches/decide/vw.py")).args(OFFERS);
    // One thread, as ours.
    let said_rival = output(rival.env("OMP_NUM_THREADS", "1").env("OPENBLAS_NUM_THREADS", "1"))?;
    let rival = read_times("vw", &said_rival);
    let folder = target_folder(places)?.join("criterion/engine");
    let mut table = "| one thread, mean | native, 100 offers | native, 1,000 offers | grows by | workerd, 100 offers | × native | workerd, 1,000 offers | × native |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    let mut rows = Vec::new();
    for (id, words) in MEASURED {
        let [small, large] = OFFERS.map(|offers| mean_ns(&folder.join(id).join(offers)));
        let native = [small?, large?];
        let [small, large] = native;
        write!(table, "| {words} | {} | {} | {:.1} × |", time(small), time(large), large / small)?;
        let of_workerd = |offers| {
            let missing = || format!("the benchmark inside workerd does not say how long {id} takes");
            inside.get(&(id, offers)).copied().with_context(missing)
        };
        let [small, large] = OFFERS.map(of_workerd);
        let workerd = [small?, large?];
        for (native, inside) in native.into_iter().zip(workerd) {
            write!(table, " {} | {:.1} × |", time(inside), inside / native)?;
        }
        table.push('\n');
        rows.extend(targets(id, native, workerd));
    }
    let [small, large] = OFFERS.map(|offers| rival.get(&("decide", offers)).copied());
    let (small, large) = small.zip(large).context("vw.py does not say how long Vowpal Wabbit takes")?;
    let ours = OFFERS.map(|offers| mean_ns(&folder.join("decide").join(offers)));
    let [ours_small, ours_large] = ours;
    let (times_small, times_large) = (small / ours_small?, large / ours_large?);
    writeln!(
        table,
        "\nVowpal Wabbit's `predict` on the same facts and offers, parsed beforehand, without rules, placements or a second \
         stage: {} at 100 offers and {} at 1,000, {times_small:.1} and {times_large:.1} times what a whole decision takes.",
        time(small),
        time(large)
    )?;
    rows.push(Row::new("Vowpal Wabbit's predict ÷ a decision, 100 offers", times_small, "×", Some(AtLeast(5.0))));
    rows.push(Row::new("Vowpal Wabbit's predict ÷ a decision, 1,000 offers", times_large, "×", Some(AtLeast(5.0))));
    let sizes: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("snapshot of ")).collect();
    writeln!(table, "\nThe taught snapshot: {}.", sizes.join("; "))?;
    #[expect(clippy::print_stdout, reason = "the table is what the command is for")]
    {
        println!("{table}");
    }
    rows::write(places, "engine", &rows)?;
    if arguments.write {
        page::write(places, "engine", "cargo xtask bench engine --write", &table)?;
    }
    Ok(())
}

/// What a measurement says of the targets, from nanoseconds at 100 and at 1,000 offers.
fn targets(id: &str, native: [f64; 2], workerd: [f64; 2]) -> Vec<Row> {
    let [small, large] = native;
    let [small_inside, large_inside] = workerd;
    match id {
        "decide" => vec![
            Row::new("a decision, 100 offers, native", small / 1e3, "µs", Some(AtMost(100.0))),
            Row::new("a decision, 1,000 offers ÷ 100 offers", large / small, "×", Some(AtMost(11.0))),
            Row::new("a decision, 100 offers, workerd ÷ native", small_inside / small, "×", Some(AtMost(2.5))),
            Row::new("a decision, 1,000 offers, workerd ÷ native", large_inside / large, "×", Some(AtMost(2.5))),
        ],
        "lay_out" => {
            vec![Row::new("a snapshot of 1,000 offers laid out, workerd", large_inside / 1e6, "ms", Some(AtMost(50.0)))]
        }
        "fold" => {
            let events = |name, ns| Row::new(name, 1e9 / ns, "events/s", Some(AtLeast(50_000.0)));
            vec![
                events("answers folded, 100 offers, workerd", small_inside),
                events("answers folded, 1,000 offers, workerd", large_inside),
            ]
        }
        _ => vec![Row::new("a decision with its trace, 1,000 offers, workerd", large_inside / 1e6, "ms", None)],
    }
}

/// Nanoseconds by what and offers, from lines `<who> <what> <offers> <nanoseconds>`.
fn read_times<'a>(who: &str, said: &'a str) -> BTreeMap<(&'a str, &'a str), f64> {
    let read = |line: &'a str| match *str::split_whitespace(line).collect::<Vec<_>>() {
        [of, what, offers, ns] if of == who => Some(((what, offers), ns.parse().ok()?)),
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
        let read = read_times("inside", "noise\ninside decide 100 61234\ninside fold 100 many\n");
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
