//! `cargo xtask bench widget`: what the widget costs the page it is embedded in, beside peers from npm, in Chromium, in one run.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;

use super::figures::Figures;
use super::rows::Target::AtMost;
use super::rows::{self, Row};
use super::{page, run_benchmark};
use crate::command::cargo;
use crate::places::Places;
use crate::step::say;
use crate::versions::BENCH_PEERS;
use crate::{build, setup};

/// What is embedded, and what it is in words.
const SUBJECTS: [(&str, &str); 5] = [
    ("bare", "nothing"),
    ("portico", "Portico, an offer"),
    ("alloy", "Adobe's Web SDK, an offer"),
    ("posthog", "PostHog, a flag"),
    ("deep_chat", "Deep Chat"),
];

/// How a figure is written.
#[derive(Clone, Copy)]
enum Unit {
    /// Bytes, in kB of 1,000.
    Bytes,
    /// The same beyond the bare page's.
    BytesMore,
    Count,
    Tenths,
    Thousandths,
    Ms,
    MsMore,
}

/// What is measured, and what it is in words.
const MEASURED: [(&str, Unit, &str); 23] = [
    ("script", Unit::Bytes, "JavaScript"),
    ("wasm", Unit::Bytes, "WebAssembly"),
    ("other", Unit::Bytes, "data, styles, images"),
    ("up", Unit::Bytes, "sent by the page"),
    ("requests", Unit::Count, "requests"),
    ("preflights", Unit::Count, "preflights beside them"),
    ("bytes_before", Unit::Bytes, "before it is there: received"),
    ("requests_before", Unit::Count, "before it is there: requests"),
    ("round_trips", Unit::Tenths, "there after its script was asked for, in round trips"),
    ("round_trips_after", Unit::Tenths, "there after its script has come, in round trips"),
    ("shifts", Unit::Thousandths, "cumulative layout shift"),
    ("touched", Unit::Bytes, "received once a visitor points at it"),
    ("again", Unit::Bytes, "on the next page: received"),
    ("again_requests", Unit::Count, "on the next page: requests"),
    ("slow_there", Unit::Ms, "at a quarter of the speed: there after"),
    ("slow_tasks", Unit::Count, "at a quarter of the speed: tasks over 50 ms"),
    ("slow_longest", Unit::Ms, "at a quarter of the speed: the longest of them"),
    ("slow_busy", Unit::MsMore, "at a quarter of the speed: main thread busy, beyond the bare page"),
    ("heap", Unit::BytesMore, "JavaScript heap, beyond the bare page"),
    ("touched_heap", Unit::BytesMore, "the same once a visitor has pointed at it"),
    ("views_heap", Unit::Bytes, "heap gained over 200 views within the document"),
    ("views_nodes", Unit::Count, "nodes gained over them"),
    ("views_listeners", Unit::Count, "listeners gained over them"),
];

