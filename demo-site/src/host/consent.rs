//! What the visitor agreed to on a host site, remembered in that site's own cookie.

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::cookie;

/// Half a year, after which the site asks again.
const LIFETIME_S: u32 = 180 * 24 * 3600;

/// A choice by purpose. Before a choice there is none, and the widget is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Consent {
    /// Visits may be counted.
    pub(crate) analytics: bool,
    /// Offers may follow from who the visitor is and what they did.
    pub(crate) personalization: bool,
}

/// The form of the banner: a button that says all or nothing, or the two boxes.
#[derive(Debug, Deserialize)]
pub(crate) struct ConsentForm {
    /// `all`, `necessary` or `chosen`.
    pub(crate) choice: String,
    #[serde(default)]
    analytics: Option<String>,
    #[serde(default)]
    personalization: Option<String>,
    /// The page to go back to where no script sent the form.
    #[serde(default)]
    back: String,
}

impl ConsentForm {
    pub(crate) fn consent(&self) -> Consent {
        match self.choice.as_str() {
            "all" => Consent { analytics: true, personalization: true },
            "chosen" => {
                Consent { analytics: self.analytics.is_some(), personalization: self.personalization.is_some() }
            }
            _ => Consent { analytics: false, personalization: false },
        }
    }

    /// The page to go back to: a path on this site and nothing else.
    pub(crate) fn back(&self) -> &str {
        let second = self.back.as_bytes().get(1);
        let on_this_site = self.back.starts_with('/') && second != Some(&b'/') && second != Some(&b'\\');
        if on_this_site && self.back.bytes().all(|byte| byte.is_ascii_graphic()) { &self.back } else { "/" }
    }
}

impl Consent {
    /// Reads the choice out of the cookie `name`.
    pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<Self> {
        match cookie(headers, name)? {
            "a1p1" => Some(Self { analytics: true, personalization: true }),
            "a1p0" => Some(Self { analytics: true, personalization: false }),
            "a0p1" => Some(Self { analytics: false, personalization: true }),
            "a0p0" => Some(Self { analytics: false, personalization: false }),
            _ => None,
        }
    }

    /// The `Set-Cookie` line that remembers it.
    pub(crate) fn set_cookie(self, name: &str) -> String {
        let value = format!("a{}p{}", u8::from(self.analytics), u8::from(self.personalization));
        format!("{name}={value}; Path=/; Max-Age={LIFETIME_S}; SameSite=Lax; HttpOnly")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_back(back: &str, expect: &str) {
        let form = ConsentForm { choice: "all".into(), analytics: None, personalization: None, back: back.into() };
        assert_eq!(form.back(), expect);
    }

    #[test]
    fn the_way_back_never_leaves_the_site() {
        check_back("/en/cards?x=1", "/en/cards?x=1");
        check_back("//evil.example/", "/");
        check_back("/\\evil.example/", "/");
        check_back("https://evil.example/", "/");
        check_back("/en/\r\nSet-Cookie: a=b", "/");
        check_back("", "/");
    }

    #[test]
    fn a_choice_survives_the_cookie() {
        for (analytics, personalization) in [(false, false), (false, true), (true, false), (true, true)] {
            let consent = Consent { analytics, personalization };
            let line = consent.set_cookie("c");
            let mut headers = HeaderMap::new();
            headers.insert(axum::http::header::COOKIE, line.split(';').next().unwrap().parse().unwrap());
            assert_eq!(Consent::read(&headers, "c"), Some(consent));
        }
    }
}
