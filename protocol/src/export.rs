//! Lines of `GET /v1/decisions` and `GET /v1/events`.

use portico_engine::{Arm, Feature};
use serde::Serialize;
use utoipa::ToSchema;

/// An offer that was seen, and what it led to until now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DecisionLine {
    /// `?cursor=` of an export that goes on after this line.
    pub cursor: String,
    /// The decision.
    pub decision: String,
    /// When it was decided, in milliseconds since 1970.
    pub at: u64,
    /// When the offer was seen, in milliseconds since 1970.
    pub seen: u64,
    /// Where it stood.
    pub placement: String,
    /// Its rank there, 1 for the first.
    pub rank: u32,
    /// The channel.
    pub channel: String,
    /// The publisher on whose page it stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// Who chose: `model`, `explore` or `control`.
    #[schema(value_type = String)]
    pub arm: Arm,
    /// The offer.
    pub offer: String,
    /// Among which offers chance put it there; empty where it was not chance.
    pub eligible: Vec<String>,
    /// Probability of the choice, where known exactly.
    pub propensity: Option<f64>,
    /// Configuration version that decided.
    pub config: u64,
    /// Model version that decided.
    pub model: u64,
    /// Probabilities by stage that it was chosen with.
    pub promised: Vec<f32>,
    /// Hashed bins of what was known.
    #[schema(value_type = Vec<u32>)]
    pub features: Vec<Feature>,
    /// Stages that were reported and stand.
    pub stages: Vec<Reached>,
    /// Whether it was put away.
    pub dismissed: bool,
    /// Value of the stages reached, those implied included, by the present configuration, in units of the weighed KPIs.
    pub reward: f64,
}

/// A stage that was reached.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Reached {
    /// The stage.
    pub stage: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What it was worth, where its sender said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// An event as it was recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct EventLine {
    /// `?cursor=` of an export that goes on after this line.
    pub cursor: String,
    /// The event's id.
    pub id: String,
    /// When it happened, in milliseconds since 1970.
    pub at: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded: u64,
    /// `impression`, `click`, `dismiss`, `stage`, `withdrawal`, `page` or `track`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The decision that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The offer that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
    /// The channel on which the offer stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What it was worth, where its sender said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What the site calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub props: Option<serde_json::Value>,
}
