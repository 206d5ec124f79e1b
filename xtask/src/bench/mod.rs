//! `cargo xtask bench`: what is measured beside something else in the same run.
//!
//! Every benchmark prints Markdown on stdout. With `--write` it also goes into `docs/benchmarks.md`, between the
//! markers of that benchmark, with the machine, the date and the command. What machines read goes to
//! `target/bench/<name>.json`.

mod edge;
mod engine;
mod figures;
mod learning;
mod page;
mod rows;
mod widget;

use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::places::Places;
use crate::step::display;

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum What {
    /// How fast the engine decides, lays out a snapshot and learns.
    Engine(engine::EngineArguments),
    /// What the edge answers under load, beside what workerd costs by itself.
    Edge(edge::EdgeArguments),
    /// What the widget costs the page it is embedded in, beside peers.
    Widget(widget::WidgetArguments),
    /// What the engine learns, beside Vowpal Wabbit, on simulated visitors.
    Learning(learning::LearningArguments),
}

/// Measures.
pub(crate) fn run(places: &Places, what: &What) -> Result<()> {
    match what {
        What::Engine(arguments) => engine::run(places, arguments),
        What::Edge(arguments) => edge::run(places, arguments),
        What::Widget(arguments) => widget::run(places, arguments),
        What::Learning(arguments) => learning::run(places, arguments),
    }
}

/// What a benchmark prints on stdout. What it says on stderr goes to the terminal.
fn run_benchmark(bench: &mut Command) -> Result<String> {
    let shown = display(bench);
    let mut child =
        bench.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said).context("cannot read the benchmark's output")?;
    }
    let status = child.wait().context("cannot wait for the benchmark")?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(said)
}
