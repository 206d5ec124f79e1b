//! Why a slot was filled as it was. Off the hot path: everything is worked out again from the same beliefs.

use std::collections::BTreeMap;

use crate::decide::{Chosen, Run};
use crate::model::{Block, sigmoid};
use crate::policy::{OfferPolicy, PlacementPolicy};
use crate::trace::{Driver, Exclusion, OfferTrace, PlacementTrace, StageTrace};

/// Drivers named in a trace.
const DRIVERS: usize = 6;

/// The trace of a placement that has just been filled; `shown` and `groups` are what stood on the page before.
pub(crate) fn placement(
    run: &mut Run<'_>,
    placement: &PlacementPolicy,
    chosen: &[(usize, Chosen)],
    shown: &[bool],
    groups: &[bool],
) -> PlacementTrace {
    let names = run.policy.feature_names(run.slots);
    // Facts that the model has met, with their places.
    let met = names
        .iter()
        .zip(&run.features)
        .filter_map(|(name, feature)| Some((name.as_str(), run.predictor.model().place(*feature)?)));
    let met: Vec<(&str, usize)> = met.collect();
    let mut offers: Vec<OfferTrace> = Vec::with_capacity(placement.offers.len());
    for at in &placement.offers {
        let offer = &run.policy.offers[*at];
        let stands = |list: &[bool], at: usize| list.get(at).copied().unwrap_or(false);
        let elsewhere = stands(shown, *at).then_some(Exclusion::ShownElsewhere);
        let crowded = run.policy.distinct_groups && stands(groups, offer.group);
        let excluded = run.eligibility.exclusion(*at, offer).or(elsewhere).or(crowded.then_some(Exclusion::GroupShown));
        let mut entry = OfferTrace {
            offer: offer.id.clone(),
            rank: chosen.iter().position(|(taken, _)| taken == at).map(|place| place as u32 + 1),
            excluded,
            score: None,
            stages: Vec::new(),
            kpis: BTreeMap::new(),
            drivers: Vec::new(),
        };
        if entry.excluded.is_none() {
            entry.score = Some(run.score(*at));
            entry.stages = stages(run, *at, offer);
            let sampled: Vec<f64> = entry.stages.iter().map(|stage| stage.sampled).collect();
            let kpis = run.policy.kpis.iter().zip(&offer.values);
            entry.kpis = kpis.map(|(kpi, values)| (kpi.id.clone(), expected(values, &sampled))).collect();
            entry.drivers = drivers(run, offer, &met);
        }
        offers.push(entry);
    }
    let place = |offer: &OfferTrace| offer.rank.unwrap_or(u32::MAX);
    let score = |offer: &OfferTrace| offer.score.unwrap_or(f64::NEG_INFINITY);
    offers.sort_by(|left, right| place(left).cmp(&place(right)).then(score(right).total_cmp(&score(left))));
    PlacementTrace { placement: placement.id.clone(), arm: run.arm, offers }
}

fn stages(run: &Run<'_>, at: usize, offer: &OfferPolicy) -> Vec<StageTrace> {
    let stages = run.policy.stages.iter().zip(&run.beliefs).enumerate();
    stages
        .map(|(stage, (of, beliefs))| {
            let belief = beliefs.of(at);
            StageTrace {
                stage: of.id.clone(),
                mean: sigmoid(offer.offset(stage, of) + belief.mean),
                sampled: run.sample(at, stage),
                deviation: libm::sqrt(belief.variance),
            }
        })
        .collect()
}

/// What the offer's and its group's weights say about a click, against the site's average answer.
fn drivers(run: &Run<'_>, offer: &OfferPolicy, met: &[(&str, usize)]) -> Vec<Driver> {
    let model = run.predictor.model();
    let blocks = [Block::offer(&run.policy.model.priors, offer, 0), Block::group(run.policy, offer.group, 0)];
    let rows = blocks.map(|block| model.row(block));
    let weight = |place: usize| rows.iter().flatten().map(|row| row.mean(place)).sum::<f64>();
    let mut strongest: Vec<(&str, f64)> =
        met.iter().map(|(name, place)| (*name, weight(*place))).filter(|(_, weight)| *weight != 0.0).collect();
    strongest.sort_by(|left, right| right.1.abs().total_cmp(&left.1.abs()));
    strongest.truncate(DRIVERS);
    strongest.into_iter().map(|(fact, weight)| Driver { fact: fact.to_owned(), weight }).collect()
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
