//! The sites of the benchmark, and the visitors who come to them: those of the engine's benchmark, by HTTP.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, ORIGIN};
use portico_demo_site::stack::Edge;
use portico_protocol::decide::{DecideResponse, OfferResponse};
use portico_protocol::report::LiveReport;
use reqwest::{Client, Method};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use crate::load::{CONNECTIONS, Connection, Expect, Prepared, Until, closed_loop};
use crate::process::Process;
use crate::world;

/// The origin whose pages ask.
const PAGE_ORIGIN: &str = "https://www.example.com";
/// Events in a batch.
pub(crate) const BATCH: usize = 20;
/// Clicks among them; the rest are impressions.
const CLICKS: usize = 2;
/// The channel on which probes are asked for.
pub(crate) const PROBE_CHANNEL: &str = "probe";
const SETTLE_DEADLINE: Duration = Duration::from_secs(600);
/// Processor time in [`QUIET_FOR`] below which a process counts as idle.
const QUIET: Duration = Duration::from_millis(20);
const QUIET_FOR: Duration = Duration::from_millis(300);

/// A site at the edge.
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) process: Process,
    pub(crate) offers: usize,
    origin: String,
    key: String,
    secret: String,
    client: Client,
    /// Events acknowledged so far.
    acknowledged: Cell<u64>,
    /// Visitors, events and the like numbered so far, so that none comes twice.
    numbered: Cell<u64>,
}

impl Site {
    /// Creates a site and publishes it. Each of its `probes` is an offer that comes first when asked for by its number, on
    /// a channel of its own, until it has been clicked once.
    pub(crate) async fn publish(edge: &Edge, id: &str, offers: usize, probes: usize) -> Result<Self> {
        let origin = edge.origin();
        let site = Self {
            port: origin.rsplit(':').next().and_then(|port| port.parse().ok()).context("an origin without a port")?,
            process: Process::new(edge.pid().context("the edge has ended")?),
            offers,
            origin,
            key: format!("pk_{id}"),
            secret: format!("sk_{id}"),
            // No connection is kept: the edge is started anew between measurements.
            client: Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build()?,
            acknowledged: Cell::new(0),
            numbered: Cell::new(0),
        };
        let keys = json!({ "site_key": site.key, "secret_key": site.secret });
        site.send(Method::PUT, &format!("/v1/sites/{id}"), edge.operator_key(), Some(&keys)).await?;
        let config = configuration(offers, probes);
        site.send(Method::PUT, "/v1/site/draft", &site.secret, Some(&config)).await?;
        site.send(Method::POST, "/v1/site/publish", &site.secret, None).await?;
        Ok(site)
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Result<String> {
        let mut request = self.client.request(method, format!("{}{path}", self.origin)).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| path.to_owned())?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{path}: {status} {}", text.chars().take(500).collect::<String>());
        Ok(text)
    }

    /// The same site after its edge was started anew.
    pub(crate) fn restarted(&mut self, edge: &Edge) -> Result<()> {
        self.process = Process::new(edge.pid().context("the edge has ended")?);
        Ok(())
    }

    /// The live report.
    pub(crate) async fn report(&self) -> Result<LiveReport> {
        let text = self.send(Method::GET, "/v1/reports/live", &self.secret, None).await?;
        serde_json::from_str(&text).context("not a live report")
    }

