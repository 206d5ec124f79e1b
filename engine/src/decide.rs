//! One decision: eligibility, arm, prediction, value, choice.

use serde::{Deserialize, Serialize};

use crate::Arm;
use crate::allocate::{Candidates, MOST_SLOTS, assign};
use crate::eligibility::Eligibility;
use crate::facts::{Facts, Value};
use crate::features::Feature;
use crate::model::sigmoid;
use crate::policy::{PlacementPolicy, Policy, weighed};
use crate::predictor::{Beliefs, Predictor};
use crate::random::{Seed, keyed_hash, name_hash};
use crate::trace::PlacementTrace;

/// Draw index of the explorer's shuffle, apart from the stages' draws.
const SHUFFLE_DRAW: u32 = 1_000;

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
    /// What the visitor saw lately, for the contact policy.
    pub seen: &'a [Seen],
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

/// An impression that a visitor had. Small, because visitors without an account carry it with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The offer's mark, see [`Seen::mark`].
    pub offer: u32,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

impl Seen {
    /// Impressions that are worth remembering of a visitor, the newest: no contact rule may count more. At some 11 bytes
    /// each they fit into a visitor's token.
    pub const MOST: u32 = 32;

    /// A short name of an offer: half of its hash.
    #[must_use]
    pub fn mark(offer: &str) -> u32 {
        name_hash(&[b"offer", offer.as_bytes()]) as u32
    }
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

impl Decision {
    /// The offer in the first rank of a slot, by the slot's place in the question.
    #[must_use]
    pub fn first(&self, slot: usize) -> Option<&Chosen> {
        match self.placements.get(slot)? {
            Filled::Offers(offers) => offers.first(),
            Filled::UnknownPlacement | Filled::NothingEligible => None,
        }
    }
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
    /// By stage, the probability to reach it from the one before, at the posterior mean; empty where no model chose.
    pub promised: Vec<f32>,
    /// Among which offers chance put it first, by their places in [`Policy::offers`]; empty where it was not chance.
    pub among: Vec<usize>,
}

/// Decides.
#[must_use]
pub fn decide(policy: &Policy, predictor: &Predictor, question: &Question<'_>) -> Decision {
    decide_as(policy, predictor, question, policy.arm(question))
}

/// What an arm would decide, whichever the visitor is in.
#[must_use]
pub fn decide_as(policy: &Policy, predictor: &Predictor, question: &Question<'_>, arm: Arm) -> Decision {
    let slots = policy.slots(question.facts);
    Run::new(policy, predictor, question, &slots, arm).run(&mut None)
}

/// Decides the same and says why.
#[must_use]
pub fn explain(policy: &Policy, predictor: &Predictor, question: &Question<'_>) -> (Decision, Vec<PlacementTrace>) {
    let slots = policy.slots(question.facts);
    let mut trace = Some(Vec::new());
    let decision = Run::new(policy, predictor, question, &slots, policy.arm(question)).run(&mut trace);
    (decision, trace.unwrap_or_default())
}

impl Policy {
    /// The placement that is asked for, and how many offers it takes.
    fn placement(&self, ask: &Ask<'_>) -> Option<(&PlacementPolicy, usize)> {
        let placement = self.placements.iter().find(|placement| placement.id == ask.placement)?;
        Some((placement, ask.count.unwrap_or(placement.count) as usize))
    }

