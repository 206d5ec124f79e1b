//! Reading requests within bounds and writing answers.

use futures_lite::StreamExt as _;
use portico_protocol::check;
use portico_protocol::problem::ProblemKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Date, Headers, Request, Response, ResponseBuilder};

use crate::error::Failure;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    Date::now().as_millis()
}

/// A header's value; absent when missing or unreadable.
pub(crate) fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

/// Whether the visitor's browser says no for them (Global Privacy Control).
pub(crate) fn is_private(request: &Request) -> bool {
    header(request, "Sec-GPC").as_deref() == Some("1")
}

/// Bytes read and thrown away after a body's limit, so that its sender is still there to hear the refusal: a connection
/// closed while somebody writes into it is reset, and the answer with it.
const DRAINED_BYTES: usize = 1024 * 1024;

/// The bytes of a body of at most `limit`. What is announced is not believed: bytes are counted as they come.
pub(crate) async fn body(request: &mut Request, limit: usize) -> Result<Vec<u8>, Failure> {
    let announced = header(request, "Content-Length").and_then(|length| length.parse::<usize>().ok());
    // The usual way costs a stream's locks and promises for each request; a body has the length that was announced.
    if announced.is_some_and(|announced| announced <= limit) {
        return Ok(request.bytes().await?);
    }
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(limit));
    let Ok(mut stream) = request.stream() else {
        return Ok(bytes);
    };
    let mut length = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        length += chunk.len();
        if length <= limit {
            bytes.extend(chunk);
        } else if length > limit + DRAINED_BYTES {
            break;
        }
    }
    if length > limit {
        return Err(Failure::refused(ProblemKind::TooLarge, format!("The body is larger than {limit} bytes.")));
    }
    Ok(bytes)
}

/// A JSON body of at most `limit` bytes, read into its wire type.
pub(crate) async fn read<T: DeserializeOwned>(request: &mut Request, limit: usize) -> Result<T, Failure> {
    let bytes = body(request, limit).await?;
    check::read(&bytes).map_err(|error| {
        Failure::invalid(ProblemKind::Malformed, "The body is not what this operation takes.", vec![error])
    })
}

/// A JSON answer that nobody may keep.
pub(crate) fn json(status: u16, value: &impl Serialize) -> Result<Response, Failure> {
    let headers = Headers::new();
    headers.set("Content-Type", "application/json")?;
    headers.set("Cache-Control", "no-store")?;
    Ok(ResponseBuilder::new().with_status(status).with_headers(headers).fixed(serde_json::to_vec(value)?))
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> Response {
    ResponseBuilder::new().with_status(status).empty()
}

/// The answer to a preflight. Ours are never needed (bodies are `text/plain`), but a site may send JSON.
pub(crate) fn preflight() -> Result<Response, Failure> {
    let headers = Headers::new();
    headers.set("Access-Control-Allow-Methods", "GET, POST, PUT")?;
    headers.set("Access-Control-Allow-Headers", "Content-Type")?;
    headers.set("Access-Control-Max-Age", "86400")?;
    Ok(ResponseBuilder::new().with_status(204).with_headers(headers).empty())
}

/// Lets pages read what visitor-side operations answer, refusals included: whether a page may *use* a key is
/// decided by the operation, and a refusal that cannot be read helps nobody. Assets are public. Server-side and
/// console operations get no such header.
pub(crate) fn with_cors(response: Response, path: &str, origin: Option<&str>) -> worker::Result<Response> {
    if path.starts_with("/assets/") || path == "/portico.js" {
        response.headers().set("Access-Control-Allow-Origin", "*")?;
        response.headers().set("Cross-Origin-Resource-Policy", "cross-origin")?;
    } else if let (Some(origin), "/v1/decide" | "/v1/events") = (origin, path) {
        // `sendBeacon` sends in credentials mode, so the origin is named instead of `*`. No cookie is ever read here.
        response.headers().set("Access-Control-Allow-Origin", origin)?;
        response.headers().set("Access-Control-Allow-Credentials", "true")?;
        response.headers().set("Access-Control-Expose-Headers", "Retry-After")?;
        response.headers().append("Vary", "Origin")?;
    }
    Ok(response)
}

/// The edge's own origin as the caller sees it.
pub(crate) fn own_origin(request: &Request) -> Result<String, Failure> {
    Ok(request.url()?.origin().ascii_serialization())
}
