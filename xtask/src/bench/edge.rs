//! `cargo xtask bench edge`: the edge on workerd under load, beside what workerd costs by itself, in one run.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;

use super::figures::Figures;
use super::rows::Target::{AtLeast, AtMost};
use super::rows::{self, Row, Target};
use super::{page, run_benchmark};
use crate::command::cargo;
use crate::places::Places;
use crate::step::say;
use crate::{build, setup};

/// What is asked of the worker again and again, with what it is in words, and what it stands beside.
const LOOPS: [(&str, &str, Option<&str>); 10] = [
    ("hello", "a bare worker's hello", None),
    ("echo", "a bare worker that reads a question and answers with as many bytes as `decide`", Some("a hello")),
    ("healthz", "`GET /healthz`", None),
    ("decide_100", "`decide`, anonymous, 100 offers", Some("/healthz")),
    ("decide_1000", "`decide`, anonymous, 1,000 offers", Some("/healthz")),
    ("read", "a bare object's read", None),
    ("decide_customer", "`decide`, customer, 100 offers", Some("a read")),
    ("insert", "a bare object's insert", None),
    ("event", "`events`, one", Some("an insert")),
    ("batch", "`events`, 20 in a batch", None),
];
/// When memory was looked at.
const MEMORY: [(&str, &str); 6] = [
    ("start", "before"),
    ("quarter_1", "after a quarter"),
    ("quarter_2", "half"),
    ("quarter_3", "three quarters"),
    ("quarter_4", "all"),
    ("end", "all learned"),
];

