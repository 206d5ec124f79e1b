//! One decision: eligibility, arm, prediction, value, choice, and on request the explanation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Arm;
use crate::facts::{Facts, Value};
use crate::features::{Feature, examination};
use crate::model::{Belief, Block, Model, sigmoid};
use crate::policy::{OfferPolicy, PlacementPolicy, Policy};
use crate::random::{Seed, keyed_hash};
use crate::rule::{EvaluationContext, Truth};
use crate::trace::{Driver, Exclusion, OfferTrace, PlacementTrace, StageTrace};

/// Draw index of the explorer's shuffle, apart from the stages' draws.
const SHUFFLE_DRAW: u32 = 1_000;
/// Drivers named in a trace.
const DRIVERS: usize = 6;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Everything a decision depends on besides policy and model.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is known.
    pub facts: &'a Facts,
    /// What keeps the visitor in one arm: their id, or the decision's where nothing may be kept of them.
    pub sticky: &'a str,
    /// The channel that asks.
    pub channel: &'a str,
    /// What the visitor put away, and when.
    pub dismissals: &'a [Dismissal],
    /// The slots to fill, in order of importance.
    pub placements: &'a [Ask<'a>],
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Source of all chance in this decision.
    pub seed: Seed,
    /// The site's secret for keyed hashes.
    pub site_key: &'a [u8; 16],
}

/// An offer that a visitor put away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dismissal {
    /// The offer's id.
    pub offer: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// One slot to fill.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The placement's id.
    pub placement: &'a str,
    /// Offers at most; the placement's own count when absent.
    pub count: Option<u32>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The features that an answer to it teaches.
    pub features: Vec<Feature>,
    /// Who chose.
    pub arm: Arm,
    /// One entry for each slot asked for, in the same order.
    pub placements: Vec<Filled>,
}

/// How one slot was filled.
#[derive(Clone, Debug, PartialEq)]
pub enum Filled {
    /// The configuration has no such placement.
    UnknownPlacement,
    /// Nothing could be shown.
    NothingEligible,
    /// The chosen, in rank order.
    Offers(Vec<Chosen>),
}

/// One chosen offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The offer's id.
    pub offer: String,
    /// Expected value as sampled; absent where no model chose.
    pub score: Option<f64>,
    /// Probability with which it was put here, where known exactly.
    pub propensity: Option<f64>,
}

/// Decides.
#[must_use]
pub fn decide(policy: &Policy, model: &Model, question: &Question<'_>) -> Decision {
    Run::new(policy, model, question).run(&mut None)
}

/// Decides the same and says why.
#[must_use]
pub fn explain(policy: &Policy, model: &Model, question: &Question<'_>) -> (Decision, Vec<PlacementTrace>) {
    let mut trace = Some(Vec::new());
    let decision = Run::new(policy, model, question).run(&mut trace);
    (decision, trace.unwrap_or_default())
}

impl Policy {
    /// The arm of a visitor: a keyed hash, the same for a whole period.
    fn arm(&self, question: &Question<'_>) -> Arm {
        let period = question.now_ms / (u64::from(self.arms.period_days.max(1)) * DAY_MS);
        let hash = keyed_hash(question.site_key, &[b"arm", question.sticky.as_bytes(), &period.to_le_bytes()]);
        let point = (hash >> 11) as f64 / (1_u64 << 53) as f64;
        if point < self.arms.control {
            Arm::Control
        } else if point < self.arms.control + self.arms.explore {
            Arm::Explore
        } else {
            Arm::Model
        }
    }
}

struct Run<'a> {
    policy: &'a Policy,
    model: &'a Model,
    question: &'a Question<'a>,
    slots: Vec<Value>,
    features: Vec<Feature>,
    arm: Arm,
    /// Why an offer is out, worked out once for all placements.
    exclusions: Vec<Option<Exclusion>>,
    /// Predictions by offer, worked out when first needed.
    predictions: Vec<Option<Prediction>>,
    group_beliefs: BTreeMap<(usize, usize), Belief>,
    site_beliefs: Vec<Belief>,
    shown: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Prediction {
    beliefs: Vec<Belief>,
    sampled: Vec<f64>,
    score: f64,
}

impl<'a> Run<'a> {
    fn new(policy: &'a Policy, model: &'a Model, question: &'a Question<'a>) -> Self {
        let slots = policy.slots(question.facts);
        let features = policy.features(&slots);
        let site_beliefs = (0..policy.stages.len()).map(|stage| model.belief(Block::site(stage), &features)).collect();
        let mut run = Self {
            arm: policy.arm(question),
            exclusions: Vec::new(),
            predictions: vec![None; policy.offers.len()],
            group_beliefs: BTreeMap::new(),
            shown: vec![false; policy.offers.len()],
            policy,
            model,
            question,
            slots,
            features,
            site_beliefs,
        };
        let context = policy.context(&run.slots, question.facts, question.now_ms);
        let group_answers: Vec<_> =
            policy.groups.iter().map(|group| group.rule.as_ref().map(|rule| rule.evaluate(&context))).collect();
        let exclusions = policy.offers.iter().map(|offer| run.exclusion(offer, &group_answers, &context)).collect();
        run.exclusions = exclusions;
        run
    }

