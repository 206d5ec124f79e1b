//! What to ask a visitor next: at most one question at a time, and the one whose answer would change most.
//!
//! The worth of a question is its expected value of perfect information (Raiffa & Schlaifer, *Applied Statistical Decision
//! Theory*, 1961): what the best offer is worth once the answer is known, on average over the answers, less what the best
//! offer is worth that must be chosen without it,
//!
//! ```text
//! gain = Σₐ p(a) · max over o of v(o | a)  −  max over o of Σₐ p(a) · v(o | a)
//! ```
//!
//! with v at the posterior mean and p(a) by how often the site has met the answer among its showings. It is 0 where every
//! answer leads to the same offer, however much the offer's value depends on it.

use serde::{Deserialize, Serialize};

use crate::Arm;
use crate::config::{Config, Source};
use crate::decide::{Question, Run};
use crate::facts::Value;
use crate::model::Block;
use crate::policy::{DAY_MS, Errors, Policy};
use crate::predictor::Predictor;
use crate::random::name_hash;
use crate::rule::{Rule, Schema, Truth};

/// Questions of a site.
const MOST_QUESTIONS: usize = 64;
/// Answers to choose from: more than can be read at a glance are a form.
const MOST_ANSWERS: usize = 8;
/// Questions whose worth is worked out, those of the highest priority: each costs as many decisions as it has answers.
const MOST_WEIGHED: usize = 4;
/// An interaction, in which nobody is asked a second question: as long as a visit's longest pause.
const INTERACTION_MS: u64 = 30 * 60 * 1_000;
/// Days for which a question rests that was seen and left alone.
const REST_WHEN_IGNORED_DAYS: u64 = 7;
/// Showings at which a thing is taken for granted before any: every answer is possible.
const SMOOTHING: f64 = 1.0;

/// A question that was put to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its mark, see [`Asked::mark`].
    pub question: u32,
    /// When it was put, or replied to, in milliseconds since 1970.
    pub at_ms: u64,
    /// What became of it.
    pub reply: Reply,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Nothing yet.
    Open,
    /// It was answered.
    Answered,
    /// The visitor would rather not say.
    Declined,
}

impl Asked {
    /// A short name of a question: half of its hash.
    #[must_use]
    pub fn mark(question: &str) -> u32 {
        name_hash(&[b"question", question.as_bytes()]) as u32
    }
}

/// A question to put.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inquiry<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether the visitor has not seen it in this interaction.
    pub is_new: bool,
    /// By how much its answer is expected to raise the value of what is offered, in units of the weighed KPIs. None where it
    /// was not worked out: the question stands already.
    pub gain: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct QuestionPolicy {
    id: String,
    mark: u32,
    slot: usize,
    answers: Vec<Value>,
    rule: Option<Rule>,
    priority: f64,
    rest_ms: u64,
}

impl QuestionPolicy {
    pub(crate) fn rule(&self) -> Option<&Rule> {
        self.rule.as_ref()
    }
}

pub(crate) fn compile(config: &Config, schema: &Schema, errors: &mut Errors) -> Vec<QuestionPolicy> {
    errors.unique("questions", config.questions.iter().map(|question| &question.id));
    if config.questions.len() > MOST_QUESTIONS {
        errors.add("/questions".to_owned(), &format!("at most {MOST_QUESTIONS} questions"));
    }
    let mut compiled = Vec::new();
    for (index, question) in config.questions.iter().take(MOST_QUESTIONS).enumerate() {
        let pointer = format!("/questions/{index}");
        let found = config.attributes.iter().enumerate().find(|(_, attribute)| attribute.name == question.attribute);
        let Some((slot, attribute)) = found.filter(|(_, attribute)| attribute.source == Source::Profile) else {
            let detail = format!("`{}` is no attribute with the source `profile`", question.attribute);
            errors.add(format!("{pointer}/attribute"), &detail);
            continue;
        };
        if !(2..=MOST_ANSWERS).contains(&question.answers.len()) {
            errors.add(format!("{pointer}/answers"), &format!("2 to {MOST_ANSWERS} answers"));
        }
        let mut answers = Vec::new();
        for (at, answer) in question.answers.iter().take(MOST_ANSWERS).enumerate() {
            match Value::from_json(attribute.kind, answer) {
                Value::Missing => errors.add(format!("{pointer}/answers/{at}"), "not of the attribute's type"),
                value if answers.contains(&value) => errors.add(format!("{pointer}/answers/{at}"), "it stands twice"),
                value => answers.push(value),
            }
        }
        if !(question.priority > 0.0 && question.priority.is_finite()) {
            errors.add(format!("{pointer}/priority"), "a number above 0");
        }
        if question.rest_days > 3_660 {
            errors.add(format!("{pointer}/rest_days"), "at most 3,660 days");
        }
        let Ok(rule) = errors.rule(format!("{pointer}/rule"), question.rule.as_ref(), schema) else { continue };
        compiled.push(QuestionPolicy {
            id: question.id.clone(),
            mark: Asked::mark(&question.id),
            slot,
            answers,
            rule,
            priority: question.priority,
            rest_ms: u64::from(question.rest_days) * DAY_MS,
        });
    }
    compiled
}

