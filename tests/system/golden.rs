//! The same decisions natively and inside workerd, to the bit.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portico_demo_site::stack;
use tokio::process::Command;

const WORKER: &str = r#"
import wasm from "./golden_bg.wasm";
import { initSync, golden } from "./golden.js";
initSync({ module: wasm });
export default { fetch: () => new Response(golden()) };
"#;

#[tokio::test]
async fn golden_decisions_are_the_same_inside_workerd() -> Result<()> {
    let env =
        |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; `cargo xtask test` sets it"));
    let folder = tempfile::tempdir()?;
    for file in ["golden.js", "golden_bg.wasm"] {
        std::fs::copy(format!("{}/{file}", env("PORTICO_GOLDEN")?), folder.path().join(file))?;
    }
    std::fs::write(folder.path().join("main.js"), WORKER)?;
    let port = stack::free_port()?;
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "golden", worker = .golden)],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "golden")],
);
const golden :Workerd.Worker = (
  modules = [
    (name = "main.js", esModule = embed "main.js"),
    (name = "./golden.js", esModule = embed "golden.js"),
    (name = "./golden_bg.wasm", wasm = embed "golden_bg.wasm"),
  ],
  compatibilityDate = "2026-05-01",
);
"#
    );
    let path = folder.path().join("golden.capnp");
    std::fs::write(&path, config)?;
    let workerd = Command::new(env("PORTICO_WORKERD")?)
        .arg("serve")
        .arg(&path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("workerd does not start")?;
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    let inside = loop {
        match reqwest::get(format!("http://127.0.0.1:{port}/")).await {
            Ok(response) => break response.error_for_status()?.text().await?,
            Err(error) if tokio::time::Instant::now() > end => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    drop(workerd);
    for (line, (native, inside)) in portico_golden::golden().lines().zip(inside.lines()).enumerate() {
        assert_eq!(inside, native, "line {line}");
    }
    assert_eq!(inside, portico_golden::golden());
    Ok(())
}
