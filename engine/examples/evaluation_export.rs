//! Writes a small log in every exported form, a candidate's view of it, and our estimates, for checking by others' tools.
//!
//! `cargo run -p portico-engine --example evaluation_export -- DIRECTORY`, then `evaluation_check.py DIRECTORY` beside this
//! file.

use std::error::Error;
use std::fs;
use std::path::Path;

use portico_engine::config::Config;
use portico_engine::evaluate::export::{OpenBandit, dsjson, ndjson};
use portico_engine::evaluate::{
    Estimate, EstimateError, LogRow, Logged, Predicted, Weighed, WeightLimit, direct, doubly_robust, ips,
    model_propensities, snips,
};
use portico_engine::{Arm, Ask, Facts, Filled, Model, Policy, Predictor, Question, Seed, Source, decide, keyed_hash};
use serde_json::{Value, json};

const KEY: [u8; 16] = *b"evaluation check";
const DECISIONS: u32 = 3_000;
const DRAWS: u32 = 200;
const CLIP: f64 = 2.0;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: evaluation_export DIRECTORY")?;
    let directory = Path::new(&directory);
    let policy = policy()?;
    let log = (0..DECISIONS).filter_map(|number| logged(&policy, number).transpose()).collect::<Result<Vec<_>, _>>()?;

    let judged: Vec<(Vec<f64>, Vec<f64>)> = log.iter().map(judge).collect();
    let (mut weighed, mut predicted) = (Vec::new(), Vec::new());
    for (row, (probabilities, predictions)) in log.iter().zip(&judged) {
        weighed.push(Weighed::new(row, probabilities)?);
        predicted.push(Predicted::new(row, probabilities, predictions)?);
    }
    let clip = WeightLimit::new(CLIP).ok_or("the limit is above 0")?;
    let estimates = json!({
        "ips": written(ips(&weighed, WeightLimit::NONE))?,
        "ips_clipped": written(ips(&weighed, clip))?,
        "snips": written(snips(&weighed, WeightLimit::NONE))?,
        "direct": written(direct(&predicted))?,
        "doubly_robust": written(doubly_robust(&predicted, WeightLimit::NONE))?,
        "doubly_robust_clipped": written(doubly_robust(&predicted, clip))?,
        "clip": CLIP,
    });

    let campaign = directory.join("open_bandit/random/all");
    fs::create_dir_all(&campaign)?;
    let bandit = OpenBandit::of_log(&log);
    let candidate = log.iter().zip(&judged).map(|(row, (probabilities, predictions))| {
        let items: Vec<_> = row.row().eligible.iter().map(|offer| bandit.item(offer)).collect();
        json!({ "items": items, "probabilities": probabilities, "predictions": predictions }).to_string()
    });
    fs::write(directory.join("log.ndjson"), lines(log.iter().map(ndjson).collect::<Result<Vec<_>, _>>()?))?;
    fs::write(directory.join("log.dsjson"), lines(log.iter().map(dsjson).collect::<Result<Vec<_>, _>>()?))?;
    fs::write(
        campaign.join("all.csv"),
        lines(
            core::iter::once(bandit.header())
                .chain(log.iter().enumerate().filter_map(|(number, row)| bandit.row(number, row))),
        ),
    )?;
    fs::write(campaign.join("item_context.csv"), lines(bandit.items()))?;
    fs::write(directory.join("candidate.ndjson"), lines(candidate))?;
    fs::write(directory.join("estimates.json"), serde_json::to_string_pretty(&estimates)?)?;
    Ok(())
}

