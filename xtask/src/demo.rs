//! `cargo xtask demo`: set up, build, then become the demo program, so that Ctrl-C and signals reach it directly.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::build;
use crate::command::cargo;
use crate::places::Places;
use crate::setup;
use crate::step::say;

#[derive(Args)]
pub(crate) struct DemoArguments {
    /// The edge's port; the bank has the next one, the partner the one after.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Where state is kept between runs.
    #[arg(long, default_value = ".portico")]
    data: PathBuf,
    /// Begin without the state of earlier runs.
    #[arg(long)]
    fresh: bool,
    /// Send this many simulated visitors through the HTTP API.
    #[arg(long, value_name = "N")]
    simulate: Option<u64>,
    /// Run what was built last.
    #[arg(long)]
    no_build: bool,
}

/// Does not return unless something fails.
pub(crate) fn run(places: &Places, arguments: &DemoArguments) -> Result<()> {
    let tools = setup::for_builds(places)?;
    if !arguments.no_build {
        build::run(places, &tools, None)?;
    }
    let mut demo = cargo(&places.root);
    demo.args(["run", "--quiet", "--package", "portico-demo-site", "--", "--port", &arguments.port.to_string()])
        .arg("--data")
        .arg(std::path::absolute(&arguments.data).context("--data is not a path")?)
        .arg("--dist")
        .arg(places.dist())
        .arg("--workerd")
        .arg(tools.npm.workerd());
    if arguments.fresh {
        demo.arg("--fresh");
    }
    if let Some(visitors) = arguments.simulate {
        demo.args(["--simulate", &visitors.to_string()]);
    }
    say("  ...     demo: compiling and starting");
    become_it(&mut demo)
}

#[cfg(unix)]
fn become_it(command: &mut Command) -> Result<()> {
    let error = std::os::unix::process::CommandExt::exec(command);
    Err(error).context("cannot start cargo")
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "the demo has ended with {status}");
    Ok(())
}
