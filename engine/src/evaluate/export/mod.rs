//! The log in forms that others read. Pure: each function gives text, and the caller writes it where it belongs.
//!
//! - [`ndjson`]: our own, [`super::LogRow`] describes its fields; [`super::read_log`] reads it.
//! - [`dsjson()`]: Vowpal Wabbit's decision-service JSON, for `vw --dsjson --cb_explore_adf`.
//! - [`OpenBandit`]: the columns of the Open Bandit Dataset, for the Open Bandit Pipeline.
//!
//! What is known of a visitor leaves only as hashed features, never in words.

mod calendar;
mod dsjson;
mod open_bandit;

pub use dsjson::dsjson;
pub use open_bandit::OpenBandit;

use super::log::Logged;

/// One line, without the line feed.
///
/// # Errors
///
/// Those of the JSON writer; a row that could be read can be written.
pub fn ndjson(logged: &Logged) -> Result<String, serde_json::Error> {
    serde_json::to_string(logged.row())
}
