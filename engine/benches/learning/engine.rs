//! Our engine as a learner of the benchmark. Everything here that decides or learns with it is in this file.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use portico_engine::config::Config;
use portico_engine::{
    Arm, Ask, Facts, Feature, Filled, Learner, Observation, Place, Policy, Predictor, Progress, Question, Seed, Source,
    Step, decide,
};
use serde_json::{Value, json};

use crate::covariates::{self, Kind, Table};
use crate::stream::{LAG, Stream};
use crate::world::{GROUPS, OFFERS, group_of};

/// Time between two decisions. Half-lives are configured in days, so this is what a number of decisions is in days.
pub(crate) const DECISION_MS: u64 = 1_000;
/// Half-life of evidence in the runs that forget, in decisions.
pub(crate) const HALF_LIFE: f64 = 12_500.0;
/// Part of the evidence that is kept there when the world is found changed.
pub(crate) const CHANGE_KEEPS: f64 = 0.05;
const START_MS: u64 = 1_700_000_000_000;
const SITE_KEY: [u8; 16] = *b"learning/bench!!";
const PLACEMENT: &str = "slot";

/// What is changed in the configuration: values by JSON pointer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Vec<(String, Value)>);

impl Changes {
    /// Reads `key=value`; a key that is no JSON pointer names a setting of the model.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not `key=value`"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        self.set(key, value);
        Ok(())
    }

    /// The same changes with forgetting or without: evidence counts half after [`HALF_LIFE`] decisions, and most of it not at
    /// all once the world is found changed.
    pub(crate) fn with_forgetting(&self, forgetting: bool) -> Self {
        let days = HALF_LIFE * DECISION_MS as f64 / 86_400_000.0;
        let mut changes = Self::default();
        changes.set("half_life_days", json!(forgetting.then_some(days)));
        changes.set("change_keeps", json!(forgetting.then_some(CHANGE_KEEPS)));
        // What was asked for at the command line has the last word.
        changes.0.extend(self.0.iter().cloned());
        changes
    }

    /// The same changes with a hold-out and no explorers.
    pub(crate) fn with_hold_out(&self, share: f64) -> Self {
        let mut changes = self.clone();
        changes.set("/arms/control", json!(share));
        changes
    }

    fn set(&mut self, key: &str, value: Value) {
        let pointer = if key.starts_with('/') { key.to_owned() } else { format!("/model/{key}") };
        self.0.push((pointer, value));
    }

    fn apply(&self, config: &mut Value) -> Result<(), String> {
        for (pointer, value) in &self.0 {
            let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
            let place = config.pointer_mut(parent).ok_or_else(|| format!("the configuration has no {parent}"))?;
            match place {
                Value::Array(items) => {
                    let item = key.parse::<usize>().ok().and_then(|at| items.get_mut(at));
                    *item.ok_or_else(|| format!("the configuration has no {pointer}"))? = value.clone();
                }
                Value::Object(fields) => {
                    fields.insert(key.to_owned(), value.clone());
                }
                _ => return Err(format!("{parent} in the configuration has no parts")),
            }
        }
        Ok(())
    }
}

/// How long the parts of a run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    pub(crate) deciding: Duration,
    pub(crate) learning: Duration,
}

/// A choice as the engine made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) decision: usize,
    pub(crate) offer: usize,
    pub(crate) by_model: bool,
    pub(crate) answered: bool,
}

/// Which of the learner's models decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deciding {
    Model,
    /// Naive Bayes over the counts beside it.
    Fallback,
}

/// Runs the engine over a stream; `watch` sees every choice.
pub(crate) fn run(
    stream: &Stream<'_>,
    changes: &Changes,
    deciding: Deciding,
    mut watch: impl FnMut(Choice),
) -> Result<Took, String> {
    let policy = compile(stream, changes)?;
    let facts: Vec<Facts> = stream.table.rows.iter().map(|row| facts(stream.table, row)).collect();
    let mut learner = Learner::default();
    let mut predictor = Predictor::new(&policy, learner.model.clone());
    let mut record = Record::default();
    let mut took = Took::default();
    for decision in 0..stream.decisions {
        if decision % LAG == 0 {
            let begun = Instant::now();
            record.fold_until(ms(decision as f64), &policy, &mut learner);
            let model = match deciding {
                Deciding::Model => learner.model.clone(),
                Deciding::Fallback => learner.fallback(&policy),
            };
            predictor = Predictor::new(&policy, model);
            took.learning += begun.elapsed();
        }
        let begun = Instant::now();
        let sticky = format!("{}-{decision}", stream.seed);
        let question = Question {
            facts: &facts[stream.visitor(decision)],
            sticky: &sticky,
            channel: "web",
            dismissals: &[],
            seen: &[],
            placements: &[Ask { placement: PLACEMENT, count: Some(1) }],
            now_ms: ms(decision as f64),
            seed: Seed::of_decision(&SITE_KEY, &sticky),
            site_key: &SITE_KEY,
        };
        let decided = decide(&policy, &predictor, &question);
        let chosen = match decided.placements.first() {
            Some(Filled::Offers(chosen)) => chosen.first(),
            _ => None,
        };
        took.deciding += begun.elapsed();
        let chosen = chosen.ok_or("the engine has chosen nothing")?;
        let offer = chosen.offer.parse::<usize>().map_err(|error| error.to_string())?;
        let answer = stream.answer(decision, offer);
        let shown = |step| Shown {
            decision,
            offer,
            arm: decided.arm,
            features: decided.features.clone(),
            promised: chosen.promised.clone(),
            step,
        };
        record.add(decision, 0.0, shown(Step::Impression));
        for (stage, after) in [answer.first, answer.second].into_iter().enumerate() {
            if let Some(after) = after {
                record.add(decision, after, shown(Step::Stage(stage as u8)));
            }
        }
        watch(Choice { decision, offer, by_model: decided.arm == Arm::Model, answered: answer.first.is_some() });
    }
    Ok(took)
}

