//! Python for benchmarks against learners that live there, and the real table of visitors they are run on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{apt, turn};
use crate::build::short_hash;
use crate::command::{command, output};
use crate::places::Places;
use crate::step::{Done, Step, step};
use crate::versions::{BENCH_PYTHON_PACKAGES, PYTHON_MINOR_MIN};

/// The Debian package whose data is the table, and where in it.
const TABLE_PACKAGE: &str = "r-cran-kernlab";
const TABLE_FILE: &str = "usr/lib/R/site-library/kernlab/data/ticdata.rda";

/// Makes a virtual environment with the benchmarks' packages, and returns its Python.
pub(crate) fn install(places: &Places) -> Result<PathBuf> {
    step(places, "Python for benchmarks", |step| {
        let id = short_hash(&[BENCH_PYTHON_PACKAGES.join(" ").as_bytes()]);
        let folder = places.tool("bench-python", &id);
        let python = folder.join("bin/python");
        if python.exists() && folder.join("complete").exists() {
            return Ok((python, Done::Cached));
        }
        check_python(&output(command("python3").arg("--version")).unwrap_or_default())?;
        let _turn = turn::wait(places, step)?;
        if python.exists() && folder.join("complete").exists() {
            return Ok((python, Done::Cached));
        }
        step.slow("pip install");
        // Not filled under another name and moved: a virtual environment knows its own path.
        step.run(
            command("python3").args(["-m", "venv", "--clear"]).arg(&folder),
            "Python's `venv` and `pip` are needed (Debian: `apt-get install python3-venv`).",
        )?;
        step.run(
            command(&python)
                .args(["-m", "pip", "install", "--disable-pip-version-check", "--only-binary", ":all:"])
                .args(BENCH_PYTHON_PACKAGES),
            "Check the network, and that this Python is one for which the packages have wheels.",
        )?;
        std::fs::write(folder.join("complete"), "").with_context(|| format!("cannot write to {}", folder.display()))?;
        Ok((python, Done::Now("installed".to_owned())))
    })
}

/// Makes the table of visitors, or says why there is none: then visitors are synthetic.
pub(crate) fn covariates(places: &Places, python: &Path) -> Result<Option<PathBuf>> {
    step(places, "covariates for benchmarks", |step| {
        let script = places.root.join("engine/benches/learning/covariates.py");
        let text = std::fs::read(&script).with_context(|| format!("cannot read {}", script.display()))?;
        let folder = places.tool("covariates", &short_hash(&[&text]));
        let table = folder.join("ticdata.csv");
        if table.exists() {
            return Ok((Some(table), Done::Cached));
        }
        let _turn = turn::wait(places, step)?;
        let partial = Places::partial(&folder);
        std::fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
        match extract(step, &partial, python, &script) {
            Ok(()) => {
                std::fs::rename(&partial, &folder)
                    .with_context(|| format!("cannot move {} to {}", partial.display(), folder.display()))?;
                Ok((Some(table), Done::Now("extracted".to_owned())))
            }
            // The benchmark runs without, and its report says so.
            Err(error) => Ok((None, Done::Now(format!("not to be had, visitors will be synthetic: {error:#}")))),
        }
    })
}

fn extract(step: &Step, folder: &Path, python: &Path, script: &Path) -> Result<()> {
    if !apt::available() {
        bail!("they come from Debian's {TABLE_PACKAGE}, and this is not Debian");
    }
    let package = apt::download(step, TABLE_PACKAGE, folder)?;
    let files = folder.join("files");
    step.run(command("dpkg-deb").arg("--extract").arg(&package).arg(&files), "Is the disk full?")?;
    step.run(
        command(python).arg(script).arg(files.join(TABLE_FILE)).arg(folder.join("ticdata.csv")),
        "The package may have changed its data.",
    )?;
    std::fs::remove_dir_all(&files).with_context(|| format!("cannot remove {}", files.display()))?;
    std::fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))
}

/// `version` is what `python3 --version` prints, empty if there is none.
fn check_python(version: &str) -> Result<()> {
    let number = version.trim_start_matches("Python 3.");
    match number.split('.').next().and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if minor >= PYTHON_MINOR_MIN => Ok(()),
        Some(_) => bail!("{version} is too old: install Python 3.{PYTHON_MINOR_MIN} or newer"),
        None => bail!("python3 is missing: install Python 3.{PYTHON_MINOR_MIN} or newer, with venv and pip"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_versions() {
        let check = |version: &str, good: bool| assert_eq!(check_python(version).is_ok(), good, "{version}");
        check("Python 3.11.7", true);
        check("Python 3.13.0", true);
        check("Python 3.8.10", false);
        check("Python 2.7.18", false);
        check("", false);
    }
}
