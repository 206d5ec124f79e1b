//! Decisions, for anonymous visitors beside the same worker's `/healthz`, and for customers beside a bare object.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::load::{Connection, Expect, Measured, Prepared, Until, closed_loop};
use crate::site::{Site, shown};
use crate::{Stand, say};
use portico_tests::Figures;

/// Visitors who come again and again.
const VISITORS: usize = 64;

pub(crate) async fn measure(stand: &Stand, figures: &mut Figures) -> Result<()> {
    let extent = stand.extent;
    let process = stand.process()?;
    let mut sites = Vec::new();
    for offers in [100, 1_000] {
        say(&format!("a site of {offers} offers is taught"));
        let site = Site::publish(&stand.edge, &format!("offers-{offers}"), offers, 0).await?;
        site.teach(extent.showings).await?;
        sites.push(site);
    }
    let port = sites.first().context("no site")?.port;
    let health: Arc<[Prepared]> = [Prepared::get(port, "/healthz", Expect::ok("{"))].into();
    let hello: Arc<[Prepared]> = [stand.bare.hello()].into();
    let question = sites.first().context("no site")?.page(None);
    let answer = Connection::open(port).await?.ask(&question).await?;
    let echo: Arc<[Prepared]> = [stand.bare.echo(&question, answer.len())].into();
    let mut pages = Vec::new();
    for site in &sites {
        pages.push((format!("decide_{}", site.offers), visits(site).await?));
        site.settle().await?;
    }
    let run = async |requests: &Arc<[Prepared]>, time: Duration| -> Result<Measured> {
        closed_loop(port, process, requests, Until::After(time)).await
    };
    let run_bare = async |requests: &Arc<[Prepared]>, time: Duration| -> Result<Measured> {
        closed_loop(stand.bare.port, stand.bare.process, requests, Until::After(time)).await
    };
    say("decisions for anonymous visitors, beside /healthz");
    for requests in pages.iter().map(|(_, requests)| requests).chain([&health]) {
        run(requests, extent.each).await?;
    }
    run_bare(&hello, extent.each).await?;
    for _ in 0..extent.rounds {
        let healthy = run(&health, extent.each).await?;
        healthy.keep(figures, "healthz");
        for (name, requests) in &pages {
            run(requests, extent.each).await?.keep_beside(figures, name, &healthy);
        }
        let hello = run_bare(&hello, extent.each).await?;
        hello.keep(figures, "hello");
        run_bare(&echo, extent.each).await?.keep_beside(figures, "echo", &hello);
    }

    say("decisions for customers, beside a bare object's read");
    let site = sites.first().context("no site")?;
    let customers: Arc<[Prepared]> = (0..VISITORS).map(|customer| site.page_of_customer(customer)).collect();
    let reads: Arc<[Prepared]> = (0..VISITORS).map(|object| stand.bare.read(object)).collect();
    run(&customers, extent.each).await?;
    run_bare(&reads, extent.each).await?;
    for _ in 0..extent.rounds {
        let read = run_bare(&reads, extent.each).await?;
        read.keep(figures, "read");
        run(&customers, extent.each).await?.keep_beside(figures, "decide_customer", &read);
    }
    Ok(())
}

/// The questions of visitors who have been there: their tokens say what they saw.
async fn visits(site: &Site) -> Result<Arc<[Prepared]>> {
    let mut connection = Connection::open(site.port).await?;
    let mut questions = Vec::new();
    for _ in 0..VISITORS {
        let (visitor, offers) = shown(&connection.ask(&site.page(None)).await?)?;
        let receipt = connection.ask(&site.batch(&offers, visitor.as_deref())).await?;
        let receipt: portico_protocol::events::EventsResponse = serde_json::from_slice(&receipt)?;
        site.add_acknowledged(receipt.accepted.into());
        questions.push(site.page(receipt.visitor.or(visitor).as_deref()));
    }
    Ok(questions.into())
}
