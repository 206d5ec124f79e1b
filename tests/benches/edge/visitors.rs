//! Visitors who come one after another on each connection: they ask, and report what they saw and clicked.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::load::{CONNECTIONS, Connection, Prepared};
use crate::site::{BATCH, Site, shown};

/// Sends visitors on [`CONNECTIONS`] connections while there are to be more: on each connection one every so often, or
/// as fast as they are answered. Runs within a local set.
pub(crate) async fn send(
    site: &Rc<Site>,
    question: fn(&Site) -> Prepared,
    every: Option<Duration>,
    more: impl Fn() -> bool + Clone + 'static,
) -> Result<JoinSet<Result<()>>> {
    let mut running = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (site, more) = (Rc::clone(site), more.clone());
        let mut connection = Connection::open(site.port).await?;
        running.spawn_local(async move {
            let mut pace = every.map(interval);
            while more() {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                let (visitor, offers) = shown(&connection.ask(&question(&site)).await?)?;
                connection.ask(&site.batch(&offers, visitor.as_deref())).await?;
                site.add_acknowledged(offers.len().min(BATCH) as u64);
            }
            Ok(())
        });
    }
    Ok(running)
}

/// Waits until all have gone.
pub(crate) async fn gone(mut running: JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}
