//! The engine alone inside workerd.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use portico_demo_site::stack;
use tempfile::TempDir;
use tokio::process::{Child, Command};

const WORKER: &str = r#"
import wasm from "./inside_bg.wasm";
import { initSync, golden, Benchmark } from "./inside.js";
initSync({ module: wasm });
const sites = new Map();
export default {
  fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/golden") return new Response(golden());
    const [, what, offers, times] = url.pathname.split("/");
    if (!sites.has(offers)) sites.set(offers, new Benchmark(Number(offers)));
    const site = sites.get(offers);
    site.run(what, Number(times));
    return new Response(String(what === "fold" ? site.answers() : 1));
  },
};
"#;
const START_DEADLINE: Duration = Duration::from_secs(20);

/// A worker that holds nothing but the engine. Dropping it ends its process.
#[derive(Debug)]
pub struct Inside {
    origin: String,
    _workerd: Child,
    _folder: TempDir,
}

impl Inside {
    /// Starts it from `PORTICO_INSIDE` and `PORTICO_WORKERD`, which `cargo xtask` sets.
    ///
    /// # Errors
    /// When one of the two is not set, or workerd does not come up.
    pub async fn start() -> Result<Self> {
        let from = |name: &str| -> Result<PathBuf> {
            let path = std::env::var_os(name).with_context(|| format!("{name} is not set; `cargo xtask` sets it"))?;
            Ok(path.into())
        };
        let (modules, workerd) = (from("PORTICO_INSIDE")?, from("PORTICO_WORKERD")?);
        let folder = tempfile::tempdir()?;
        for file in ["inside.js", "inside_bg.wasm"] {
            std::fs::copy(modules.join(file), folder.path().join(file))?;
        }
        let port = stack::free_port()?;
        let config = write(folder.path(), port)?;
        let workerd = Command::new(workerd)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("workerd does not start")?;
        let inside = Self { origin: format!("http://127.0.0.1:{port}"), _workerd: workerd, _folder: folder };
        let end = Instant::now() + START_DEADLINE;
        while let Err(error) = reqwest::get(format!("{}/golden", inside.origin)).await {
            if Instant::now() > end {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(inside)
    }

    /// The golden decisions as it makes them.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn golden(&self) -> Result<String> {
        self.get("/golden").await
    }

    /// How long it takes to do something of the benchmark once, at a number of offers: the mean over some rounds after
    /// one that lets the compiler settle, without what a request takes by itself. Measured from outside, because a worker's own clock stands still while it computes.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn time(&self, what: &str, offers: usize, times: usize, rounds: u32) -> Result<Duration> {
        let each: u32 = self.get(&format!("/{what}/{offers}/{times}")).await?.parse()?;
        let (mut empty, mut full) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..rounds {
            for (times, sum) in [(0, &mut empty), (times, &mut full)] {
                let begun = Instant::now();
                self.get(&format!("/{what}/{offers}/{times}")).await?;
                *sum += begun.elapsed();
            }
        }
        Ok(full.saturating_sub(empty) / (rounds * times as u32 * each))
    }

    async fn get(&self, path: &str) -> Result<String> {
        Ok(reqwest::get(format!("{}{path}", self.origin)).await?.error_for_status()?.text().await?)
    }
}

fn write(folder: &Path, port: u16) -> Result<PathBuf> {
    std::fs::write(folder.join("main.js"), WORKER)?;
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "inside", worker = .inside)],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "inside")],
);
const inside :Workerd.Worker = (
  modules = [
    (name = "main.js", esModule = embed "main.js"),
    (name = "./inside.js", esModule = embed "inside.js"),
    (name = "./inside_bg.wasm", wasm = embed "inside_bg.wasm"),
  ],
  compatibilityDate = "2026-05-01",
);
"#
    );
    let path = folder.join("inside.capnp");
    std::fs::write(&path, config)?;
    Ok(path)
}
