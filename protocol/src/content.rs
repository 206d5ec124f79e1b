//! What an offer says and what a slot needs to show it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An offer's presentation in every language it has been written in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferPresentation {
    /// Where the offer leads: an absolute `http(s)` URL.
    pub target: String,
    /// Content by BCP 47 language tag; the site's first locale is the fallback.
    pub locales: BTreeMap<String, OfferContent>,
}

/// The words and picture of one offer in one language. Every field is shown as text, never as markup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferContent {
    /// A few words above the title, such as the product family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eyebrow: Option<String>,
    /// The promise in one line.
    pub title: String,
    /// One or two sentences.
    pub body: String,
    /// The words on the link.
    pub cta: String,
    /// The figure that matters, such as a rate, shown large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highlight: Option<String>,
    /// Conditions that must stand beside the offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// A picture with the box it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<OfferImage>,
}

/// A picture whose box is known before it arrives, so that nothing moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferImage {
    /// An absolute `http(s)` URL, of a format that every browser knows.
    pub url: String,
    /// The same picture as AVIF, for browsers that know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avif: Option<String>,
    /// The same as WebP, for browsers that know that one at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webp: Option<String>,
    /// What it shows; empty when it is decoration only.
    #[serde(default)]
    pub alt: String,
    /// Intrinsic width in CSS pixels.
    pub width: u32,
    /// Intrinsic height in CSS pixels.
    pub height: u32,
}

/// How a placement arranges its offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One offer, wide, with its picture beside the words.
    Hero,
    /// Cards in a row that wraps.
    #[default]
    List,
    /// One line of text with its link.
    Inline,
    /// One offer in the corner of the window, above the page and without a place in it.
    Corner,
}

/// One placement as it is painted: what the edge renders and the browser hydrates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlacementView {
    /// The placement's id.
    pub id: String,
    /// How the offers are arranged.
    #[serde(default)]
    pub layout: Layout,
    /// BCP 47 tag of the language in which the content is written.
    pub locale: String,
    /// The offers in rank order.
    pub offers: Vec<OfferView>,
}

/// One offer as it is painted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferView {
    /// The offer's id.
    pub offer: String,
    /// The sealed record of the decision, returned with every response to the offer.
    pub token: String,
    /// The link through the edge that counts the click and leads to the target: absolute or root-relative.
    pub href: String,
    /// Words and picture.
    pub content: OfferContent,
}
