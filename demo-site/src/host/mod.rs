//! What the two host sites have in common: languages, templates, static files and the consent cookie.
//!
//! Nothing here knows what a bank or a magazine is.

pub(crate) mod assets;
pub(crate) mod consent;
pub(crate) mod language;
pub(crate) mod page;

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use data_encoding::BASE64URL_NOPAD;

/// The current time in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The value of a cookie, if the request carries it.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// For the inline scripts of one answer.
pub(crate) fn nonce() -> String {
    let mut bytes = [0; 16];
    // Without randomness the nonce is empty and the inline scripts do not run: the page stays whole.
    match getrandom::fill(&mut bytes) {
        Ok(()) => BASE64URL_NOPAD.encode(&bytes),
        Err(_) => String::new(),
    }
}
