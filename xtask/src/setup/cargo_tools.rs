//! Tools that are Rust programs, compiled once per version.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::turn;
use crate::command::cargo;
use crate::places::Places;
use crate::step::{Done, step};
use crate::versions;

/// Generates the JavaScript around a WebAssembly module.
pub(crate) fn wasm_bindgen(places: &Places) -> Result<PathBuf> {
    install(places, "wasm-bindgen-cli", versions::WASM_BINDGEN, "wasm-bindgen")
}

/// Turns a crate into a worker.
pub(crate) fn worker_build(places: &Places) -> Result<PathBuf> {
    install(places, "worker-build", versions::WORKER_BUILD, "worker-build")
}

/// Checks licences, sources and banned crates.
pub(crate) fn cargo_deny(places: &Places) -> Result<PathBuf> {
    install(places, "cargo-deny", versions::CARGO_DENY, "cargo-deny")
}

/// Removes what the compilations left behind; they shared it, so it is not removed after each.
pub(crate) fn remove_leftovers(places: &Places) -> Result<()> {
    let target = target(places);
    if !target.exists() {
        return Ok(());
    }
    // A run that is compiling at the moment will do it at its end.
    if let Some(_turn) = turn::take(places)? {
        std::fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
    }
    Ok(())
}

fn target(places: &Places) -> PathBuf {
    places.cache.join("install-target")
}

/// Installs `program` of `package` and returns its path.
fn install(places: &Places, package: &str, version: &str, program: &str) -> Result<PathBuf> {
    step(places, &format!("{package} {version}"), |step| {
        let folder = places.tool(package, version);
        let path = folder.join("bin").join(program);
        if path.exists() {
            return Ok((path, Done::Cached));
        }
        let _turn = turn::wait(places, step)?;
        if path.exists() {
            return Ok((path, Done::Cached));
        }
        step.slow("compiling, a few minutes, once");
        let partial = Places::partial(&folder);
        step.run(
            cargo(&places.cache)
                .args(["install", package, "--version", version, "--force", "--root"])
                .arg(&partial)
                .arg("--target-dir")
                .arg(target(places))
                // These run for seconds: the time goes into compiling them.
                .envs([
                    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
                    ("CARGO_PROFILE_RELEASE_LTO", "off"),
                    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
                    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
                ]),
            "It needs a C compiler (Debian: `apt-get install build-essential pkg-config libssl-dev`) and the network.",
        )?;
        std::fs::rename(&partial, &folder)
            .with_context(|| format!("cannot move {} to {}", partial.display(), folder.display()))?;
        Ok((path, Done::Now("compiled".to_owned())))
    })
}
