//! `/v1/customers`: what the site's servers know of their customers, and what is remembered of them.

use std::collections::BTreeMap;

use portico_engine::Asked;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decide::Consent;
use crate::problem::FieldError;
use crate::profile::{Profile, ProfileChange};
use crate::seal::Memory;
use crate::stream::{Stream, Unfinished};

/// What is to be stored of a customer, in the place of what was.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CustomerProfile {
    /// Values of attributes whose source is `profile`, by name, each of its type.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// Who says so: `server` where absent, or one that the site's `profile.precedence` names. What other sources say stays.
    #[serde(default)]
    pub source: Option<String>,
    /// When the source knew it, in milliseconds since 1970; now where absent. What the same source knew later stays.
    #[serde(default)]
    pub at: Option<u64>,
}

/// `GET /v1/customers/{id}`: everything known of a customer.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CustomerRecord {
    /// The values that are believed, by attribute.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// What every source says, by attribute and source.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub profile: Profile,
    /// How that changed, the latest first, at most [`crate::limits::PROFILE_CHANGES`].
    #[serde(default)]
    pub changes: Vec<ProfileChange>,
    /// The level of each tier that they are on, where that is known.
    #[serde(default)]
    pub tiers: BTreeMap<String, String>,
    /// The groups that they belong to, by kind.
    #[serde(default)]
    pub groups: BTreeMap<String, Membership>,
    /// What they agreed to, the latest first, at most [`crate::limits::CONSENTS`].
    #[serde(default)]
    pub consents: Vec<ConsentRecord>,
    /// Questions that were put to them, by their marks.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub asked: Vec<Asked>,
    /// The trace of their page views.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub stream: Stream,
    /// The topic that they are after, if they have shown enough of it.
    #[serde(default)]
    pub intent: Option<String>,
    /// Forms that they began and did not finish, the latest last.
    #[serde(default)]
    pub left_off: Vec<Unfinished>,
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

/// A customer's place in a household, a company or another group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// The group's id, as the site's servers call it.
    pub id: String,
    /// What they are there.
    #[serde(default)]
    pub role: Option<String>,
    /// Since when, in milliseconds since 1970, where it is said by whoever shows it.
    #[serde(default)]
    pub since: u64,
}

/// `PUT /v1/customers/{id}/tiers/{tier}`: puts a customer on a level, whatever the tier's rules say.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TierOverride {
    /// The level.
    pub level: String,
    /// Why.
    pub reason: String,
    /// Until when, in milliseconds since 1970; without an end where absent.
    #[serde(default)]
    pub until: Option<u64>,
}

/// `GET /v1/groups/{kind}/{id}`: what a group shares.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct GroupRecord {
    /// Its attributes, which its members have as well.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// How many belong to it.
    pub members: u64,
    /// To how many the latest change is still on its way.
    pub pending: u64,
}

/// What `PUT /v1/groups/{kind}/{id}` stores, in the place of what was.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct GroupProfile {
    /// Values of the attributes that the kind of group shares.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// `PUT /v1/consent`: what somebody agreed to, and to which text.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ConsentRequest {
    /// The publishable key.
    #[serde(default)]
    pub site: String,
    /// An identity token, where they are logged in.
    #[serde(default)]
    pub identity: Option<String>,
    /// The customer, for a caller with a secret key.
    #[serde(default)]
    pub customer: Option<String>,
    /// The visitor token, where they have one.
    #[serde(default)]
    pub visitor: Option<String>,
    /// What they agreed to. What is not named is refused.
    pub consent: Consent,
    /// The version of the text that they were shown.
    pub version: String,
}

/// A word on consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentRecord {
    /// When it was given, in milliseconds since 1970.
    pub at: u64,
    /// What holds since.
    pub consent: Consent,
    /// The version of the text that they were shown.
    pub version: String,
    /// Whether their browser said no for them (Global Privacy Control): then nothing was agreed to.
    pub by_browser: bool,
}

/// The answer to a word on consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentReceipt {
    /// What was recorded.
    #[serde(flatten)]
    pub record: ConsentRecord,
    /// Proves it, also years later: `POST /v1/consent/verify`.
    pub receipt: String,
}

/// `POST /v1/consent/verify`: what a receipt says, and whether it is about somebody.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyConsent {
    /// The receipt.
    pub receipt: String,
    /// The customer's id, or the visitor's; nothing for whom nobody knew.
    #[serde(default)]
    pub who: String,
}

/// `PUT /v1/profile`: what somebody says of themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProfileRequest {
    /// The publishable key.
    #[serde(default)]
    pub site: String,
    /// An identity token, where they are logged in.
    #[serde(default)]
    pub identity: Option<String>,
    /// The visitor token, where they are not.
    #[serde(default)]
    pub visitor: Option<String>,
    /// What the visitor has agreed to; the site's default where absent. It takes personalization to remember anything.
    #[serde(default)]
    pub consent: Option<Consent>,
    /// Values by attribute; `null` takes one back. Attributes that are not named stay; with none it only tells what is known.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// What is known of somebody that they may say themselves: to prefill forms with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OwnProfile {
    /// Values by attribute.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// Forms that they began and did not finish, the latest last.
    #[serde(default)]
    pub left_off: Vec<Unfinished>,
    /// The visitor token renewed, for whoever is not logged in and has said something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
}

/// `POST /v1/identify`: the page knows who is there.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct IdentifyRequest {
    /// The publishable key.
    #[serde(default)]
    pub site: String,
    /// The identity token.
    pub identity: String,
    /// The visitor token of the device: what was done before becomes the customer's.
    #[serde(default)]
    pub visitor: Option<String>,
    /// What the visitor has agreed to; the site's default where absent.
    #[serde(default)]
    pub consent: Option<Consent>,
}

/// The answer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identified {
    /// The device's token from now on, where that changes.
    pub visitor: Option<String>,
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
    #[serde(flatten)]
    pub profile: CustomerProfile,
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
