//! A site's configuration document: what a draft holds and publishing freezes.

use std::collections::BTreeMap;

use portico_engine::config::Config;
use portico_engine::evaluate::ShadowFigures;
use portico_engine::{Policy, Source};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::check::escape;
use crate::content::{Layout, OfferContent, OfferPresentation};
use crate::decide::{AnswerChoice, Consent, QuestionResponse};
use crate::gadgets::{self, Gadget};
use crate::identity::Identity;
use crate::language::nearest;
use crate::limits::{ATTRIBUTION_DAYS, KEEP_DAYS, LEDGER_SHARDS, QUESTION_BYTES, URL_BYTES};
use crate::pages::{self, PageRule};
use crate::problem::FieldError;
use crate::profile::ProfileConfig;
use crate::triggers::{self, Trigger, Webhook};

/// Everything a site's owner configures. `PUT /v1/site/draft` takes it, `POST /v1/site/publish` freezes it as a version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SiteConfig {
    /// The site's display name.
    pub name: String,
    /// Languages of the content as BCP 47 tags; the first is the fallback.
    pub locales: Vec<String>,
    /// Origins whose pages may use the site key, such as `https://www.example.com`.
    pub origins: Vec<String>,
    /// Publishers on whose pages the site's offers also appear.
    #[serde(default)]
    pub partners: Vec<Partner>,
    /// Who may vouch for a customer's identity.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// What holds until the visitor has been asked.
    #[serde(default)]
    pub consent_default: Consent,
    /// Offers, rules, placements, goals and models.
    #[schema(value_type = Object)]
    pub decisions: Config,
    /// What pages are about that do not say it themselves.
    #[serde(default)]
    pub pages: Vec<PageRule>,
    /// How each placement is arranged; `list` where absent.
    #[serde(default)]
    pub layouts: BTreeMap<String, Layout>,
    /// Gadgets by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gadgets: BTreeMap<String, Gadget>,
    /// What is stored of customers, who is believed and how long.
    #[serde(default)]
    pub profile: ProfileConfig,
    /// What the questions of `decisions` say, by question id.
    #[serde(default)]
    pub questions: BTreeMap<String, QuestionWords>,
    /// Placements under whose offers a question may be painted: their slots have room for it. With none, only who asks without
    /// HTML gets questions.
    #[serde(default)]
    pub ask_in: Vec<String>,
    /// How answers are recorded.
    #[serde(default)]
    pub ledger: LedgerConfig,
    /// What Segment's tracking calls mean here.
    #[serde(default)]
    pub segment: SegmentConfig,
    /// What follows from what visitors do, or stop doing.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// Where triggers report to.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    /// What each offer says and where it leads, by offer id.
    pub content: BTreeMap<String, OfferPresentation>,
}

/// What a question says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuestionWords {
    /// By language, as a BCP 47 tag.
    pub locales: BTreeMap<String, QuestionText>,
}

/// A question in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuestionText {
    /// The question, in a few words.
    pub text: String,
    /// Its answers, in their order.
    pub answers: Vec<String>,
}

/// How a site's answers are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LedgerConfig {
    /// Shards that record side by side, 1 to [`LEDGER_SHARDS`]. `cargo xtask bench edge` says how many events one takes. May be changed at any
    /// time: what was shown before stays where its answers went.
    pub shards: u16,
    /// Days after a showing in which an outcome that names customer and offer is attributed to it, 1 to
    /// [`ATTRIBUTION_DAYS`]; the latest showing gets it.
    pub attribution_days: u32,
    /// Days for which rows are kept; afterwards only counts by day are. From 30, as long as offers can be answered, to
    /// [`KEEP_DAYS`].
    pub keep_days: u32,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self { shards: 1, attribution_days: ATTRIBUTION_DAYS, keep_days: 400 }
    }
}

/// What the calls of Segment's tracking API mean for this site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SegmentConfig {
    /// Attributes by trait, where their names differ. Other traits go to the attribute of the same name, if there is one.
    pub traits: BTreeMap<String, String>,
    /// Tracked events that are outcomes of offers, by the event's name.
    pub events: BTreeMap<String, SegmentOutcome>,
    /// What is kept of the groups that customers belong to.
    pub group: SegmentGroup,
}

/// Which attributes of a customer say to which household or company they belong, and what that is like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SegmentGroup {
    /// The attribute that takes the group's id.
    pub id: Option<String>,
    /// Attributes by the group's trait; other traits are not kept.
    pub traits: BTreeMap<String, String>,
}

/// A tracked event that is an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SegmentOutcome {
    /// The stage that was reached.
    pub stage: String,
    /// The property that names the offer.
    pub offer: String,
    /// The property that says what it was worth.
    #[serde(default)]
    pub value: Option<String>,
}

