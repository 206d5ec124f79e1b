//! With which probability the model put each offer first: counted over repetitions of the decision with other chances.
//!
//! Thompson sampling has no formula for it. It needs (policy, model, question), so it is done off the hot path, from the
//! snapshot that decided.

use std::collections::BTreeMap;

use crate::Arm;
use crate::decide::{Ask, Chosen, Decision, Filled, Question, decide};
use crate::policy::Policy;
use crate::predictor::Predictor;
use crate::random::{Seed, keyed_hash};

/// Estimated probabilities of the first rank of one placement.
///
/// With D draws, n eligible offers and k draws in which an offer came first, its probability is given as (k + 1) / (D + n)
/// (Laplace's rule). None is 0, so that it can be a logged propensity: the floor is 1 / (D + n). The price is a bias of
/// (1 − n·p) / (D + n) towards 1/n, where p is the true probability; the standard deviation is below 1 / (2√D).
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPropensities {
    /// By offer, in the order of their ids.
    pub offers: BTreeMap<String, f64>,
    /// Probability that the placement stays empty because others of the page took its offers. Together with the offers' it
    /// makes 1.
    pub nothing: f64,
}

/// Why there are no probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropensityError {
    /// Zero draws tell nothing.
    #[error("at least one draw is needed")]
    NoDraws,
    /// The question does not ask for this placement, or the configuration does not have it.
    #[error("the placement is not part of the question")]
    UnknownPlacement,
    /// Another arm decided; its propensity is exact and stands with the decision.
    #[error("the decision was made by the arm {0:?}, not by the model")]
    NotTheModel(Arm),
    /// No offer could stand there.
    #[error("nothing was eligible")]
    NothingEligible,
}

/// Repeats a decision `draws` times with seeds derived from its own, and counts who came first in a placement.
///
/// The same arguments give the same answer. The eligible are those that come up when the placement stands alone and has
/// room for all. To judge a candidate on decisions of other arms, compile it with no shares for control and explore.
///
/// # Errors
///
/// When there is nothing to count: see [`PropensityError`].
pub fn model_propensities(
    policy: &Policy,
    predictor: &Predictor,
    question: &Question<'_>,
    placement: &str,
    draws: u32,
) -> Result<ModelPropensities, PropensityError> {
    if draws == 0 {
        return Err(PropensityError::NoDraws);
    }
    let asked = question.placements.iter().position(|ask| ask.placement == placement);
    let asked = asked.ok_or(PropensityError::UnknownPlacement)?;
    let alone = [Ask { placement, count: Some(u32::MAX) }];
    let eligible = decide(policy, predictor, &Question { placements: &alone, ..*question });
    let eligible = ranked(&eligible, 0)?.ok_or(PropensityError::NothingEligible)?;
    let mut firsts: BTreeMap<String, u32> = eligible.iter().map(|chosen| (chosen.offer.clone(), 0)).collect();
    let mut nothing = 0_u32;
    for draw in 0..draws {
        let decision = decide(policy, predictor, &Question { seed: seed_of(question, draw), ..*question });
        match ranked(&decision, asked)?.and_then(|offers| offers.first()) {
            Some(first) => *firsts.entry(first.offer.clone()).or_insert(0) += 1,
            None => nothing += 1,
        }
    }
    if nothing == draws {
        return Err(PropensityError::NothingEligible);
    }
    let total = f64::from(draws) + firsts.len() as f64;
    let smoothed = |(offer, times): (String, u32)| (offer, (f64::from(times) + 1.0) / total);
    Ok(ModelPropensities { offers: firsts.into_iter().map(smoothed).collect(), nothing: f64::from(nothing) / total })
}

/// The offers of the slot at a place in the question, in rank order; none where it stayed empty.
fn ranked(decision: &Decision, asked: usize) -> Result<Option<&[Chosen]>, PropensityError> {
    if decision.arm != Arm::Model {
        return Err(PropensityError::NotTheModel(decision.arm));
    }
    match decision.placements.get(asked) {
        Some(Filled::Offers(offers)) => Ok(Some(offers)),
        Some(Filled::NothingEligible) => Ok(None),
        Some(Filled::UnknownPlacement) | None => Err(PropensityError::UnknownPlacement),
    }
}

fn seed_of(question: &Question<'_>, draw: u32) -> Seed {
    let parts: [&[u8]; 3] = [b"propensity", &question.seed.0.to_le_bytes(), &draw.to_le_bytes()];
    Seed(keyed_hash(question.site_key, &parts))
}