/// Half explored, half by the model; one offer in six is for adults only.
fn policy() -> Result<Policy, Box<dyn Error>> {
    let offer = |id: &str, group: &str, click: f64| json!({ "id": id, "group": group, "values": { "revenue": { "click": click } } });
    let config: Config = serde_json::from_value(json!({
        "attributes": [
            { "name": "topic", "type": "text", "source": "context" },
            { "name": "age", "type": "number", "source": "identity", "bins": [25.0, 60.0] },
        ],
        "stages": [{ "id": "click", "prior_rate": 0.1 }],
        "kpis": [{ "id": "revenue", "weight": 1.0 }],
        "groups": [
            { "id": "all" },
            { "id": "adults", "parent": "all", "rule": { "attr": "age", "op": "ge", "value": 18 } },
        ],
        "offers": [
            offer("saver", "all", 1.0), offer("card", "all", 1.05), offer("\"loan\", cheap", "adults", 1.1),
            offer("fund", "adults", 1.15), offer("house", "adults", 1.2), offer("child's account", "all", 0.95),
        ],
        "placements": [{ "id": "hero" }],
        "arms": { "control": 0.0, "explore": 0.5, "period_days": 7 },
        "model": { "exploration": 1.0 },
    }))?;
    let (policy, errors) = Policy::compile(&config);
    if errors.is_empty() { Ok(policy) } else { Err(format!("{errors:?}").into()) }
}

fn logged(policy: &Policy, number: u32) -> Result<Option<Logged>, Box<dyn Error>> {
    let decision = format!("decision-{number}");
    let mut facts = Facts::default();
    facts.insert(Source::Context, "topic", if chance("topic", number, 0) < 0.5 { "savings" } else { "loans" });
    facts.insert(Source::Identity, "age", 10.0 + 60.0 * chance("age", number, 0));
    let ask = |count| [Ask { placement: "hero", count }];
    let (one, all) = (ask(None), ask(Some(u32::MAX)));
    let question = Question {
        facts: &facts,
        sticky: &decision,
        channel: "web",
        dismissals: &[],
        seen: &[],
        placements: &one,
        now_ms: 1_795_323_600_000 + u64::from(number) * 7_001,
        seed: Seed::of_decision(&KEY, &decision),
        site_key: &KEY,
    };
    let predictor = Predictor::new(policy, Model::default());
    let decided = decide(policy, &predictor, &Question { placements: &all, ..question });
    let Some(Filled::Offers(offers)) = decided.placements.into_iter().next() else { return Ok(None) };
    let Some(chosen) = offers.first().cloned() else { return Ok(None) };
    let mut eligible: Vec<String> = offers.into_iter().map(|offer| offer.offer).collect();
    eligible.sort_unstable();
    let propensity = match decided.arm {
        Arm::Model => {
            let counted = model_propensities(policy, &predictor, &question, "hero", DRAWS)?;
            counted.offers.get(&chosen.offer).copied()
        }
        Arm::Explore | Arm::Control => chosen.propensity,
    };
    let clicked = chance("click", number, 0) < 0.1 + 0.02 * chosen.offer.len() as f64;
    let row = LogRow {
        decision: decision.clone(),
        placement: "hero".to_owned(),
        at_ms: question.now_ms,
        arm: decided.arm,
        eligible,
        propensity: propensity.ok_or("the chosen offer has no propensity")?,
        reward: if clicked { 1.0 + chosen.offer.len() as f64 / 8.0 } else { 0.0 },
        chosen: chosen.offer,
        features: decided.features,
    };
    Ok(Some(Logged::try_from(row)?))
}

/// Some candidate: probabilities and predictions of the eligible, different for each row.
fn judge(row: &Logged) -> (Vec<f64>, Vec<f64>) {
    let number = row.row().at_ms as u32;
    let of = |what: &str| -> Vec<f64> {
        (0..row.row().eligible.len()).map(|at| chance(what, number, at as u32)).collect::<Vec<_>>()
    };
    let shares = of("candidate");
    let sum: f64 = shares.iter().sum();
    (shares.iter().map(|share| share / sum).collect(), of("prediction"))
}

/// Uniform in [0, 1).
fn chance(what: &str, number: u32, at: u32) -> f64 {
    let hash = keyed_hash(&KEY, &[what.as_bytes(), &number.to_le_bytes(), &at.to_le_bytes()]);
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

fn written(estimate: Result<Estimate, EstimateError>) -> Result<Value, EstimateError> {
    let estimate = estimate?;
    Ok(json!({
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "effective_rows": estimate.effective_rows,
    }))
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}
