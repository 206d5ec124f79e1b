//! Why an offer is shown, in a visitor's words.

use portico_engine::config::Label;
use portico_engine::{Arm, Reason, Source};
use portico_protocol::decide::WhyResponse;
use portico_protocol::language::nearest;

use crate::words::words;

/// Reasons that are named: more are not read.
const REASONS: usize = 4;

/// The words for whoever asks why they see `offer`, which `arm` chose and for which `reasons` spoke, strongest first.
#[must_use]
pub fn why(offer: &str, locale: &str, arm: Arm, reasons: &[Reason<'_>]) -> WhyResponse {
    let words = words(locale);
    let reasons = if arm == Arm::Model { reasons } else { &[] };
    let text = match arm {
        Arm::Model if reasons.is_empty() => words.why_general,
        Arm::Model => words.why_model,
        Arm::Explore => words.why_chance,
        Arm::Control => words.why_order,
    };
    let reason = |reason: &Reason<'_>| {
        let fact = called(reason.attribute.label.as_ref(), &reason.attribute.name, words.lang);
        match reason.attribute.source {
            Source::Context => words.with_why_context(&fact),
            Source::Behaviour => words.with_why_behaviour(&fact),
            Source::Profile | Source::Identity => words.with_why_known(&fact),
        }
    };
    WhyResponse {
        offer: offer.to_owned(),
        locale: words.lang.to_owned(),
        title: words.why_title.to_owned(),
        text: text.to_owned(),
        reasons: reasons.iter().take(REASONS).map(reason).collect(),
        end: words.why_end.to_owned(),
        close: words.close.to_owned(),
    }
}

/// What people call a fact, in a language or the nearest that its label has.
fn called(label: Option<&Label>, name: &str, lang: &str) -> String {
    let named = match label {
        Some(Label::Same(label)) => Some(label),
        Some(Label::ByLanguage(labels)) => {
            let near = nearest(labels.keys().map(String::as_str), lang);
            near.or_else(|| nearest(labels.keys().map(String::as_str), "en"))
                .and_then(|tag| labels.get(tag))
                .or_else(|| labels.values().next())
        }
        None => None,
    };
    named.filter(|label| !label.is_empty()).cloned().unwrap_or_else(|| name.replace('_', " "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use portico_engine::config::Attribute;

    use super::*;

    fn attribute(name: &str, source: &str, label: &str) -> Attribute {
        let text = format!(r#"{{"name":"{name}","type":"text","source":"{source}","label":{label}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn kinds_of_facts_are_named_and_not_their_values() {
        let facts = [
            attribute("topic", "context", r#"{"en":"topic of the page","zh-Hans":"页面主题"}"#),
            attribute("interest", "behaviour", "\"interests\""),
            attribute("tenure_years", "identity", "null"),
            attribute("home", "profile", "{}"),
            attribute("plans", "profile", "null"),
        ];
        let reasons = facts.each_ref().map(|attribute| Reason { attribute, weight: 1.0 });
        let english = why("loan", "en-GB", Arm::Model, &reasons);
        let expect = [
            "this visit: topic of the page",
            "what you did here before: interests",
            "what is known about you: tenure years",
            "what is known about you: home",
        ];
        assert_eq!((english.locale.as_str(), english.reasons.as_slice()), ("en", expect.map(str::to_owned).as_slice()));
        let chinese = why("loan", "zh-CN", Arm::Model, &reasons);
        assert_eq!(chinese.reasons.first().map(String::as_str), Some("本次访问：页面主题"));
        let german = why("loan", "de", Arm::Model, &reasons);
        assert_eq!(german.reasons.first().map(String::as_str), Some("dieser Besuch: topic of the page"));
    }

    #[test]
    fn who_chose_is_said() {
        let topic = attribute("topic", "context", "null");
        let reasons = [Reason { attribute: &topic, weight: 1.0 }];
        let texts = [
            why("a", "en", Arm::Model, &reasons),
            why("a", "en", Arm::Model, &[]),
            why("a", "en", Arm::Explore, &reasons),
            why("a", "en", Arm::Control, &reasons),
        ];
        let distinct: std::collections::BTreeSet<&str> = texts.iter().map(|why| why.text.as_str()).collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(texts.each_ref().map(|why| why.reasons.len()), [1, 0, 0, 0]);
    }
}
