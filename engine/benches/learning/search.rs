//! The search for Vowpal Wabbit's best setting, on seeds and worlds apart from the reported ones.
//!
//! Round 1 tries every exploration at one learning rate. Round 2 varies the best of them, not more than two of a kind, in
//! learning rate and in what else matters, one thing at a time. The final runs the best of both rounds longer and on more
//! seeds. Rounds judge by the second half of their decisions, which is less noisy than the last tenth; the final
//! judges as the report does.

use crate::covariates::Table;
use crate::jobs;
use crate::lift::Meter;
use crate::rival::Rival;
use crate::stream::{Course, Stream};
use crate::world::Family;

/// Far from the seeds that are reported, which count from 1.
const FIRST_SEED: u64 = 1_000_001;
const FIRST_DECISIONS: usize = 12_500;
const SECOND_DECISIONS: usize = 20_000;
const FINAL_DECISIONS: usize = 50_000;
const FINAL_SEEDS: u64 = 2;
const FINALISTS: usize = 4;
/// Settings of round 1 that round 2 varies.
const VARIED: usize = 4;
/// Settings that one process runs, so that both threads are busy to the end.
const AT_A_TIME: usize = 5;

const EXPLORATIONS: [&str; 20] = [
    "--epsilon 0",
    "--epsilon 0.02",
    "--epsilon 0.1",
    "--squarecb --gamma_scale 10",
    "--squarecb --gamma_scale 30",
    "--squarecb --gamma_scale 100",
    "--squarecb --gamma_scale 300",
    "--squarecb --gamma_scale 1000",
    "--squarecb --gamma_scale 3000",
    "--cover 3 --psi 0.01",
    "--cover 10 --psi 0.1",
    "--bag 5",
    "--bag 10",
    "--bag 10 --greedify",
    "--regcb --mellowness 0.1 --cb_min_cost -1 --cb_max_cost 0",
    "--regcbopt --mellowness 0.1 --cb_min_cost -1 --cb_max_cost 0",
    "--regcbopt --mellowness 0.01 --cb_min_cost -1 --cb_max_cost 0",
    "--softmax --lambda 60",
    "--softmax --lambda 200",
    "--softmax --lambda 1000",
];
const RATE: f64 = 0.1;
const OTHER_RATES: [f64; 2] = [0.03, 0.4];
const VARIATIONS: [(&str, &str); 5] = [
    ("-q ::", ""),
    ("-q UA --ignore_linear U", ""),
    ("-q UA", "--cb_type dr"),
    ("-q UA", "--cb_type ips"),
    ("-q UA", "--power_t 0"),
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
    let round = |name: &str, settings: Vec<Setting>, seeds: &[u64], decisions: usize| {
        let scores = play(rival, table, threads, name, &settings, seeds, decisions)?;
        let mut scored: Vec<_> = settings.into_iter().zip(scores).collect();
        scored.sort_by(|left, right| right.1.total_cmp(&left.1));
        let mut text = format!("\n| {name}, {decisions} decisions, {} seeds | lift |\n|---|---|\n", seeds.len());
        for (setting, score) in &scored {
            text += &format!("| `{}` | {score:.3} |\n", setting.text());
        }
        // Long enough to want to see it before the end.
        eprint!("{text}");
        Ok::<_, String>((scored.into_iter().map(|(setting, _)| setting).collect::<Vec<_>>(), text))
    };
    let all = EXPLORATIONS.map(|exploration| Setting { exploration, interactions: "-q UA", other: "", rate: RATE });
    let (first, first_text) = round("round 1", all.to_vec(), &[FIRST_SEED], FIRST_DECISIONS)?;
    let mut varied: Vec<Setting> = Vec::new();
    for setting in &first {
        if varied.len() < VARIED && varied.iter().filter(|other| other.kind() == setting.kind()).count() < 2 {
            varied.push(setting.clone());
        }
    }
    let variations = varied.iter().flat_map(|setting| {
        let rates = OTHER_RATES.iter().map(|rate| Setting { rate: *rate, ..setting.clone() });
        let others = VARIATIONS.iter().map(|(interactions, other)| Setting { interactions, other, ..setting.clone() });
        std::iter::once(setting.clone()).chain(rates).chain(others)
    });
    let (second, second_text) = round("round 2", variations.collect(), &[FIRST_SEED + 1], SECOND_DECISIONS)?;
    let finalists = second.into_iter().take(FINALISTS).collect();
    let seeds: Vec<u64> = (0..FINAL_SEEDS).map(|at| FIRST_SEED + 2 + at).collect();
    let (_, final_text) = round("final", finalists, &seeds, FINAL_DECISIONS)?;
    Ok([final_text, second_text, first_text].concat())
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
    let jobs: Vec<(&Stream<'_>, usize, &[String])> = streams
        .iter()
        .flat_map(|stream| {
            texts.chunks(AT_A_TIME).enumerate().map(move |(chunk, texts)| (stream, chunk * AT_A_TIME, texts))
        })
        .collect();
    let lifts = jobs::all(&format!("search, {what}"), threads, &jobs, |(stream, first, texts)| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let played = rival.play(stream, &texts)?;
        let lifts = played.iter().enumerate().map(|(at, played)| {
            // A refused setting is the worst.
            let Ok(played) = played else { return (first + at, f64::NEG_INFINITY) };
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
