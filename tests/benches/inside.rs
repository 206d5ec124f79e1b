//! The engine's benchmark inside workerd, on the same sites as natively. `cargo xtask bench engine` runs it and reads
//! what it prints: one line for each figure, `inside <what> <offers> <nanoseconds>`.
#![allow(clippy::print_stdout, reason = "a benchmark says what it finds")]

use anyhow::Result;
use portico_tests::Inside;

/// What is measured, and how many times in one request at 100 offers.
const MEASURED: [(&str, usize); 4] = [("decide", 10_000), ("explain", 400), ("lay_out", 400), ("fold", 100)];
const ROUNDS: u32 = 8;

#[tokio::main]
async fn main() -> Result<()> {
    let inside = Inside::start().await?;
    for offers in [100, 1_000] {
        for (what, times) in MEASURED {
            let took = inside.time(what, offers, times * 100 / offers, ROUNDS).await?;
            println!("inside {what} {offers} {}", took.as_nanos());
        }
    }
    Ok(())
}
