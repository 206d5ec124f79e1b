//! The two languages of the demonstration sites.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// A language in which every page exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl Language {
    /// Both, in the order of the switch.
    pub(crate) const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The first segment of the path of its pages.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The tag that the widget and `hreflang` use.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }

    /// Its name in itself, for the switch.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Zh => "简体中文",
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::En => Self::Zh,
            Self::Zh => Self::En,
        }
    }

    pub(crate) fn from_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.segment() == segment)
    }

    /// What the browser prefers; English when it says neither.
    pub(crate) fn preferred(headers: &HeaderMap) -> Self {
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0.0, Self::En);
        for range in accepted.split(',') {
            let (tag, quality) =
                range.split_once(";q=").map_or((range, 1.0), |(tag, q)| (tag, q.trim().parse().unwrap_or(0.0)));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            if let Some(language) = Self::from_segment(&primary.to_ascii_lowercase())
                && quality > best.0
            {
                best = (quality, language);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &'static str, expect: Language) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, axum::http::HeaderValue::from_static(accept));
        assert_eq!(Language::preferred(&headers), expect, "{accept}");
    }

    #[test]
    fn the_heaviest_of_the_languages_we_have_wins() {
        check("", Language::En);
        check("de-DE,de;q=0.9", Language::En);
        check("zh-CN,zh;q=0.9,en;q=0.8", Language::Zh);
        check("en-GB,en;q=0.9,zh;q=0.8", Language::En);
        check("fr, zh;q=0.4, en;q=0.2", Language::Zh);
        check("zh;q=nonsense", Language::En);
    }
}
