//! The first decisions of a fresh process: configuration and model come from their objects, which come from the disk, and
//! are compiled.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::load::Connection;
use crate::site::Site;
use crate::{Stand, say};
use portico_tests::Figures;

/// Starts for each site.
const STARTS: usize = 5;

pub(crate) async fn measure(stand: &mut Stand, figures: &mut Figures) -> Result<()> {
    for offers in [100, 1_000] {
        say(&format!("a fresh process decides among {offers} offers"));
        let site = Site::publish(&stand.edge, &format!("start-{offers}"), offers, 0).await?;
        site.teach(stand.extent.showings).await?;
        for _ in 0..STARTS {
            stand.edge.restart().await?;
            let mut connection = Connection::open(site.port).await?;
            let page = site.page(None);
            for which in ["first", "second"] {
                let begun = Instant::now();
                connection.ask(&page).await?;
                figures.add(&format!("start_{offers}.{which}"), begun.elapsed().as_secs_f64() * 1e3);
                // What is done behind the answer is not the next one's.
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
    Ok(())
}
