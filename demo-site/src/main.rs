//! The demo: edge, bank and partner site as one program. `cargo xtask demo` builds everything and runs it.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;
use portico_demo_site::bank::{self, BankOptions};
use portico_demo_site::identity::DemoIdentity;
use portico_demo_site::partner::{self, PartnerOptions};
use portico_demo_site::publish::{self, PublishOptions};
use portico_demo_site::simulate;
use portico_demo_site::stack::{self, Edge, EdgeOptions};
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(about = "Runs the edge, a bank and a partner site until Ctrl-C")]
struct Arguments {
    /// The edge's port; the bank has the next one, the partner the one after.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Where state is kept between runs.
    #[arg(long, default_value = ".portico")]
    data: PathBuf,
    /// Begin without the state of earlier runs.
    #[arg(long)]
    fresh: bool,
    /// Simulated visitors to send once everything runs.
    #[arg(long, value_name = "VISITORS")]
    simulate: Option<u64>,
    /// What `cargo xtask build` has written.
    #[arg(long, env = "PORTICO_DIST", default_value = "dist")]
    dist: PathBuf,
    /// The `workerd` program.
    #[arg(long, env = "PORTICO_WORKERD")]
    workerd: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let [edge_port, bank_port, partner_port] = ports(arguments.port)?;
    for port in [edge_port, bank_port, partner_port] {
        stack::check_port(port)?;
    }
    if arguments.fresh {
        stack::forget_state(&arguments.data)?;
    }
    let operator_key = stack::operator_key(&arguments.data)?;
    let mut edge = Edge::start(EdgeOptions {
        workerd: arguments.workerd,
        dist: arguments.dist,
        data: arguments.data.clone(),
        port: edge_port,
        operator_key,
    })
    .await?;

    let identity = DemoIdentity::load_or_create(&arguments.data.join("identity.key"))?;
    let edge_origin = edge.origin();
    let bank_origin = origin(bank_port);
    let partner_origin = origin(partner_port);
    let bank = bank::router(BankOptions {
        edge_origin: edge_origin.clone(),
        origin: bank_origin.clone(),
        partner_origin: partner_origin.clone(),
        identity: identity.clone(),
    });
    let partner = partner::router(PartnerOptions {
        edge_origin: edge_origin.clone(),
        origin: partner_origin.clone(),
        bank_origin: bank_origin.clone(),
    });
    let bank = axum::serve(listen(bank_port).await?, bank);
    let partner = axum::serve(listen(partner_port).await?, partner);
    tokio::spawn(bank.into_future());
    tokio::spawn(partner.into_future());

    let options = PublishOptions { bank_origin: bank_origin.clone(), partner_origin: partner_origin.clone(), identity };
    publish::publish(&edge_origin, edge.operator_key(), &options)
        .await
        .context("the demo's site cannot be published")?;
    let console = publish::console_link(&edge_origin).await.context("the console gives no login link")?;
    #[expect(clippy::print_stdout, reason = "whoever started the demo waits for this line")]
    {
        println!("ready edge={edge_origin} bank={bank_origin} partner={partner_origin} console={console}");
    }

    if let Some(visitors) = arguments.simulate {
        let simulation = simulate::run(simulate::Options {
            edge_origin: edge_origin.clone(),
            bank_origin,
            partner_origin,
            identity: options.identity.clone(),
            config: publish::configuration(&edge_origin, &options)?,
            visitors,
            seed: fastrand::u64(..),
        });
        let report = tokio::select! {
            report = simulation => report.context("the simulation ended early")?,
            ended = edge.ended() => return ended,
            asked = asked_to_stop() => {
                asked?;
                return edge.stop().await;
            }
        };
        #[expect(clippy::print_stdout, reason = "the table is what --simulate is for")]
        {
            println!("{report}");
        }
    }

    tokio::select! {
        ended = edge.ended() => ended,
        asked = asked_to_stop() => {
            asked?;
            edge.stop().await
        }
    }
}

/// The edge's port and the two after it.
fn ports(first: u16) -> Result<[u16; 3]> {
    match (first, first.checked_add(1), first.checked_add(2)) {
        (1.., Some(second), Some(third)) => Ok([first, second, third]),
        _ => bail!("--port must be between 1 and {}, since the two ports after it are used too", u16::MAX - 2),
    }
}

fn origin(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(|| format!("cannot listen on port {port}"))
}

/// Ctrl-C, or a polite request to end.
async fn asked_to_stop() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("cannot hear SIGTERM")?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot hear Ctrl-C"),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.context("cannot hear Ctrl-C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ports_fit() {
        assert_eq!(ports(8787).unwrap(), [8787, 8788, 8789]);
        assert_eq!(ports(65533).unwrap(), [65533, 65534, 65535]);
        assert!(ports(65534).is_err());
        assert!(ports(0).is_err());
    }
}
