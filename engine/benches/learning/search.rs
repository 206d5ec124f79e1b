//! The search for Vowpal Wabbit's best setting, on seeds and worlds apart from the reported ones.
//!
//! Round 1 tries every exploration with every learning rate. Round 2 varies the best of each kind of exploration in what
//! else matters, one thing at a time. Round 3 tries lower and higher learning rates of the best so far. The final
//! runs the best of all rounds longer and on more seeds. Rounds judge by the second half of their decisions, which is
//! less noisy than the last tenth; the final judges as the report does.

use std::collections::BTreeMap;

use crate::covariates::Table;
use crate::jobs;
use crate::lift::Meter;
use crate::rival::Rival;
use crate::stream::{Course, Stream};
use crate::world::Family;

/// Far from the seeds that are reported, which count from 1.
const FIRST_SEED: u64 = 1_000_001;
const ROUND_DECISIONS: usize = 20_000;
const FINAL_DECISIONS: usize = 50_000;
const FINAL_SEEDS: u64 = 2;
const FINALISTS: usize = 5;

const EXPLORATIONS: [&str; 20] = [
    "--epsilon 0",
    "--epsilon 0.02",
    "--epsilon 0.1",
    "--squarecb --gamma_scale 3",
    "--squarecb --gamma_scale 10",
    "--squarecb --gamma_scale 30",
    "--squarecb --gamma_scale 100",
    "--squarecb --gamma_scale 1000",
    "--cover 3 --psi 0.01",
    "--cover 5",
    "--cover 10 --psi 0.1",
    "--bag 5",
    "--bag 10",
    "--bag 10 --greedify",
    "--regcb --mellowness 0.1",
    "--regcbopt --mellowness 0.1",
    "--regcbopt --mellowness 0.01",
    "--softmax --lambda 20",
    "--softmax --lambda 60",
    "--softmax --lambda 200",
];
const RATES: [f64; 2] = [0.05, 0.2];
/// Beyond them, for the best.
const RATE_FACTORS: [f64; 3] = [0.4, 1.0, 2.5];
/// Settings that round 2 varies, and those that round 3 does.
const VARIED: usize = 4;
const RATED: usize = 3;
const VARIATIONS: [(&str, &str); 7] = [
    ("-q ::", ""),
    ("-q UA --ignore_linear U", ""),
    ("-q UA --interactions UUA", ""),
    ("-q UA", "--cb_type dr"),
    ("-q UA", "--cb_type ips"),
    ("-q UA", "--power_t 0"),
    ("-q UA", "--l2 1e-6"),
];

#[derive(Clone, Debug, PartialEq, PartialOrd)]
struct Setting {
    exploration: &'static str,
    interactions: &'static str,
    other: &'static str,
    rate: f64,
}

impl Setting {
    fn text(&self) -> String {
        let words = [self.exploration, self.interactions, &format!("-l {}", self.rate), self.other];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// `squarecb` of `--squarecb --gamma_scale 10`.
    fn kind(&self) -> &'static str {
        self.exploration.split_whitespace().next().unwrap_or_default()
    }
}

