//! `POST /v1/decide`: which offers should this visitor see in these placements.

use std::collections::BTreeMap;

use portico_engine::{Arm, PlacementTrace};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::content::{Layout, OfferContent};

/// The question. Unknown fields are ignored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecideRequest {
    /// The publishable key of the site or of a partner.
    pub site: String,
    /// The visitor token of an earlier answer.
    #[serde(default)]
    pub visitor: Option<String>,
    /// A JWT signed by the site's server for its logged-in user.
    #[serde(default)]
    pub identity: Option<String>,
    /// Customer id, accepted only with a secret key.
    #[serde(default)]
    pub customer: Option<String>,
    /// The channel that asks.
    #[serde(default = "web")]
    pub channel: String,
    /// BCP 47 tag of the language wanted. Without it the one that the visitor prefers as far as that is known, else the site's
    /// first.
    #[serde(default)]
    pub locale: String,
    /// The page that asks.
    #[serde(default)]
    pub page: Page,
    /// Facts that the page knows: text, numbers, booleans, or lists of text.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub context: BTreeMap<String, serde_json::Value>,
    /// The slots to fill, in order of importance.
    pub placements: Vec<PlacementRequest>,
    /// What the visitor has agreed to; before they were asked, the site's own default holds.
    #[serde(default)]
    pub consent: Option<Consent>,
    /// Minutes by which the visitor's clock is ahead of UTC, from -840 to 840, for the hour and the day of the week where they are.
    #[serde(default)]
    pub offset: i16,
    /// Ask for the trace (secret key or console session only).
    #[serde(default)]
    pub explain: bool,
    /// The same page asks once more, because it knows now who is asking: it is one view.
    #[serde(default)]
    pub again: bool,
    /// Ask for painted HTML beside the content.
    #[serde(default)]
    pub html: bool,
}

fn web() -> String {
    "web".to_owned()
}

/// The page on which the placements stand.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Page {
    /// Its address.
    #[serde(default)]
    pub url: String,
    /// Where the visitor came from.
    #[serde(default)]
    pub referrer: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
}

/// One slot to fill.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlacementRequest {
    /// The placement's id in the site's configuration.
    pub id: String,
    /// How many offers at most; the configuration's count when absent.
    #[serde(default)]
    pub count: Option<u32>,
}

/// What a visitor has agreed to, by purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consent {
    /// Their visits may be counted as theirs.
    #[serde(default)]
    pub analytics: bool,
    /// Offers may follow from who they are and what they did before.
    #[serde(default)]
    pub personalization: bool,
    /// What is stored of them for advertising may be used as well.
    #[serde(default)]
    pub marketing: bool,
    /// They may be known on the pages of publishers too.
    #[serde(default)]
    pub sharing: bool,
}

impl Consent {
    /// To everything.
    pub const ALL: Self = Self { analytics: true, personalization: true, marketing: true, sharing: true };

    /// By bit: analytics, personalization, marketing, sharing.
    #[must_use]
    pub fn bits(self) -> u8 {
        let Self { analytics, personalization, marketing, sharing } = self;
        [analytics, personalization, marketing, sharing]
            .into_iter()
            .rev()
            .fold(0, |bits, said| bits << 1 | u8::from(said))
    }

    /// What holds of what somebody said before, where a request says something too: it is believed on analytics and
    /// personalization, which are asked for on each device; the rest is theirs wherever they are.
    #[must_use]
    pub fn beside(self, request: Option<Self>) -> Self {
        let Some(request) = request else { return self };
        Self { marketing: self.marketing || request.marketing, sharing: self.sharing || request.sharing, ..request }
    }

    /// What [`Consent::bits`] says.
    #[must_use]
    pub fn of_bits(bits: u8) -> Self {
        let said = |bit: u8| bits >> bit & 1 == 1;
        Self { analytics: said(0), personalization: said(1), marketing: said(2), sharing: said(3) }
    }
}

impl DecideRequest {
    /// A question of a site, with nothing said but that.
    #[must_use]
    pub fn of(site: String) -> Self {
        Self {
            site,
            visitor: None,
            identity: None,
            customer: None,
            channel: web(),
            locale: String::new(),
            page: Page::default(),
            context: BTreeMap::new(),
            placements: Vec::new(),
            consent: None,
            offset: 0,
            explain: false,
            again: false,
            html: false,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecideResponse {
    /// To be sent with the next request; `null` when nothing may be kept.
    pub visitor: Option<String>,
    /// The decision's id.
    pub decision: String,
    /// Version of the configuration that decided.
    pub config: u64,
    /// Version of the model that decided.
    pub model: u64,
    /// One entry for each placement asked for, in the same order.
    pub placements: Vec<PlacementResponse>,
    /// The style sheet of the painted HTML, when HTML was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
    /// A small question that would help, where there is one to ask. Its answer is an event `answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<QuestionResponse>,
    /// How each offer fared, when asked for and allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub trace: Option<Vec<PlacementTrace>>,
}

/// One filled slot, or the reason why it is empty.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlacementResponse {
    /// The placement's id as asked for.
    pub id: String,
    /// Who chose: the model, the explorer or the control group's fixed order.
    #[schema(value_type = Option<String>)]
    pub arm: Option<Arm>,
    /// Why there are no offers: `unknown_placement` or `nothing_eligible`.
    pub reason: Option<String>,
    /// How the offers are arranged.
    pub layout: Layout,
    /// The painted offers, when HTML was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The offers in rank order.
    pub offers: Vec<OfferResponse>,
}

/// A question to the visitor. Where HTML was asked for, it is painted in the first placement that shows offers as cards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuestionResponse {
    /// Its id.
    pub id: String,
    /// The language that it is in.
    pub locale: String,
    /// The question.
    pub text: String,
    /// What can be answered.
    pub answers: Vec<AnswerChoice>,
}

/// An answer to choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnswerChoice {
    /// What an event `answer` says in `props.value`.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// Its words.
    pub label: String,
}

/// One chosen offer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OfferResponse {
    /// The offer's id.
    pub offer: String,
    /// 1 for the first.
    pub rank: u32,
    /// Expected value in units of the weighed KPIs; `null` where no model chose.
    pub score: Option<f64>,
    /// Probability with which this offer was put here, where it is known exactly.
    pub propensity: Option<f64>,
    /// The sealed record of this decision.
    pub token: String,
    /// The link that counts the click and leads to the offer's target.
    pub href: String,
    /// Words and picture.
    pub content: OfferContent,
}

/// Why an offer is shown: asked by the page that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyRequest {
    /// The site's publishable key.
    pub site: String,
    /// The offer's token.
    pub token: String,
    /// BCP 47 tag of the language wanted.
    #[serde(default)]
    pub locale: String,
}

/// Why an offer is shown, in words for whoever sees it. Kinds of facts are named and never their values: a page may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyResponse {
    /// The offer.
    pub offer: String,
    /// BCP 47 tag of the language of the words.
    pub locale: String,
    /// A heading.
    pub title: String,
    /// How it was chosen.
    pub text: String,
    /// What spoke for it, strongest first; at most four.
    pub reasons: Vec<String>,
    /// What can be done about it.
    pub end: String,
    /// The word on the button that closes it.
    pub close: String,
}
