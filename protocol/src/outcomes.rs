//! `POST /v1/outcomes`: what a site's servers know of what became of an offer, often days later.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A batch of outcomes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OutcomesRequest {
    /// The outcomes, at most [`crate::limits::OUTCOMES_PER_BATCH`]. Each is judged alone.
    #[schema(value_type = Vec<Outcome>)]
    pub outcomes: Vec<serde_json::Value>,
}

/// What became of one offer. It is named by its token, or by customer and offer: then the latest showing of that offer to
/// that customer, on any channel, within the site's attribution window before `at`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// Made by the sender, such as a UUID or an order's number; a repeated one is one outcome.
    pub id: String,
    /// The offer's token.
    #[serde(default)]
    pub token: Option<String>,
    /// The customer, together with `offer`.
    #[serde(default)]
    pub customer: Option<String>,
    /// The offer, together with `customer`.
    #[serde(default)]
    pub offer: Option<String>,
    /// The stage that was reached; it implies the earlier ones.
    pub stage: String,
    /// When, in milliseconds since 1970; now where absent. Times in the future count as now.
    #[serde(default)]
    pub at: Option<u64>,
    /// What it was worth, in the site's unit. Sent again with another value and a new id, it is corrected.
    #[serde(default)]
    pub value: Option<f64>,
    /// The stage does not hold after all, and none that comes later: a cancelled order.
    #[serde(default)]
    pub withdrawn: bool,
}