    fn run(mut self, trace: &mut Option<Vec<PlacementTrace>>) -> Decision {
        let mut placements = Vec::with_capacity(self.question.placements.len());
        for ask in self.question.placements {
            let policy = self.policy;
            let Some(placement) = policy.placements.iter().find(|placement| placement.id == ask.placement) else {
                placements.push(Filled::UnknownPlacement);
                continue;
            };
            let shown_before = self.shown.clone();
            let chosen = self.fill(placement, ask.count.unwrap_or(placement.count));
            if let Some(trace) = trace {
                trace.push(self.trace(placement, &chosen, &shown_before));
            }
            placements.push(if chosen.is_empty() {
                Filled::NothingEligible
            } else {
                Filled::Offers(chosen.into_iter().map(|(_, chosen)| chosen).collect())
            });
        }
        Decision { features: self.features, arm: self.arm, placements }
    }

    fn exclusion(
        &self,
        offer: &OfferPolicy,
        group_answers: &[Option<Truth>],
        context: &EvaluationContext<'_>,
    ) -> Option<Exclusion> {
        if let Some(detail) = &offer.broken {
            return Some(Exclusion::Broken { detail: detail.clone() });
        }
        if self.question.now_ms < offer.starts_at || self.question.now_ms >= offer.ends_at {
            return Some(Exclusion::Dates);
        }
        if !offer.channels.is_empty() && !offer.channels.iter().any(|channel| channel == self.question.channel) {
            return Some(Exclusion::Channel);
        }
        for at in offer.chain.iter().rev() {
            let group = self.policy.groups.get(*at)?;
            let answer = group_answers.get(*at).copied().flatten();
            if let (Some(rule), Some(answer)) = (&group.rule, answer)
                && let Some(exclusion) = self.refusal(rule, answer, context, || format!("group:{}", group.id))
            {
                return Some(exclusion);
            }
        }
        if let Some(rule) = &offer.rule
            && let Some(exclusion) =
                self.refusal(rule, rule.evaluate(context), context, || format!("offer:{}", offer.id))
        {
            return Some(exclusion);
        }
        let rests = |dismissal: &Dismissal| {
            dismissal.offer == offer.id && self.question.now_ms < dismissal.at_ms.saturating_add(offer.rest_ms)
        };
        self.question.dismissals.iter().any(rests).then_some(Exclusion::Dismissed)
    }

    fn refusal(
        &self,
        rule: &crate::rule::Rule,
        answer: Truth,
        context: &EvaluationContext<'_>,
        of: impl Fn() -> String,
    ) -> Option<Exclusion> {
        match answer {
            Truth::True => None,
            Truth::False => Some(Exclusion::Rule { of: of() }),
            Truth::Unknown => {
                let name = |missing| self.policy.missing_name(missing);
                let missing = rule.missing(context).into_iter().filter_map(name).collect();
                Some(Exclusion::Unknown { of: of(), missing })
            }
        }
    }

    /// Orders the eligible by the arm's way and takes the first.
    fn fill(&mut self, placement: &PlacementPolicy, count: u32) -> Vec<(usize, Chosen)> {
        let eligible: Vec<usize> =
            placement.offers.iter().copied().filter(|at| self.exclusions[*at].is_none() && !self.shown[*at]).collect();
        let uniform = 1.0 / eligible.len().max(1) as f64;
        let mut ordered: Vec<(f64, usize, Option<f64>)> = match self.arm {
            Arm::Control => eligible.iter().map(|at| (-(*at as f64), *at, None)).collect(),
            Arm::Explore => {
                let draw = |at: usize| self.question.seed.uniform(self.policy.offers[at].key, SHUFFLE_DRAW);
                eligible.iter().map(|at| (draw(*at), *at, None)).collect()
            }
            Arm::Model => eligible
                .iter()
                .map(|at| {
                    let score = self.prediction(*at).score;
                    (score, *at, Some(score))
                })
                .collect(),
        };
        ordered.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        let propensity = match self.arm {
            Arm::Control => Some(1.0),
            Arm::Explore => Some(uniform),
            Arm::Model => None,
        };
        let chosen: Vec<_> = ordered
            .into_iter()
            .take(count as usize)
            .map(|(_, at, score)| (at, Chosen { offer: self.policy.offers[at].id.clone(), score, propensity }))
            .collect();
        for (at, _) in &chosen {
            self.shown[*at] = true;
        }
        chosen
    }

