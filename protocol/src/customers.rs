//! `/v1/customers`: what the site's servers know of their customers, and what is remembered of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::FieldError;
use crate::seal::Memory;

/// What is to be stored of a customer, in the place of what was.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CustomerProfile {
    /// Values of attributes whose source is `profile`, by name, each of its type.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// `GET /v1/customers/{id}`: everything known of a customer.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CustomerRecord {
    /// As in [`CustomerProfile`].
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// What they did, under this and all merged names.
    #[schema(value_type = Object)]
    pub memory: Memory,
    /// When they were last seen, in milliseconds since 1970; 0 for never.
    pub seen_at: u64,
    /// Histories that were taken over, the first first.
    pub merged: Vec<MergedHistory>,
    /// When they were last signed out everywhere, in seconds since 1970; 0 for never.
    pub signed_out_at: u64,
}

/// A history that was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergedHistory {
    /// Whose: `visitor/` and the id of an anonymous visitor, `segment/` and Segment's `anonymousId`, or `customer/` and
    /// the id of another customer's object, which names nobody.
    pub source: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Whether it was given back. Then it is not taken over again.
    pub undone: bool,
    /// Visits in it; 0 where it was given back.
    pub visits: u32,
}

/// `POST /v1/customers/{id}/merge`: another name of the same person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MergeCustomer {
    /// The other customer's id. What was done under it is taken over; under that name itself nothing changes.
    pub customer: String,
}

/// The answer to a merge.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Merge {
    /// Histories that were new here.
    pub merged: u32,
}

/// `POST /v1/customers/{id}/merge/undo`: gives a history back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UndoMerge {
    /// As in [`MergedHistory::source`].
    pub source: String,
}

/// The answer to an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// When, in milliseconds since 1970.
    pub erased_at: u64,
    /// Objects that held something of theirs alone, and hold nothing now.
    pub objects: u32,
    /// Showings on record that name nobody any more. They stay as counts do.
    pub showings: u64,
    /// Messages to webhooks that were not sent any more.
    pub messages: u64,
    /// Proves all this, also years later: `POST /v1/privacy/verify`.
    pub receipt: String,
}

/// `POST /v1/privacy/verify`: whether a receipt is about a customer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyErasure {
    /// The receipt.
    pub receipt: String,
    /// The customer's id.
    pub customer: String,
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasureProof {
    /// When the customer was erased, in milliseconds since 1970.
    pub erased_at: u64,
    /// As in [`Erasure`].
    pub objects: u32,
    /// As in [`Erasure`].
    pub showings: u64,
    /// As in [`Erasure`].
    pub messages: u64,
}

/// `POST /v1/privacy/erase`: a visitor asks for themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct EraseRequest {
    /// The publishable key.
    #[serde(default)]
    pub site: String,
    /// An identity token: everything of the customer.
    #[serde(default)]
    pub identity: Option<String>,
    /// A visitor token: everything of the anonymous visitor. The page then forgets the token.
    #[serde(default)]
    pub visitor: Option<String>,
}

/// One line of an import.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CustomerLine {
    /// The customer's id, as identity tokens name it in `sub`.
    pub id: String,
    /// As in [`CustomerProfile`].
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// One line of the answer to an import, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedLine {
    /// Number of the line, from 1. Empty lines count and have no answer.
    pub line: u64,
    /// What became of it.
    pub status: Imported,
    /// What is wrong with it, with its place in the line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    /// Stored.
    Stored,
    /// Wrong; sending it again will not help.
    Refused,
    /// It could not be stored at the moment; send it again.
    Failed,
}
