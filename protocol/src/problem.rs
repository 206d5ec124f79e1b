//! Problem documents (RFC 9457): every error answer, one shape.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Which kind of problem, as a URI reference that names it for good.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time and what to do.
    pub detail: String,
    /// The request that met it, as the operator's log names it: `urn:portico:request:<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Each thing that is wrong, with its place in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One thing that is wrong in a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the wrong value; empty for the whole body.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The kinds of problem that Portico answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The body is not what the operation takes.
    Malformed,
    /// The body is larger than the operation takes.
    TooLarge,
    /// No key, or one that nobody has.
    UnknownKey,
    /// The key may not be used from this origin.
    OriginNotAllowed,
    /// The credential does not allow this.
    Forbidden,
    /// An identity token was refused.
    Identity,
    /// A sealed token was refused.
    Token,
    /// The configuration has errors.
    Configuration,
    /// There is no such thing.
    NotFound,
    /// The operation does not take this method.
    Method,
    /// Something else has it already.
    Conflict,
    /// The site has published nothing yet.
    NotPublished,
    /// More comes in than can be recorded at the moment.
    Busy,
    /// Our fault.
    Internal,
}

impl ProblemKind {
    /// Every kind, for documentation.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::TooLarge,
        Self::UnknownKey,
        Self::OriginNotAllowed,
        Self::Forbidden,
        Self::Identity,
        Self::Token,
        Self::Configuration,
        Self::NotFound,
        Self::Method,
        Self::Conflict,
        Self::NotPublished,
        Self::Busy,
        Self::Internal,
    ];

    /// Its name, its title and its HTTP status.
    #[must_use]
    pub const fn describe(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::Malformed => ("malformed", "The request is not understood", 400),
            Self::TooLarge => ("too-large", "The request is too large", 413),
            Self::UnknownKey => ("unknown-key", "The key is not known", 401),
            Self::OriginNotAllowed => ("origin-not-allowed", "The key may not be used on this site", 403),
            Self::Forbidden => ("forbidden", "The credential does not allow this", 403),
            Self::Identity => ("identity", "The identity token is not accepted", 401),
            Self::Token => ("token", "The token is not accepted", 400),
            Self::Configuration => ("configuration", "The configuration cannot be published", 422),
            Self::NotFound => ("not-found", "There is nothing here", 404),
            Self::Method => ("method", "The method does not apply here", 405),
            Self::Conflict => ("conflict", "Something else is already there", 409),
            Self::NotPublished => ("not-published", "The site has published nothing yet", 503),
            Self::Busy => ("busy", "There is more to record than can be taken at the moment", 503),
            Self::Internal => ("internal", "Something went wrong on our side", 500),
        }
    }

    /// The problem document.
    #[must_use]
    pub fn document(self, detail: impl Into<String>, errors: Vec<FieldError>) -> Problem {
        let (name, title, status) = self.describe();
        Problem {
            kind: format!("urn:portico:problem:{name}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            instance: None,
            errors,
        }
    }
}
