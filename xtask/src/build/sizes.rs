//! How big everything is, on the terminal and in `dist/sizes.json`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::assets::{Assets, stable_name};
use crate::places::Places;

struct Artefact {
    name: String,
    raw: usize,
    gzip: usize,
    brotli: usize,
}

/// Measures what stands in `dist/`, prints the table and writes the file.
pub(crate) fn report(places: &Places, assets: &Assets) -> Result<()> {
    let mut artefacts = Vec::new();
    for (name, path) in files(places)? {
        let content = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let brotli = assets.brotli(&content)?.len();
        artefacts.push(Artefact { name, raw: content.len(), gzip: gzip(&content)?, brotli });
    }
    artefacts.sort_by(|a, b| a.name.cmp(&b.name));
    #[expect(clippy::print_stdout, reason = "the table is this task's result")]
    {
        print!("{}", table(&artefacts));
    }
    let rows: Vec<_> =
        artefacts.iter().map(|a| json!({ "name": a.name, "raw": a.raw, "gzip": a.gzip, "brotli": a.brotli })).collect();
    let path = places.dist().join("sizes.json");
    let text = serde_json::to_string_pretty(&json!({ "artefacts": rows }))?;
    std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// What is sent to a browser or uploaded, under names that stay the same from build to build.
fn files(places: &Places) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for (name, file) in [("edge.js", "index.js"), ("edge.wasm", "index_bg.wasm")] {
        let path = places.dist().join("edge").join(file);
        if path.exists() {
            files.push((name.to_owned(), path));
        }
    }
    for entry in std::fs::read_dir(places.dist().join("assets")).context("cannot read dist/assets")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".br") {
            files.push((stable_name(&name), entry.path()));
        }
    }
    Ok(files)
}

fn gzip(content: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).context("gzip cannot compress")?;
    Ok(encoder.finish().context("gzip cannot compress")?.len())
}

fn table(artefacts: &[Artefact]) -> String {
    let mut text = format!("{:<16} {:>11} {:>11} {:>11}\n", "bytes", "raw", "gzip", "brotli");
    for a in artefacts {
        text.push_str(&format!("{:<16} {:>11} {:>11} {:>11}\n", a.name, a.raw, a.gzip, a.brotli));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_one_line_per_artefact() {
        let rows = [Artefact { name: "portico.js".to_owned(), raw: 1200, gzip: 600, brotli: 512 }];
        let text = table(&rows);
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.lines().nth(1).is_some_and(|line| line.starts_with("portico.js") && line.ends_with("512")),
            "{text}"
        );
    }
}
