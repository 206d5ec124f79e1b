//! What is stored of customers: who may say it, who is believed, how long it counts and what it may be used for.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use portico_engine::Source;
use portico_engine::config::Config;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::check::escape;
use crate::decide::Consent;
use crate::limits::{GROUP_KINDS, KEEP_DAYS, NAME_BYTES, PROFILE_SOURCES};
use crate::problem::FieldError;

/// The source of what a server stores without naming another.
pub const SERVER: &str = "server";
/// The source of what somebody says of themselves.
pub const VISITOR: &str = "visitor";
/// The source of what somebody of the site's people decided, believed before all others.
pub const OVERRIDE: &str = "override";
/// The source of what follows from other attributes.
pub const COMPUTED: &str = "computed";
/// The source of what comes by Segment's tracking API.
pub const SEGMENT: &str = "segment";

/// What is stored of customers beside the attributes' types, which stand in `decisions.attributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProfileConfig {
    /// Sources, the most believed first. Of sources that are not named, which come after them, the one is believed that knew it
    /// last; the kinds of groups come at the end.
    pub precedence: Vec<String>,
    /// What holds for single attributes, by name.
    pub attributes: BTreeMap<String, AttributeRules>,
    /// The attribute that says which language somebody prefers, as a BCP 47 tag: what they are answered in where nobody asks for
    /// another, as on channels without a page.
    pub language: Option<String>,
    /// Groups that customers belong to, by kind, such as `household` and `employer`. The kind is the source of what a group
    /// shares with its members.
    pub groups: BTreeMap<String, GroupRules>,
}

/// What holds for one attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AttributeRules {
    /// Sources, the most believed first, where they differ from the site's.
    pub precedence: Vec<String>,
    /// Days for which a value counts and is kept; no end when absent.
    pub keep_days: Option<u32>,
    /// What a customer must have agreed to for decisions to use it.
    pub purpose: ProfilePurpose,
    /// Whether customers may set it themselves, by `PUT /v1/profile`. What the site's questions ask for they may say anyway.
    pub by_visitor: bool,
}

/// What an attribute may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfilePurpose {
    /// Offers that follow from who somebody is.
    #[default]
    Personalization,
    /// Beyond that, advertising.
    Marketing,
}

/// What a kind of group shares with its members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct GroupRules {
    /// Attributes that a group of this kind may have, and that its members then have as well.
    pub shares: Vec<String>,
    /// The attribute that takes a member's role.
    pub role: Option<String>,
    /// The attribute that takes the group's id.
    pub id: Option<String>,
}

/// A value as a source has told it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The value, of its attribute's type.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// When the source knew it, in milliseconds since 1970.
    pub at: u64,
    /// Until when it counts, in milliseconds since 1970; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Why, where somebody decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Told {
    /// A value without an end.
    #[must_use]
    pub fn new(value: serde_json::Value, at: u64) -> Self {
        Self { value, at, until: None, reason: None }
    }
}

/// Everything that was told of somebody: by attribute and source.
pub type Profile = BTreeMap<String, BTreeMap<String, Told>>;

