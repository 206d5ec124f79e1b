//! Reading bodies: every error with the place of the wrong value.

use std::fmt::Display;

use serde::de::DeserializeOwned;

use crate::decide::DecideRequest;
use crate::limits;
use crate::problem::FieldError;

/// Reads a JSON body into its wire type.
///
/// # Errors
/// What is wrong, with a JSON pointer to it.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, FieldError> {
    // To know the place of every value takes longer than to read it, and only who made a mistake asks for it.
    serde_json::from_slice(body).or_else(|_| read_with_places(body))
}

fn read_with_places<T: DeserializeOwned>(body: &[u8]) -> Result<T, FieldError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = error.path().iter().fold(String::new(), |pointer, segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("{pointer}/{index}"),
            serde_path_to_error::Segment::Map { key } => format!("{pointer}/{}", escape(key)),
            serde_path_to_error::Segment::Enum { variant } => format!("{pointer}/{}", escape(variant)),
            serde_path_to_error::Segment::Unknown => pointer,
        });
        FieldError { pointer, detail: error.inner().to_string() }
    })?;
    json.end().map_err(|error| FieldError { pointer: String::new(), detail: error.to_string() })?;
    Ok(value)
}

/// A part of a JSON pointer (RFC 6901).
#[must_use]
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl DecideRequest {
    /// Checks the bounds that the types do not say.
    ///
    /// # Errors
    /// Everything that is out of bounds.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Bounds::default();
        errors.text("/site", &self.site, limits::NAME_BYTES);
        errors.text("/channel", &self.channel, limits::NAME_BYTES);
        errors.text("/locale", &self.locale, limits::NAME_BYTES);
        errors.text("/page/url", &self.page.url, limits::URL_BYTES);
        errors.text("/page/referrer", &self.page.referrer, limits::URL_BYTES);
        errors.text("/page/title", &self.page.title, limits::URL_BYTES);
        errors.text("/visitor", self.visitor.as_deref().unwrap_or(""), limits::TOKEN_BYTES);
        errors.text("/identity", self.identity.as_deref().unwrap_or(""), limits::JWT_BYTES);
        errors.text("/customer", self.customer.as_deref().unwrap_or(""), limits::NAME_BYTES);
        errors.number("/offset", self.offset.unsigned_abs().into(), 0, limits::OFFSET_MINUTES, "minutes");
        errors.number("/context", self.context.len(), 0, limits::CONTEXT_FACTS, "facts");
        errors.number("/placements", self.placements.len(), 1, limits::PLACEMENTS_PER_REQUEST, "placements");
        for (index, placement) in self.placements.iter().enumerate() {
            errors.text(format_args!("/placements/{index}/id"), &placement.id, limits::NAME_BYTES);
            let count = placement.count.unwrap_or(1) as usize;
            let most = limits::OFFERS_PER_PLACEMENT as usize;
            errors.number(format_args!("/placements/{index}/count"), count, 1, most, "offers");
        }
        for (name, fact) in &self.context {
            let size = match fact {
                serde_json::Value::String(text) => text.len(),
                serde_json::Value::Array(items) => items.len(),
                _ => 0,
            };
            if size + name.len() > limits::FACT_BYTES {
                let pointer = format!("/context/{}", escape(name));
                errors.number(pointer, size + name.len(), 0, limits::FACT_BYTES, "bytes or members");
            }
        }
        if errors.0.is_empty() { Ok(()) } else { Err(errors.0) }
    }
}

#[derive(Default)]
struct Bounds(Vec<FieldError>);

impl Bounds {
    fn text(&mut self, pointer: impl Display, text: &str, most: usize) {
        if text.len() > most {
            self.add(pointer, format!("longer than {most} bytes"));
        }
    }

    fn number(&mut self, pointer: impl Display, count: usize, least: usize, most: usize, what: &str) {
        if !(least..=most).contains(&count) {
            self.add(pointer, format!("{count} {what}; {least} to {most} are allowed"));
        }
    }

    fn add(&mut self, pointer: impl Display, detail: String) {
        self.0.push(FieldError { pointer: pointer.to_string(), detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: &str) {
        let errors = match read::<DecideRequest>(body.as_bytes()) {
            Ok(request) => request.check().err().unwrap_or_default(),
            Err(error) => vec![error],
        };
        let said: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
        assert!(said.join("; ").starts_with(expect), "{body}\n said {said:?}");
    }

    #[test]
    fn wrong_values_are_named_with_their_place() {
        check(r#"{"site":"pk","placements":[{"id":"a"}],"colour":"green"}"#, "");
        check("{", ": EOF");
        check(r#"{"site":"pk","placements":[{"id":"a"}],"offset":-841}"#, "/offset: 841 minutes");
        check(r#"{"site":"pk","placements":[{"id":7}]}"#, "/placements/0/id: invalid type");
        check(r#"{"site":"pk","placements":[]}"#, "/placements: 0 placements; 1 to 20 are allowed");
        check(r#"{"site":"pk"}"#, ": missing field `placements`");
        check(r#"{"site":"pk","placements":[{"id":"a","count":0}]}"#, "/placements/0/count: 0 offers");
        check(r#"{"site":"pk","placements":[{"id":"a"}]} x"#, ": trailing");
        check(
            &format!(r#"{{"site":"{}","placements":[{{"id":"a"}}]}}"#, "k".repeat(200)),
            "/site: longer than 128 bytes",
        );
    }
}
