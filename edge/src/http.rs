//! Reading requests within bounds and writing answers.

use std::fmt::Display;

use futures_lite::StreamExt as _;
use js_sys::Uint8Array;
use portico_protocol::check;
use portico_protocol::problem::ProblemKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::web_sys::{self, ReadableStream};
use worker::{AbortController, AbortSignal, Method, ResponseBuilder, Url};

use crate::error::Failure;
use crate::routes::assets::is_loader;

#[wasm_bindgen(module = "/src/boundary.js")]
extern "C" {
    /// Makes a response of a status, of headers (lines: a name, its value, the next name) and of a body.
    #[wasm_bindgen(catch)]
    fn respond(status: u16, headers: &str, body: &JsValue) -> Result<JsValue, JsValue>;
}

/// Operations that pages ask for.
const BY_PAGES: [&str; 9] = [
    "/v1/decide",
    "/v1/events",
    "/v1/vitals",
    "/v1/why",
    "/v1/identify",
    "/v1/profile",
    "/v1/consent",
    "/v1/privacy/export",
    "/v1/privacy/erase",
];

/// Stands for the edge's own origin. No browser calls any origin so.
pub(crate) const OWN_ORIGIN: &str = "self";

/// The headers that come with every request.
const AT_ONCE: [&str; 5] = ["Origin", "Authorization", "Content-Length", "Sec-GPC", "User-Agent"];

/// A request.
pub(crate) struct Request {
    raw: web_sys::Request,
    head: Head,
    body: Option<Vec<u8>>,
}

/// Method, address and the headers [`AT_ONCE`], a line each.
struct Head(String);

impl Head {
    fn line(&self, at: usize) -> &str {
        self.0.split('\n').nth(at).unwrap_or_default()
    }

    fn url(&self) -> &str {
        self.line(1)
    }

    fn path(&self) -> &str {
        let (_, rest) = self.url().split_once("://").unwrap_or_default();
        let path = rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/");
        path.split(['?', '#']).next().unwrap_or(path)
    }

    fn own_origin(&self) -> &str {
        let url = self.url();
        let host = url.find("://").map_or(0, |at| at + 3);
        let end = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host + at);
        url.get(..end).unwrap_or(url)
    }

    /// A header that is known at once: its value, empty where it is missing.
    fn header(&self, name: &str) -> Option<&str> {
        AT_ONCE.iter().position(|known| *known == name).map(|at| self.line(2 + at))
    }
}

impl Request {
    /// Of a request whose head and, unless it is large, body have been read.
    pub(crate) fn new(raw: web_sys::Request, head: String, body: Option<Vec<u8>>) -> Self {
        Self { raw, head: Head(head), body }
    }

    pub(crate) fn method(&self) -> Method {
        self.head.line(0).to_owned().into()
    }

    /// The path of its address, as it was sent.
    pub(crate) fn path(&self) -> &str {
        self.head.path()
    }

    pub(crate) fn url(&self) -> Result<Url, Failure> {
        Url::parse(self.head.url()).map_err(|_| Failure::Internal("a request without an address"))
    }

    /// The edge's own origin as the caller sees it.
    pub(crate) fn own_origin(&self) -> &str {
        self.head.own_origin()
    }

    /// The origin of the page that asks: [`OWN_ORIGIN`] where it is one of ours, in a frame or by itself.
    pub(crate) fn origin(&self) -> Option<String> {
        let origin = self.header("Origin")?;
        Some(if origin == self.own_origin() { OWN_ORIGIN.to_owned() } else { origin })
    }

    /// A header's value; absent when missing, empty or unreadable.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        match self.head.header(name) {
            Some(value) => (!value.is_empty()).then(|| value.to_owned()),
            None => self.raw.headers().get(name).ok().flatten(),
        }
    }

    /// Whether the visitor's browser says no for them (Global Privacy Control).
    pub(crate) fn is_private(&self) -> bool {
        self.header("Sec-GPC").as_deref() == Some("1")
    }

    /// The bytes of a body of at most `limit`. What is announced is not believed: bytes are counted as they come.
    pub(crate) async fn body(&mut self, limit: usize) -> Result<Vec<u8>, Failure> {
        let too_large = || Failure::refused(ProblemKind::TooLarge, format!("The body is larger than {limit} bytes."));
        if let Some(body) = self.body.take() {
            return if body.len() > limit { Err(too_large()) } else { Ok(body) };
        }
        let announced = self.header("Content-Length").and_then(|length| length.parse::<usize>().ok());
        let mut request = worker::Request::from(Clone::clone(&self.raw));
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
        if length > limit { Err(too_large()) } else { Ok(bytes) }
    }

    /// A JSON body of at most `limit` bytes, read into its wire type.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, Failure> {
        let bytes = self.body(limit).await?;
        check::read(&bytes).map_err(|error| {
            Failure::invalid(ProblemKind::Malformed, "The body is not what this operation takes.", vec![error])
        })
    }
}

/// An answer until it is given.
#[derive(Debug)]
pub(crate) struct Response {
    status: u16,
    /// Lines: a name, its value, the next name.
    headers: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Empty,
    Bytes(Vec<u8>),
    Stream(ReadableStream),
}

