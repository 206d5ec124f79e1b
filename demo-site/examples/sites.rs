//! Serves the bank and the magazine without an edge, to look at the pages as they are when the widget never arrives:
//! `cargo run -p portico-demo-site --example sites`, then <http://127.0.0.1:8788/> and <http://127.0.0.1:8789/>.

use portico_demo_site::bank::{self, BankOptions};
use portico_demo_site::identity::DemoIdentity;
use portico_demo_site::partner::{self, PartnerOptions};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [edge_origin, bank_origin, partner_origin] = [8787, 8788, 8789].map(|port| format!("http://127.0.0.1:{port}"));
    let identity = DemoIdentity::load_or_create(&std::env::temp_dir().join("portico-example/bank.key"))?;
    let bank = bank::router(BankOptions {
        edge_origin: edge_origin.clone(),
        origin: bank_origin.clone(),
        partner_origin: partner_origin.clone(),
        identity,
    });
    let magazine = partner::router(PartnerOptions { edge_origin, origin: partner_origin, bank_origin });
    let bank = axum::serve(TcpListener::bind("127.0.0.1:8788").await?, bank);
    let magazine = axum::serve(TcpListener::bind("127.0.0.1:8789").await?, magazine);
    tokio::try_join!(async { bank.await }, async { magazine.await })?;
    Ok(())
}