    /// The arm of a visitor: a keyed hash, the same for a whole period.
    fn arm(&self, question: &Question<'_>) -> Arm {
        let period = question.now_ms / self.period_ms();
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

/// The candidates of a slot, the first first.
type Ordered = Vec<Candidate>;

#[derive(Clone, Copy, Debug)]
struct Candidate {
    at: usize,
    /// Sampled value, where the model chose.
    score: Option<f64>,
    propensity: Option<f64>,
}

impl Candidate {
    /// Messages without a score stand first.
    fn by_score(&self, other: &Self) -> core::cmp::Ordering {
        let score = |candidate: &Self| candidate.score.unwrap_or(f64::INFINITY);
        score(other).total_cmp(&score(self)).then(self.at.cmp(&other.at))
    }
}

/// One decision while it is being made.
pub(crate) struct Run<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) predictor: &'a Predictor,
    question: &'a Question<'a>,
    pub(crate) slots: &'a [Value],
    pub(crate) features: Vec<Feature>,
    pub(crate) arm: Arm,
    /// What each goal weighs for this visitor, where segments make a difference.
    weights: Option<Vec<f64>>,
    pub(crate) eligibility: Eligibility<'a>,
    /// Whether an offer may be shown, by offer.
    eligible: Vec<bool>,
    /// What is believed of each offer, by stage.
    pub(crate) beliefs: Vec<Beliefs>,
    /// Among which offers an explorer's last slot was drawn.
    among: Vec<usize>,
    /// Scores by offer, drawn when first needed.
    scores: Vec<Option<f64>>,
    /// Offers and groups that earlier placements of the page show.
    pub(crate) shown: Vec<bool>,
    pub(crate) groups_shown: Vec<bool>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        predictor: &'a Predictor,
        question: &'a Question<'a>,
        slots: &'a [Value],
        arm: Arm,
    ) -> Self {
        let eligibility = Eligibility::new(policy, predictor, question, slots);
        Self {
            arm,
            weights: eligibility.weights(),
            features: policy.features(slots),
            eligible: policy.offers.iter().enumerate().map(|(at, offer)| eligibility.is_eligible(at, offer)).collect(),
            eligibility,
            beliefs: Vec::new(),
            among: Vec::new(),
            scores: vec![None; policy.offers.len()],
            shown: vec![false; policy.offers.len()],
            groups_shown: vec![false; policy.groups.len()],
            policy,
            predictor,
            question,
            slots,
        }
    }

    fn run(mut self, trace: &mut Option<Vec<PlacementTrace>>) -> Decision {
        if trace.is_some() || self.arm == Arm::Model {
            self.believe();
        }
        let asks: Vec<Option<(&PlacementPolicy, usize)>> =
            self.question.placements.iter().map(|ask| self.policy.placement(ask)).collect();
        let plan = self.plan(&asks);
        let mut placements = Vec::with_capacity(asks.len());
        for (index, ask) in asks.iter().enumerate() {
            let Some((placement, count)) = *ask else {
                placements.push(Filled::UnknownPlacement);
                continue;
            };
            let before = trace.is_some().then(|| (self.shown.clone(), self.groups_shown.clone()));
            let ordered = match plan.as_ref().and_then(|plan| plan.get(index)) {
                Some(planned) => planned.clone(),
                None => self.order_eligible(placement, count),
            };
            let mut chosen = self.fill(ordered, count);
            let among = core::mem::take(&mut self.among);
            if let Some((_, first)) = chosen.first_mut().filter(|(at, _)| among.contains(at)) {
                first.among = among;
            }
            if let (Some(trace), Some((shown, groups))) = (trace.as_mut(), &before) {
                trace.push(crate::explain::placement(&mut self, placement, &chosen, shown, groups));
            }
            placements.push(if chosen.is_empty() {
                Filled::NothingEligible
            } else {
                Filled::Offers(chosen.into_iter().map(|(_, chosen)| chosen).collect())
            });
        }
        Decision { features: self.features, arm: self.arm, placements }
    }

    /// Works out what is believed of every offer.
    pub(crate) fn believe(&mut self) {
        let channel = name_hash(&[self.question.channel.as_bytes()]);
        self.beliefs = self.predictor.beliefs(channel, self.policy.stages.len(), &self.features);
    }

    pub(crate) fn is_eligible(&self, at: usize) -> bool {
        self.eligible.get(at).copied().unwrap_or(false)
    }

