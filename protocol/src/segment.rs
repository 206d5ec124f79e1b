//! Segment's HTTP tracking API, as far as it means something here: servers that speak it already need no other client.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::events::Rejection;

/// The calls of the API; in a batch a message's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentCall {
    /// Who somebody is: traits become attributes of the customer.
    Identify,
    /// What they did: may be an outcome of an offer.
    Track,
    /// They saw a page.
    Page,
    /// They saw a screen of an app.
    Screen,
    /// They belong to a company.
    Group,
    /// They are somebody known by another id.
    Alias,
}

/// One message. Fields that are not named here are ignored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SegmentMessage {
    /// The call; the address says it where the message stands alone.
    #[serde(rename = "type", default)]
    pub call: Option<SegmentCall>,
    /// A repeated one is one message. Without it, the same content with the same `timestamp` is; without either, each message
    /// is one of its own.
    #[serde(default)]
    pub message_id: Option<String>,
    /// The customer.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Somebody who is not known.
    #[serde(default)]
    pub anonymous_id: Option<String>,
    /// The event's name, of `track`.
    #[serde(default)]
    pub event: Option<String>,
    /// The page's or screen's name.
    #[serde(default)]
    pub name: Option<String>,
    /// About the event, page or screen.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub properties: Map<String, Value>,
    /// About the customer or company.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub traits: Map<String, Value>,
    /// The company, of `group`.
    #[serde(default)]
    pub group_id: Option<String>,
    /// The other id, of `alias`.
    #[serde(default)]
    pub previous_id: Option<String>,
    /// When it happened, ISO 8601.
    #[serde(default)]
    #[schema(value_type = String)]
    pub timestamp: Option<Value>,
    /// When it was sent by the sender's clock, ISO 8601.
    #[serde(default)]
    #[schema(value_type = String)]
    pub sent_at: Option<Value>,
}

/// Several messages.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SegmentBatch {
    /// The messages, at most [`crate::limits::SEGMENT_MESSAGES`]. Each is judged alone.
    #[schema(value_type = Vec<SegmentMessage>)]
    pub batch: Vec<Value>,
    /// When it was sent by the sender's clock, ISO 8601.
    #[serde(default)]
    #[schema(value_type = String)]
    pub sent_at: Option<Value>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SegmentReceipt {
    /// True: what is not rejected is durable.
    pub success: bool,
    /// What was refused, each with its reason; sending it again will not help.
    pub rejected: Vec<Rejection>,
}