/// A change of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileChange {
    /// When it was stored, in milliseconds since 1970.
    pub at: u64,
    /// The attribute.
    pub attribute: String,
    /// Who told it.
    pub source: String,
    /// The new value; `null` where the source withdrew it or it ended.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// Why, where somebody decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ProfileConfig {
    /// Whether somebody may say an attribute of themselves.
    #[must_use]
    pub fn may_say(&self, decisions: &Config, attribute: &str) -> bool {
        self.attributes.get(attribute).is_some_and(|rules| rules.by_visitor)
            || decisions.questions.iter().any(|question| question.attribute == attribute)
    }

    /// Until when a value that was told at a time counts.
    #[must_use]
    pub fn until(&self, attribute: &str, at_ms: u64) -> Option<u64> {
        let days = self.attributes.get(attribute)?.keep_days?;
        Some(at_ms.saturating_add(u64::from(days) * 86_400_000))
    }

    /// The value of an attribute that is believed: of the source that stands first, of several that stand alike the latest.
    #[must_use]
    pub fn best<'a>(
        &self,
        attribute: &str,
        told: &'a BTreeMap<String, Told>,
        now_ms: u64,
    ) -> Option<(&'a str, &'a Told)> {
        let counts = |told: &Told| {
            let until = [told.until, self.until(attribute, told.at)];
            until.into_iter().flatten().all(|until| now_ms < until)
        };
        let told = told.iter().filter(|(_, told)| counts(told));
        let best = told.min_by_key(|(source, told)| (self.rank(attribute, source), Reverse(told.at), *source));
        best.map(|(source, told)| (source.as_str(), told))
    }

    /// The values that decisions go by.
    #[must_use]
    pub fn facts(&self, profile: &Profile, consent: Consent, now_ms: u64) -> BTreeMap<String, serde_json::Value> {
        let may_use = |attribute: &str| match self.purpose(attribute) {
            ProfilePurpose::Personalization => true,
            ProfilePurpose::Marketing => consent.marketing,
        };
        let usable = profile.iter().filter(|(attribute, _)| may_use(attribute));
        let best = usable.filter_map(|(attribute, told)| Some((attribute, self.best(attribute, told, now_ms)?.1)));
        best.map(|(attribute, told)| (attribute.clone(), told.value.clone())).collect()
    }

    /// What an attribute may be used for.
    #[must_use]
    pub fn purpose(&self, attribute: &str) -> ProfilePurpose {
        self.attributes.get(attribute).map(|rules| rules.purpose).unwrap_or_default()
    }

    /// Whether a server may store values under a source's name.
    #[must_use]
    pub fn is_servers(&self, source: &str) -> bool {
        let named = || self.precedence.iter().chain(self.attributes.values().flat_map(|rules| &rules.precedence));
        let is_other = [VISITOR, SEGMENT, OVERRIDE, COMPUTED].contains(&source) || self.groups.contains_key(source);
        source == SERVER || (!is_other && named().any(|known| known == source))
    }

    fn rank(&self, attribute: &str, source: &str) -> usize {
        if source == OVERRIDE {
            return 0;
        }
        let own = self.attributes.get(attribute).map(|rules| &rules.precedence).filter(|own| !own.is_empty());
        let precedence = own.unwrap_or(&self.precedence);
        let named = precedence.iter().position(|known| known == source);
        // What a group shares gives way to what is said of somebody themselves.
        1 + named.unwrap_or_else(|| precedence.len() + usize::from(self.groups.contains_key(source)))
    }

    /// What keeps it from being published.
    #[must_use]
    pub(crate) fn errors(&self, decisions: &Config) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut add = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
        let is_attribute = |name: &str| {
            decisions.attributes.iter().any(|attribute| attribute.name == name && attribute.source == Source::Profile)
        };
        let none = |name: &str| format!("`{name}` is no attribute with the source `profile`");
        let own = self.attributes.iter();
        let own =
            own.map(|(name, rules)| (format!("/profile/attributes/{}/precedence", escape(name)), &rules.precedence));
        for (pointer, precedence) in own.chain([("/profile/precedence".to_owned(), &self.precedence)]) {
            if precedence.len() > PROFILE_SOURCES {
                add(pointer.clone(), format!("at most {PROFILE_SOURCES} sources"));
            }
            for (at, source) in precedence.iter().enumerate() {
                if !is_name(source) || [OVERRIDE, COMPUTED].contains(&source.as_str()) {
                    add(format!("{pointer}/{at}"), NO_NAME.to_owned());
                } else if precedence.iter().take(at).any(|before| before == source) {
                    add(format!("{pointer}/{at}"), "it stands twice".to_owned());
                }
            }
        }
        for (name, rules) in &self.attributes {
            let pointer = format!("/profile/attributes/{}", escape(name));
            if !is_attribute(name) {
                add(pointer.clone(), none(name));
            }
            if rules.keep_days.is_some_and(|days| !(1..=KEEP_DAYS).contains(&days)) {
                add(format!("{pointer}/keep_days"), format!("1 to {KEEP_DAYS} days"));
            }
        }
        if let Some(name) = self.language.as_ref().filter(|name| !is_attribute(name)) {
            add("/profile/language".into(), none(name));
        }
        if self.groups.len() > GROUP_KINDS {
            add("/profile/groups".into(), format!("at most {GROUP_KINDS} kinds of groups"));
        }
        for (kind, rules) in &self.groups {
            let pointer = format!("/profile/groups/{}", escape(kind));
            if !is_name(kind) || [SERVER, VISITOR, SEGMENT, OVERRIDE, COMPUTED].contains(&kind.as_str()) {
                add(pointer.clone(), format!("{NO_NAME}, and not that of another source"));
            }
            let shared = rules.shares.iter().enumerate().map(|(at, name)| (format!("{pointer}/shares/{at}"), name));
            let role = rules.role.iter().map(|name| (format!("{pointer}/role"), name));
            let id = rules.id.iter().map(|name| (format!("{pointer}/id"), name));
            for (pointer, name) in shared.chain(role).chain(id) {
                if !is_attribute(name) {
                    add(pointer, none(name));
                }
            }
        }
        errors
    }
}