    /// What each slot shows when they are filled together; none where filling them one after the other does the same, or
    /// where the arm does not ask for the most valuable.
    fn plan(&mut self, asks: &[Option<(&PlacementPolicy, usize)>]) -> Option<Vec<Ordered>> {
        let mut known = asks.iter().flatten();
        let first = known.next()?;
        let alike = known.all(|(placement, _)| placement.offers == first.0.offers);
        if self.arm != Arm::Model || self.policy.distinct_groups || alike {
            return None;
        }
        let mut plan: Vec<Ordered> = Vec::with_capacity(asks.len());
        let mut slots: Vec<(usize, Candidates)> = Vec::new();
        let mut taken = vec![false; self.policy.offers.len()];
        for (index, ask) in asks.iter().enumerate() {
            let mut ordered = Vec::new();
            if let Some((placement, count)) = *ask {
                // Offers that other placements take need others after them.
                ordered = self.order_eligible(placement, count.saturating_mul(asks.len()).max(MOST_SLOTS));
                let scored = ordered.split_off(ordered.partition_point(|candidate| candidate.score.is_none()));
                ordered.retain(|message| !taken[message.at]);
                ordered.truncate(count);
                ordered.iter().for_each(|message| taken[message.at] = true);
                let candidates: Vec<(usize, f64)> =
                    scored.iter().filter_map(|one| Some((one.at, one.score?))).collect();
                slots.extend((ordered.len()..count.min(candidates.len())).map(|_| (index, candidates.clone())));
            }
            plan.push(ordered);
        }
        if slots.len() > MOST_SLOTS {
            return None;
        }
        // No slot needs more candidates than there are slots. Earlier slots weigh a little more: the best stand there.
        let most = slots.len();
        let weighed = |(slot, (_, candidates)): (usize, &(usize, Candidates))| {
            let weight = 1.0 - slot as f64 * 1e-3;
            candidates.iter().take(most).map(|(at, score)| (*at, score * weight)).collect()
        };
        let weighed: Vec<Candidates> = slots.iter().enumerate().map(weighed).collect();
        for (at, (index, _)) in assign(&weighed).into_iter().zip(&slots) {
            if let (Some(at), Some(ordered)) = (at, plan.get_mut(*index)) {
                ordered.push(Candidate { at, score: Some(self.score(at)), propensity: None });
            }
        }
        plan.iter_mut().for_each(|ordered| ordered.sort_by(Candidate::by_score));
        Some(plan)
    }

