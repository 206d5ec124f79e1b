//! How long it takes from an answer to a decision that is another because of it, while visitors come.
//!
//! A probe is an offer that ends with its first click: it stands first until the model that counts the click decides. It
//! is clicked, and asked for until it no longer comes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use portico_protocol::decide::OfferResponse;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{interval, sleep};

use crate::load::{CONNECTIONS, Connection, Prepared};
use crate::site::{Site, probe_offer, shown};
use crate::{Stand, say, visitors};
use portico_tests::Figures;

const OFFERS: usize = 100;
/// Between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// Between two questions for a probe: the lag is told to this.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Share of the visits a second, of those a closed loop reaches, that come while lags are measured.
const LOAD: f64 = 0.5;
/// Offers on a page, and so events of a visit.
const PAGE_OFFERS: f64 = 6.0;
/// A lag that is longer is an error.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) async fn measure(stand: &Stand, figures: &mut Figures) -> Result<()> {
    LocalSet::new().run_until(measure_locally(stand, figures)).await
}

async fn measure_locally(stand: &Stand, figures: &mut Figures) -> Result<()> {
    let extent = stand.extent;
    let site = Rc::new(Site::publish(&stand.edge, "lag", OFFERS, extent.probes).await?);
    site.teach(extent.showings).await?;

    say("as many visits as are answered");
    let (begun, acknowledged) = (Instant::now(), site.acknowledged());
    let running = visitors::send(&site, page, None, move || begun.elapsed() < extent.each).await?;
    visitors::gone(running).await?;
    let most = (site.acknowledged() - acknowledged) as f64 / begun.elapsed().as_secs_f64() / PAGE_OFFERS;
    site.settle().await?;

    say(&format!("from a click to another decision, beside {:.0} visits a second", most * LOAD));
    let every = Duration::from_secs_f64(CONNECTIONS as f64 / (most * LOAD));
    let over = Rc::new(Cell::new(false));
    let more = {
        let over = Rc::clone(&over);
        move || !over.get()
    };
    let (begun, acknowledged) = (Instant::now(), site.acknowledged());
    let load = visitors::send(&site, page, Some(every), more).await?;
    let mut probes = JoinSet::new();
    let mut pace = interval(PROBE_EVERY);
    for number in 0..extent.probes {
        pace.tick().await;
        let site = Rc::clone(&site);
        probes.spawn_local(async move { probe(&site, number).await });
    }
    let mut lags = Vec::new();
    while let Some(ended) = probes.join_next().await {
        lags.push(ended??.as_secs_f64() * 1e3);
    }
    over.set(true);
    let came = (site.acknowledged() - acknowledged - extent.probes as u64) as f64;
    figures.add("lag.visits_per_second", came / PAGE_OFFERS / begun.elapsed().as_secs_f64());
    figures.add("lag.most_visits_per_second", most);
    visitors::gone(load).await?;
    lags.sort_by(f64::total_cmp);
    for (name, quantile) in [("lag.p50", 0.5), ("lag.p95", 0.95), ("lag.p99", 0.99)] {
        let at = (lags.len() as f64 * quantile) as usize;
        figures.add(name, lags.get(at.min(lags.len().saturating_sub(1))).copied().context("no probe")?);
    }
    site.settle().await
}

fn page(site: &Site) -> Prepared {
    site.page(None)
}

/// From sending a click to the answer that it has changed.
async fn probe(site: &Site, number: usize) -> Result<Duration> {
    let (question, offer) = (site.probe(number), probe_offer(number));
    let mut connection = Connection::open(site.port).await?;
    let (_, offers) = shown(&connection.ask(&question).await?)?;
    let probe: &OfferResponse = offers.iter().find(|shown| shown.offer == offer).context("the probe is not shown")?;
    let click = site.single("click", probe);
    let begun = Instant::now();
    connection.ask(&click).await?;
    site.add_acknowledged(1);
    while shown(&connection.ask(&question).await?)?.1.iter().any(|shown| shown.offer == offer) {
        ensure!(begun.elapsed() < LONGEST, "a click has changed nothing after {LONGEST:?}");
        sleep(ASK_EVERY).await;
    }
    Ok(begun.elapsed())
}
