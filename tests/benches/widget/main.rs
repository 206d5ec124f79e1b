//! What an embedded widget costs the page it is embedded in, beside peers from npm on the same page in the same run.
//! `cargo xtask bench widget` runs it and reads what it prints: one line for each figure, `widget <name> <value>`.
//!
//! `PORTICO_QUICK` makes it short, `PORTICO_PARTS`, such as `portico,alloy`, looks at some subjects only, and
//! `PORTICO_TOLD` prints each request.
#![allow(clippy::print_stdout, reason = "a benchmark says what it finds")]

mod service;

use std::future::IntoFuture as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Html;
use axum::routing::get;
use portico_tests::{Browser, Figures, World};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use service::{Answers, Kind, Line, Service, file, json as answer, script};

/// The two round-trip times whose difference tells how many round trips something takes, in milliseconds.
const NEAR_MS: f64 = 100.0;
const FAR_MS: f64 = 400.0;
/// How much slower than this machine the slow one is.
const SLOW: f64 = 4.0;
/// Visits at that speed in a round: single tasks last now more, now less than what counts as long.
const SLOW_VISITS: usize = 3;
/// Views within a document before memory is looked at, and between the two looks.
const WARM_VIEWS: usize = 20;
const VIEWS: usize = 200;
/// Views for each call of the driver, which waits half a minute at most.
const VIEWS_AT_ONCE: usize = 20;

/// Something that is embedded.
struct Subject {
    name: &'static str,
    /// What it puts into the page's head, and into the place.
    head: &'static str,
    place: &'static str,
}

const SUBJECTS: [Subject; 5] = [
    Subject { name: "bare", head: "", place: "" },
    Subject {
        name: "portico",
        head: include_str!("pages/portico.html"),
        place: "<portico-offers placement='home-hero' height='480'></portico-offers>",
    },
    Subject { name: "alloy", head: include_str!("pages/alloy.html"), place: "" },
    Subject { name: "posthog", head: include_str!("pages/posthog.html"), place: "" },
    Subject {
        name: "deep_chat",
        head: include_str!("pages/deep_chat.html"),
        place: "<deep-chat demo='true' style='height: 300px; width: 320px'></deep-chat>",
    },
];

/// How a page is visited.
#[derive(Clone, Copy)]
struct Visit {
    latency_ms: f64,
    slow: f64,
}

impl Visit {
    const PLAIN: Self = Self { latency_ms: 0.0, slow: 1.0 };

