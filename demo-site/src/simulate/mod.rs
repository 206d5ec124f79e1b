//! Simulated visitors: they ask for offers, look, click and apply through the real HTTP API, many at a time, and the
//! table at the end tells how much of the possible lift the edge has found.

mod judge;
#[cfg(test)]
mod rehearsal;
mod report;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use portico_protocol::decide::DecideResponse;
use portico_protocol::events::EventsResponse;
use portico_protocol::site::SiteConfig;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::identity::{Claims, DemoIdentity};
use crate::publish::{PARTNER_KEY, SECRET_KEY, SITE_KEY};
use judge::Judge;
pub use report::Report;
use report::Seen;
use world::{KINDS, Visit};

/// Visits under way at once.
const CONCURRENT: usize = 24;
/// One customer of so many has figures in the bank's books.
const KNOWN_EVERY: u64 = 8;
/// Visits between two lines of progress where no bar can be drawn.
const LINE_EVERY: u64 = 1_000;
/// How long a request is tried again before the run gives up: longer than a restart of the edge.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where and how many.
#[derive(Clone, Debug)]
pub struct Options {
    /// The edge's origin.
    pub edge_origin: String,
    /// The bank's origin.
    pub bank_origin: String,
    /// The partner's origin.
    pub partner_origin: String,
    /// Signs for the simulated customers, as the bank does for its own.
    pub identity: DemoIdentity,
    /// The published configuration: tells what is eligible and what an answer is worth.
    pub config: SiteConfig,
    /// Visitors to send.
    pub visitors: u64,
    /// Draws the public: the same seed sends the same people.
    pub seed: u64,
}