/// Searches, and returns the ranking as a table.
pub(crate) fn run(rival: &Rival, table: &Table, threads: usize) -> Result<String, String> {
    let mut tried: BTreeMap<String, (Setting, f64)> = BTreeMap::new();
    let mut round = |name: &str, seed: u64, settings: Vec<Setting>| {
        let scores = play(rival, table, threads, name, &settings, &[seed], ROUND_DECISIONS)?;
        let mut scored: Vec<_> = settings.into_iter().zip(scores).collect();
        scored.sort_by(|left, right| right.1.total_cmp(&left.1));
        for (setting, score) in &scored {
            tried.insert(setting.text(), (setting.clone(), *score));
        }
        Ok::<_, String>(scored)
    };

    let grid = EXPLORATIONS.iter().flat_map(|exploration| {
        RATES.iter().map(|rate| Setting { exploration, interactions: "-q UA", other: "", rate: *rate })
    });
    let first = round("search, round 1", FIRST_SEED, grid.collect())?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut best: Vec<Setting> = Vec::new();
    for (setting, _) in &first {
        let of_kind = kinds.entry(setting.kind()).or_default();
        *of_kind += 1;
        // Not the same kind with four parameters.
        if best.len() < VARIED && *of_kind <= 2 {
            best.push(setting.clone());
        }
    }
    let varied = best.iter().flat_map(|setting| {
        let varied = VARIATIONS.iter().map(|(interactions, other)| Setting { interactions, other, ..setting.clone() });
        std::iter::once(setting.clone()).chain(varied)
    });
    let second = round("search, round 2", FIRST_SEED + 1, varied.collect())?;
    let rates = second
        .iter()
        .take(RATED)
        .flat_map(|(setting, _)| RATE_FACTORS.map(|factor| Setting { rate: setting.rate * factor, ..setting.clone() }));
    let third = round("search, round 3", FIRST_SEED + 2, rates.collect())?;

    let mut finalists: Vec<Setting> = Vec::new();
    for (setting, _) in third.iter().take(RATED).chain(second.iter().take(FINALISTS)).chain(&first) {
        if finalists.len() < FINALISTS && !finalists.contains(setting) {
            finalists.push(setting.clone());
        }
    }
    let seeds: Vec<u64> = (0..FINAL_SEEDS).map(|at| FIRST_SEED + 10 + at).collect();
    let scores = play(rival, table, threads, "search, final", &finalists, &seeds, FINAL_DECISIONS)?;
    let mut ranking: Vec<_> = finalists.iter().zip(scores).collect();
    ranking.sort_by(|left, right| right.1.total_cmp(&left.1));

    let mut text =
        format!("Settings tried: {}.\n\n| final, {FINAL_DECISIONS} decisions | lift |\n|---|---|\n", tried.len());
    for (setting, score) in ranking {
        text += &format!("| `{}` | {score:.3} |\n", setting.text());
    }
    for (name, scored) in [("round 1", &first), ("round 2", &second), ("round 3", &third)] {
        text += &format!("\n| {name}, {ROUND_DECISIONS} decisions | lift |\n|---|---|\n");
        for (setting, score) in scored {
            text += &format!("| `{}` | {score:.3} |\n", setting.text());
        }
    }
    Ok(text)
}

/// The mean lift of each setting over all families and the seeds.
fn play(
    rival: &Rival,
    table: &Table,
    threads: usize,
    what: &str,
    settings: &[Setting],
    seeds: &[u64],
    decisions: usize,
) -> Result<Vec<f64>, String> {
    let range =
        if decisions == FINAL_DECISIONS { decisions - decisions / 10..decisions } else { decisions / 2..decisions };
    let texts: Vec<String> = settings.iter().map(Setting::text).collect();
    let streams: Vec<Stream<'_>> = Family::ALL
        .iter()
        .flat_map(|family| seeds.iter().map(|seed| Stream::new(table, *family, Course::Stationary, *seed, decisions)))
        .collect();
    // Few settings at a time, so that both threads are busy to the end.
    let jobs: Vec<(&Stream<'_>, usize, &[String])> = streams
        .iter()
        .flat_map(|stream| texts.chunks(4).enumerate().map(move |(chunk, texts)| (stream, chunk * 4, texts)))
        .collect();
    let lifts = jobs::all(what, threads, &jobs, |(stream, first, texts)| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let played = rival.play(stream, &texts)?;
        let lifts = played.iter().enumerate().map(|(at, played)| {
            let mut meter = Meter::new(std::slice::from_ref(&range));
            played.choices.iter().enumerate().for_each(|(decision, offer)| {
                meter.chose(stream, decision, usize::from(*offer));
            });
            (first + at, meter.lifts()[0])
        });
        Ok(lifts.collect::<Vec<_>>())
    })?;
    let mut sums = vec![0.0; settings.len()];
    for (at, lift) in lifts.into_iter().flatten() {
        sums[at] += lift / streams.len() as f64;
    }
    Ok(sums)
}
