//! Tools from npm: the optimiser, the bundler, the minifier, the type checker, the worker runtime, the accessibility checker.
//!
//! Installed from the lock file into the cache, not into the checkout, and without running the packages' own install
//! scripts: all of them ship ready binaries for the platform, whose paths are worked out here.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::turn;
use crate::build::short_hash;
use crate::command::{command, output};
use crate::places::Places;
use crate::step::{Done, step};
use crate::versions::NODE_MAJOR_MIN;

/// Where the npm tools are.
#[derive(Debug, Clone)]
pub(crate) struct NpmTools {
    modules: PathBuf,
    id: String,
}

impl NpmTools {
    /// Changes when any of the tools changes: the hash of the lock file.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The folder of all packages.
    pub(crate) fn modules(&self) -> &Path {
        &self.modules
    }

    /// Binaryen's optimiser (a script that Node runs).
    pub(crate) fn wasm_opt(&self) -> PathBuf {
        self.modules.join("binaryen/bin/wasm-opt")
    }

    /// The bundler, a native program.
    pub(crate) fn esbuild(&self) -> PathBuf {
        let (os, cpu) = platform();
        self.modules.join(format!("@esbuild/{os}-{cpu}/bin/esbuild"))
    }

    /// The worker runtime, a native program.
    pub(crate) fn workerd(&self) -> PathBuf {
        let (os, cpu) = platform();
        let cpu = if cpu == "x64" { "64" } else { cpu };
        self.modules.join(format!("@cloudflare/workerd-{os}-{cpu}/bin/workerd"))
    }

    /// The TypeScript compiler, ready for its arguments.
    pub(crate) fn tsc(&self) -> Command {
        let mut tsc = command("node");
        tsc.arg(self.modules.join("typescript/bin/tsc"));
        tsc
    }

    /// The minifier, ready for its arguments.
    pub(crate) fn terser(&self) -> Command {
        let mut terser = command("node");
        terser.arg(self.modules.join("terser/bin/terser"));
        terser
    }

    /// The script of the accessibility checker, to be injected into a page.
    pub(crate) fn axe(&self) -> PathBuf {
        self.modules.join("axe-core/axe.min.js")
    }
}

/// npm's names of this platform.
fn platform() -> (&'static str, &'static str) {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let cpu = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    (os, cpu)
}

/// Installs what `package-lock.json` lists.
pub(crate) fn install(places: &Places) -> Result<NpmTools> {
    step(places, "npm tools", |step| {
        let lock = read(&places.root.join("package-lock.json"))?;
        let id = short_hash(&[&lock]);
        let folder = places.tool("npm", &id);
        let tools = NpmTools { modules: folder.join("node_modules"), id };
        check_node(&output(command("node").arg("--version")).unwrap_or_default())?;
        if folder.exists() {
            return Ok((tools, Done::Cached));
        }
        let _turn = turn::wait(places, step)?;
        if folder.exists() {
            return Ok((tools, Done::Cached));
        }
        step.slow("npm ci");
        let partial = Places::partial(&folder);
        std::fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(places.root.join(name), partial.join(name)).with_context(|| format!("cannot copy {name}"))?;
        }
        step.run(
            command("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&partial),
            "Check the network, and that `npm ping` answers.",
        )?;
        std::fs::rename(&partial, &folder)
            .with_context(|| format!("cannot move {} to {}", partial.display(), folder.display()))?;
        for tool in [tools.wasm_opt(), tools.esbuild(), tools.workerd(), tools.axe()] {
            if !tool.exists() {
                bail!("npm has installed everything, but {} is missing: is this platform supported?", tool.display());
            }
        }
        Ok((tools, Done::Now("installed".to_owned())))
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// `version` is what `node --version` prints, empty if there is none.
fn check_node(version: &str) -> Result<()> {
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
        Some(_) => bail!("Node {version} is too old: install Node {NODE_MAJOR_MIN} or newer (nodejs.org), with npm"),
        None => {
            bail!("Node is missing: install Node {NODE_MAJOR_MIN} or newer (nodejs.org), with npm")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions() {
        let check = |version: &str, good: bool| assert_eq!(check_node(version).is_ok(), good, "{version}");
        check("v20.11.1", true);
        check("v22.0.0", true);
        check("v18.19.0", false);
        check("", false);
    }
}