/// A publisher.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Partner {
    /// The partner's id, used for attribution.
    pub id: String,
    /// Its publishable key.
    pub key: String,
    /// Origins whose pages may use that key.
    pub origins: Vec<String>,
}

/// `PUT /v1/sites/{id}`: a site with its first keys.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateSite {
    /// Publishable key, used in pages; begins with `pk_`.
    pub site_key: String,
    /// Secret key, used by servers; begins with `sk_`. Only its hash is kept.
    pub secret_key: String,
}

/// `GET /v1/site/draft`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DraftState {
    /// The draft, or what is published where there is none.
    pub draft: Option<SiteConfig>,
    /// Version of what is published; 0 before the first time.
    pub published_version: u64,
    /// Whether the draft is what is published.
    pub published: bool,
    /// What keeps the draft from being published.
    pub errors: Vec<FieldError>,
}

/// The answer to publishing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// The version that is now published.
    pub version: u64,
}

/// The answer to `POST /v1/site/shadow`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct ShadowStarted {
    /// The candidate's number.
    pub candidate: u64,
}

/// `GET /v1/site/shadow`: the draft that is being tried in shadow, and how it compares with what is published.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ShadowState {
    /// The candidate's number; absent when none is tried.
    pub candidate: Option<u64>,
    /// Since when, in milliseconds since 1970.
    pub since: Option<u64>,
    /// What was found; absent before the first answer that counts.
    #[schema(value_type = Option<Object>)]
    pub figures: Option<ShadowFigures>,
}

/// `POST /v1/site/rollback`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rollback {
    /// The version to publish again, under a new number.
    pub to: u64,
}

