//! The edge on workerd under load, beside what the platform costs by itself. `cargo xtask bench edge` runs it and reads
//! what it prints: one line for each figure, `edge <name> <value>`.
//!
//! `PORTICO_QUICK` makes it short. `PORTICO_PARTS`, such as `decisions,lag`, runs only some of it, for profiling.
#![allow(clippy::print_stdout, reason = "a benchmark says what it finds")]

mod answers;
mod bare;
mod decisions;
mod lag;
mod load;
mod memory;
mod process;
mod site;
mod start;
mod visitors;
#[path = "../../../engine/benches/decide/world.rs"]
mod world;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portico_demo_site::stack::{self, Edge, EdgeOptions};
use tempfile::TempDir;

use bare::Bare;
use portico_tests::Figures;
use process::Process;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    /// Rounds in which each subject is measured once, beside its baseline.
    rounds: usize,
    /// How long a loop runs that ends by time.
    each: Duration,
    /// Showings of each offer that the model is taught with.
    showings: usize,
    /// Events sent alone in a round.
    singles: usize,
    /// Batches of events in a round.
    batches: usize,
    /// Answers whose way into a decision is timed.
    probes: usize,
    /// Events sent while memory is watched.
    remembered: u64,
}

impl Extent {
    const WHOLE: Self = Self {
        rounds: 5,
        each: Duration::from_secs(3),
        showings: 30,
        singles: 3_000,
        batches: 500,
        probes: 200,
        remembered: 1_000_000,
    };
    const QUICK: Self = Self {
        rounds: 3,
        each: Duration::from_secs(1),
        showings: 10,
        singles: 600,
        batches: 100,
        probes: 40,
        remembered: 50_000,
    };
}

/// What everything is measured on.
struct Stand {
    extent: Extent,
    edge: Edge,
    bare: Bare,
    folder: TempDir,
}

impl Stand {
    async fn start(extent: Extent) -> Result<Self> {
        // Beside what cargo builds: on a disk, where temporary folders of some systems are not.
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = tempfile::tempdir_in(scratch)?;
        let edge = Edge::start(EdgeOptions::from_env(folder.path().to_owned(), stack::free_port()?)?).await?;
        let bare = Bare::start(scratch).await?;
        Ok(Self { extent, edge, bare, folder })
    }

    fn process(&self) -> Result<Process> {
        self.edge.pid().map(Process::new).context("the edge has ended")
    }
}

// One thread: the other of two processors is workerd's.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let extent = if std::env::var_os("PORTICO_QUICK").is_some() { Extent::QUICK } else { Extent::WHOLE };
    let parts = std::env::var("PORTICO_PARTS").ok();
    let wanted = |part: &str| parts.as_ref().is_none_or(|parts| parts.split(',').any(|wanted| wanted == part));
    let mut stand = Stand::start(extent).await?;
    let mut figures = Figures::default();
    let measured = measure(&mut stand, &mut figures, wanted).await;
    measured.with_context(|| format!("workerd's last lines:\n{}", stand.edge.log_tail()))?;
    stand.edge.stop().await?;
    figures.print("edge");
    Ok(())
}

async fn measure(stand: &mut Stand, figures: &mut Figures, wanted: impl Fn(&str) -> bool) -> Result<()> {
    if wanted("decisions") {
        decisions::measure(stand, figures).await?;
    }
    if wanted("start") {
        start::measure(stand, figures).await?;
    }
    if wanted("answers") {
        answers::measure(stand, figures).await?;
    }
    if wanted("lag") {
        lag::measure(stand, figures).await?;
    }
    if wanted("memory") {
        memory::measure(stand, figures).await?;
    }
    Ok(())
}

/// A line for whoever waits.
fn say(what: &str) {
    eprintln!("  ...     edge: {what}");
}