const NO_NAME: &str = "a name has 1 to 128 letters, digits, `-` and `_`";

/// Whether it may name a source or a kind of groups.
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn told(value: &str, at: u64) -> Told {
        Told::new(json!(value), at)
    }

    fn config(change: serde_json::Value) -> ProfileConfig {
        serde_json::from_value(change).unwrap()
    }

    fn best(config: &ProfileConfig, told: &[(&str, Told)], now_ms: u64) -> Option<String> {
        let told = told.iter().map(|(source, told)| ((*source).to_owned(), told.clone())).collect();
        config.best("job", &told, now_ms).map(|(source, _)| source.to_owned())
    }

    #[test]
    fn the_source_that_stands_first_is_believed() {
        let all =
            [("crm", told("a", 9)), ("visitor", told("b", 1)), ("server", told("c", 5)), ("employer", told("d", 2))];
        let check = |config: serde_json::Value, expect: &str| {
            assert_eq!(best(&self::config(config.clone()), &all, 10).as_deref(), Some(expect), "{config}");
        };
        check(json!({}), "crm");
        check(json!({ "precedence": ["crm", "server"] }), "crm");
        check(json!({ "precedence": ["core", "visitor"] }), "visitor");
        check(json!({ "precedence": ["server"], "groups": { "crm": {} } }), "server");
        check(json!({ "precedence": ["crm"], "attributes": { "job": { "precedence": ["visitor"] } } }), "visitor");
        check(json!({ "precedence": ["crm"], "attributes": { "age": { "precedence": ["visitor"] } } }), "crm");
        let unnamed = |groups| config(json!({ "groups": groups }));
        let others = [("crm", told("a", 1)), ("employer", told("d", 2)), ("core", told("e", 3))];
        assert_eq!(best(&unnamed(json!({})), &others, 10).as_deref(), Some("core"), "the latest");
        assert_eq!(
            best(&unnamed(json!({ "employer": {} })), &others, 10).as_deref(),
            Some("core"),
            "a group gives way"
        );
    }

    #[test]
    fn what_is_too_old_gives_way() {
        let config = config(json!({ "precedence": ["server"], "attributes": { "job": { "keep_days": 10 } } }));
        let both = [("server", told("a", DAY_MS)), ("segment", told("b", 8 * DAY_MS))];
        assert_eq!(best(&config, &both, 10 * DAY_MS).as_deref(), Some("server"));
        assert_eq!(best(&config, &both, 11 * DAY_MS).as_deref(), Some("segment"));
        assert_eq!(best(&config, &both, 18 * DAY_MS), None);
        let ended = [("server", Told { until: Some(5), ..told("a", 1) })];
        assert_eq!((best(&config, &ended, 4).as_deref(), best(&config, &ended, 5)), (Some("server"), None));
    }

    #[test]
    fn what_is_for_marketing_needs_consent_to_it() {
        let config = config(json!({ "attributes": { "hobby": { "purpose": "marketing" } } }));
        let one = |value| BTreeMap::from([(SERVER.to_owned(), told(value, 1))]);
        let profile = Profile::from([("hobby".to_owned(), one("golf")), ("job".to_owned(), one("baker"))]);
        let names = |marketing| {
            let facts = config.facts(&profile, Consent { marketing, ..Consent::default() }, 2);
            facts.into_keys().collect::<Vec<_>>()
        };
        assert_eq!((names(false), names(true)), (vec!["job".to_owned()], vec!["hobby".to_owned(), "job".to_owned()]));
    }

    #[test]
    fn servers_speak_for_themselves_only() {
        let config = config(json!({ "precedence": ["crm", "visitor"], "groups": { "employer": {} } }));
        let may: Vec<&str> = ["server", "crm", "core", "visitor", "segment", "employer", ""]
            .into_iter()
            .filter(|source| config.is_servers(source))
            .collect();
        assert_eq!(may, ["server", "crm"]);
    }
}
