//! Who asks for a page, in which language, with which choice about data.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::people::Persona;
use super::{Bank, CONSENT_COOKIE, own_language};
use crate::host::consent::Consent;
use crate::host::language::Language;
use crate::host::nonce;

pub(super) const SESSION_COOKIE: &str = "meridian_session";
pub(super) const LANGUAGE_COOKIE: &str = "meridian_language";

/// One request for a page.
pub(super) struct Visit {
    /// The language of the answer.
    pub(super) language: Language,
    /// Whether the address named a language that there is.
    pub(super) known_language: bool,
    /// The path after the language, for the switch.
    pub(super) path: String,
    /// The whole address, to come back to.
    pub(super) here: String,
    /// Who is logged in.
    pub(super) customer: Option<&'static Persona>,
    /// What was chosen in the consent banner, if it was answered.
    pub(super) consent: Option<Consent>,
    /// For this answer's inline scripts.
    pub(super) nonce: String,
}

impl Visit {
    /// Remembers the language for links that name none. A setting that the visitor made, no trace of what they do.
    pub(super) fn language_cookie(&self) -> String {
        format!("{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly", self.language.segment())
    }
}

impl FromRequestParts<Arc<Bank>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Self, Infallible> {
        let (segment, path) = parts.uri.path().trim_start_matches('/').split_once('/').unwrap_or_default();
        let named = Language::from_segment(segment);
        let here = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        Ok(Self {
            language: named.unwrap_or_else(|| own_language(&parts.headers)),
            known_language: named.is_some(),
            path: if named.is_some() { path.to_owned() } else { String::new() },
            here,
            customer: bank.customer(&parts.headers),
            consent: Consent::read(&parts.headers, CONSENT_COOKIE),
            nonce: nonce(),
        })
    }
}
