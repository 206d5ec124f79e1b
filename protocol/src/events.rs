//! `POST /v1/events`: what visitors did with what they saw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decide::Consent;

/// A batch of events from one visitor.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventsRequest {
    /// The publishable key of the site or of a partner.
    pub site: String,
    /// The visitor token, if there is one.
    #[serde(default)]
    pub visitor: Option<String>,
    /// What the visitor agreed to; the site's default where absent. Without personalization the events are nobody's.
    #[serde(default)]
    pub consent: Option<Consent>,
    /// A token by which the site's server vouches for a customer: whose page views and tracked events these are; nobody's where it
    /// does not hold.
    #[serde(default)]
    pub identity: Option<String>,
    /// The same for a caller with a secret key, who may name the customer.
    #[serde(default)]
    pub customer: Option<String>,
    /// The sender's clock when it sent this, in milliseconds since 1970: what its clock is wrong by is taken off the times of
    /// the events.
    #[serde(default)]
    pub sent: Option<u64>,
    /// The events, at most [`crate::limits::EVENTS_PER_BATCH`]. Each is judged alone.
    #[schema(value_type = Vec<Event>)]
    pub events: Vec<serde_json::Value>,
}

/// One event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// A UUID made by the sender; a repeated one is one event.
    pub id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The offer's token; required for `impression`, `click`, `dismiss` and `stage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The stage reached, for `stage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The event's name, for `track`; the question's id, for `answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it happened by the sender's clock, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// More about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub props: BTreeMap<String, serde_json::Value>,
}

/// Kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// At least half of the offer was visible for a second.
    Impression,
    /// The offer's link was followed.
    Click,
    /// The visitor put the offer away.
    Dismiss,
    /// A later stage was reached, such as an application.
    Stage,
    /// A page was seen.
    Page,
    /// Something named by the site happened.
    Track,
    /// A question was replied to: `name` is its id, `props.value` the answer; nothing, or an empty text, declines it.
    Answer,
}

/// The receipt, sent only after everything accepted is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsResponse {
    /// New and durable.
    pub accepted: u32,
    /// Known already; sending again is harmless.
    pub duplicate: u32,
    /// Refused, each with its reason; sending again will not help.
    pub rejected: Vec<Rejection>,
    /// The visitor token renewed, when the batch changed what is remembered of an anonymous visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
}

/// One refused event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rejection {
    /// Its index in the batch.
    pub index: u32,
    /// Why, in words.
    pub reason: String,
}
