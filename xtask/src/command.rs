//! Commands with an environment that does not depend on how this program was started.
//!
//! `cargo run` tells its child about the package it runs and the toolchain in use. Handed on to other tools, the first
//! makes their builds differ from builds by hand, and the second breaks a toolchain that is not rustup's.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command without what `cargo run` says about the package it runs.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Native cargo: the one that runs this program, in the checkout's root.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}

/// A command that sees nothing of rustup's and the calling cargo's choices: for a toolchain of another origin.
pub(crate) fn foreign_toolchain(program: impl AsRef<OsStr>) -> Command {
    let mut command = command(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(chooses_toolchain) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_package(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    const NAMES: [&str; 4] = ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR", "RUST_RECURSION_COUNT"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

fn chooses_toolchain(name: &str) -> bool {
    // `RUSTFLAGS` would replace the flags that .cargo/config.toml sets for the target.
    const NAMES: [&str; 7] =
        ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "LD_LIBRARY_PATH"];
    NAMES.contains(&name) || name.starts_with("RUSTC_")
}

/// What a command prints, trimmed; an error if it cannot start or fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = crate::step::display(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The program of this name in PATH.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_description_and_toolchain_choice_are_told_apart() {
        let check = |name: &str, package: bool, toolchain: bool| {
            assert_eq!((describes_package(name), chooses_toolchain(name)), (package, toolchain), "{name}");
        };
        check("CARGO_PKG_NAME", true, false);
        check("CARGO_MANIFEST_DIR", true, false);
        check("RUSTUP_TOOLCHAIN", false, true);
        check("RUSTC_WRAPPER", false, true);
        check("CARGO", false, true);
        check("CARGO_HOME", false, false);
        check("CARGO_TARGET_DIR", false, false);
        check("PATH", false, false);
    }
}
