//! How big everything is, on the terminal and in `dist/sizes.json`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Value, json};

use super::assets::{Assets, stable_name};
use crate::places::Places;
use crate::step::say;

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
    // The loader stands there under three names.
    files.retain(|(name, _)| !(name.starts_with("portico-") && name.ends_with(".js")));
    files.sort();
    files.dedup_by(|left, right| left.0 == right.0);
    Ok(files)
}

/// What a browser may be made to fetch for one purpose.
#[derive(Deserialize)]
struct Budget {
    /// Bytes at most, compressed.
    brotli: u64,
    /// The artefacts that it takes together.
    of: Vec<String>,
}

/// Whether what `dist/sizes.json` says keeps to `budgets.json`; says each that does not.
pub(crate) fn within_budgets(places: &Places) -> Result<bool> {
    let read = |path: PathBuf| -> Result<Value> {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
    };
    let budgets: BTreeMap<String, Budget> = serde_json::from_value(read(places.root.join("budgets.json"))?)?;
    let over = over(&budgets, &read(places.dist().join("sizes.json"))?);
    for line in &over {
        say(line);
    }
    Ok(over.is_empty())
}

fn over(budgets: &BTreeMap<String, Budget>, sizes: &Value) -> Vec<String> {
    let artefacts = sizes.get("artefacts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let brotli = |name: &str| {
        artefacts.iter().find(|artefact| artefact["name"] == name).and_then(|artefact| artefact["brotli"].as_u64())
    };
    let mut over = Vec::new();
    for (purpose, Budget { brotli: most, of }) in budgets {
        match of.iter().map(|name| brotli(name).ok_or(name)).collect::<Result<Vec<u64>, &String>>() {
            Ok(sizes) if sizes.iter().sum::<u64>() <= *most => {}
            Ok(sizes) => over.push(format!("{purpose}: {} bytes, {most} allowed", sizes.iter().sum::<u64>())),
            Err(missing) => over.push(format!("{purpose}: there is no {missing}")),
        }
    }
    over
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
    fn what_is_over_its_budget_or_missing_is_named() {
        let sizes = json!({ "artefacts": [{ "name": "a.js", "brotli": 10 }, { "name": "a.wasm", "brotli": 20 }] });
        let budget = |brotli, of: &[&str]| Budget { brotli, of: of.iter().map(|&name| name.to_owned()).collect() };
        let budgets = BTreeMap::from([
            ("both".to_owned(), budget(30, &["a.js", "a.wasm"])),
            ("less".to_owned(), budget(29, &["a.js", "a.wasm"])),
            ("none".to_owned(), budget(30, &["b.js"])),
        ]);
        assert_eq!(over(&budgets, &sizes), ["less: 30 bytes, 29 allowed", "none: there is no b.js"]);
    }

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