    /// Events acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.get()
    }

    pub(crate) fn add_acknowledged(&self, events: u64) {
        self.acknowledged.set(self.acknowledged.get() + events);
    }

    /// Waits until every acknowledged event is in the model and the edge rests. It looks at the process rather than at
    /// the report, which is large, as long as there is work.
    pub(crate) async fn settle(&self) -> Result<()> {
        let end = tokio::time::Instant::now() + SETTLE_DEADLINE;
        loop {
            let before = self.process.cpu()?;
            tokio::time::sleep(QUIET_FOR).await;
            let quiet = self.process.cpu()?.saturating_sub(before) <= QUIET;
            if quiet && self.report().await?.events_folded == self.acknowledged() {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < end, "the learner has not caught up after {SETTLE_DEADLINE:?}");
        }
    }

    /// Shows every offer `times` times on average, two of twenty with a click, and waits until that is in the model.
    pub(crate) async fn teach(&self, times: usize) -> Result<()> {
        let batches = self.mint((self.offers * times).div_ceil(BATCH)).await?;
        self.report_batches(&batches).await?;
        self.settle().await
    }

    /// Sends batches once.
    pub(crate) async fn report_batches(&self, batches: &[Vec<OfferResponse>]) -> Result<()> {
        let batches: Arc<[Prepared]> = batches.iter().map(|shown| self.batch(shown, None)).collect();
        closed_loop(self.port, self.process, &batches, Until::Sent).await?;
        self.add_acknowledged((batches.len() * BATCH) as u64);
        Ok(())
    }

    /// So many decisions of one placement with [`BATCH`] offers, each for a visitor of its own.
    pub(crate) async fn mint(&self, decisions: usize) -> Result<Vec<Vec<OfferResponse>>> {
        let mut running = JoinSet::new();
        for at in 0..CONNECTIONS {
            let share = decisions / CONNECTIONS + usize::from(at < decisions % CONNECTIONS);
            let questions: Vec<Prepared> = (0..share).map(|_| self.catalogue()).collect();
            let mut connection = Connection::open(self.port).await?;
            running.spawn(async move {
                let mut minted = Vec::with_capacity(questions.len());
                for question in questions {
                    minted.push(shown(&connection.ask(&question).await?)?.1);
                }
                anyhow::Ok(minted)
            });
        }
        let mut minted = Vec::with_capacity(decisions);
        while let Some(ended) = running.join_next().await {
            minted.extend(ended??);
        }
        Ok(minted)
    }

    /// What one visitor asks on a page with three slots, painted.
    pub(crate) fn page(&self, visitor: Option<&str>) -> Prepared {
        let slots = json!([{ "id": "hero" }, { "id": "list" }, { "id": "side" }]);
        self.question(json!({ "visitor": visitor, "placements": slots, "html": true }))
    }

    /// The same by the site's server for a customer.
    pub(crate) fn page_of_customer(&self, customer: usize) -> Prepared {
        let slots = json!([{ "id": "hero" }, { "id": "list" }, { "id": "side" }]);
        let body = json!({ "customer": format!("customer-{customer}"), "placements": slots, "html": true });
        let key = format!("Bearer {}", self.secret);
        Prepared::post(
            self.port,
            "/v1/decide",
            &[(AUTHORIZATION, &key), (CONTENT_TYPE, "application/json")],
            self.body(body),
            Expect::ok("{"),
        )
    }

    /// A long list, not painted: tokens for many events at little cost.
    pub(crate) fn catalogue(&self) -> Prepared {
        self.question(json!({ "placements": [{ "id": "catalogue" }] }))
    }

    /// Asks for a probe.
    pub(crate) fn probe(&self, number: usize) -> Prepared {
        let mut context = world::facts(0);
        context.insert("probe".to_owned(), number.into());
        self.question(json!({ "channel": PROBE_CHANNEL, "placements": [{ "id": "hero" }], "context": context }))
    }

    /// As many events as offers were shown, at most [`BATCH`]: impressions, and for every ten of them a click.
    pub(crate) fn batch(&self, shown: &[OfferResponse], visitor: Option<&str>) -> Prepared {
        let shown = shown.get(..shown.len().min(BATCH)).unwrap_or_default();
        let chosen = self.number() as usize;
        // Where fewer are shown, now and then one.
        let clicks = (shown.len() * CLICKS + chosen % BATCH) / BATCH;
        let seen = shown.iter().take(shown.len() - clicks).map(|offer| ("impression", offer));
        // Any of those that were seen, but each once.
        let clicked = shown.iter().cycle().skip(chosen % (shown.len() - clicks).max(1));
        let clicked = clicked.take(clicks).map(|offer| ("click", offer));
        self.events(seen.chain(clicked), visitor)
    }

    /// One event alone.
    pub(crate) fn single(&self, kind: &str, offer: &OfferResponse) -> Prepared {
        self.events(std::iter::once((kind, offer)), None)
    }

    fn events<'a>(
        &self,
        events: impl Iterator<Item = (&'a str, &'a OfferResponse)>,
        visitor: Option<&str>,
    ) -> Prepared {
        let event = |(kind, offer): (&str, &OfferResponse)| {
            let id = format!("{:032x}", self.number());
            json!({ "id": id, "type": kind, "token": offer.token })
        };
        let events: Vec<Value> = events.map(event).collect();
        // All of them are new and none is refused.
        let expect = format!(r#"{{"accepted":{},"duplicate":0,"rejected":[]"#, events.len());
        let body = json!({ "site": self.key, "visitor": visitor, "events": events });
        Prepared::post(self.port, "/v1/events", &PAGE, Bytes::from(body.to_string()), Expect::accepted(expect))
    }

    fn question(&self, body: Value) -> Prepared {
        Prepared::post(self.port, "/v1/decide", &PAGE, self.body(body), Expect::ok("{"))
    }

    /// The body of a question: what every question has, for the next visitor, with what this one says.
    fn body(&self, mut body: Value) -> Bytes {
        let common = [
            ("site", json!(self.key)),
            ("locale", json!("en")),
            ("page", json!({ "url": format!("{PAGE_ORIGIN}/en/savings"), "title": "Savings" })),
            ("context", world::facts(self.number() as usize).into()),
            ("consent", json!({ "analytics": true, "personalization": true })),
        ];
        if let Some(body) = body.as_object_mut() {
            for (name, value) in common {
                body.entry(name).or_insert(value);
            }
        }
        Bytes::from(body.to_string())
    }

    fn number(&self) -> u64 {
        self.numbered.replace(self.numbered.get() + 1)
    }
}