impl SiteConfig {
    /// Everything that keeps this configuration from being published, with its place.
    #[must_use]
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut add = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
        let LedgerConfig { shards, attribution_days, keep_days } = self.ledger;
        if !(1..=LEDGER_SHARDS).contains(&shards) {
            add("/ledger/shards".into(), format!("{shards} is not between 1 and {LEDGER_SHARDS}"));
        }
        if !(1..=ATTRIBUTION_DAYS).contains(&attribution_days) {
            let detail = format!("{attribution_days} is not between 1 and {ATTRIBUTION_DAYS}");
            add("/ledger/attribution_days".into(), detail);
        }
        if !(ATTRIBUTION_DAYS..=KEEP_DAYS).contains(&keep_days) {
            add("/ledger/keep_days".into(), format!("{keep_days} is not between {ATTRIBUTION_DAYS} and {KEEP_DAYS}"));
        }
        if self.locales.is_empty() {
            add("/locales".into(), "at least one language is needed".into());
        }
        let origins = self.origins.iter().map(|origin| ("/origins".to_owned(), origin));
        let partners = self.partners.iter().enumerate();
        let theirs = partners.flat_map(|(index, partner)| {
            partner.origins.iter().map(move |origin| (format!("/partners/{index}/origins"), origin))
        });
        for (pointer, origin) in origins.chain(theirs) {
            if !is_origin(origin) {
                add(pointer, format!("`{origin}` is not an origin such as https://www.example.com"));
            }
        }
        for (index, partner) in self.partners.iter().enumerate() {
            if !partner.key.starts_with("pk_") {
                add(format!("/partners/{index}/key"), "a publishable key begins with pk_".into());
            }
        }
        for (event, outcome) in &self.segment.events {
            if !self.decisions.stages.iter().any(|stage| stage.id == outcome.stage) {
                let detail = format!("there is no stage `{}`", outcome.stage);
                add(format!("/segment/events/{}/stage", escape(event)), detail);
            }
        }
        let group = &self.segment.group;
        let named = group.id.iter().map(|name| ("/segment/group/id".to_owned(), name));
        let of_traits = group.traits.iter().map(|(of, name)| (format!("/segment/group/traits/{}", escape(of)), name));
        for (pointer, name) in named.chain(of_traits) {
            let mut attributes = self.decisions.attributes.iter();
            if !attributes.any(|attribute| attribute.name == *name && attribute.source == Source::Profile) {
                add(pointer, format!("`{name}` is no attribute with the source `profile`"));
            }
        }
        let first = self.locales.first().map_or("", String::as_str);
        for offer in &self.decisions.offers {
            let pointer = format!("/content/{}", escape(&offer.id));
            match self.content.get(&offer.id) {
                None => add(pointer, "the offer has no content".into()),
                Some(content) if !content.locales.contains_key(first) => {
                    add(format!("{pointer}/locales"), format!("there is no content in `{first}`"));
                }
                Some(content) if !is_http(&content.target) => {
                    add(format!("{pointer}/target"), "the target is an absolute http(s) address".into());
                }
                Some(content) => {
                    for (locale, words) in &content.locales {
                        let urls = words.image.iter().flat_map(|image| {
                            [("url", Some(&image.url)), ("avif", image.avif.as_ref()), ("webp", image.webp.as_ref())]
                        });
                        for (name, _) in urls.filter(|(_, url)| url.is_some_and(|url| !is_http(url))) {
                            let pointer = format!("{pointer}/locales/{}/image/{name}", escape(locale));
                            add(pointer, "the picture's address is absolute http(s)".into());
                        }
                    }
                }
            }
        }
        for (index, id) in self.ask_in.iter().enumerate() {
            if !self.decisions.placements.iter().any(|placement| placement.id == *id) {
                add(format!("/ask_in/{index}"), format!("unknown placement `{id}`"));
            }
        }
        for (index, question) in self.decisions.questions.iter().enumerate() {
            let pointer = format!("/questions/{}", escape(&question.id));
            let Some(words) = self.questions.get(&question.id) else {
                add(
                    format!("/decisions/questions/{index}"),
                    format!("`questions` does not say what `{}` says", question.id),
                );
                continue;
            };
            if !words.locales.contains_key(first) {
                add(format!("{pointer}/locales"), format!("there is no text in `{first}`"));
            }
            for (locale, said) in &words.locales {
                let pointer = format!("{pointer}/locales/{}", escape(locale));
                if said.answers.len() != question.answers.len() {
                    add(format!("{pointer}/answers"), format!("the question has {} answers", question.answers.len()));
                }
                let texts = said.answers.iter().chain([&said.text]);
                if texts.into_iter().any(|text| !(1..=QUESTION_BYTES).contains(&text.len())) {
                    add(pointer, format!("a question and its answers have 1 to {QUESTION_BYTES} bytes each"));
                }
            }
        }
        let identity = self.identity.iter().flat_map(Identity::errors);
        errors.extend(identity.map(|error| FieldError { pointer: format!("/identity{}", error.pointer), ..error }));
        errors.extend(pages::errors(&self.pages));
        errors.extend(gadgets::errors(&self.gadgets, &self.decisions, &self.profile));
        errors.extend(self.profile.errors(&self.decisions));
        errors.extend(triggers::errors(&self.triggers, &self.webhooks));
        let (_, wrong) = Policy::compile(&self.decisions);
        errors.extend(
            wrong
                .into_iter()
                .map(|error| FieldError { pointer: format!("/decisions{}", error.pointer), detail: error.detail }),
        );
        errors
    }

    /// An offer's words in the language wanted, or the nearest there is, with the language they are in.
    #[must_use]
    pub fn words(&self, offer: &str, locale: &str) -> Option<(&str, &OfferContent)> {
        self.nearest(&self.content.get(offer)?.locales, locale)
    }

    /// A question's words in the language wanted, or the nearest there is, with the language they are in.
    #[must_use]
    pub fn question(&self, id: &str, locale: &str) -> Option<QuestionResponse> {
        let question = self.decisions.questions.iter().find(|question| question.id == id)?;
        let (locale, QuestionText { text, answers }) = self.nearest(&self.questions.get(id)?.locales, locale)?;
        let answers = question.answers.iter().zip(answers);
        let answers =
            answers.map(|(value, label)| AnswerChoice { value: value.clone(), label: label.clone() }).collect();
        Some(QuestionResponse { id: id.to_owned(), locale: locale.to_owned(), text: text.clone(), answers })
    }

    fn nearest<'a, T>(&self, locales: &'a BTreeMap<String, T>, locale: &str) -> Option<(&'a str, &'a T)> {
        let near = nearest(locales.keys().map(String::as_str), locale);
        let tag = near.or_else(|| self.locales.first().map(String::as_str))?;
        locales.get_key_value(tag).map(|(tag, words)| (tag.as_str(), words))
    }
}

pub(crate) fn is_http(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    url.len() <= URL_BYTES
        && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !url.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

fn is_origin(origin: &str) -> bool {
    is_http(origin) && origin.matches('/').count() == 2 && !origin.contains(['?', '#', '@', '*'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_a_scheme_and_a_host_only() {
        let check = |origin, expect| assert_eq!(is_origin(origin), expect, "{origin}");
        check("https://www.example.com", true);
        check("http://127.0.0.1:8788", true);
        check("https://www.example.com/", false);
        check("https://*.example.com", false);
        check("www.example.com", false);
        check("javascript:alert(1)", false);
        check("https://", false);
    }
}
