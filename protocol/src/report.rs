//! `GET /v1/reports/live`: what the console's live page draws. Figures come from the learner's own counts.

use std::collections::BTreeMap;

use portico_engine::{Arm, PlacementTrace};
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
    /// A sample of the newest decisions, newest first.
    pub decisions: Vec<DecisionSample>,
}

/// Lag figures in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Lag {
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
