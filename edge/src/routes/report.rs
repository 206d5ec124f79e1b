//! `GET /v1/reports/live`: the learner's figures with the configuration's words.

use portico_protocol::report::{LiveReport, OfferReport};
use worker::{Context, Env, Request, Response};

use crate::access;
use crate::error::Failure;
use crate::http::{json, now_ms};
use crate::objects::call;
use crate::objects::learner::GetFigures;
use crate::objects::ledger::{self, Samples};

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
        decisions,
    };
    json(200, &report)
}
