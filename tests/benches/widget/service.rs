//! What pages embed, behind one origin for each subject that writes down every request: the edge itself, or a peer's published
//! files with the smallest answers that its service could give. Everything is sent as small as a content delivery
//! network would send it.

use std::future::IntoFuture as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Longest body that is passed on.
const MOST_BYTES: usize = 16 << 20;
/// Brotli's effort for what is made anew for each request, as networks choose it; files are compressed as far as it goes.
const QUICK_BROTLI: i32 = 5;
const FULL_BROTLI: i32 = 11;
/// Smaller than this nobody compresses.
const WORTH_COMPRESSING: usize = 256;

/// What answers.
pub(crate) enum Answers {
    /// The edge at this origin.
    Edge(String),
    /// Files of packages and answers of a service, by the end of a request's path; what is not among them is an empty answer.
    Peer(Vec<(&'static str, Kind, Vec<u8>)>),
}

/// What is sent, as far as it is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Script,
    Wasm,
    Other,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let name = headers.get(CONTENT_TYPE).and_then(|name| name.to_str().ok()).unwrap_or_default();
        match name.split(';').next() {
            Some("text/javascript" | "application/javascript") => Self::Script,
            Some("application/wasm") => Self::Wasm,
            _ => Self::Other,
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Milliseconds since 1970.
    pub(crate) at: f64,
    pub(crate) preflight: bool,
    pub(crate) kind: Kind,
    /// The answer's body as it was sent, and the question's.
    pub(crate) down: usize,
    pub(crate) up: usize,
    path: String,
}

/// One origin.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) origin: String,
    inside: Arc<Inside>,
}

struct Inside {
    answers: Answers,
    client: reqwest::Client,
    log: Mutex<Vec<Line>>,
}

impl Service {
    pub(crate) async fn start(answers: Answers) -> Result<Self> {
        let answers = match answers {
            Answers::Peer(files) => Answers::Peer(
                files.into_iter().map(|(end, kind, content)| (end, kind, brotli(&content, FULL_BROTLI))).collect(),
            ),
            edge => edge,
        };
        let inside = Arc::new(Inside { answers, client: reqwest::Client::new(), log: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(inside.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { origin, inside })
    }

    /// Every request since the last call.
    pub(crate) fn take(&self) -> Vec<Line> {
        self.inside.log.lock().map(|mut log| std::mem::take(&mut *log)).unwrap_or_default()
    }

    /// Waits until nothing has come for a while.
    pub(crate) async fn rest(&self) {
        // Longer than any of them keeps what it has to say.
        const QUIET: Duration = Duration::from_millis(3_500);
        const AT_MOST: Duration = Duration::from_secs(20);
        let (begun, mut since, mut seen) = (Instant::now(), Instant::now(), 0);
        while since.elapsed() < QUIET && begun.elapsed() < AT_MOST {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.inside.log.lock().map_or(0, |log| log.len());
            if now != seen {
                (since, seen) = (Instant::now(), now);
            }
        }
    }
}

/// What was asked for, for whoever wonders about a figure.
pub(crate) fn told(lines: &[Line]) -> String {
    let told = |line: &Line| format!("{}{} ({} B)", if line.preflight { "OPTIONS " } else { "" }, line.path, line.down);
    lines.iter().map(told).collect::<Vec<_>>().join(", ")
}

async fn answer(State(inside): State<Arc<Inside>>, request: Request) -> Response {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3);
    let (preflight, path) = (request.method() == Method::OPTIONS, request.uri().path().to_owned());
    let (up, answered) = match &inside.answers {
        Answers::Edge(origin) => pass_on(&inside.client, origin, request).await.unwrap_or_else(|error| {
            (0, (StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::from(format!("{error:#}"))))
        }),
        Answers::Peer(files) => from_files(files, request).await,
    };
    let (status, headers, body) = answered;
    let line = Line { at, preflight, kind: Kind::of(&headers), down: body.len(), up, path };
    if let Ok(mut log) = inside.log.lock() {
        log.push(line);
    }
    (status, headers, Body::from(body)).into_response()
}

type Answered = (StatusCode, HeaderMap, Bytes);

async fn pass_on(client: &reqwest::Client, origin: &str, request: Request) -> Result<(usize, Answered)> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MOST_BYTES).await?;
    let up = body.len();
    let path = head.uri.path_and_query().context("no path")?;
    let compresses =
        head.headers.get(ACCEPT_ENCODING).is_some_and(|names| names.to_str().is_ok_and(|n| n.contains("br")));
    // With the host that was asked: the edge is to take this origin for its own.
    let asked = client.request(head.method, format!("{origin}{path}")).headers(head.headers).body(body);
    let answer = asked.send().await?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let mut body = answer.bytes().await?;
    if compresses && !headers.contains_key(CONTENT_ENCODING) && body.len() >= WORTH_COMPRESSING {
        body = brotli(&body, QUICK_BROTLI).into();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    Ok((up, (status, headers, body)))
}

async fn from_files(files: &[(&str, Kind, Vec<u8>)], request: Request) -> (usize, Answered) {
    let mut headers = HeaderMap::new();
    let origin = request.headers().get("origin").cloned().unwrap_or(HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    let (head, body) = request.into_parts();
    let up = to_bytes(body, MOST_BYTES).await.map_or(0, |body| body.len());
    let file = files.iter().find(|(end, ..)| head.uri.path().ends_with(end));
    let (Some((_, kind, content)), true) = (file, head.method != Method::OPTIONS) else {
        return (up, (StatusCode::NO_CONTENT, headers, Bytes::new()));
    };
    let name = if *kind == Kind::Script { "text/javascript" } else { "application/json" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(name));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    if *kind == Kind::Script {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    }
    (up, (StatusCode::OK, headers, Bytes::from(content.clone())))
}

/// A file of a package.
pub(crate) fn file(end: &'static str, folder: &Path, name: &str) -> Result<(&'static str, Kind, Vec<u8>)> {
    let path = folder.join(name);
    Ok((end, Kind::Script, std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// What a service answers.
pub(crate) fn json(end: &'static str, value: &serde_json::Value) -> (&'static str, Kind, Vec<u8>) {
    (end, Kind::Other, value.to_string().into_bytes())
}

/// A script that the service makes.
pub(crate) fn script(end: &'static str, text: &str) -> (&'static str, Kind, Vec<u8>) {
    (end, Kind::Script, text.as_bytes().to_vec())
}

fn brotli(content: &[u8], effort: i32) -> Vec<u8> {
    let parameters = brotli::enc::BrotliEncoderParams { quality: effort, lgwin: 22, ..Default::default() };
    let mut writer = brotli::CompressorWriter::with_params(Vec::new(), 4096, &parameters);
    // Into memory, which takes everything.
    let _ = writer.write_all(content);
    writer.into_inner()
}
