//! What can go wrong, and the one place where it becomes an answer.

use portico_protocol::problem::{FieldError, MEDIA_TYPE, Problem, ProblemKind};
use worker::Method;

use crate::http::Response;
use crate::log::{self, RequestId};

/// What a 503 says of when to come back: it passes by itself, and senders add their own jitter.
const RETRY_AFTER_S: &str = "2";

/// A request that is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The caller can do something about it.
    #[error("refused")]
    Refused(Box<Problem>),
    /// We have to: the platform, storage or an object failed.
    #[error(transparent)]
    Platform(#[from] worker::Error),
    /// We have to: something of ours could not be written or read.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// We have to: something of ours could not be written or read.
    #[error(transparent)]
    Binary(#[from] postcard::Error),
    /// We have to: another reason, in words for the log.
    #[error("{0}")]
    Internal(&'static str),
}

impl Failure {
    pub(crate) fn refused(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self::invalid(kind, detail, Vec::new())
    }

    pub(crate) fn invalid(kind: ProblemKind, detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        Self::Refused(Box::new(kind.document(detail, errors)))
    }

    /// The problem document. Details of our own failures go to the log, not to the caller; neither holds a token,
    /// for paths that carry one are cut before it.
    pub(crate) fn response(&self, method: &Method, path: &str) -> Response {
        let problem = match self {
            Self::Refused(problem) => (**problem).clone(),
            _ => {
                let shown = path.split_inclusive('/').take(3).collect::<String>();
                log::error(&format!("{} {shown}", method.as_ref()), self);
                ProblemKind::Internal.document("Nothing was recorded. Send the request again.", Vec::new())
            }
        };
        let problem =
            Problem { instance: RequestId::current().map(|id| format!("urn:portico:request:{id}")), ..problem };
        // A problem document is made of texts and numbers: it can always be written.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let response = Response::bytes(problem.status, MEDIA_TYPE, body);
        if problem.status == 503 { response.with("Retry-After", RETRY_AFTER_S) } else { response }
    }
}
