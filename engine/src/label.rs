//! Names as people say them, in the languages of the console.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A language in which rules are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }
}

/// What people call something: one name for all, `"Age"`, or one by language, `{"en":"Age","zh":"年龄"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// The same in every language.
    Same(String),
    /// By language tag; `zh-Hans` serves for `zh`.
    ByLanguage(BTreeMap<String, String>),
}

impl Label {
    /// The name in a language, or in English, or the first there is.
    #[must_use]
    pub fn in_language(&self, language: Language) -> Option<&str> {
        let names = match self {
            Self::Same(name) => return Some(name),
            Self::ByLanguage(names) => names,
        };
        let primary =
            |tag: &str, wanted: &str| tag.split('-').next().is_some_and(|tag| tag.eq_ignore_ascii_case(wanted));
        let find = |wanted: &str| names.iter().find(|(tag, _)| primary(tag, wanted)).map(|(_, name)| name);
        find(language.tag()).or_else(|| find("en")).or_else(|| names.values().next()).map(String::as_str)
    }
}

/// A label's words, or the name with spaces for underscores.
pub(crate) fn spoken(label: Option<&Label>, name: &str, language: Language) -> String {
    let label = label.and_then(|label| label.in_language(language)).filter(|label| !label.is_empty());
    label.map_or_else(|| name.replace('_', " "), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_language_is_spoken() {
        let check = |label: &str, language, expect: &str| {
            let label: Option<Label> = serde_json::from_str(label).unwrap();
            assert_eq!(spoken(label.as_ref(), "tenure_years", language), expect, "{label:?}");
        };
        check(r#"{"en":"age","zh":"年龄"}"#, Language::English, "age");
        check(r#"{"en":"age","zh-Hans":"年龄"}"#, Language::Chinese, "年龄");
        check(r#"{"en":"age"}"#, Language::Chinese, "age");
        check(r#"{"fr":"âge"}"#, Language::Chinese, "âge");
        check(r#""age""#, Language::Chinese, "age");
        check("{}", Language::English, "tenure years");
        check("null", Language::Chinese, "tenure years");
    }
}