#[derive(Args)]
pub(crate) struct EdgeArguments {
    /// Short rounds, and 50,000 events instead of a million where memory is watched.
    #[arg(long)]
    quick: bool,
    /// Put the tables into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// Builds the worker, runs the benchmark and prints its tables.
pub(crate) fn run(places: &Places, arguments: &EdgeArguments) -> Result<()> {
    let tools = setup::for_builds(places)?;
    build::run(places, &tools, None)?;
    say(&format!(
        "  ...     edge: compiling, then running, {}",
        if arguments.quick { "two minutes" } else { "a quarter of an hour" }
    ));
    let mut bench = cargo(&places.root);
    bench.args(["bench", "--quiet", "--package", "portico-tests", "--bench", "edge"]);
    bench.env("PORTICO_DIST", places.dist()).env("PORTICO_WORKERD", tools.npm.workerd());
    bench.envs(arguments.quick.then_some(("PORTICO_QUICK", "1")));
    let said = run_benchmark(&mut bench)?;
    let figures = Figures::read("edge", &said);
    let found = rows(&figures)?;
    let tables = tables(&figures, &found)?;
    #[expect(clippy::print_stdout, reason = "the tables are what the command is for")]
    {
        println!("{tables}");
    }
    rows::write(places, "edge", &found)?;
    if arguments.write {
        page::write(places, "edge", &arguments.command(), &tables)?;
    }
    Ok(())
}

impl EdgeArguments {
    /// As one could type it.
    fn command(&self) -> String {
        let quick = if self.quick { " --quick" } else { "" };
        format!("cargo xtask bench edge{quick} --write")
    }
}

/// What is kept for machines, and held against the targets.
fn rows(figures: &Figures<'_>) -> Result<Vec<Row>> {
    let row = |words: &str, name: &str, scale: f64, unit, target: Option<Target>| -> Result<Row> {
        Ok(Row::new(words, figures.get(name)? * scale, unit, target))
    };
    let memory = figures.get("memory.end")? - figures.get("memory.start")?;
    let events = figures.get("memory.events")?;
    let share = |least| Some(AtLeast(least));
    let second = "events/s";
    Ok(vec![
        row(
            "a bare worker's answer of a decision's size ÷ its hello, requests/s",
            "echo.per_second_ratio",
            100.0,
            "%",
            None,
        )?,
        row("decide, 100 offers ÷ /healthz, requests/s", "decide_100.per_second_ratio", 100.0, "%", share(50.0))?,
        row("decide, 100 offers ÷ /healthz, p99", "decide_100.p99_ratio", 1.0, "×", Some(AtMost(3.0)))?,
        row("decide, 1,000 offers ÷ /healthz, requests/s", "decide_1000.per_second_ratio", 100.0, "%", None)?,
        row("decide, 1,000 offers ÷ /healthz, p99", "decide_1000.p99_ratio", 1.0, "×", None)?,
        row(
            "decide, customer ÷ a bare object's read, requests/s",
            "decide_customer.per_second_ratio",
            100.0,
            "%",
            share(60.0),
        )?,
        row("the first decision of a fresh process, 100 offers", "start_100.first", 1.0, "ms", None)?,
        row("its second, half a second later", "start_100.second", 1.0, "ms", None)?,
        row("the first decision of a fresh process, 1,000 offers", "start_1000.first", 1.0, "ms", None)?,
        row("its second, half a second later", "start_1000.second", 1.0, "ms", None)?,
        row("one event alone ÷ a bare object's insert, requests/s", "event.per_second_ratio", 100.0, "%", share(40.0))?,
        row(
            "events in batches of 20, for a second of processor time",
            "events.per_cpu_second",
            1.0,
            second,
            share(10_000.0),
        )?,
        row("the same until they are learned", "events.per_cpu_second_learned", 1.0, second, None)?,
        row("events in batches of 20, by the clock", "events.per_second", 1.0, second, None)?,
        row(
            "a backlog learned, from ledger to model, by the clock",
            "learner.per_second",
            1.0,
            second,
            share(50_000.0),
        )?,
        row("a backlog learned, for a second of processor time", "learner.per_cpu_second", 1.0, second, None)?,
        row("from a click to another decision, p50", "lag.p50", 1.0, "ms", None)?,
        row("from a click to another decision, p95", "lag.p95", 1.0, "ms", Some(AtMost(2_000.0)))?,
        row("from a click to another decision, p99", "lag.p99", 1.0, "ms", None)?,
        Row::new(&format!("memory gained over {events:.0} events"), memory, "MiB", None),
    ])
}

fn tables(figures: &Figures<'_>, rows: &[Row]) -> Result<String> {
    let mut text =
        "| 16 connections, medians over rounds | requests/s | p50 | p99 | p99.9 | workerd's processor time | \
                    requests/s ÷ | p99 ÷ |
|---|---|---|---|---|---|---|---|
"
        .to_owned();
    for (name, words, beside) in LOOPS {
        let get = |part: &str| figures.get(&format!("{name}.{part}"));
        let ms = |part: &str| Ok::<_, anyhow::Error>(get(part)? / 1e3);
        write!(
            text,
            "| {words} | {:.0} | {:.1} ms | {:.1} ms | {:.1} ms | {:.2} ms |",
            get("per_second")?,
            ms("p50")?,
            ms("p99")?,
            ms("p999")?,
            ms("cpu")?
        )?;
        match beside {
            Some(beside) => {
                let (share, times) = (get("per_second_ratio")? * 100.0, get("p99_ratio")?);
                writeln!(text, " {share:.0} % of {beside} | {times:.1} × {beside} |")?;
            }
            None => text.push_str(" | |\n"),
        }
    }
    text.push('\n');
    text.push_str(&rows::table(rows));
    writeln!(
        text,
        "\nLags were taken beside {:.0} visits a second, each a decision of three placements and six events; as many as \
         are answered are {:.0}. The backlog had {:.0} events.",
        figures.get("lag.visits_per_second")?,
        figures.get("lag.most_visits_per_second")?,
        figures.get("learner.rows")?
    )?;
    let memory: Result<Vec<String>> = MEMORY
        .iter()
        .map(|(name, words)| Ok(format!("{words} {:.0}", figures.get(&format!("memory.{name}"))?)))
        .collect();
    writeln!(
        text,
        "\nMemory of the workerd process over {:.0} events, in MiB: {}. The model had them all {:.1} s after the last.",
        figures.get("memory.events")?,
        memory?.join(", "),
        figures.get("memory.behind_s")?
    )?;
    Ok(text)
}
