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

/// The version of a package that the package lists offer.
pub(crate) fn offered(package: &str) -> Option<String> {
    let policy = output(command("apt-cache").args(["policy", package])).ok()?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (version != "(none)").then(|| version.to_owned())
}

/// Whether a version is another one or a later one, by Debian's order.
pub(crate) fn is_at_least(version: &str, other: &str) -> bool {
    output(command("dpkg").args(["--compare-versions", version, "ge", other])).is_ok()
}

/// Reads the package lists anew, where this user may. Lists that came with a machine's image can be months old, and offer
/// what is outdated or no longer there. Without a network the old ones have to do.
pub(crate) fn update(step: &Step) -> Result<()> {
    let Some(root) = root_prefix() else { return Ok(()) };
    step.slow("apt-get update");
    if let Err(error) = step.run(apt_get(root).arg("update"), "Check the network and /etc/apt/sources.list.") {
        step.slow(&format!("going on with the package lists that are here: {error:#}"));
    }
    Ok(())
}

/// Installs the packages of the list that are missing. Returns those.
pub(crate) fn install<'a>(step: &Step, packages: &[&'a str]) -> Result<Vec<&'a str>> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| installed(package).is_none()).collect();
    if !missing.is_empty() {
        update(step)?;
        install_offered(step, &missing)?;
    }
    Ok(missing)
}

/// Installs packages in the versions that the package lists offer, also where older ones are installed.
pub(crate) fn install_offered(step: &Step, missing: &[&str]) -> Result<()> {
    let by_hand = format!("Type `sudo apt-get install {}`, then run this again.", missing.join(" "));
    let Some(root) = root_prefix() else {
        bail!(
            "{} must be installed, which needs root rights that this user does not have without a password. {by_hand}",
            missing.join(", ")
        );
    };
    step.slow(&format!("apt-get install {}", missing.join(" ")));
    step.run(apt_get(root).args(["install", "--yes", "--no-install-recommends"]).args(missing), &by_hand)
}

/// Downloads a package into a folder without installing it, and returns its path.
pub(crate) fn download(step: &Step, package: &str, folder: &Path) -> Result<PathBuf> {
    update(step)?;
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