#[derive(Args)]
pub(crate) struct WidgetArguments {
    /// One round instead of three.
    #[arg(long)]
    quick: bool,
    /// Put the tables into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// Builds everything, runs the benchmark and prints its tables.
pub(crate) fn run(places: &Places, arguments: &WidgetArguments) -> Result<()> {
    let tools = setup::for_builds(places)?;
    let browser = setup::browser(places)?;
    let peers = setup::peers(places)?;
    build::run(places, &tools, None)?;
    let time = if arguments.quick { "four minutes" } else { "twenty minutes" };
    say(&format!("  ...     widget: compiling, then running, {time}"));
    let mut bench = cargo(&places.root);
    bench.args(["bench", "--quiet", "--package", "portico-tests", "--bench", "widget"]);
    bench.env("PORTICO_DIST", places.dist()).env("PORTICO_WORKERD", tools.npm.workerd()).env("PORTICO_PEERS", peers);
    bench.env("CHROMIUM", &browser.chromium).env("CHROMEDRIVER", &browser.chromedriver);
    bench.envs(arguments.quick.then_some(("PORTICO_QUICK", "1")));
    let said = run_benchmark(&mut bench)?;
    let figures = Figures::read("widget", &said);
    let found = rows(&figures)?;
    let tables = tables(&figures, &found)?;
    #[expect(clippy::print_stdout, reason = "the tables are what the command is for")]
    {
        println!("{tables}");
    }
    rows::write(places, "widget", &found)?;
    if arguments.write {
        page::write(places, "widget", &arguments.command(), &tables)?;
    }
    Ok(())
}

impl WidgetArguments {
    /// As one could type it.
    fn command(&self) -> String {
        let quick = if self.quick { " --quick" } else { "" };
        format!("cargo xtask bench widget{quick} --write")
    }
}

/// What is kept for machines, and held against the targets.
fn rows(figures: &Figures<'_>) -> Result<Vec<Row>> {
    let ours = |name: &str| figures.get(&format!("portico.{name}"));
    let more = |name: &str| Ok::<_, anyhow::Error>(ours(name)? - figures.get(&format!("bare.{name}"))?);
    // Round trips are told from times: a tenth of one is as exact as they are.
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    Ok(vec![
        Row::new("requests before the first offer", ours("requests_before")?, "", Some(AtMost(2.0))),
        Row::new("preflights", ours("preflights")?, "", Some(AtMost(0.0))),
        Row::new(
            "first offer after the loader has come",
            tenths(ours("round_trips_after")?),
            "round trips",
            Some(AtMost(1.0)),
        ),
        Row::new("cumulative layout shift", ours("shifts")?, "", Some(AtMost(0.0))),
        Row::new(
            "tasks over 50 ms at a quarter of the speed, beyond the bare page",
            more("slow_tasks")?,
            "",
            Some(AtMost(0.0)),
        ),
        Row::new("WebAssembly before anybody points at an offer", ours("wasm")?, "bytes", Some(AtMost(0.0))),
        Row::new("heap gained over 200 views within the document", ours("views_heap")? / 1e3, "kB", None),
    ])
}

fn tables(figures: &Figures<'_>, rows: &[Row]) -> Result<String> {
    let mut text = "| the same page with |".to_owned();
    for (_, words) in SUBJECTS {
        write!(text, " {words} |")?;
    }
    text.push_str(&format!("\n|---|{}\n", "---|".repeat(SUBJECTS.len())));
    for (name, unit, words) in MEASURED {
        write!(text, "| {words} |")?;
        for (subject, _) in SUBJECTS {
            let value = figures.get(&format!("{subject}.{name}"))?;
            let bare = figures.get(&format!("bare.{name}"))?;
            write!(text, " {} |", unit.written(value, bare))?;
        }
        text.push('\n');
    }
    let peers: Vec<String> = BENCH_PEERS.iter().map(|(name, version, _)| format!("`{name}` {version}")).collect();
    writeln!(text, "\nThe peers: {}.\n", peers.join(", "))?;
    text.push_str(&rows::table(rows));
    Ok(text)
}

impl Unit {
    fn written(self, value: f64, bare: f64) -> String {
        let kilo = |bytes: f64| match bytes / 1e3 {
            0.0 => "0".to_owned(),
            kilo if kilo.abs() < 10.0 => format!("{kilo:.1} kB"),
            kilo => format!("{kilo:.0} kB"),
        };
        match self {
            Self::Bytes => kilo(value),
            Self::BytesMore => kilo(value - bare),
            Self::Count => format!("{value:.0}"),
            Self::Tenths => format!("{value:.1}"),
            Self::Thousandths => format!("{value:.3}"),
            Self::Ms => format!("{value:.0} ms"),
            Self::MsMore => format!("{:.0} ms", value - bare),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_in_their_units() {
        let written = [
            Unit::Bytes.written(2_940.0, 0.0),
            Unit::Bytes.written(0.0, 0.0),
            Unit::BytesMore.written(112_400.0, 100_000.0),
            Unit::Tenths.written(1.97, 0.0),
            Unit::MsMore.written(80.0, 30.0),
        ];
        assert_eq!(written, ["2.9 kB", "0", "12 kB", "2.0", "50 ms"]);
    }
}
