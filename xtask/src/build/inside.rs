//! The engine alone as a module for workerd: `inside.js` and `inside_bg.wasm`, compiled as the worker is.

use std::path::PathBuf;

use anyhow::Result;

use super::target::Target;
use crate::command::command;
use crate::places::Places;
use crate::setup::BuildTools;
use crate::step::{Done, step};
use crate::versions::WASM_TARGET;

/// Builds it and returns the folder. For tests and benchmarks only, so it is no part of `dist/`.
pub(crate) fn build(places: &Places, tools: &BuildTools) -> Result<PathBuf> {
    let target = Target::claim(places, &tools.wasm)?;
    step(places, "build the engine alone", |step| {
        step.slow("compiling");
        let mut cargo = tools.wasm.cargo()?;
        cargo.current_dir(&places.root).args(["build", "--lib", "--package", "portico-inside", "--release"]);
        cargo.args(["--target", WASM_TARGET]).env("WASM_BINDGEN_USE_JS_SYS", "1");
        target.apply(&mut cargo);
        step.run(&mut cargo, "Mend the errors above.")?;
        let folder = target.results("inside")?;
        step.run(
            command(&tools.wasm_bindgen)
                .args(["--target", "web", "--no-typescript", "--omit-default-module-path", "--out-name", "inside"])
                .arg("--out-dir")
                .arg(&folder)
                .arg(target.module("release", "portico_inside")),
            "Does the version of wasm-bindgen in Cargo.lock equal the one in xtask/src/versions.rs?",
        )?;
        Ok((folder, Done::Now(String::new())))
    })
}
