//! The project's task runner, the same at a desk and in CI. `cargo xtask --help` lists the tasks.

mod bench;
mod build;
mod check;
mod command;
mod demo;
mod places;
mod setup;
mod step;
mod versions;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use places::Places;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Portico's task runner")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build and run the edge, a bank and a partner site until Ctrl-C.
    Demo(demo::DemoArguments),
    /// Run every check and test.
    Test,
    /// Measure, beside what others achieve in the same run.
    Bench {
        #[command(subcommand)]
        what: bench::What,
    },
    /// Install the tools that the other tasks need (they do it themselves; this is for doing it ahead).
    Setup {
        /// Also what only tests need: Chromium, its driver, cargo-deny.
        #[arg(long)]
        tests: bool,
    },
    /// Build the worker, the widget with its loader, and the console into `dist/`.
    Build {
        /// One part alone.
        #[arg(long, value_enum)]
        only: Option<build::Part>,
        /// The folder `dist/assets` of an earlier release: its hashed files are taken over, so that pages that have pinned
        /// its loader keep working.
        #[arg(long, value_name = "FOLDER")]
        earlier: Vec<std::path::PathBuf>,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // Not `Debug`: a backtrace of this program says nothing about what a tool did.
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            step::say(&format!("\nerror: {}", causes.join("\n  because: ")));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let places = Places::find()?;
    match Arguments::parse().task {
        Task::Setup { tests } => {
            let build = setup::for_builds(&places)?;
            if tests {
                setup::for_tests(&places, &build)?;
            }
        }
        Task::Demo(arguments) => demo::run(&places, &arguments)?,
        Task::Test => {
            if !check::run(&places)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Bench { what } => bench::run(&places, &what)?,
        Task::Build { only, earlier } => {
            build::run(&places, &setup::for_builds(&places)?, only)?;
            build::take_over(&places, &earlier)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
