//! Debian packages: what is installed, and installing what is missing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{command, output, which};
use crate::step::Step;

/// Whether this machine has Debian's package tools.
pub(crate) fn available() -> bool {
    Path::new("/etc/debian_version").exists() && which("apt-get").is_some() && which("dpkg-query").is_some()
}

/// The installed version of a package.
pub(crate) fn installed(package: &str) -> Option<String> {
    let status = output(command("dpkg-query").args(["-W", "-f=${db:Status-Status} ${Version}", package])).ok()?;
    status.strip_prefix("installed ").map(str::to_owned)
}

/// Whether the package lists offer a package.
pub(crate) fn offered(package: &str) -> bool {
    let policy = output(command("apt-cache").args(["policy", package])).unwrap_or_default();
    policy.lines().any(|line| line.trim().strip_prefix("Candidate:").is_some_and(|version| version.trim() != "(none)"))
}

/// Installs the packages of the list that are missing. Returns those.
pub(crate) fn install<'a>(step: &Step, packages: &[&'a str]) -> Result<Vec<&'a str>> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| installed(package).is_none()).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let by_hand = format!("Type `sudo apt-get install {}`, then run this again.", missing.join(" "));
    let Some(root) = root_prefix() else {
        bail!(
            "{} must be installed, which needs root rights that this user does not have without a password. {by_hand}",
            missing.join(", ")
        );
    };
    if missing.iter().any(|package| !offered(package)) {
        step.slow("apt-get update");
        step.run(apt_get(root).arg("update"), "Check the network and /etc/apt/sources.list.")?;
    }
    step.slow(&format!("apt-get install {}", missing.join(" ")));
    step.run(apt_get(root).args(["install", "--yes", "--no-install-recommends"]).args(&missing), &by_hand)?;
    Ok(missing)
}

/// Downloads a package into a folder without installing it, and returns its path.
pub(crate) fn download(step: &Step, package: &str, folder: &Path) -> Result<PathBuf> {
    if !offered(package)
        && let Some(root) = root_prefix()
    {
        step.slow("apt-get update");
        step.run(apt_get(root).arg("update"), "Check the network and /etc/apt/sources.list.")?;
    }
    step.run(
        command("apt-get").args(["--quiet", "download", package]).current_dir(folder),
        "Is the package in /etc/apt/sources.list? `apt-get update` may be needed.",
    )?;
    let files = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt has downloaded {package}, but not into {}", folder.display()))
}

/// The words before `apt-get` that give it root rights, if any way works without asking for a password.
fn root_prefix() -> Option<&'static [&'static str]> {
    if output(command("id").arg("-u")).is_ok_and(|uid| uid == "0") {
        Some(&[])
    } else if output(command("sudo").args(["-n", "true"])).is_ok() {
        Some(&["sudo", "-n"])
    } else {
        None
    }
}

fn apt_get(root: &[&str]) -> std::process::Command {
    let mut words = root.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut apt = command(words.next().unwrap_or("env"));
    apt.args(words).arg("--quiet");
    apt
}