/// What to ask whoever is being decided for: the question that stands in this interaction, or else the one with the highest
/// priority × gain, among those whose rule holds and whose answer is not known. Nothing where one was replied to already in
/// this interaction. One that was declined or answered rests as long as it says, one that was left alone for a week.
#[must_use]
pub fn inquire<'a>(
    policy: &'a Policy,
    predictor: &Predictor,
    question: &Question<'_>,
    asked: &[Asked],
) -> Option<Inquiry<'a>> {
    if policy.questions.is_empty() {
        return None;
    }
    let slots = policy.slots(question.facts);
    let context = policy.context(&slots, question.facts, question.now_ms);
    let age_ms = |asked: &Asked| question.now_ms.saturating_sub(asked.at_ms);
    let may_ask = |of: &&QuestionPolicy| {
        let is_open = matches!(slots.get(of.slot), None | Some(Value::Missing));
        is_open && of.rule.as_ref().is_none_or(|rule| rule.evaluate(&context) == Truth::True)
    };
    if let Some(latest) = asked.iter().filter(|asked| age_ms(asked) < INTERACTION_MS).max_by_key(|asked| asked.at_ms) {
        let stands = policy.questions.iter().find(|of| of.mark == latest.question && latest.reply == Reply::Open);
        return stands.filter(may_ask).map(|of| Inquiry { id: &of.id, is_new: false, gain: None });
    }
    let rests = |of: &QuestionPolicy| {
        asked.iter().filter(|asked| asked.question == of.mark).any(|asked| {
            age_ms(asked)
                < match asked.reply {
                    Reply::Open => REST_WHEN_IGNORED_DAYS * DAY_MS,
                    Reply::Answered | Reply::Declined => of.rest_ms,
                }
        })
    };
    let mut may: Vec<&QuestionPolicy> = policy.questions.iter().filter(may_ask).filter(|of| !rests(of)).collect();
    may.sort_by(|left, right| right.priority.total_cmp(&left.priority));
    may.truncate(MOST_WEIGHED);
    let weighed = may.into_iter().map(|of| {
        let gain = gain(policy, predictor, question, &slots, of);
        (of.priority * gain, of, gain)
    });
    // Of equals the first: before anything is learned every gain is 0, and priority decides.
    let best = weighed.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some(Inquiry { id: &best.1.id, is_new: true, gain: Some(best.2) })
}

/// What an answer is expected to bring, see the formula at the head.
fn gain(policy: &Policy, predictor: &Predictor, question: &Question<'_>, slots: &[Value], of: &QuestionPolicy) -> f64 {
    let wanted = wanted(policy, question);
    let now = Run::new(policy, predictor, question, slots, Arm::Model);
    let may_now: Vec<bool> = wanted.iter().map(|at| now.is_eligible(*at)).collect();
    let chances = chances(policy, predictor, slots, of);
    let mut without = vec![0.0; wanted.len()];
    let mut with = 0.0;
    for (answer, chance) in of.answers.iter().zip(chances) {
        let mut told = slots.to_vec();
        if let Some(slot) = told.get_mut(of.slot) {
            slot.clone_from(answer);
        }
        let mut run = Run::new(policy, predictor, question, &told, Arm::Model);
        run.believe();
        let mut best = 0.0;
        for (at, without) in wanted.iter().zip(&mut without) {
            let value = run.expected(*at);
            *without += chance * value;
            if run.is_eligible(*at) && value > best {
                best = value;
            }
        }
        with += chance * best;
    }
    let without = without.iter().zip(may_now).filter(|(_, may)| *may).fold(0.0, |best, (value, _)| value.max(best));
    (with - without).max(0.0)
}

/// The offers that may stand somewhere on the page.
fn wanted(policy: &Policy, question: &Question<'_>) -> Vec<usize> {
    let asks = question.placements.iter();
    let placements = asks.filter_map(|ask| policy.placements.iter().find(|placement| placement.id == ask.placement));
    let mut wanted: Vec<usize> = placements.flat_map(|placement| placement.offers.iter().copied()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// How likely each answer is: by the evidence that the site's showings have of it.
fn chances(policy: &Policy, predictor: &Predictor, slots: &[Value], of: &QuestionPolicy) -> Vec<f64> {
    let model = predictor.model();
    let row = model.row(Block::site(&policy.model.priors, 0));
    let mut facts = vec![Value::Missing; slots.len()];
    let mut met = |answer: &Value| {
        let unknown = policy.features(&facts);
        if let Some(slot) = facts.get_mut(of.slot) {
            slot.clone_from(answer);
        }
        // What the answer changes in the features is the answer.
        let known = policy.features(&facts);
        let own = known.iter().find(|feature| !unknown.contains(feature));
        let place = own.and_then(|feature| model.place(*feature));
        if let Some(slot) = facts.get_mut(of.slot) {
            *slot = Value::Missing;
        }
        row.and_then(|row| row.cells.get(place?)).map_or(0.0, |cell| f64::from(cell.evidence))
    };
    let mut weights: Vec<f64> = of.answers.iter().map(|answer| met(answer) + SMOOTHING).collect();
    let all: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= all);
    weights
}