fn ms(decision: f64) -> u64 {
    START_MS + (decision * DECISION_MS as f64) as u64
}

fn compile(stream: &Stream<'_>, changes: &Changes) -> Result<Policy, String> {
    let attributes = stream.table.attributes.iter().map(|attribute| match &attribute.kind {
        Kind::Number(edges) => {
            json!({ "name": attribute.name, "type": "number", "bins": edges, "source": "profile" })
        }
        Kind::Words(_) => json!({ "name": attribute.name, "type": "text", "source": "profile" }),
    });
    let (stages, valued) = if stream.has_second_stage() {
        (json!([{ "id": "click" }, { "id": "purchase" }]), "purchase")
    } else {
        (json!([{ "id": "click" }]), "click")
    };
    let offers = (0..OFFERS).map(|offer| {
        json!({
            "id": offer.to_string(),
            "group": group_of(offer).to_string(),
            "values": { "value": { valued: 1.0 } },
            "starts_at": ms(stream.starts_at(offer) as f64),
        })
    });
    let mut config = json!({
        "attributes": attributes.collect::<Vec<_>>(),
        "stages": stages,
        "kpis": [{ "id": "value", "weight": 1.0 }],
        "groups": (0..GROUPS).map(|group| json!({ "id": group.to_string() })).collect::<Vec<_>>(),
        "offers": offers.collect::<Vec<_>>(),
        "placements": [{ "id": PLACEMENT }],
        // Everybody meets the model: its choices are judged by their true values, which need no hold-out.
        "arms": { "control": 0.0, "explore": 0.0, "period_days": 28 },
        "model": {},
    });
    changes.apply(&mut config)?;
    let config: Config = serde_json::from_value(config).map_err(|error| error.to_string())?;
    let (policy, errors) = Policy::compile(&config);
    match errors.first() {
        Some(error) => Err(format!("{}: {}", error.pointer, error.detail)),
        None => Ok(policy),
    }
}

fn facts(table: &Table, row: &[covariates::Value]) -> Facts {
    let mut facts = Facts::default();
    for (attribute, value) in table.attributes.iter().zip(row) {
        let value = match value {
            covariates::Value::Number(number) => json!(number),
            covariates::Value::Word(word) => json!(word),
        };
        facts.insert(Source::Profile, attribute.name.clone(), value);
    }
    facts
}

/// What happened, until it is folded in the order in which it was recorded.
#[derive(Default)]
struct Record {
    coming: BinaryHeap<Reverse<Due>>,
    added: u64,
    folded: u64,
    /// Showings by decision: how far they have come, where their impression stands, and when the last step was recorded.
    open: BTreeMap<usize, (Progress, Place, Option<u64>)>,
}

struct Shown {
    decision: usize,
    offer: usize,
    arm: Arm,
    features: Vec<Feature>,
    promised: Vec<f32>,
    step: Step,
}

struct Due {
    at_ms: u64,
    /// Ties are recorded in the order in which they were added.
    added: u64,
    shown: Shown,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.added).cmp(&(other.at_ms, other.added))
    }
}

impl Record {
    fn add(&mut self, decision: usize, after: f64, shown: Shown) {
        self.added += 1;
        self.coming.push(Reverse(Due { at_ms: ms(decision as f64 + after), added: self.added, shown }));
    }

    /// Teaches what was recorded before a moment.
    fn fold_until(&mut self, now_ms: u64, policy: &Policy, learner: &mut Learner) {
        while self.coming.peek().is_some_and(|Reverse(due)| due.at_ms < now_ms) {
            let Some(Reverse(Due { at_ms, shown, .. })) = self.coming.pop() else { return };
            self.folded += 1;
            let place = Place { shard: 0, seq: self.folded };
            let (progress, impression, since_ms) =
                self.open.entry(shown.decision).or_insert((Progress::default(), place, None));
            let row = Observation {
                showing: shown.decision as u64,
                offer: shown.offer.to_string(),
                placement: PLACEMENT.to_owned(),
                rank: 1,
                channel: "web".to_owned(),
                arm: shown.arm,
                features: shown.features,
                promised: shown.promised,
                compared: None,
                entrant: None,
                step: shown.step,
                before: *progress,
                impression: Some(*impression),
                since_ms: *since_ms,
                place,
                at_ms,
            };
            learner.fold(policy, &row);
            (*progress, *since_ms) = (progress.after(row.step), Some(at_ms));
        }
    }
}