    /// Mandatory messages, then the best of the other eligible offers in the arm's order: so many as may be needed.
    fn order_eligible(&mut self, placement: &PlacementPolicy, needed: usize) -> Ordered {
        let free = |at: &usize| self.eligible[*at] && !self.shown[*at] && !self.group_is_shown(*at);
        let (mandatory, eligible): (Vec<usize>, Vec<usize>) =
            placement.offers.iter().copied().filter(free).partition(|at| self.policy.offers[*at].mandatory);
        let uniform = 1.0 / eligible.len().max(1) as f64;
        if self.arm == Arm::Explore {
            self.among.clone_from(&eligible);
        }
        let key = match self.arm {
            Arm::Control => Self::order,
            Arm::Explore => Self::shuffle,
            Arm::Model => Self::score,
        };
        let mut ordered: Vec<(f64, usize)> = eligible.into_iter().map(|at| (key(self, at), at)).collect();
        let by_key = |left: &(f64, usize), right: &(f64, usize)| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1));
        // Those that are passed over for their group need others after them.
        let needed = if self.policy.distinct_groups { ordered.len() } else { needed };
        if needed < ordered.len() {
            ordered.select_nth_unstable_by(needed, by_key);
            ordered.truncate(needed);
        }
        ordered.sort_unstable_by(by_key);
        let first = mandatory.into_iter().map(|at| Candidate { at, score: None, propensity: Some(1.0) });
        let rest = ordered.into_iter().map(|(key, at)| match self.arm {
            Arm::Control => Candidate { at, score: None, propensity: Some(1.0) },
            Arm::Explore => Candidate { at, score: None, propensity: Some(uniform) },
            Arm::Model => Candidate { at, score: Some(key), propensity: None },
        });
        first.chain(rest).collect()
    }

    /// Takes the first of an order.
    fn fill(&mut self, ordered: Ordered, count: usize) -> Vec<(usize, Chosen)> {
        let mut chosen = Vec::with_capacity(count.min(ordered.len()));
        for Candidate { at, score, propensity } in ordered {
            if chosen.len() >= count {
                break;
            }
            if self.group_is_shown(at) {
                continue;
            }
            let offer = &self.policy.offers[at];
            self.shown[at] = true;
            if let Some(shown) = self.groups_shown.get_mut(offer.group) {
                *shown = true;
            }
            let promised = if self.arm == Arm::Model { self.promised(at) } else { Vec::new() };
            chosen.push((at, Chosen { offer: offer.id.clone(), score, propensity, promised, among: Vec::new() }));
        }
        chosen
    }

    /// Whether another offer of the same group stands on the page and that is not wanted.
    fn group_is_shown(&self, at: usize) -> bool {
        self.policy.distinct_groups && self.groups_shown.get(self.policy.offers[at].group).copied().unwrap_or(false)
    }

    /// The configured order.
    fn order(&mut self, at: usize) -> f64 {
        -(at as f64)
    }

    /// A uniform shuffle.
    fn shuffle(&mut self, at: usize) -> f64 {
        self.question.seed.uniform(self.policy.offers[at].key, SHUFFLE_DRAW)
    }

    /// The offer's value as sampled.
    pub(crate) fn score(&mut self, at: usize) -> f64 {
        if let Some(score) = self.scores[at] {
            return score;
        }
        let score = self.value(at, true);
        self.scores[at] = Some(score);
        score
    }

    /// The offer's value at the posterior mean.
    pub(crate) fn expected(&self, at: usize) -> f64 {
        self.value(at, false)
    }

    fn value(&self, at: usize, is_drawn: bool) -> f64 {
        let offer = &self.policy.offers[at];
        // Stages after the last that is worth anything need no draw.
        let mut reached = 1.0;
        let mut value = 0.0;
        let mut noise = [0.0; 2];
        let stages = if self.weights.is_some() { self.policy.stages.len() } else { offer.worth.len() };
        for stage in 0..stages {
            let worth = match &self.weights {
                Some(weights) => weighed(weights.iter().copied(), &offer.values, stage),
                None => offer.worth.get(stage).copied().unwrap_or(0.0),
            };
            if is_drawn && stage % 2 == 0 {
                noise = self.question.seed.normals(offer.key, stage as u32 / 2);
            }
            reached *= self.probability(at, stage, noise[stage % 2]);
            value += reached * worth;
        }
        value * offer.lever
    }

    /// Each stage's probability at the posterior mean.
    fn promised(&self, at: usize) -> Vec<f32> {
        let Some(offer) = self.policy.offers.get(at) else {
            return Vec::new();
        };
        let stages = self.policy.stages.iter().zip(&self.beliefs).enumerate();
        stages.map(|(stage, (of, beliefs))| sigmoid(offer.offset(stage, of) + beliefs.of(at).mean) as f32).collect()
    }

    /// One stage's probability, drawn from what is believed of it.
    pub(crate) fn sample(&self, at: usize, stage: usize) -> f64 {
        let noise = self.policy.offers.get(at).map(|offer| self.question.seed.normals(offer.key, stage as u32 / 2));
        self.probability(at, stage, noise.unwrap_or_default()[stage % 2])
    }

    /// One stage's probability, so many standard deviations of the sampling from its mean.
    fn probability(&self, at: usize, stage: usize, noise: f64) -> f64 {
        let (Some(offer), Some(of)) = (self.policy.offers.get(at), self.policy.stages.get(stage)) else {
            return 0.0;
        };
        let belief = self.beliefs.get(stage).map(|beliefs| beliefs.of(at)).unwrap_or_default();
        let width = self.policy.model.exploration * libm::sqrt(belief.variance);
        sigmoid(offer.offset(stage, of) + belief.mean + width * noise)
    }
}
