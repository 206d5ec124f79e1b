//! Published packages of others that the widget is measured beside. Unpacked only: nothing of them is installed or run here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::turn;
use crate::build::short_hash;
use crate::command::{command, output};
use crate::places::Places;
use crate::step::{Done, Step, step};
use crate::versions::BENCH_PEERS;

/// The folder that holds each package under its name.
pub(crate) fn unpack(places: &Places) -> Result<PathBuf> {
    step(places, "peers for benchmarks", |step| {
        let names: Vec<String> = BENCH_PEERS.iter().map(|peer| format!("{peer:?}")).collect();
        let folder = places.tool("bench-peers", &short_hash(&[names.join(" ").as_bytes()]));
        if folder.exists() {
            return Ok((folder, Done::Cached));
        }
        let _turn = turn::wait(places, step)?;
        if folder.exists() {
            return Ok((folder, Done::Cached));
        }
        step.slow("npm pack");
        let partial = Places::partial(&folder);
        for peer in BENCH_PEERS {
            fetch(step, &partial, peer)?;
        }
        std::fs::rename(&partial, &folder)
            .with_context(|| format!("cannot move {} to {}", partial.display(), folder.display()))?;
        Ok((folder, Done::Now("unpacked".to_owned())))
    })
}

fn fetch(step: &Step, into: &Path, (name, version, integrity): (&str, &str, &str)) -> Result<()> {
    let folder = into.join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let package = format!("{name}@{version}");
    let told = output(command("npm").args(["pack", "--json", "--ignore-scripts", &package]).current_dir(&folder))
        .with_context(|| format!("cannot fetch {package}; check that `npm ping` answers"))?;
    let packed: serde_json::Value = serde_json::from_str(&told).context("npm does not say what it packed")?;
    let word = |word: &str| packed[0][word].as_str().unwrap_or_default();
    if word("integrity") != integrity {
        bail!("{package} has integrity `{}`, and not the one in versions.rs", word("integrity"));
    }
    step.run(
        command("tar").args(["--extract", "--strip-components=1", "--file", word("filename")]).current_dir(&folder),
        "Is the disk full?",
    )
}
