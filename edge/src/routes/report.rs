//! Reports: the learner's figures with the configuration's words.

use portico_engine::Associations;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::report::{
    FactReport, LiveReport, ModelReport, OfferFacts, OfferReport, StageFacts, StageReport, TierLevelReport, TierReport,
    TiersReport,
};
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::objects::call;
use crate::objects::census::Distribution;
use crate::objects::learner::{GetFigures, JudgeModel};
use crate::objects::ledger::{self, Samples};
use crate::objects::pages::ReportPages;

/// Sampled decisions in a report.
const SAMPLES: u64 = 20;

pub(crate) async fn live(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let snapshot = access::console_side(env, context, request).await?;
    let settings = &snapshot.settings;
    let mut figures = call(env, &snapshot.site, &GetFigures { site: snapshot.site.clone() }).await?;
    let decisions = call(env, &ledger::name(&snapshot.site, 0), &Samples { most: SAMPLES }).await?;
    let offers = settings.policy.offers().map(|(offer, group)| OfferReport {
        offer: offer.to_owned(),
        title: settings.config.words(offer, "").map(|(_, words)| words.title.clone()).unwrap_or_default(),
        group: group.to_owned(),
        arms: figures.tally.offers.remove(offer).unwrap_or_default(),
    });
    let report = LiveReport {
        now: now_ms(),
        site_name: settings.config.name.clone(),
        config: snapshot.version,
        offers: offers.collect(),
        model: figures.model,
        model_at: figures.model_at,
        events_folded: figures.folded,
        lag: figures.lag,
        stages: settings.policy.stages().map(str::to_owned).collect(),
        curve: figures.tally.curve,
        experiment: figures.experiment,
        decisions,
    };
    Response::json(200, &report)
}

/// `GET /v1/reports/pages`.
pub(crate) async fn pages(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let snapshot = access::console_side(env, context, request).await?;
    Response::json(200, &call(env, &snapshot.site, &ReportPages {}).await?)
}

/// `GET /v1/reports/tiers`.
pub(crate) async fn tiers(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let snapshot = access::console_side(env, context, request).await?;
    let mut found = call(env, &snapshot.site, &Distribution {}).await?;
    let tiers = snapshot.settings.config.decisions.tiers.iter().map(|tier| {
        let mut counted = found.remove(&tier.id).unwrap_or_default().levels;
        let mut of = |level: &str| {
            let at = counted.iter().position(|found| found.level == level)?;
            Some(counted.swap_remove(at))
        };
        let empty = |level: &str| TierLevelReport { level: level.to_owned(), ..TierLevelReport::default() };
        let levels = tier.levels.iter().map(|level| of(&level.id).unwrap_or_else(|| empty(&level.id))).collect();
        TierReport { tier: tier.id.clone(), levels }
    });
    Response::json(200, &TiersReport { now: now_ms(), tiers: tiers.collect() })
}

/// `GET /v1/reports/model`.
pub(crate) async fn model(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let snapshot = access::console_side(env, context, request).await?;
    let policy = &snapshot.settings.policy;
    let offer = request.url()?.query_pairs().find(|(name, _)| name == "offer").map(|(_, offer)| offer.into_owned());
    if let Some(unknown) = offer.as_ref().filter(|offer| !policy.offers().any(|(id, _)| id == offer.as_str())) {
        let error = FieldError { pointer: "offer".into(), detail: format!("no offer `{unknown:.200}`") };
        return Err(Failure::invalid(ProblemKind::NotFound, "Ask for an offer that is configured.", vec![error]));
    }
    let judgement =
        call(env, &snapshot.site, &JudgeModel { site: snapshot.site.clone(), offer: offer.clone() }).await?;
    let found = judgement.facts.iter().flat_map(|of_stage| &of_stage.facts);
    let names = policy.names_of(&found.map(|fact| fact.feature).collect());
    let facts = |associations: &Associations| {
        let fact = |found: &portico_engine::Association| FactReport {
            fact: names.get(&found.feature).cloned(),
            open: found.open,
            reached: found.reached,
            z: found.z,
        };
        associations.facts.iter().map(fact).collect()
    };
    let of_stage = |(stage, associations): (&str, &Associations)| StageFacts {
        stage: stage.to_owned(),
        open: associations.open,
        reached: associations.reached,
        facts: facts(associations),
    };
    let mut qualities = judgement.stages.into_iter();
    let report = ModelReport {
        now: now_ms(),
        model: judgement.model,
        stages: policy
            .stages()
            .map(|stage| StageReport { stage: stage.to_owned(), quality: qualities.next() })
            .collect(),
        changes: judgement.changes,
        offer: offer
            .map(|offer| OfferFacts { offer, stages: policy.stages().zip(&judgement.facts).map(of_stage).collect() }),
    };
    Response::json(200, &report)
}
