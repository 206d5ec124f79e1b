//! Set-up: everything that building and testing need and a fresh machine lacks.
//!
//! Tools go to the per-user cache (see [`Places`]), system packages come through apt where that is possible, and
//! otherwise the error says which command the person should type. What is there already costs a few milliseconds, so
//! every task begins with set-up.

mod apt;
mod browser;
mod cargo_tools;
mod npm;
mod peers;
mod python;
mod turn;
mod wasm_target;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use browser::Browser;
pub(crate) use npm::NpmTools;
pub(crate) use wasm_target::{WasmClippy, WasmToolchain};

use crate::places::Places;

/// What builds need.
pub(crate) struct BuildTools {
    pub(crate) wasm: WasmToolchain,
    pub(crate) npm: NpmTools,
    pub(crate) wasm_bindgen: PathBuf,
    pub(crate) worker_build: PathBuf,
}

/// What tests need beyond [`BuildTools`].
pub(crate) struct TestTools {
    pub(crate) cargo_deny: PathBuf,
    pub(crate) browser: Browser,
    /// Clippy that can read the standard library of the WebAssembly toolchain.
    pub(crate) wasm_clippy: WasmClippy,
}

/// What benchmarks of the learner need: a Python with Vowpal Wabbit, and the visitors where they can be had.
pub(crate) struct LearningTools {
    pub(crate) python: PathBuf,
    pub(crate) covariates: Option<PathBuf>,
}

/// Installs what builds need.
pub(crate) fn for_builds(places: &Places) -> Result<BuildTools> {
    let npm = npm::install(places)?;
    let wasm = wasm_target::install(places)?;
    let wasm_bindgen = cargo_tools::wasm_bindgen(places)?;
    let worker_build = cargo_tools::worker_build(places)?;
    cargo_tools::remove_leftovers(places)?;
    Ok(BuildTools { wasm, npm, wasm_bindgen, worker_build })
}

/// Installs what tests need beyond builds.
pub(crate) fn for_tests(places: &Places, build: &BuildTools) -> Result<TestTools> {
    let browser = browser::install(places)?;
    let wasm_clippy = wasm_target::install_clippy(places, &build.wasm)?;
    let cargo_deny = cargo_tools::cargo_deny(places)?;
    cargo_tools::remove_leftovers(places)?;
    Ok(TestTools { cargo_deny, browser, wasm_clippy })
}

/// Finds or installs the browser alone.
pub(crate) fn browser(places: &Places) -> Result<Browser> {
    browser::install(places)
}

/// Unpacks what the widget is measured beside.
pub(crate) fn peers(places: &Places) -> Result<PathBuf> {
    peers::unpack(places)
}

/// Installs what benchmarks of the learner need; it builds the engine alone, so nothing else is needed.
pub(crate) fn for_learning(places: &Places) -> Result<LearningTools> {
    let python = python::install(places)?;
    let covariates = python::covariates(places, &python)?;
    Ok(LearningTools { python, covariates })
}
