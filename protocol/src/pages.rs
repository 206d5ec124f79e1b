//! What a site's pages are about: its table of addresses and titles, read from the top.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::{NAME_BYTES, PAGE_RULES, URL_BYTES};
use crate::problem::FieldError;

/// What some pages are about. The first rule that fits a page and names a topic gives its topic, the first that fits and names
/// a stage of the journey gives that, and so for the form that it begins or ends. What the page itself says in its context goes before both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PageRule {
    /// Addresses, with `*` for any text: paths where it begins with `/` (`/loans/*`), whole addresses otherwise.
    #[serde(default)]
    pub url: Option<String>,
    /// A text that occurs in the title, in any case.
    #[serde(default)]
    pub title: Option<String>,
    /// The topic of such pages.
    #[serde(default)]
    pub topic: Option<String>,
    /// Where visitors of such pages are on their way.
    #[serde(default)]
    pub journey: Option<Journey>,
    /// A form, or a cart, that such pages begin: who leaves it may go on later.
    #[serde(default)]
    pub begins: Option<String>,
    /// One that is finished there.
    #[serde(default)]
    pub ends: Option<String>,
}

/// Where a customer is on the way from a need to a product in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Journey {
    /// Something in their life asks for it.
    Need,
    /// Finds out what there is.
    Research,
    /// Compares and decides.
    Choose,
    /// Applies.
    Buy,
    /// Has it.
    Use,
    /// Needs help with it.
    Support,
}

impl Journey {
    /// In their order.
    pub const ALL: [Self; 6] = [Self::Need, Self::Research, Self::Choose, Self::Buy, Self::Use, Self::Support];

    /// The stage of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// As facts and events name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Need => "need",
            Self::Research => "research",
            Self::Choose => "choose",
            Self::Buy => "buy",
            Self::Use => "use",
            Self::Support => "support",
        }
    }
}

/// What the table says of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading<'a> {
    /// Its topic.
    pub topic: Option<&'a str>,
    /// Where its visitors are on their way.
    pub journey: Option<Journey>,
    /// The form that it begins.
    pub begins: Option<&'a str>,
    /// The form that is finished there.
    pub ends: Option<&'a str>,
}

/// The path of a page's address, without query and fragment.
#[must_use]
pub fn path(url: &str) -> &str {
    let (_, path) = url.split_once("://").unwrap_or(("", url));
    let path = path.find('/').and_then(|start| path.get(start..)).unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or(path)
}

/// Reads a page by a table.
#[must_use]
pub fn read<'a>(rules: &'a [PageRule], url: &str, title: &str) -> Reading<'a> {
    let mut reading = Reading::default();
    if rules.is_empty() {
        return reading;
    }
    let url = url.split('#').next().unwrap_or(url);
    let path = path(url);
    let has_forms = rules.iter().any(|rule| rule.begins.is_some() || rule.ends.is_some());
    let title = title.to_lowercase();
    for rule in rules {
        let fits_url = |pattern: &String| fits(pattern, if pattern.starts_with('/') { path } else { url });
        let fits_title = |part: &String| title.contains(&part.to_lowercase());
        if rule.url.as_ref().is_none_or(fits_url) && rule.title.as_ref().is_none_or(fits_title) {
            reading.topic = reading.topic.or(rule.topic.as_deref());
            reading.journey = reading.journey.or(rule.journey);
            reading.begins = reading.begins.or(rule.begins.as_deref());
            reading.ends = reading.ends.or(rule.ends.as_deref());
        }
        if reading.topic.is_some() && reading.journey.is_some() && !has_forms {
            break;
        }
    }
    reading
}

/// Whether a text is of a pattern in which `*` stands for any text. Each part between stars is sought once, from where the
/// one before ended: that is enough, and takes no longer than the text is long for each.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*').filter(|part| !part.is_empty()) {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

/// What is wrong with a table, each with its place in the configuration.
#[must_use]
pub fn errors(rules: &[PageRule]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut add = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
    if rules.len() > PAGE_RULES {
        add("/pages".into(), format!("{} rules; at most {PAGE_RULES}", rules.len()));
    }
    for (index, rule) in rules.iter().enumerate() {
        let texts = [
            ("url", &rule.url, URL_BYTES),
            ("title", &rule.title, NAME_BYTES),
            ("topic", &rule.topic, TOPIC_BYTES),
            ("begins", &rule.begins, TOPIC_BYTES),
            ("ends", &rule.ends, TOPIC_BYTES),
        ];
        for (name, text, most) in texts {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > most) {
                add(format!("/pages/{index}/{name}"), format!("empty or longer than {most} bytes"));
            }
        }
        if rule.url.is_none() && rule.title.is_none() {
            add(format!("/pages/{index}"), "neither `url` nor `title`: it would fit every page".into());
        }
        if rule.topic.is_none() && rule.journey.is_none() && rule.begins.is_none() && rule.ends.is_none() {
            let detail = "none of `topic`, `journey`, `begins` and `ends`: it says nothing";
            add(format!("/pages/{index}"), detail.into());
        }
    }
    errors
}

/// Length of a topic that is remembered, in bytes.
pub const TOPIC_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rules(json: serde_json::Value) -> Vec<PageRule> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_first_rule_that_says_something_counts() {
        let rules = rules(json!([
            { "url": "/*/apply*", "journey": "buy" },
            { "url": "/en/mortgages*", "topic": "mortgages", "journey": "research" },
            { "url": "https://help.bank.example/*", "journey": "support" },
            { "title": "credit CARD", "topic": "cards" },
            { "url": "*?q=*", "topic": "search" },
            { "url": "/en/*", "topic": "other", "journey": "need" },
        ]));
        let check = |url, title, topic, journey| {
            let reading = read(&rules, url, title);
            assert_eq!((reading.topic, reading.journey.map(Journey::name)), (topic, journey), "{url} {title}");
        };
        check("https://bank.example/en/mortgages/fix?x=1#top", "", Some("mortgages"), Some("research"));
        check("https://bank.example/en/apply/mortgages", "", Some("other"), Some("buy"));
        check("https://help.bank.example/cards", "Your Credit Card", Some("cards"), Some("support"));
        check("https://bank.example/zh?q=loan", "", Some("search"), None);
        check("https://bank.example", "", None, None);
        check("/en/mortgages", "", Some("mortgages"), Some("research"));
        check("", "信用卡", None, None);
        assert_eq!(read(&[], "https://bank.example/en/", ""), Reading::default());
    }

    #[test]
    fn a_pattern_fits_as_a_slow_one_would() {
        fn slow(pattern: &[char], text: &[char]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some(('*', rest)) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
                Some((letter, rest)) => {
                    text.split_first().is_some_and(|(first, left)| first == letter && slow(rest, left))
                }
            }
        }
        proptest!(|(pattern in "[ab*]{0,7}", text in "[ab]{0,9}")| {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            prop_assert_eq!(fits(&pattern, &text), slow(&letters(&pattern), &letters(&text)));
        });
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_named() {
        let wrong =
            rules(json!([{ "topic": "x" }, { "url": "/a" }, { "url": "", "title": "t", "topic": "y".repeat(65) }]));
        let places: Vec<String> = errors(&wrong).into_iter().map(|error| error.pointer).collect();
        assert_eq!(places, ["/pages/0", "/pages/1", "/pages/2/url", "/pages/2/topic"]);
        assert_eq!(errors(&vec![PageRule::default(); 501])[0].pointer, "/pages");
        assert!(serde_json::from_value::<PageRule>(json!({ "url": "/a", "journey": "dream" })).is_err());
    }
}