/// Sends the visitors, with a progress bar, and reports what was learned.
///
/// # Errors
/// When the edge refuses a request or stays away for longer than a minute.
pub async fn run(options: Options) -> Result<Report> {
    let bar = ProgressBar::new(options.visitors).with_style(
        ProgressStyle::with_template("visitors {bar:32} {pos}/{len}  {per_sec}  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let simulation = Arc::new(Simulation::new(options)?);
    let mut rng = Rng::with_seed(simulation.options.seed);
    let mut running = JoinSet::new();
    for number in 0..simulation.options.visitors {
        if running.len() >= CONCURRENT
            && let Some(ended) = running.join_next().await
        {
            ended??;
        }
        let visit = Visit::draw(&mut rng, number);
        let (simulation, bar) = (Arc::clone(&simulation), bar.clone());
        running.spawn(async move {
            let seen = simulation.visit(number, &visit).await?;
            let mut report = simulation.report.lock().await;
            report.add(seen);
            bar.set_message(report.headline());
            bar.inc(1);
            // Where there is no terminal to draw on, a line now and then says the same.
            if bar.is_hidden() && bar.position().is_multiple_of(LINE_EVERY) {
                eprintln!("visitors {}/{}  {}", bar.position(), simulation.options.visitors, report.headline());
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    bar.finish();
    let mut report = simulation.report.lock().await.clone();
    report.acknowledged = simulation.acknowledged.load(Ordering::Relaxed);
    Ok(report)
}

struct Simulation {
    options: Options,
    client: Client,
    judge: Judge,
    report: Mutex<Report>,
    acknowledged: AtomicU64,
}

impl Simulation {
    fn new(options: Options) -> Result<Self> {
        let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
        let judge = Judge::new(&options.config.decisions)?;
        Ok(Self { options, client, judge, report: Mutex::default(), acknowledged: AtomicU64::new(0) })
    }

    async fn visit(&self, number: u64, visit: &Visit) -> Result<Seen> {
        let origin = if visit.on_partner { &self.options.partner_origin } else { &self.options.bank_origin };
        let identity = visit.customer.as_ref().map(|(id, attributes)| self.token(id, attributes.clone()));
        let key = if visit.on_partner { PARTNER_KEY } else { SITE_KEY };
        let question = json!({
            "site": key,
            "identity": identity,
            "locale": "en",
            "page": { "url": format!("{origin}/en/{}", visit.topic) },
            "context": { "topic": visit.topic },
            "placements": [{ "id": visit.placement }],
            "consent": { "analytics": visit.consents, "personalization": visit.consents },
        });
        if let Some((customer, _)) = visit.customer.as_ref().filter(|_| number.is_multiple_of(KNOWN_EVERY)) {
            self.store(customer, &visit.books()).await?;
        }
        let answer: DecideResponse = self.post(origin, "/v1/decide", &question).await?;
        let placement = answer.placements.first().context("the edge answered without a placement")?;
        let arm =
            placement.arm.with_context(|| format!("{} was not filled: {:?}", visit.placement, placement.reason))?;
        let shown: Vec<&str> = placement.offers.iter().map(|offer| offer.offer.as_str()).collect();

        let mut events = Vec::new();
        let reached = visit.react(&shown);
        for (at, (offer, reached)) in placement.offers.iter().zip(&reached).enumerate() {
            let mut event = |kind: &str, stage: Option<&str>| {
                let id = format!("{:08x}-{number:x}-{at}-{}", self.options.seed as u32, events.len());
                events.push(json!({ "id": id, "type": kind, "token": offer.token, "stage": stage }));
            };
            event("impression", None);
            if *reached >= 1 {
                event("click", None);
            }
            if *reached >= 2 {
                event("stage", Some("applied"));
            }
        }
        let sent = events.len() as u64;
        let batch = json!({ "site": key, "visitor": answer.visitor, "events": events });
        let receipt: EventsResponse = self.post(origin, "/v1/events", &batch).await?;
        if u64::from(receipt.accepted + receipt.duplicate) != sent {
            bail!("the edge refused an event: {:?}", receipt.rejected);
        }
        self.acknowledged.fetch_add(sent, Ordering::Relaxed);

        self.judge.judge(visit, arm, &shown, &reached, now_s() * 1000)
    }

    /// What the bank's own books say of a customer, stored as its servers would.
    async fn store(&self, customer: &str, attributes: &Value) -> Result<()> {
        let url = format!("{}/v1/customers/{customer}", self.options.edge_origin);
        let body = json!({ "attributes": attributes }).to_string();
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            let sent = self.client.put(&url).bearer_auth(SECRET_KEY).body(body.clone()).send().await;
            let trouble = match sent {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => response.status().to_string(),
                Err(error) => error.to_string(),
            };
            if tokio::time::Instant::now() >= give_up {
                bail!("/v1/customers: {trouble}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn token(&self, customer: &str, attributes: serde_json::Map<String, Value>) -> String {
        let now_s = now_s();
        self.options.identity.sign(&Claims {
            iss: self.options.bank_origin.clone(),
            aud: "demo".to_owned(),
            sub: customer.to_owned(),
            iat: now_s,
            exp: now_s + 300,
            attributes,
        })
    }

    /// Sends until it is answered: the edge may be down for a while, and sending again is safe.
    async fn post<T: serde::de::DeserializeOwned>(&self, origin: &str, path: &str, body: &Value) -> Result<T> {
        let url = format!("{}{path}", self.options.edge_origin);
        let body = body.to_string();
        let give_up = tokio::time::Instant::now() + PATIENCE;
        let mut wait = Duration::from_millis(50);
        loop {
            let request = self.client.post(&url).header("Origin", origin).header("Content-Type", "text/plain");
            let trouble = match request.body(body.clone()).send().await {
                Ok(response) if response.status().is_success() => match response.json().await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error.to_string(),
                },
                Ok(response) if response.status() < StatusCode::INTERNAL_SERVER_ERROR => {
                    bail!("{path}: {} {}", response.status(), response.text().await.unwrap_or_default())
                }
                Ok(response) => response.status().to_string(),
                Err(error) => error.to_string(),
            };
            if tokio::time::Instant::now() >= give_up {
                bail!("{path}: {trouble}");
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The kinds of people, for whoever reads a report.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}
