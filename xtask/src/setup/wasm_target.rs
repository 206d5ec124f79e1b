//! A Rust toolchain with a standard library for WebAssembly.
//!
//! Tried in this order: the active toolchain has it; on Debian, the packaged compiler with a standard library that is
//! built here from its packaged source; `rustup target add`. Debian comes before rustup because its compiler and
//! source are one version from one place, so this works where only a package mirror can be reached.
//!
//! Nothing is written below `/usr`: a private sysroot in the cache holds the new library and links to Debian's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{apt, turn};
use crate::command::{command, foreign_toolchain, output};
use crate::places::{Places, folder_name};
use crate::step::{Done, Step, step};
use crate::versions::WASM_TARGET;

/// `rust-web-src` is the library's source, `lld` the linker of WebAssembly objects.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];
/// The package whose version names the sysroot.
const COMPILER_PACKAGE: &str = "rustc-web";
/// The oldest compiler that the project is written for.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");
const CLIPPY_PACKAGE: &str = "rust-web-clippy";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A toolchain that compiles for [`WASM_TARGET`].
#[derive(Debug, Clone)]
pub(crate) struct WasmToolchain {
    origin: Origin,
    /// Names the compiler's and the library's version: part of the target folder's name, because artefacts of one
    /// cannot be read by another.
    id: String,
}

#[derive(Debug, Clone)]
enum Origin {
    /// The toolchain that runs this program.
    Active,
    /// Debian's compiler with this sysroot.
    Sysroot(PathBuf),
}

/// Whether clippy can check crates for WebAssembly.
#[derive(Debug, Clone)]
pub(crate) enum WasmClippy {
    /// It can, by [`WasmToolchain::clippy`].
    Present,
    /// It cannot, for this reason.
    Absent(String),
}

impl WasmToolchain {
    /// A command in whose environment `cargo` and `rustc` are this toolchain's.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let Origin::Sysroot(sysroot) = &self.origin else {
            let mut command = command(program);
            command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
            return Ok(command);
        };
        let bin = sysroot.join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin.clone()).chain(std::env::split_paths(&path)))
            .context("PATH cannot be extended")?;
        let mut command = foreign_toolchain(program);
        command.env("PATH", path).env("RUSTC", bin.join("rustc")).env("CARGO", bin.join("cargo"));
        Ok(command)
    }

    /// This toolchain's cargo.
    pub(crate) fn cargo(&self) -> Result<Command> {
        match &self.origin {
            Origin::Active => self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Origin::Sysroot(sysroot) => self.command(sysroot.join("bin/cargo")),
        }
    }

    /// `cargo clippy` of this toolchain.
    pub(crate) fn clippy(&self) -> Result<Command> {
        let mut clippy = match &self.origin {
            Origin::Active => self.cargo()?,
            Origin::Sysroot(sysroot) => {
                let mut clippy = self.command("/usr/bin/cargo-clippy")?;
                // Clippy is a compiler of its own and does not go through the wrapper script.
                clippy.env("SYSROOT", sysroot);
                clippy
            }
        };
        clippy.arg("clippy");
        Ok(clippy)
    }

    /// The folder for this toolchain's artefacts, outside of any checkout.
    pub(crate) fn target_folder(&self, places: &Places) -> PathBuf {
        places.cache.join(format!("target-wasm-{}", self.id))
    }

    fn active() -> Result<Self> {
        let version = output(command("rustc").arg("--version"))?;
        let version = version.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
        Ok(Self { origin: Origin::Active, id: folder_name(&version) })
    }

    fn sysroot(folder: PathBuf, version: &str) -> Self {
        Self { origin: Origin::Sysroot(folder), id: folder_name(version) }
    }
}

/// Finds or makes a toolchain for WebAssembly.
pub(crate) fn install(places: &Places) -> Result<WasmToolchain> {
    step(places, "Rust standard library for WebAssembly", |step| {
        if active_has_target() {
            return Ok((WasmToolchain::active()?, Done::Cached));
        }
        if apt::available() && install_debian(step)? {
            return debian(places, step);
        }
        step.slow("rustup target add");
        step.run(
            command("rustup").args(["target", "add", WASM_TARGET]),
            "Install Rust by rustup (rustup.rs), or your system's package of the standard library for \
             wasm32-unknown-unknown.",
        )?;
        Ok((WasmToolchain::active()?, Done::Now("added by rustup".to_owned())))
    })
}

/// Clippy for the toolchain, where there is one.
pub(crate) fn install_clippy(places: &Places, toolchain: &WasmToolchain) -> Result<WasmClippy> {
    step(places, "clippy for WebAssembly", |step| match &toolchain.origin {
        Origin::Active => Ok((WasmClippy::Present, Done::Cached)),
        Origin::Sysroot(_) if apt::installed(CLIPPY_PACKAGE).is_none() && apt::offered(CLIPPY_PACKAGE).is_none() => {
            let reason = format!("the package {CLIPPY_PACKAGE} is not offered");
            Ok((WasmClippy::Absent(reason.clone()), Done::Now(reason)))
        }
        Origin::Sysroot(_) => {
            let missing = apt::install(step, &[CLIPPY_PACKAGE])?;
            let done = if missing.is_empty() { Done::Cached } else { Done::Now("installed".to_owned()) };
            Ok((WasmClippy::Present, done))
        }
    })
}