    fn prediction(&mut self, at: usize) -> Prediction {
        if let Some(prediction) = &self.predictions[at] {
            return prediction.clone();
        }
        let policy = self.policy;
        let offer = &policy.offers[at];
        let mut beliefs = Vec::with_capacity(policy.stages.len());
        let mut sampled = Vec::with_capacity(policy.stages.len());
        for (stage, of) in policy.stages.iter().enumerate() {
            let (model, features) = (self.model, &self.features);
            let group = *self
                .group_beliefs
                .entry((offer.group, stage))
                .or_insert_with(|| model.belief(Block::group(policy, offer.group, stage), features));
            let belief =
                self.site_beliefs[stage] + group + self.model.belief(Block::offer(offer, stage), &self.features);
            let noise = self.question.seed.normal(offer.key, stage as u32);
            let width = policy.model.exploration * libm::sqrt(belief.variance);
            sampled.push(sigmoid(of.offset + belief.mean + width * noise));
            beliefs.push(belief);
        }
        let score = policy
            .kpis
            .iter()
            .zip(&offer.values)
            .map(|(kpi, values)| kpi.weight * expected(values, &sampled))
            .sum::<f64>()
            * offer.lever;
        let prediction = Prediction { beliefs, sampled, score };
        self.predictions[at] = Some(prediction.clone());
        prediction
    }

    fn trace(
        &mut self,
        placement: &PlacementPolicy,
        chosen: &[(usize, Chosen)],
        shown_before: &[bool],
    ) -> PlacementTrace {
        let names = self.policy.feature_names(&self.slots);
        let mut offers: Vec<OfferTrace> = Vec::with_capacity(placement.offers.len());
        for at in &placement.offers {
            let offer = &self.policy.offers[*at];
            let excluded =
                self.exclusions[*at].clone().or_else(|| shown_before[*at].then_some(Exclusion::ShownElsewhere));
            let rank = chosen.iter().position(|(taken, _)| taken == at).map(|place| place as u32 + 1);
            let mut entry = OfferTrace {
                offer: offer.id.clone(),
                rank,
                excluded,
                score: None,
                stages: Vec::new(),
                kpis: BTreeMap::new(),
                drivers: Vec::new(),
            };
            if entry.excluded.is_none() {
                let prediction = self.prediction(*at);
                entry.score = Some(prediction.score);
                entry.stages = self.stage_traces(&prediction);
                entry.kpis = self
                    .policy
                    .kpis
                    .iter()
                    .zip(&offer.values)
                    .map(|(kpi, values)| (kpi.id.clone(), expected(values, &prediction.sampled)))
                    .collect();
                entry.drivers = self.drivers(offer, &names);
            }
            offers.push(entry);
        }
        let place = |offer: &OfferTrace| offer.rank.unwrap_or(u32::MAX);
        let score = |offer: &OfferTrace| offer.score.unwrap_or(f64::NEG_INFINITY);
        offers.sort_by(|left, right| place(left).cmp(&place(right)).then(score(right).total_cmp(&score(left))));
        PlacementTrace { placement: placement.id.clone(), arm: self.arm, offers }
    }

    fn stage_traces(&self, prediction: &Prediction) -> Vec<StageTrace> {
        self.policy
            .stages
            .iter()
            .zip(prediction.beliefs.iter().zip(&prediction.sampled))
            .map(|(stage, (belief, sampled))| StageTrace {
                stage: stage.id.clone(),
                mean: sigmoid(stage.offset + belief.mean),
                sampled: *sampled,
                deviation: libm::sqrt(belief.variance),
            })
            .collect()
    }

    /// What the offer's and its group's weights say about a click, against the site's average answer.
    fn drivers(&self, offer: &OfferPolicy, names: &[String]) -> Vec<Driver> {
        let group = Block::group(self.policy, offer.group, 0);
        let own = self.model.means(Block::offer(offer, 0), &self.features);
        let mut drivers: Vec<Driver> = names
            .iter()
            .zip(own.zip(self.model.means(group, &self.features)))
            .map(|(name, (own, group))| Driver { fact: name.clone(), weight: own + group })
            .filter(|driver| driver.weight != 0.0)
            .collect();
        drivers.sort_by(|left, right| right.weight.abs().total_cmp(&left.weight.abs()));
        drivers.truncate(DRIVERS);
        drivers
    }
}

/// Σ over stages of P(reached) × value.
fn expected(values: &[f64], conditional: &[f64]) -> f64 {
    let mut reached = 1.0;
    values
        .iter()
        .zip(conditional)
        .map(|(value, p)| {
            reached *= p;
            reached * value
        })
        .sum()
}

/// The feature lists that an answer teaches at each level: the site's with the place where the offer stood.
pub(crate) fn with_examination(features: &[Feature], placement: &str, rank: u32) -> Vec<Feature> {
    let mut site = features.to_vec();
    site.push(examination(placement, rank));
    site
}
