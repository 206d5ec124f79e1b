//! The doctor that fetches pages, and what the widget says of its own cost.

use std::future::IntoFuture as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse as _};
use axum::routing::get;
use portico_tests::{Browser, Look, World};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A site with pages of all kinds.
async fn pages(edge: &str) -> Result<String> {
    let tag = format!("<script async src={edge}/portico.js data-site=pk_demo></script>");
    let place = "<portico-offers placement=home-hero height=320></portico-offers>";
    let consent = "<script>portico('consent', 'all')</script>";
    let good = format!("<!doctype html><title>Good</title>{tag}{consent}{place}");
    let refused = format!(
        "<!doctype html><title>Refused</title>{}{tag}<portico-offers placement=nowhere></portico-offers><portico-gadget name=rocket></portico-gadget>",
        tag.replace("pk_demo", "pk_nobody")
    );
    let pinned = format!(
        "<!doctype html><script async src={edge}/assets/portico-0011223344556677.js integrity=sha256-a data-site=pk_demo></script>{place}"
    );
    let policy = HeaderValue::from_static("default-src 'self'; script-src 'self' 'nonce-abc'");
    let under_policy = move || async move {
        let mut answer = Html(refused).into_response();
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        answer
    };
    let moved = |to: &'static str| move || async move { (StatusCode::FOUND, [(LOCATION, to)]) };
    let long = format!("{good}{}", "<p>and on".repeat(1 << 19));
    let site = Router::new()
        .route("/good", get(|| async { Html(good) }))
        .route("/refused", get(under_policy))
        .route("/pinned", get(|| async { Html(pinned) }))
        .route("/bare", get(|| async { Html("<!doctype html><title>Bare</title>") }))
        .route("/long", get(|| async { Html(long) }))
        .route("/text", get(|| async { ([(CONTENT_TYPE, "text/plain")], tag) }))
        .route("/moved", get(moved("/good")))
        .route("/away", get(moved("http://127.0.0.1:9/")))
        .route("/round", get(moved("/round")))
        .route(
            "/silent",
            get(|| async {
                tokio::time::sleep(Duration::from_secs(60)).await;
                StatusCode::NO_CONTENT
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, site).into_future());
    Ok(origin)
}

async fn world() -> Result<(World, String)> {
    let world = World::start().await?;
    let site = pages(&world.edge.origin()).await?;
    let mut config = serde_json::to_value(&world.config)?;
    config["origins"].as_array_mut().context("no origins")?.push(json!(site));
    world.publish(&config).await?;
    Ok((world, site))
}

#[tokio::test]
async fn a_page_is_looked_at_and_what_mends_it_is_named() -> Result<()> {
    let (world, site) = world().await?;
    let look = async |path: &str| -> Result<Vec<(String, String)>> {
        let answer = world.server(Method::POST, "/v1/doctor", Some(&json!({ "url": format!("{site}{path}") }))).await?;
        ensure!(answer.status == 200, "{}", answer.text);
        let word = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let findings = answer.json["findings"].as_array().context("no findings")?;
        Ok(findings.iter().map(|finding| (word(finding, "state"), word(finding, "found"))).collect())
    };
    let of = |findings: &[(String, String)], state: &str| -> Vec<String> {
        findings.iter().filter(|(found, _)| found == state).map(|(_, found)| found.clone()).collect()
    };
    let good = look("/good").await?;
    assert_eq!(of(&good, "good").len(), good.len(), "{good:?}");
    let refused = look("/refused").await?;
    assert_eq!(
        of(&refused, "bad"),
        ["key_unknown", "script_refused", "connect_refused", "place_unknown", "gadget_unknown"]
    );
    assert_eq!(
        of(&refused, "note"),
        ["tag_twice", "images_refused", "wasm_refused", "frames_refused", "consent_unsaid"]
    );
    assert_eq!(of(&look("/pinned").await?, "bad"), ["pinned_gone"]);
    assert_eq!(of(&look("/bare").await?, "bad"), ["tag_missing"]);
    assert_eq!(of(&look("/bare").await?, "note"), ["no_places"]);
    assert_eq!(of(&look("/long").await?, "note"), ["too_long"]);
    assert_eq!(look("/text").await?, [("bad".to_owned(), "no_html".to_owned())]);
    assert_eq!(look("/nowhere").await?, [("bad".to_owned(), "status".to_owned())]);
    let moved = look("/moved").await?;
    assert_eq!((of(&moved, "note"), of(&moved, "bad")), (vec!["redirect".to_owned()], vec![]));
    // Nobody's way into another network: neither by a redirect nor by the address itself.
    assert_eq!(of(&look("/away").await?, "bad"), ["origin_not_listed"]);
    assert_eq!(of(&look("/round").await?, "note").len(), 3);
    assert_eq!(of(&look("/round").await?, "bad"), ["status"]);
    assert_eq!(look("/silent").await?, [("bad".to_owned(), "unreachable".to_owned())]);

    let pinned = std::fs::read_dir(std::path::Path::new(&std::env::var("PORTICO_DIST")?).join("assets"))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .find(|name| name.starts_with("portico-") && name.len() == "portico-0011223344556677.js".len())
        .context("no pinned file")?;
    let page =
        format!("<!doctype html><script async src={}/assets/{pinned} data-site=pk_demo></script>", world.edge.origin());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let other = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, Router::new().route("/", get(|| async { Html(page) }))).into_future());
    let asked = json!({ "url": other });
    let answer = world.server(Method::POST, "/v1/doctor", Some(&asked)).await?;
    assert_eq!(answer.json["findings"].as_array().map(Vec::len), Some(1), "{}", answer.text);
    assert_eq!(answer.at("/findings/0/found"), "origin_not_listed");
    let mut config = serde_json::to_value(&world.config)?;
    config["origins"].as_array_mut().context("no origins")?.push(json!(other));
    world.publish(&config).await?;
    let answer = world.server(Method::POST, "/v1/doctor", Some(&asked)).await?;
    let has =
        |found: &str| answer.json["findings"].as_array().into_iter().flatten().any(|finding| finding["found"] == found);
    assert!(has("pinned_newest") && has("pinned_without_integrity") && has("key_fine"), "{}", answer.text);

    // What is no address is refused, and so is whoever has no business here.
    for url in ["file:///etc/passwd", "www.bank.example", "https://me:word@bank.example/", ""] {
        let answer = world.server(Method::POST, "/v1/doctor", Some(&json!({ "url": url }))).await?;
        assert_eq!((answer.status, answer.at("/errors/0/pointer")), (400, &json!("/url")), "{url}");
    }
    assert_eq!(world.post("/v1/doctor", &json!({ "url": site })).await?.status, 403);
    let nobody = world.request(Method::POST, "/v1/doctor").body(json!({ "url": site }).to_string()).send().await?;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn the_console_says_it_in_words() -> Result<()> {
    let (world, site) = world().await?;
    let link = world.server(Method::POST, "/v1/console/links", None).await?;
    let browser = Browser::start().await?;
    browser.open(link.at("/url").as_str().unwrap_or_default()).await?;
    browser.until("return document.body.innerText.includes('Meridian Bank')").await?;
    // An address that somebody was given.
    browser.open(&format!("{}/doctor?url={site}/refused?a=1%26b=2", world.edge.origin())).await?;
    let found = "return document.querySelectorAll('.findings li').length > 5";
    browser.until(found).await?;
    assert_eq!(
        browser.run("return document.querySelector('#doctor-url').value").await?,
        format!("{site}/refused?a=1&b=2")
    );
    browser.pictures("console-doctor").await?;
    browser.look(Look::DESK).await?;
    let chinese =
        "[...document.querySelectorAll('.segmented button')].find(button => button.textContent === '简体中文').click()";
    browser.run(chinese).await?;
    browser.until("return document.body.innerText.includes('页面策略拒绝该脚本')").await?;
    browser.picture("console-doctor-zh").await?;

    // Another page, by keyboard alone.
    browser
        .run("document.querySelector('#doctor-url').focus(); document.querySelector('#doctor-url').select()")
        .await?;
    browser.cdp("Input.insertText", json!({ "text": format!("{site}/good") })).await?;
    browser.press("Enter").await?;
    browser.until("return document.body.innerText.includes('一切正常')").await?;
    browser.picture("console-doctor-good-zh").await?;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_view_tells_what_it_cost_where_that_was_agreed_to() -> Result<()> {
    let world = World::start().await?;
    let edge = world.edge.origin();
    let page = |head: &str, agreed: &str| {
        format!(
            "<!doctype html><title>x</title><link rel=icon href=data:,>\
             <script>window.portico = function () {{ (portico.q = portico.q || []).push(arguments) }}; portico('consent', {agreed})</script>\
             <script async src={edge}/portico.js data-site=pk_demo {head}></script><portico-offers placement=home-hero height=320></portico-offers>"
        )
    };
    let (all, none) = (page("data-measure=1", "'all'"), page("data-measure=1", "{ personalization: true }"));
    let never = page("data-measure=0", "'all'");
    let site = Router::new()
        .route("/all", get(|| async { Html(all) }))
        .route("/none", get(|| async { Html(none) }))
        .route("/never", get(|| async { Html(never) }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, site).into_future());
    let mut config = serde_json::to_value(&world.config)?;
    config["origins"].as_array_mut().context("no origins")?.push(json!(host));
    world.publish(&config).await?;
    let views = async |name: &str| -> Result<Option<f64>> {
        let metrics = world.server(Method::GET, "/metrics", None).await?.text;
        let line = metrics.lines().find(|line| line.starts_with(&format!("portico_widget_{name}")));
        Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()))
    };
    let browser = Browser::start().await?;
    for (path, fetched) in [("/none", false), ("/never", false), ("/all", true)] {
        browser.cdp("Network.clearBrowserCache", json!({})).await?;
        browser.open(&format!("{host}{path}")).await?;
        browser
            .until("return document.querySelector('portico-offers').shadowRoot?.querySelector('.able') && true")
            .await?;
        browser.run("await new Promise(done => setTimeout(done, 500))").await?;
        let field = browser
            .run("return performance.getEntriesByType('resource').some(({ name }) => name.includes('/field-'))")
            .await?;
        assert_eq!(field, fetched, "{path}");
        browser.open("about:blank").await?;
    }
    let end = tokio::time::Instant::now() + Duration::from_secs(5);
    while views("layout_shift_count").await? != Some(1.0) {
        ensure!(tokio::time::Instant::now() < end, "no view was told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What the page fetched of us: the loader and its modules, some kilobytes.
    let bytes = views("received_bytes_sum").await?.context("no bytes")?;
    assert!((4_000.0..40_000.0).contains(&bytes), "{bytes}");
    assert!(views("offer_seconds_sum").await? > Some(0.0));
    assert_eq!(views("layout_shift_sum").await?, Some(0.0));

    let vitals = json!({ "site": "pk_demo", "bytes": 1, "tasks_ms": 0, "shift": 0.0 });
    assert_eq!(world.post("/v1/vitals", &vitals).await?.status, 204);
    let mut wrong = vitals.clone();
    wrong["shift"] = json!(-1.0);
    wrong["bytes"] = json!(4_000_000_000_u32);
    let answer = world.post("/v1/vitals", &wrong).await?;
    assert_eq!((answer.status, answer.at("/errors/0/pointer")), (400, &json!("/bytes")), "{}", answer.text);
    assert_eq!(world.post_from("https://elsewhere.example", "/v1/vitals", &vitals).await?.status, 403);
    Ok(())
}
