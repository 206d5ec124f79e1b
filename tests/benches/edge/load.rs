//! A closed loop over HTTP/1.1: every connection sends its next request when the last one has been answered. Requests
//! are made beforehand and answers are looked at only as far as it takes to know that they are right, because the loop
//! shares its machine with what it measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use portico_tests::Figures;

use crate::process::Process;

/// Connections of a closed loop.
pub(crate) const CONNECTIONS: usize = 16;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest latency told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// What an answer must be for a request to count.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    status: StatusCode,
    begins: Bytes,
}

impl Expect {
    /// 200, and a body that begins so.
    pub(crate) fn ok(begins: &'static str) -> Self {
        Self { status: StatusCode::OK, begins: begins.into() }
    }

    /// 202, and a body that begins so.
    pub(crate) fn accepted(begins: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::ACCEPTED, begins: begins.into() }
    }
}

/// A request ready to be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    expect: Expect,
}

impl Prepared {
    pub(crate) fn get(port: u16, path: &str, expect: Expect) -> Self {
        Self::new(Method::GET, port, path, &[], Bytes::new(), expect)
    }

    pub(crate) fn post(port: u16, path: &str, headers: &[(HeaderName, &str)], body: Bytes, expect: Expect) -> Self {
        Self::new(Method::POST, port, path, headers, body, expect)
    }

    fn new(method: Method, port: u16, path: &str, headers: &[(HeaderName, &str)], body: Bytes, expect: Expect) -> Self {
        let host = format!("127.0.0.1:{port}");
        let all = headers.iter().cloned().chain([(HOST, host.as_str())]);
        // Our own values: visible ASCII, all of them.
        let headers = all.filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?))).collect();
        Self { method, uri: path.parse().unwrap_or_default(), headers, body, expect }
    }

    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    port: u16,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Result<Self> {
        Ok(Self { port, sender: Self::connect(port).await? })
    }

    async fn connect(port: u16) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("nobody listens")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends, and reads the answer to its end.
    pub(crate) async fn ask(&mut self, prepared: &Prepared) -> Result<Bytes> {
        let (status, body) = tokio::time::timeout(PATIENCE, self.exchange(prepared))
            .await
            .with_context(|| format!("{}: no answer", prepared.uri))?
            .with_context(|| prepared.uri.to_string())?;
        if status != prepared.expect.status || !body.starts_with(&prepared.expect.begins) {
            let body = String::from_utf8_lossy(&body);
            bail!("{}: {status} {}", prepared.uri, body.chars().take(500).collect::<String>());
        }
        Ok(body)
    }

    /// workerd closes a connection on which nothing has come for five seconds. Where the disk keeps it waiting for so
    /// long, it may do so before it reads what has come meanwhile; then the same request goes out on another connection.
    async fn exchange(&mut self, prepared: &Prepared) -> Result<(StatusCode, Bytes)> {
        if let Ok(answer) = self.exchange_here(prepared).await {
            return Ok(answer);
        }
        self.sender = Self::connect(self.port).await?;
        Ok(self.exchange_here(prepared).await?)
    }

    async fn exchange_here(&mut self, prepared: &Prepared) -> hyper::Result<(StatusCode, Bytes)> {
        self.sender.ready().await?;
        let response = self.sender.send_request(prepared.request()).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

/// When a loop ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Every request has been sent once.
    Sent,
    /// So much time is over; the requests are sent again and again.
    After(Duration),
}

/// What a loop has measured.
pub(crate) struct Measured {
    requests: u64,
    took: Duration,
    /// In microseconds.
    latencies: Histogram<u64>,
    /// Time on processors of the process that answered.
    cpu: Duration,
}

impl Measured {
    /// Keeps requests a second, latencies and processor time for one request in microseconds.
    pub(crate) fn keep(&self, figures: &mut Figures, name: &str) {
        figures.add(&format!("{name}.per_second"), self.per_second());
        figures.add(&format!("{name}.p50"), self.latency(0.5));
        figures.add(&format!("{name}.p99"), self.latency(0.99));
        figures.add(&format!("{name}.p999"), self.latency(0.999));
        figures.add(&format!("{name}.cpu"), self.cpu_each());
    }

    /// Keeps it beside its baseline of the same round.
    pub(crate) fn keep_beside(&self, figures: &mut Figures, name: &str, baseline: &Self) {
        self.keep(figures, name);
        figures.add(&format!("{name}.per_second_ratio"), self.per_second() / baseline.per_second());
        figures.add(&format!("{name}.p99_ratio"), self.latency(0.99) / baseline.latency(0.99));
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// A quantile of the latencies in microseconds.
    pub(crate) fn latency(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64
    }

    /// Microseconds on processors for one request.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

/// Sends requests on [`CONNECTIONS`] connections.
pub(crate) async fn closed_loop(
    port: u16,
    process: Process,
    requests: &Arc<[Prepared]>,
    until: Until,
) -> Result<Measured> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(port).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let (begun, cpu) = (Instant::now(), process.cpu()?);
    let mut running = JoinSet::new();
    for mut connection in connections {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        running.spawn(async move {
            let mut latencies = histogram()?;
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let request = match until {
                    Until::Sent => requests.get(at),
                    Until::After(time) if begun.elapsed() < time => requests.get(at % requests.len().max(1)),
                    Until::After(_) => None,
                };
                let Some(request) = request else { return anyhow::Ok(latencies) };
                let sent = Instant::now();
                connection.ask(request).await?;
                latencies.saturating_record(sent.elapsed().as_micros() as u64);
            }
        });
    }
    let mut latencies = histogram()?;
    while let Some(ended) = running.join_next().await {
        latencies.add(ended??)?;
    }
    let (took, cpu) = (begun.elapsed(), process.cpu()?.saturating_sub(cpu));
    Ok(Measured { requests: latencies.len(), took, latencies, cpu })
}

/// Latencies in microseconds, to three digits.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST_US, 3)?)
}
