//! `cargo xtask bench`: what is measured beside something else in the same run.
//!
//! Every benchmark prints Markdown on stdout. With `--write` it also goes into `docs/benchmarks.md`, between the
//! markers of that benchmark, with the machine, the date and the command. What machines read goes to
//! `target/bench/<name>.json`.

mod engine;
mod learning;
mod page;
mod rows;

use anyhow::Result;
use clap::Subcommand;

use crate::places::Places;

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum What {
    /// How fast the engine decides, lays out a snapshot and learns.
    Engine(engine::EngineArguments),
    /// What the engine learns, beside Vowpal Wabbit, on simulated visitors.
    Learning(learning::LearningArguments),
}

/// Measures.
pub(crate) fn run(places: &Places, what: &What) -> Result<()> {
    match what {
        What::Engine(arguments) => engine::run(places, arguments),
        What::Learning(arguments) => learning::run(places, arguments),
    }
}