impl Response {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: String::new(), body: Body::Empty }
    }

    /// An answer of bytes of a media type that nobody may keep.
    pub(crate) fn bytes(status: u16, media_type: &str, bytes: Vec<u8>) -> Self {
        Self { body: Body::Bytes(bytes), ..Self::empty(status) }
            .with("Content-Type", media_type)
            .with("Cache-Control", "no-store")
    }

    /// A JSON answer that nobody may keep.
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::bytes(status, "application/json", serde_json::to_vec(value)?))
    }

    /// A file's bytes, with headers of their own.
    pub(crate) fn file(bytes: Vec<u8>) -> Self {
        Self { body: Body::Bytes(bytes), ..Self::empty(200) }
    }

    /// Lines of a media type as they come, which nobody may keep.
    pub(crate) fn stream(
        media_type: &str,
        lines: impl futures_lite::Stream<Item = worker::Result<String>> + 'static,
    ) -> Result<Self, Failure> {
        let made: web_sys::Response = ResponseBuilder::new().from_stream(lines)?.into();
        let stream = made.body().ok_or(Failure::Internal("a stream that is none"))?;
        Ok(Self { body: Body::Stream(stream), ..Self::bytes(200, media_type, Vec::new()) })
    }

    /// With a header. Each name stands once, and no value spans lines.
    pub(crate) fn with(mut self, name: &str, value: &(impl Display + ?Sized)) -> Self {
        let value = value.to_string().replace('\n', " ");
        for part in [name, "\n", &value, "\n"] {
            self.headers.push_str(part);
        }
        self
    }

    /// Lets pages read what visitor-side operations answer, refusals included: whether a page may *use* a key is
    /// decided by the operation, and a refusal that cannot be read helps nobody. Assets are public. Server-side and
    /// console operations get no such header.
    pub(crate) fn with_cors(self, path: &str, origin: Option<&str>) -> Self {
        if path.starts_with("/assets/") || is_loader(path.trim_start_matches('/')) {
            self.with("Access-Control-Allow-Origin", "*")
                .with("Cross-Origin-Resource-Policy", "cross-origin")
                // Pages may know what our files cost them, and tell us.
                .with("Timing-Allow-Origin", "*")
        } else if let Some(origin) = origin.filter(|_| BY_PAGES.contains(&path)) {
            // `sendBeacon` sends in credentials mode, so the origin is named instead of `*`. No cookie is ever read here.
            self.with("Access-Control-Allow-Origin", origin)
                .with("Access-Control-Allow-Credentials", "true")
                .with("Access-Control-Expose-Headers", "Retry-After")
                .with("Vary", "Origin")
        } else {
            self
        }
    }

    /// As JavaScript has it.
    pub(crate) fn into_js(self) -> Result<JsValue, JsValue> {
        let body = match self.body {
            Body::Empty => JsValue::UNDEFINED,
            Body::Bytes(bytes) => Uint8Array::from(bytes.as_slice()).into(),
            Body::Stream(stream) => stream.into(),
        };
        respond(self.status, self.headers.trim_end_matches('\n'), &body)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    // A whole number from 1970 on, as JavaScript's clock says it.
    js_sys::Date::now() as u64
}

/// Bytes read and thrown away after a body's limit, so that its sender is still there to hear the refusal: a connection
/// closed while somebody writes into it is reset, and the answer with it.
const DRAINED_BYTES: usize = 1024 * 1024;

/// Ends a request to another server when it is dropped, because nobody waits for it any more.
#[derive(Default)]
pub(crate) struct Abort(AbortController);

impl Abort {
    pub(crate) fn signal(&self) -> AbortSignal {
        self.0.signal()
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).abort();
    }
}

/// The answer to a preflight. Ours are never needed (bodies are `text/plain`), but a site may send JSON.
pub(crate) fn preflight() -> Response {
    Response::empty(204)
        .with("Access-Control-Allow-Methods", "GET, POST, PUT")
        .with("Access-Control-Allow-Headers", "Authorization, Content-Type")
        .with("Access-Control-Max-Age", "86400")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_request_is_read_line_by_line() {
        let head = |url: &str| Head(format!("POST\n{url}\nhttps://bank.example\n\n12\n1\nFirefox"));
        let check = |url, path, origin| assert_eq!((head(url).path(), head(url).own_origin()), (path, origin), "{url}");
        check("https://edge.example/v1/decide", "/v1/decide", "https://edge.example");
        check("https://edge.example/v1/go/a%2Fb?x=/y#z", "/v1/go/a%2Fb", "https://edge.example");
        check("http://127.0.0.1:8787/", "/", "http://127.0.0.1:8787");
        check("http://127.0.0.1:8787", "/", "http://127.0.0.1:8787");
        check("https://edge.example/a?b=https://evil.example/c", "/a", "https://edge.example");
        check("", "/", "");
        let head = head("https://edge.example/");
        let values: Vec<Option<&str>> = AT_ONCE.iter().map(|name| head.header(name)).collect();
        assert_eq!(values, [Some("https://bank.example"), Some(""), Some("12"), Some("1"), Some("Firefox")]);
        assert_eq!((head.line(0), head.header("Cookie")), ("POST", None));
    }
}
