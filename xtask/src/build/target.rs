//! The folder for WebAssembly artefacts, shared by all checkouts of this machine.
//!
//! Sharing saves a fresh clone (CI) the compilation of all dependencies. Two dangers come with it: cargo gives the
//! artefacts of a workspace's members the same names in every checkout and tells old from new by file times alone, so
//! one checkout could be given another's code; and file names without a hash (`portico_edge.wasm`) are overwritten. So a
//! build holds a lock, and a checkout that was not the last to build here makes cargo forget the members first.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::places::Places;
use crate::setup::WasmToolchain;
use crate::step::say;
use crate::versions::WASM_TARGET;

/// Results of the optimiser and of brotli are kept this long after their last use.
const KEEP: Duration = Duration::from_secs(14 * 24 * 3600);
/// Fingerprints of these packages are forgotten on a change of checkout.
const MEMBER_PREFIX: &str = "portico-";

/// The folder, held for this process until dropped.
pub(crate) struct Target {
    folder: PathBuf,
    _lock: File,
}

impl Target {
    /// Waits for other builds, then takes the folder for the checkout.
    pub(crate) fn claim(places: &Places, toolchain: &WasmToolchain) -> Result<Self> {
        let folder = toolchain.target_folder(places);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = File::create(folder.join("portico.lock")).context("cannot create the build's lock file")?;
        if lock.try_lock().is_err() {
            say("  ...     waiting for another build of this project on this machine");
            lock.lock().context("cannot lock the build's folder")?;
        }
        let owner = folder.join("portico.checkout");
        let root = places.root.to_string_lossy();
        if std::fs::read_to_string(&owner).unwrap_or_default() != root {
            forget_members(&folder)?;
            std::fs::write(&owner, root.as_bytes()).with_context(|| format!("cannot write {}", owner.display()))?;
        }
        Ok(Self { folder, _lock: lock })
    }

    /// Makes a command of cargo compile for WebAssembly into this folder.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        cargo.env("CARGO_TARGET_DIR", &self.folder);
    }

    /// A compiled module.
    pub(crate) fn module(&self, profile: &str, crate_name: &str) -> PathBuf {
        self.folder.join(WASM_TARGET).join(profile).join(format!("{crate_name}.wasm"))
    }

    /// A folder for results of `kind`, which the caller names by the hash of their input.
    pub(crate) fn results(&self, kind: &str) -> Result<PathBuf> {
        let folder = self.folder.join("portico-results").join(kind);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// Removes results that nobody has used for a while.
    pub(crate) fn forget_old(&self) -> Result<()> {
        let now = SystemTime::now();
        for kind in ["app", "brotli"] {
            for entry in std::fs::read_dir(self.results(kind)?)?.flatten() {
                let age = entry.metadata()?.modified().map(|time| now.duration_since(time).unwrap_or_default())?;
                if age > KEEP {
                    remove(&entry.path())?;
                }
            }
        }
        Ok(())
    }
}

/// Removes cargo's record that the workspace's members are compiled; those of dependencies stay.
fn forget_members(folder: &Path) -> Result<()> {
    for triple in ["", WASM_TARGET] {
        for profile in ["debug", "release", "widget"] {
            let fingerprints = folder.join(triple).join(profile).join(".fingerprint");
            let Ok(entries) = std::fs::read_dir(&fingerprints) else { continue };
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().starts_with(MEMBER_PREFIX) {
                    remove(&entry.path())?;
                }
            }
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_are_forgotten() {
        let folder = std::env::temp_dir().join(format!("portico-target-{}", std::process::id()));
        let fingerprints = folder.join(WASM_TARGET).join("release/.fingerprint");
        for name in ["portico-edge-0123", "serde-4567"] {
            std::fs::create_dir_all(fingerprints.join(name)).unwrap();
        }
        forget_members(&folder).unwrap();
        assert!(!fingerprints.join("portico-edge-0123").exists());
        assert!(fingerprints.join("serde-4567").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