    const fn from(latency_ms: f64) -> Self {
        Self { latency_ms, ..Self::PLAIN }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let rounds = if std::env::var_os("PORTICO_QUICK").is_some() { 1 } else { 3 };
    let parts = std::env::var("PORTICO_PARTS").ok();
    let wanted = |part: &str| parts.as_ref().is_none_or(|parts| parts.split(',').any(|wanted| wanted == part));
    let world = World::start().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = format!("http://{}", listener.local_addr()?);
    let mut config = serde_json::to_value(&world.config)?;
    config.get_mut("origins").and_then(Value::as_array_mut).context("no origins")?.push(json!(host));
    // The peers' offers have no pictures; pictures come from a site's own servers in any case.
    for (_, content) in config["content"].as_object_mut().context("no content")? {
        for (_, words) in content["locales"].as_object_mut().context("no words")? {
            words.as_object_mut().context("no words")?.remove("image");
        }
    }
    world.publish(&config).await?;

    let mut stands = Vec::new();
    for subject in SUBJECTS.into_iter().filter(|subject| wanted(subject.name)) {
        let service = Service::start(answers(subject.name, &world)?).await?;
        stands.push(Stand {
            page: page(&subject, &service),
            url: format!("{host}/{}", subject.name),
            subject,
            service,
        });
    }
    let pages = stands.iter().map(|stand| (stand.subject.name, stand.page.clone())).collect();
    tokio::spawn(axum::serve(listener, hosts(pages)).into_future());

    let mut figures = Figures::default();
    for _ in 0..rounds {
        for stand in &stands {
            stand.measure(&mut figures).await.with_context(|| stand.subject.name)?;
        }
    }
    figures.print("widget");
    Ok(())
}

/// What stands behind a subject's origin.
fn answers(subject: &str, world: &World) -> Result<Answers> {
    let peers =
        PathBuf::from(std::env::var_os("PORTICO_PEERS").context("PORTICO_PEERS is not set; `cargo xtask` sets it")?);
    let offer = json!({ "title": "Your money, 3.1 % for a year", "body": "From the first euro, and yours to take back at any time." });
    Ok(match subject {
        "portico" => Answers::Edge(world.edge.origin()),
        "alloy" => {
            let html = format!(
                "<h3>{}</h3><p>{}</p>",
                offer["title"].as_str().unwrap_or(""),
                offer["body"].as_str().unwrap_or("")
            );
            let item = json!({
                "id": "offer", "schema": "https://ns.adobe.com/personalization/dom-action",
                "data": { "type": "setHtml", "selector": "#place", "content": html },
            });
            let decisions = json!([{ "id": "decision", "scope": "__view__", "scopeDetails": { "decisionProvider": "bench" }, "items": [item] }]);
            let identity = json!([{ "key": "kndctr_bench_AdobeOrg_identity", "value": "bench", "maxAge": 3600 }]);
            let handle = json!([
                { "type": "state:store", "payload": identity },
                { "type": "personalization:decisions", "payload": decisions },
            ]);
            let package = peers.join("@adobe/alloy/dist");
            Answers::Peer(vec![
                file("/alloy.js", &package, "alloy.min.js")?,
                answer("/interact", &json!({ "requestId": "bench", "handle": handle })),
                answer("/collect", &json!({ "requestId": "bench", "handle": [] })),
            ])
        }
        "posthog" => {
            let flag = json!({
                "key": "offer", "enabled": true, "variant": "a", "reason": { "code": "condition_match" },
                "metadata": { "id": 1, "version": 1, "payload": offer.to_string() },
            });
            let settings = json!({
                "supportedCompression": ["gzip", "gzip-js"], "autocapture_opt_out": false, "sessionRecording": false,
                "surveys": false, "heatmaps": false, "capturePerformance": false, "hasFeatureFlags": true,
            });
            let package = peers.join("posthog-js/dist");
            Answers::Peer(vec![
                file("/array.js", &package, "array.js")?,
                answer(
                    "/flags/",
                    &json!({ "flags": { "offer": flag }, "requestId": "bench", "errorsWhileComputingFlags": false }),
                ),
                script(
                    "/config.js",
                    &format!("window._POSTHOG_REMOTE_CONFIG={{bench:{{config:{settings},siteApps:[]}}}}"),
                ),
                answer("/e/", &json!({ "status": 1 })),
            ])
        }
        "deep_chat" => {
            Answers::Peer(vec![file("/deepChat.bundle.js", &peers.join("deep-chat/dist"), "deepChat.bundle.js")?])
        }
        _ => Answers::Peer(Vec::new()),
    })
}

fn page(subject: &Subject, service: &Service) -> String {
    include_str!("pages/frame.html")
        .replace("<!-- head -->", subject.head)
        .replace("<!-- place -->", subject.place)
        .replace("{{service}}", &service.origin)
}

fn hosts(pages: Vec<(&'static str, String)>) -> Router {
    async fn one(State(pages): State<Vec<(&'static str, String)>>, Path(name): Path<String>) -> Html<String> {
        Html(pages.into_iter().find(|(page, _)| *page == name).map(|(_, text)| text).unwrap_or_default())
    }
    Router::new().route("/{name}", get(one)).with_state(pages)
}

/// A subject with its page and its service.
struct Stand {
    subject: Subject,
    service: Service,
    page: String,
    url: String,
}

/// What a visit found.
struct Seen {
    /// From the moment its script was asked for until it was there, in milliseconds; 0 of the bare page.
    there_ms: f64,
    /// From the moment its script had come.
    after_ms: f64,
    /// The same moment in milliseconds since 1970.
    there_at: f64,
    shifts: f64,
    tasks_ms: Vec<f64>,
    lines: Vec<Line>,
}

impl Stand {
    async fn measure(&self, figures: &mut Figures) -> Result<()> {
        // An empty sum is a negative zero.
        let mut add = |figure: &str, value: f64| figures.add(&format!("{}.{figure}", self.subject.name), value + 0.0);
        let browser = start().await?;

        let first = self.visit(&browser, Visit::PLAIN).await?;
        if std::env::var_os("PORTICO_TOLD").is_some() {
            println!("told {}: {}", self.subject.name, service::told(&first.lines));
        }
        let of = |lines: &[Line], kind| {
            lines.iter().filter(|line| line.kind == kind).map(|line| line.down as f64).sum::<f64>()
        };
        let before: Vec<_> = first.lines.iter().filter(|line| line.at <= first.there_at).collect();
        add("script", of(&first.lines, Kind::Script));
        add("wasm", of(&first.lines, Kind::Wasm));
        add("other", of(&first.lines, Kind::Other));
        add("up", first.lines.iter().map(|line| line.up as f64).sum());
        add("requests", first.lines.iter().filter(|line| !line.preflight).count() as f64);
        add("requests_before", before.iter().filter(|line| !line.preflight).count() as f64);
        add("preflights", first.lines.iter().filter(|line| line.preflight).count() as f64);
        add("bytes_before", before.iter().map(|line| line.down as f64).sum());
        add("shifts", first.shifts);
        add("heap", heap(&browser).await?);

        // Somebody reaches for it.
        browser.cdp("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": 340, "y": 260 })).await?;
        self.service.rest().await;
        let touched = self.service.take();
        add("touched", touched.iter().map(|line| line.down as f64).sum());
        add("touched_heap", heap(&browser).await?);

        // Another page of the same site, with what the browser has kept.
        browser.open("about:blank").await?;
        self.service.rest().await;
        self.service.take();
        let again = self.look(&browser).await?;
        add("again", again.lines.iter().map(|line| line.down as f64).sum());
        add("again_requests", again.lines.iter().filter(|line| !line.preflight).count() as f64);

        let near = self.visit(&browser, Visit::from(NEAR_MS)).await?;
        let far = self.visit(&browser, Visit::from(FAR_MS)).await?;
        add("round_trips", (far.there_ms - near.there_ms) / (FAR_MS - NEAR_MS));
        add("round_trips_after", (far.after_ms - near.after_ms) / (FAR_MS - NEAR_MS));

        drop(browser);
        for _ in 0..SLOW_VISITS {
            // Each in a process of its own, which has been busy with nothing else.
            let browser = start().await?;
            let slow = self.visit(&browser, Visit { slow: SLOW, ..Visit::PLAIN }).await?;
            add("slow_there", slow.there_ms);
            add("slow_tasks", slow.tasks_ms.len() as f64);
            add("slow_longest", slow.tasks_ms.iter().copied().fold(0.0, f64::max));
            add("slow_busy", metric(&browser, "TaskDuration").await? * 1e3);
        }
        self.views(&mut add).await
    }

    /// Memory over many views within one document.
    async fn views(&self, add: &mut impl FnMut(&str, f64)) -> Result<()> {
        let browser = start().await?;
        self.look(&browser).await?;
        self.turn(&browser, 0..WARM_VIEWS).await?;
        let before =
            (heap(&browser).await?, metric(&browser, "Nodes").await?, metric(&browser, "JSEventListeners").await?);
        self.turn(&browser, WARM_VIEWS..WARM_VIEWS + VIEWS).await?;
        add("views_heap", heap(&browser).await? - before.0);
        add("views_nodes", metric(&browser, "Nodes").await? - before.1);
        add("views_listeners", metric(&browser, "JSEventListeners").await? - before.2);
        Ok(())
    }

    async fn turn(&self, browser: &Browser, views: std::ops::Range<usize>) -> Result<()> {
        for from in views.clone().step_by(VIEWS_AT_ONCE) {
            let to = (from + VIEWS_AT_ONCE).min(views.end);
            let turns = format!(
                "for (let view = {from}; view < {to}; view++) {{ await bench.turn(view); await new Promise(done => setTimeout(done, 20)) }}"
            );
            browser.run(&turns).await?;
        }
        // What was said of the last view has gone out.
        self.service.rest().await;
        Ok(())
    }

    /// A visit by a browser that has kept nothing.
    async fn visit(&self, browser: &Browser, visit: Visit) -> Result<Seen> {
        browser.open("about:blank").await?;
        self.service.rest().await;
        self.service.take();
        browser.cdp("Network.clearBrowserCache", json!({})).await?;
        let origin = self.url.rsplit_once('/').map_or("", |(origin, _)| origin);
        browser.cdp("Storage.clearDataForOrigin", json!({ "origin": origin, "storageTypes": "all" })).await?;
        let network =
            json!({ "offline": false, "latency": visit.latency_ms, "downloadThroughput": -1, "uploadThroughput": -1 });
        browser.cdp("Network.emulateNetworkConditions", network).await?;
        browser.cdp("Emulation.setCPUThrottlingRate", json!({ "rate": visit.slow })).await?;
        self.look(browser).await
    }

    async fn look(&self, browser: &Browser) -> Result<Seen> {
        browser.open(&self.url).await?;
        // Nothing is asked of the page while it is at work.
        self.service.rest().await;
        if self.subject.name != "bare" {
            browser.until("return bench.there").await?;
        }
        let seen = browser
            .run(
                "const script = performance.getEntriesByType('resource').find(({ initiatorType }) => initiatorType === 'script'); \
                 return { asked: script?.startTime ?? 0, came: script?.responseEnd ?? 0, there: bench.there, \
                 origin: performance.timeOrigin, shifts: bench.shifts, tasks: bench.tasks }",
            )
            .await?;
        let number = |name: &str| seen[name].as_f64().with_context(|| format!("no {name} in {seen}"));
        Ok(Seen {
            there_ms: number("there")? - number("asked")?,
            after_ms: number("there")? - number("came")?,
            there_at: number("origin")? + number("there")?,
            shifts: number("shifts")?,
            tasks_ms: seen["tasks"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect(),
            lines: self.service.take(),
        })
    }
}

/// A browser that tells what is measured.
async fn start() -> Result<Browser> {
    let browser = Browser::start().await?;
    for domain in ["Network", "Performance"] {
        browser.cdp(&format!("{domain}.enable"), json!({})).await?;
    }
    Ok(browser)
}

/// Bytes of the page's JavaScript heap once everything that nobody holds is gone.
async fn heap(browser: &Browser) -> Result<f64> {
    for _ in 0..2 {
        browser.cdp("HeapProfiler.collectGarbage", json!({})).await?;
    }
    metric(browser, "JSHeapUsedSize").await
}

/// One of the metrics that the browser keeps of a page.
async fn metric(browser: &Browser, name: &str) -> Result<f64> {
    let metrics = browser.cdp("Performance.getMetrics", json!({})).await?;
    let found = metrics["metrics"].as_array().into_iter().flatten().find(|metric| metric["name"] == name);
    found.and_then(|metric| metric["value"].as_f64()).with_context(|| format!("the browser does not tell {name}"))
}
