//! Memory of the worker's process while events come, many more than anything keeps.

use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use tokio::task::LocalSet;

use crate::site::Site;
use crate::{Stand, say, visitors};
use portico_tests::Figures;

const OFFERS: usize = 100;
const QUARTERS: u64 = 4;

pub(crate) async fn measure(stand: &mut Stand, figures: &mut Figures) -> Result<()> {
    // What other measurements have left in the process is not counted.
    stand.edge.stop().await?;
    stand.edge.restart().await?;
    LocalSet::new().run_until(measure_locally(stand, figures)).await
}

async fn measure_locally(stand: &Stand, figures: &mut Figures) -> Result<()> {
    let extent = stand.extent;
    let site = Rc::new(Site::publish(&stand.edge, "memory", OFFERS, 0).await?);
    site.teach(1).await?;
    let (begun, first) = (Instant::now(), site.acknowledged());
    figures.add("memory.start", site.process.memory()?);
    for quarter in 1..=QUARTERS {
        let until = first + extent.remembered * quarter / QUARTERS;
        let more = {
            let site = Rc::clone(&site);
            move || site.acknowledged() < until
        };
        visitors::gone(visitors::send(&site, Site::catalogue, None, more).await?).await?;
        let memory = site.process.memory()?;
        figures.add(&format!("memory.quarter_{quarter}"), memory);
        say(&format!("{} events sent in {:.0} s; {memory:.0} MiB", site.acknowledged(), begun.elapsed().as_secs_f64()));
    }
    let behind = Instant::now();
    site.settle().await?;
    figures.add("memory.events", (site.acknowledged() - first) as f64);
    figures.add("memory.behind_s", behind.elapsed().as_secs_f64());
    figures.add("memory.end", site.process.memory()?);
    Ok(())
}
