//! What the engine learns, measured beside Vowpal Wabbit on the same simulated visitors. Run by
//! `cargo xtask bench learning`, which prepares the covariates and Vowpal Wabbit.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a benchmark measures time; its indexes are its own, and a wrong one should end it"
)]

mod chance;
mod covariates;
mod engine;
mod experiments;
mod jobs;
mod lift;
mod report;
mod rival;
mod search;
mod stream;
mod world;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use covariates::Table;
use engine::Changes;
use experiments::{Experiment, Plan};
use rival::Rival;
use world::Family;

#[derive(Parser)]
struct Arguments {
    /// Two seeds and 20,000 decisions.
    #[arg(long)]
    quick: bool,
    /// Seeds: each gives other worlds, visitors and answers.
    #[arg(long, default_value_t = 8)]
    seeds: usize,
    /// The first seed: settings are tried on other seeds than those reported.
    #[arg(long, default_value_t = 21)]
    first_seed: u64,
    /// Decisions of the stationary streams.
    #[arg(long, default_value_t = 50_000)]
    horizon: usize,
    /// Families of worlds; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    families: Vec<Family>,
    /// What to run; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    experiments: Vec<Experiment>,
    /// A change in the engine's configuration: a setting of its model, or a JSON pointer. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    engine: Vec<String>,
    /// The visitors, as a CSV file; synthetic without.
    #[arg(long)]
    covariates: Option<PathBuf>,
    /// A Python that has Vowpal Wabbit; without, ours runs alone.
    #[arg(long, value_name = "PYTHON")]
    vw: Option<PathBuf>,
    /// Another setting of Vowpal Wabbit than the best found.
    #[arg(long, default_value = rival::BEST, allow_hyphen_values = true)]
    vw_setting: String,
    /// Search for Vowpal Wabbit's best setting instead.
    #[arg(long, requires = "vw")]
    search: bool,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Write the lift of every run to this CSV file, to compare two variants pair by pair.
    #[arg(long)]
    runs: Option<PathBuf>,
    /// Write what is asked of the learner, and whether it holds, to this JSON file.
    #[arg(long)]
    rows: Option<PathBuf>,
    /// Cargo says this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(text) => {
            // Who has closed stdout does not want the report.
            drop(std::io::stdout().write_all(text.as_bytes()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, String> {
    let table = arguments.covariates.as_deref().map_or_else(|| Ok(Table::synthetic()), Table::read)?;
    let rival = arguments.vw.clone().map(|python| Rival { python });
    if let (true, Some(rival)) = (arguments.search, &rival) {
        return search::run(rival, &table, arguments.threads);
    }
    let mut changes = Changes::default();
    for change in &arguments.engine {
        changes.read(change)?;
    }
    let all_or = |families: &[Family]| if families.is_empty() { Family::ALL.to_vec() } else { families.to_vec() };
    let plan = Plan {
        table: &table,
        families: all_or(&arguments.families),
        experiments: if arguments.experiments.is_empty() {
            Experiment::ALL.to_vec()
        } else {
            arguments.experiments.clone()
        },
        seeds: (arguments.first_seed..).take(if arguments.quick { 2 } else { arguments.seeds }).collect(),
        horizon: if arguments.quick { 20_000 } else { arguments.horizon },
        threads: arguments.threads,
        changes,
        rival,
        setting: arguments.vw_setting.clone(),
    };
    let results = experiments::run(&plan)?;
    let files = [(&arguments.runs, report::runs(&results)), (&arguments.rows, report::rows(&plan, &results))];
    for (path, text) in files {
        if let Some(path) = path {
            std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
    }
    Ok(report::text(&plan, &results))
}
