//! `cargo xtask build`: the checkout becomes `dist/`.
//!
//! ```text
//! dist/edge/        the worker: index.js, index_bg.wasm
//! dist/assets/      portico.js (loader, also under its release's name and pinned as portico-<hash>.js), more-<hash>.js,
//!                   {gadget,doctor,field,profile}-<hash>.js, {widget,calculator}-<hash>.{js,wasm}, console-<hash>.{js,wasm,css}, console.html; .br beside each
//! dist/npm/         the package portico-web, ready for `npm pack`
//! dist/sizes.json   {"artefacts":[{"name","raw","gzip","brotli"}]}
//! ```
//!
//! Cargo decides what to compile. What comes after it (glue, optimiser, brotli) is skipped by the hash of its input.

mod app;
mod assets;
mod edge;
pub(crate) mod inside;
mod loader;
pub(crate) mod sizes;
mod target;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::places::Places;
use crate::setup::BuildTools;
use crate::step::{Done, step};
use app::App;
use assets::Assets;
pub(crate) use target::Target;

/// A part of `dist/` that can be built alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The worker.
    Edge,
    /// The widget and its loader, which names it.
    Widget,
    /// The console.
    Console,
}

/// The metadata by which a browser checks that a file is what it was when its name was written down (subresource integrity).
pub(crate) fn integrity(content: &[u8]) -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(content)))
}

/// Builds the parts named by `only`, or all of them.
pub(crate) fn run(places: &Places, tools: &BuildTools, only: Option<Part>) -> Result<()> {
    let target = Target::claim(places, &tools.wasm)?;
    let assets = Assets::open(places, &target)?;
    let wanted = |part| only.is_none_or(|only| only == part);
    if wanted(Part::Widget) {
        let widget = app::build(places, tools, &target, &assets, &App::WIDGET)?;
        let calculator = app::build(places, tools, &target, &assets, &App::CALCULATOR)?;
        loader::build(places, tools, &target, &assets, &widget, &calculator)?;
    }
    if wanted(Part::Console) {
        let console = app::build(places, tools, &target, &assets, &App::CONSOLE)?;
        app::console_page(places, &assets, &console)?;
    }
    if wanted(Part::Edge) {
        edge::build(places, tools, &target)?;
    }
    target.forget_old()?;
    sizes::report(places, &assets)
}

/// Takes over the hashed files of earlier releases: no build of ours makes them again, and pages may have pinned them.
pub(crate) fn take_over(places: &Places, earlier: &[PathBuf]) -> Result<()> {
    for folder in earlier {
        step(places, "earlier release", |_| {
            let files = assets::take_over(folder, &places.dist().join("assets"))?;
            Ok(((), Done::Now(format!("{files} files of {}", folder.display()))))
        })?;
    }
    Ok(())
}

/// Sixteen hexadecimal digits over the parts: enough to name a file by its content.
pub(crate) fn short_hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_hash_separates_its_parts() {
        assert_eq!(short_hash(&[b"a"]).len(), 16);
        assert_eq!(short_hash(&[b"ab", b"c"]), short_hash(&[b"ab", b"c"]));
        assert_ne!(short_hash(&[b"ab", b"c"]), short_hash(&[b"a", b"bc"]));
    }
}
