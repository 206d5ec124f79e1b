//! What a benchmark has found, for machines: `target/bench/<name>.json`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::places::Places;
use crate::step::say;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    /// What it is to be, in words; null where nothing is asked of it.
    target: Option<String>,
    /// Whether it is.
    holds: Option<bool>,
}

/// What is asked of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    pub(crate) fn new(name: &str, value: f64, unit: &'static str, target: Option<Target>) -> Self {
        let words = |target| match target {
            Target::AtMost(most) => format!("≤ {most} {unit}"),
            Target::AtLeast(least) => format!("≥ {least} {unit}"),
        };
        let holds = |target| match target {
            Target::AtMost(most) => value <= most,
            Target::AtLeast(least) => value >= least,
        };
        Self { name: name.to_owned(), value, unit, target: target.map(words), holds: target.map(holds) }
    }
}

/// Where a benchmark's rows go.
pub(crate) fn path(places: &Places, name: &str) -> Result<PathBuf> {
    let folder = places.root.join("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.join(format!("{name}.json")))
}

/// Writes them, and says which targets are missed.
pub(crate) fn write(places: &Places, name: &str, rows: &[Row]) -> Result<()> {
    let path = path(places, name)?;
    let text = serde_json::to_string_pretty(&serde_json::json!({ "rows": rows }))?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    for row in rows.iter().filter(|row| row.holds == Some(false)) {
        say(&format!(
            "  miss    {}: {:.3} {}, not {}",
            row.name,
            row.value,
            row.unit,
            row.target.as_deref().unwrap_or("")
        ));
    }
    say(&format!("  ok      {} written", path.display()));
    Ok(())
}

/// The rows for people: a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = "| | measured | target | |\n|---|---|---|---|\n".to_owned();
    for row in rows {
        let verdict = match row.holds {
            Some(true) => "holds",
            Some(false) => "**missed**",
            None => "",
        };
        let digits = if row.value.abs() < 10.0 { 1 } else { 0 };
        let (name, value, unit, target) = (&row.name, row.value, row.unit, row.target.as_deref().unwrap_or(""));
        text.push_str(&format!("| {name} | {value:.digits$} {unit} | {target} | {verdict} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_is_asked_and_whether_it_holds() {
        let row = |value, target| serde_json::to_value(Row::new("time", value, "ms", target)).unwrap_or_default();
        let expect = serde_json::json!(
            { "name": "time", "value": 51.0, "unit": "ms", "target": "≤ 50 ms", "holds": false }
        );
        assert_eq!(row(51.0, Some(Target::AtMost(50.0))), expect);
        assert_eq!(row(51.0, Some(Target::AtLeast(51.0)))["holds"], true);
        assert_eq!(row(1.0, None)["holds"], serde_json::Value::Null);
    }

    #[test]
    fn a_table_says_what_is_missed() {
        let rows = [Row::new("time", 51.4, "ms", Some(Target::AtMost(50.0))), Row::new("size", 1.25, "MiB", None)];
        let lines = ["| time | 51 ms | ≤ 50 ms | **missed** |", "| size | 1.2 MiB |  |  |"];
        assert_eq!(table(&rows).lines().skip(2).collect::<Vec<_>>(), lines);
    }
}