const PAGE: [(HeaderName, &str); 2] = [(ORIGIN, PAGE_ORIGIN), (CONTENT_TYPE, "text/plain")];

/// The visitor token of an answer, and all offers in it.
pub(crate) fn shown(answer: &[u8]) -> Result<(Option<String>, Vec<OfferResponse>)> {
    let answer: DecideResponse = serde_json::from_slice(answer).context("not an answer to a question")?;
    let offers: Vec<OfferResponse> = answer.placements.into_iter().flat_map(|placement| placement.offers).collect();
    ensure!(!offers.is_empty(), "nothing is shown");
    Ok((answer.visitor, offers))
}

/// The world's site, with a long list, words and as many probes.
fn configuration(offers: usize, probes: usize) -> Value {
    let mut decisions = world::decisions(offers);
    let more = |decisions: &mut Value, field: &str, values: Vec<Value>| {
        if let Some(list) = decisions[field].as_array_mut() {
            list.extend(values);
        }
    };
    more(&mut decisions, "placements", vec![json!({ "id": "catalogue", "count": BATCH })]);
    decisions["channels"] = json!(["web"]);
    if probes > 0 {
        decisions["channels"] = json!(["web", PROBE_CHANNEL]);
        let probe = json!({ "name": "probe", "type": "number", "source": "context", "learn": false });
        more(&mut decisions, "attributes", vec![probe]);
        let probe = |number| {
            json!({ "id": probe_offer(number), "group": "group0", "channels": [PROBE_CHANNEL], "mandatory": true,
                "rule": { "attr": "probe", "op": "eq", "value": number }, "cap": { "of": "click", "most": 1 } })
        };
        more(&mut decisions, "offers", (0..probes).map(probe).collect());
    }
    let all = decisions["offers"].as_array().into_iter().flatten();
    let content: Map<String, Value> =
        all.filter_map(|offer| offer["id"].as_str()).map(|id| (id.to_owned(), words(id))).collect();
    json!({
        "name": "Benchmark", "locales": ["en"], "origins": [PAGE_ORIGIN],
        "decisions": decisions,
        "layouts": { "hero": "hero", "side": "inline" },
        "content": content,
    })
}

/// The id of a probe's offer.
pub(crate) fn probe_offer(number: usize) -> String {
    format!("probe{number}")
}

fn words(id: &str) -> Value {
    json!({ "target": format!("{PAGE_ORIGIN}/offers/{id}"), "locales": { "en": {
        "eyebrow": "Savings", "title": format!("A better rate with {id}"),
        "body": "Put money aside whenever you like and take it out when you need it. No notice, no fee.",
        "cta": "Open an account", "highlight": "4.1 %", "terms": "Variable rate. Terms apply.",
        "image": { "url": format!("{PAGE_ORIGIN}/{id}.webp"), "alt": "", "width": 640, "height": 360 },
    } } })
}
