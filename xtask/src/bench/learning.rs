//! `cargo xtask bench learning`: Vowpal Wabbit and the visitors set up, then the engine's benchmark run with them.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args;

use super::{page, rows, run_benchmark};
use crate::command::cargo;
use crate::places::Places;
use crate::setup;
use crate::step::say;

#[derive(Args)]
pub(crate) struct LearningArguments {
    /// Two seeds and 20,000 decisions.
    #[arg(long)]
    quick: bool,
    /// Put the tables into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
    /// Everything else goes to the benchmark; `-- --help` lists it.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the benchmark and prints its tables.
pub(crate) fn run(places: &Places, arguments: &LearningArguments) -> Result<()> {
    let tools = setup::for_learning(places)?;
    let mut bench = cargo(&places.root);
    bench.args(["bench", "--quiet", "--package", "portico-engine", "--bench", "learning", "--"]);
    bench.arg("--vw").arg(&tools.python);
    if let Some(covariates) = &tools.covariates {
        bench.arg("--covariates").arg(covariates);
    }
    let rows = rows::path(places, "learning")?;
    bench.arg("--rows").arg(&rows);
    bench.args(arguments.quick.then_some("--quick")).args(&arguments.rest);
    say("  ...     learning: compiling and running");
    let tables = run_benchmark(&mut bench)?;
    say(&format!("  ok      {} written", rows.display()));
    std::io::stdout().write_all(tables.as_bytes()).context("cannot write to stdout")?;
    if arguments.write {
        page::write(places, "learning", &arguments.command(), &tables)?;
    }
    Ok(())
}

impl LearningArguments {
    /// As one could type it.
    fn command(&self) -> String {
        let mut words = vec!["cargo xtask bench learning".to_owned()];
        words.extend(self.quick.then(|| "--quick".to_owned()));
        words.extend(self.write.then(|| "--write".to_owned()));
        if !self.rest.is_empty() {
            words.push("--".to_owned());
            words.extend(self.rest.iter().cloned());
        }
        words.join(" ")
    }
}