/// Sees to it that Debian's compiler is there, and is young enough for the project. False where Debian has none.
fn install_debian(step: &Step) -> Result<bool> {
    let compiles_us = |version: &str| apt::is_at_least(version, RUST_VERSION);
    if !apt::installed(COMPILER_PACKAGE).as_deref().is_some_and(compiles_us) {
        apt::update(step)?;
        if !apt::offered(COMPILER_PACKAGE).as_deref().is_some_and(compiles_us) {
            return Ok(false);
        }
        apt::install_offered(step, &PACKAGES)?;
    }
    apt::install(step, &PACKAGES)?;
    Ok(true)
}

/// Whether the active toolchain has a compiled standard library for the target.
fn active_has_target() -> bool {
    let folder = output(command("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]));
    folder.is_ok_and(|folder| holds_std(Path::new(&folder)))
}

fn holds_std(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// A toolchain from Debian's compiler and a standard library built from its source.
fn debian(places: &Places, step: &Step) -> Result<(WasmToolchain, Done)> {
    let version = apt::installed(COMPILER_PACKAGE).context("apt has installed the compiler, dpkg does not know it")?;
    let folder = places.tool("wasm-sysroot", &version);
    let toolchain = WasmToolchain::sysroot(folder.clone(), &version);
    if folder.exists() {
        return Ok((toolchain, Done::Cached));
    }
    let _turn = turn::wait(places, step)?;
    if folder.exists() {
        return Ok((toolchain, Done::Cached));
    }
    step.slow("building it from Debian's source, one to two minutes, once");
    let partial = Places::partial(&folder);
    remove(&partial)?;
    let libraries = partial.join("lib/rustlib").join(WASM_TARGET).join("lib");
    std::fs::create_dir_all(&libraries).with_context(|| format!("cannot create {}", libraries.display()))?;
    build_std(places, step, &libraries)?;
    link_host(&partial)?;
    write_wrapper(&partial.join("bin"), &folder)?;
    // What an earlier build of the library compiled cannot be read with this one.
    remove(&toolchain.target_folder(places))?;
    std::fs::rename(&partial, &folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok((toolchain, Done::Now(format!("built for Rust {version}"))))
}

/// Compiles the standard library with a throw-away crate and copies its parts to `libraries`.
fn build_std(places: &Places, step: &Step, libraries: &Path) -> Result<()> {
    let work = places.cache.join("wasm-std-build");
    remove(&work)?;
    std::fs::create_dir_all(work.join("src")).with_context(|| format!("cannot create {}", work.display()))?;
    std::fs::write(
        work.join("Cargo.toml"),
        "[package]\nname = \"throwaway\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
    )?;
    std::fs::write(work.join("src/lib.rs"), "#![no_std]\n")?;
    step.run(
        foreign_toolchain(DEBIAN_CARGO)
            .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", WASM_TARGET])
            .current_dir(&work)
            .env("RUSTC", DEBIAN_RUSTC)
            // Building the library is an unstable feature of cargo; the packaged compiler is a stable one.
            .env("RUSTC_BOOTSTRAP", "1")
            // Without bitcode, link-time optimisation over the library fails ("Can't find section .llvmbc").
            .env("RUSTFLAGS", "-Cembed-bitcode=yes")
            .env("CARGO_TARGET_DIR", work.join("target")),
        "Check the network (it fetches the library's dependencies); `apt-get install --reinstall rust-web-src` if its \
         source is damaged.",
    )?;
    let built = work.join("target").join(WASM_TARGET).join("release/deps");
    for entry in std::fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".rlib") && !name.starts_with("libthrowaway-") {
            std::fs::copy(entry.path(), libraries.join(&*name)).with_context(|| format!("cannot copy {name}"))?;
        }
    }
    if !holds_std(libraries) {
        bail!("the build has ended well but left no standard library in {}", built.display());
    }
    remove(&work)
}

/// Links the host's libraries (build scripts and macros need them) and the linker into the sysroot.
fn link_host(sysroot: &Path) -> Result<()> {
    let version = output(foreign_toolchain(DEBIAN_RUSTC).args(["--version", "--verbose"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not name its host")?;
    let debian = PathBuf::from(output(foreign_toolchain(DEBIAN_RUSTC).args(["--print", "sysroot"]))?);
    let folder = sysroot.join("lib/rustlib").join(host);
    std::fs::create_dir_all(folder.join("bin"))?;
    link(&debian.join("lib/rustlib").join(host).join("lib"), &folder.join("lib"))?;
    let lld = ["/usr/bin/lld", "/usr/bin/rust-lld"].iter().map(Path::new).find(|path| path.exists());
    link(lld.context("the package lld is installed, but /usr/bin/lld is missing")?, &folder.join("bin/rust-lld"))
}

/// The wrapper that makes Debian's compiler use the sysroot, which will stand at `sysroot`.
fn write_wrapper(bin: &Path, sysroot: &Path) -> Result<()> {
    std::fs::create_dir_all(bin)?;
    let rustc = bin.join("rustc");
    std::fs::write(&rustc, format!("#!/bin/sh\nexec {DEBIAN_RUSTC} --sysroot '{}' \"$@\"\n", sysroot.display()))?;
    #[cfg(unix)]
    std::fs::set_permissions(&rustc, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    link(Path::new(DEBIAN_CARGO), &bin.join("cargo"))
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Result<()> {
    std::os::unix::fs::symlink(from, to).with_context(|| format!("cannot link {} to {}", to.display(), from.display()))
}

#[cfg(not(unix))]
fn link(_from: &Path, _to: &Path) -> Result<()> {
    bail!("this way of getting a WebAssembly toolchain is for Debian")
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
