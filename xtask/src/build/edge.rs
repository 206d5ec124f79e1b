//! The worker: `worker-build` makes `dist/edge/index.js` and `index_bg.wasm` out of the crate in `edge/`, and `edge/src/entry.js`
//! is put in front.

use std::path::Path;

use anyhow::{Context, Result};

use super::short_hash;
use super::target::Target;
use crate::command::command;
use crate::places::Places;
use crate::setup::BuildTools;
use crate::step::{Done, Step, step};
use crate::versions::{WASM_BINDGEN, WASM_TARGET, WORKER_BUILD};

/// Says from which input the worker was built.
const STAMP: &str = ".built-from";
/// The main module in front of what worker-build makes.
const ENTRY: &str = "entry.js";

/// Builds the worker, unless what cargo compiles is what it was built from.
pub(crate) fn build(places: &Places, tools: &BuildTools, target: &Target) -> Result<()> {
    step(places, "build edge", |step| {
        step.slow("compiling");
        let crate_folder = places.root.join("edge");
        let mut cargo = tools.wasm.cargo()?;
        cargo
            .current_dir(&crate_folder)
            .args(["build", "--lib", "--release", "--target", WASM_TARGET])
            // worker-build sets it for its own call of cargo; the two must compile the same.
            .env("WASM_BINDGEN_USE_JS_SYS", "1");
        target.apply(&mut cargo);
        step.run(&mut cargo, "Mend the errors above.")?;
        let module = target.module("release", "portico_edge");
        let compiled = std::fs::read(&module).with_context(|| {
            format!("portico-edge has no {}: its crate-type must contain \"cdylib\"", module.display())
        })?;
        let manifest = std::fs::read(crate_folder.join("Cargo.toml")).context("cannot read edge/Cargo.toml")?;
        let entry = std::fs::read(crate_folder.join("src").join(ENTRY)).context("cannot read edge/src/entry.js")?;
        let stamp = short_hash(&[
            &compiled,
            &manifest,
            &entry,
            WASM_BINDGEN.as_bytes(),
            WORKER_BUILD.as_bytes(),
            tools.npm.id().as_bytes(),
        ]);
        let out = places.dist().join("edge");
        if std::fs::read_to_string(out.join(STAMP)).is_ok_and(|built_from| built_from == stamp) {
            return Ok(((), Done::Cached));
        }
        if out.exists() {
            std::fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
        }
        step.slow("worker-build");
        let mut worker_build = tools.wasm.command(&tools.worker_build)?;
        worker_build
            .current_dir(&crate_folder)
            .args(["--release", "--out-dir"])
            .arg(&out)
            // With all three named it downloads nothing.
            .env("WASM_BINDGEN_BIN", &tools.wasm_bindgen)
            .env("WASM_OPT_BIN", tools.npm.wasm_opt())
            .env("ESBUILD_BIN", tools.npm.esbuild());
        target.apply(&mut worker_build);
        step.run(&mut worker_build, "See the messages above.")?;
        put_in_front(&out, &entry, tools, step)?;
        std::fs::write(out.join(STAMP), stamp).context("cannot write into dist/edge")?;
        Ok(((), Done::Now(String::new())))
    })
}

/// Makes one main module of ours and of worker-build's, as `index.js`.
fn put_in_front(out: &Path, entry: &[u8], tools: &BuildTools, step: &Step) -> Result<()> {
    let file = out.join(ENTRY);
    std::fs::write(&file, entry).context("cannot write into dist/edge")?;
    let mut esbuild = command(tools.npm.esbuild());
    esbuild.current_dir(out).args([
        ENTRY,
        "--bundle",
        "--minify",
        "--format=esm",
        "--log-level=warning",
        "--external:./index_bg.wasm",
        "--external:cloudflare:*",
        "--outfile=index.js",
        "--allow-overwrite",
    ]);
    step.run(&mut esbuild, "See the messages above.")?;
    std::fs::remove_file(&file).context("cannot write into dist/edge")
}
