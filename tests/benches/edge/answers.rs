//! Events, alone beside a bare insert and in batches; and how fast a learner takes in what a ledger holds.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use portico_protocol::decide::OfferResponse;

use crate::load::{Connection, Measured, Prepared, Until, closed_loop};
use crate::site::{BATCH, Site};
use crate::{Stand, say};
use portico_tests::Figures;

const OFFERS: usize = 100;
/// Between two looks at the live report, which is large.
const POLL: Duration = Duration::from_millis(250);
const LEARNER_DEADLINE: Duration = Duration::from_secs(600);

pub(crate) async fn measure(stand: &mut Stand, figures: &mut Figures) -> Result<()> {
    let extent = stand.extent;
    say("events alone beside bare inserts, and in batches");
    let mut site = Site::publish(&stand.edge, "events", OFFERS, 0).await?;
    site.teach(extent.showings).await?;
    // The first is for warming up.
    for round in 0..=extent.rounds {
        let alone = site.mint(extent.singles.div_ceil(BATCH)).await?;
        let alone: Arc<[Prepared]> = alone.iter().flatten().map(|offer| site.single("impression", offer)).collect();
        let inserts: Arc<[Prepared]> = alone.iter().map(|single| stand.bare.insert(single)).collect();
        let batches = site.mint(extent.batches).await?;
        let batches: Arc<[Prepared]> = batches.iter().map(|shown| site.batch(shown, None)).collect();
        let inserted = closed_loop(stand.bare.port, stand.bare.process, &inserts, Until::Sent).await?;
        let alone = send(&site, &alone, 1).await?;
        site.settle().await?;
        let before = site.process.cpu()?;
        let together = send(&site, &batches, BATCH).await?;
        site.settle().await?;
        let learned = site.process.cpu()?.saturating_sub(before);
        if round == 0 {
            continue;
        }
        let events = (batches.len() * BATCH) as f64;
        inserted.keep(figures, "insert");
        alone.keep_beside(figures, "event", &inserted);
        together.keep(figures, "batch");
        figures.add("events.per_second", together.per_second() * BATCH as f64);
        figures.add("events.per_cpu_second", BATCH as f64 * 1e6 / together.cpu_each());
        figures.add("events.per_cpu_second_learned", events / learned.as_secs_f64());
    }
    learn_anew(stand, &mut site, figures).await
}

async fn send(site: &Site, requests: &Arc<[Prepared]>, events_each: usize) -> Result<Measured> {
    let measured = closed_loop(site.port, site.process, requests, Until::Sent).await?;
    site.add_acknowledged((requests.len() * events_each) as u64);
    Ok(measured)
}

/// A learner that has lost its file takes in the whole record again: from the ledger's rows to the model, and nothing
/// else goes on.
async fn learn_anew(stand: &mut Stand, site: &mut Site, figures: &mut Figures) -> Result<()> {
    say("a learner without its file takes in the whole ledger");
    let shown: Vec<OfferResponse> = site.mint(1).await?.into_iter().flatten().collect();
    let last = site.single("impression", shown.first().context("nothing is shown")?);
    stand.edge.stop().await?;
    for file in std::fs::read_dir(stand.folder.path().join("objects/portico-LearnerObject"))? {
        let path = file?.path();
        // What is not an object's is the platform's own.
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("metadata.")) {
            std::fs::remove_file(path)?;
        }
    }
    stand.edge.restart().await?;
    site.restarted(&stand.edge)?;
    // The report brings up the learner, so that its start is not counted, and shows that it knows nothing.
    ensure!(site.report().await?.events_folded == 0, "the learner has not forgotten");
    Connection::open(site.port).await?.ask(&last).await?;
    site.add_acknowledged(1);
    let (begun, began_ms) = (Instant::now(), now_ms());
    // The first half is for warming up: the process has just been started.
    let (mut half, mut from_ms, mut from_cpu) = (0, began_ms, site.process.cpu()?);
    loop {
        tokio::time::sleep(POLL).await;
        let (report, cpu) = (site.report().await?, site.process.cpu()?);
        let folded = report.events_folded;
        if folded >= site.acknowledged() {
            let rows = (folded - half) as f64;
            figures.add("learner.rows", folded as f64);
            figures.add("learner.per_second", rows * 1e3 / report.model_at.saturating_sub(from_ms) as f64);
            figures.add("learner.per_cpu_second", rows / cpu.saturating_sub(from_cpu).as_secs_f64());
            return Ok(());
        }
        if half == 0 && folded >= site.acknowledged() / 2 {
            (half, from_ms, from_cpu) = (folded, report.model_at, cpu);
        }
        ensure!(begun.elapsed() < LEARNER_DEADLINE, "the learner is not done after {LEARNER_DEADLINE:?}");
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
