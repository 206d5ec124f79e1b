//! `GET /v1/reports/live`: what the console's live page draws. Figures come from the learner's own counts.

use std::collections::BTreeMap;

use portico_engine::evaluate::ExperimentFigures;
use portico_engine::{Arm, Change, PlacementTrace, StageQuality};
pub use portico_engine::{Counts, CurveBucket, CurvePoint};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The live report of one site.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct LiveReport {
    /// When the report was made, in milliseconds since 1970.
    pub now: u64,
    /// The site's display name.
    pub site_name: String,
    /// Published configuration version; 0 before the first.
    pub config: u64,
    /// Newest model version.
    pub model: u64,
    /// When the newest model was published, in milliseconds since 1970.
    pub model_at: u64,
    /// Ledger rows folded so far.
    pub events_folded: u64,
    /// Milliseconds from a durable event to the model that contains it, over the last batches.
    pub lag: Lag,
    /// The configured offers, in configured order.
    pub offers: Vec<OfferReport>,
    /// Stages of the site's funnel after the impression, in order; the first is `click`.
    pub stages: Vec<String>,
    /// The learning curve: consecutive buckets of impressions in the ledger's order, oldest first.
    #[schema(value_type = Vec<Object>)]
    pub curve: Vec<CurveBucket>,
    /// What the model brings, against the hold-out; absent where the configuration leaves one of them without visitors.
    #[schema(value_type = Option<Object>)]
    pub experiment: Option<ExperimentFigures>,
    /// A sample of the newest decisions, newest first.
    pub decisions: Vec<DecisionSample>,
}

/// Lag figures in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Lag {
    /// How many batches that is; 0 after the learner was started, until the next answer comes.
    #[serde(default)]
    pub batches: u32,
    /// Of the last batch.
    pub last_ms: u64,
    /// Median over the last batches.
    pub p50_ms: u64,
    /// 95th percentile over the last batches.
    pub p95_ms: u64,
}

/// One offer's counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct OfferReport {
    /// The offer's id.
    pub offer: String,
    /// Its title in the site's first language.
    pub title: String,
    /// Its group.
    pub group: String,
    /// Counts by arm: `model`, `explore`, `control`.
    #[schema(value_type = Object)]
    pub arms: BTreeMap<Arm, Counts>,
}

/// `GET /v1/reports/model`: how good the predictions are, and for the offer in the query `offer` which facts go with its
/// success.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ModelReport {
    /// When the report was made, in milliseconds since 1970.
    pub now: u64,
    /// Newest model version.
    pub model: u64,
    /// By stage in order: what the model's arm promised, and what came of it.
    pub stages: Vec<StageReport>,
    /// Where the world was found changed, the latest, oldest first: when (`at_ms`), and of which `offer` the answers fell;
    /// none where those of all together did.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<Change>,
    /// The offer asked for.
    pub offer: Option<OfferFacts>,
}

/// How good the predictions of one stage are.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StageReport {
    /// The stage.
    pub stage: String,
    /// Calibration, AUC and drift; absent before the first showing that could reach it.
    #[schema(value_type = Option<Object>)]
    pub quality: Option<StageQuality>,
}

/// Which facts go with an offer's success, by counts alone: with it, not because of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OfferFacts {
    /// The offer's id.
    pub offer: String,
    /// By stage in order.
    pub stages: Vec<StageFacts>,
}

/// The facts at one stage.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StageFacts {
    /// The stage.
    pub stage: String,
    /// Showings that could have reached it, as far as they are remembered.
    pub open: f64,
    /// Those that did.
    pub reached: f64,
    /// The facts that go with it most clearly, the clearest first.
    pub facts: Vec<FactReport>,
}

/// `GET /v1/reports/tiers`: how the customers are spread over the levels of the tiers, as of when each was last valued.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TiersReport {
    /// When it was made, in milliseconds since 1970.
    pub now: u64,
    /// In the configuration's order.
    pub tiers: Vec<TierReport>,
}

/// A tier of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierReport {
    /// The tier's id.
    pub tier: String,
    /// Its levels, the best first.
    pub levels: Vec<TierLevelReport>,
}

/// A level of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierLevelReport {
    /// The level's id.
    pub level: String,
    /// Customers on it.
    pub customers: u64,
    /// What they are worth together, by computed attribute.
    pub worth: BTreeMap<String, f64>,
}

/// `GET /v1/reports/pages`: which pages are about what, by the views of people who are not known and agreed to analytics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PagesReport {
    /// When it was made, in milliseconds since 1970.
    pub now: u64,
    /// Pages that are known.
    pub known: u64,
    /// Topics by views, the most viewed first.
    pub topics: Vec<TopicReport>,
    /// The most viewed pages.
    pub pages: Vec<PageReport>,
}

/// A topic of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicReport {
    /// The topic.
    pub topic: String,
    /// Views of its pages.
    pub views: u64,
}

/// A page of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PageReport {
    /// Its path, with `*` for numbers that may be somebody's.
    pub path: String,
    /// Its title when it was last seen.
    pub title: String,
    /// Views.
    pub views: u64,
    /// What it is about.
    pub topic: Option<String>,
    /// Who says so.
    pub by: ReadBy,
    /// How sure that is, 0 to 1, where its words say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

/// Who says what a page is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadBy {
    /// The page itself, in its context.
    Page,
    /// The site's table.
    Table,
    /// Its words, as the site's other pages use them.
    Words,
    /// Nobody knows.
    #[default]
    Nobody,
}

/// One fact.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FactReport {
    /// The fact in words, such as `age 25 to 35`; absent where the configuration does not name the word that it is about.
    pub fact: Option<String>,
    /// Showings to visitors with the fact, as far as they are remembered.
    pub open: f64,
    /// Those that reached the stage.
    pub reached: f64,
    /// Standard deviations by which their rate is above that of the other visitors.
    pub z: f64,
}

/// One sampled decision.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionSample {
    /// The decision's id.
    pub decision: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The channel that asked.
    pub channel: String,
    /// True when the visitor was a verified customer.
    pub customer: bool,
    /// Configuration version that decided.
    pub config: u64,
    /// Model version that decided.
    pub model: u64,
    /// How each placement was filled.
    #[schema(value_type = Vec<Object>)]
    pub placements: Vec<PlacementTrace>,
    /// How a candidate in shadow would have filled them; empty without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub shadow: Vec<PlacementTrace>,
}
