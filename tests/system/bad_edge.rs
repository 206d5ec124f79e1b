//! An edge that answers late, empty, wrong, huge, or in another version's words: the page stays as it was.

use std::future::IntoFuture as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use portico_tests::Browser;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the edge says next: how late, with which status, what.
type Says = Arc<Mutex<(Duration, u16, String)>>;

const PAGE: &str = "<!doctype html><html lang=en><title>A page</title><script>\
    addEventListener('error', event => (window.thrown ??= []).push(String(event.message))); \
    addEventListener('unhandledrejection', event => (window.thrown ??= []).push(String(event.reason))); \
    addEventListener('portico:error', event => (window.failed ??= []).push(event.detail.code), true); \
    addEventListener('portico:decision', event => (window.decided ??= []).push(event.detail.placement), true);</script>\
    <script async src=/portico.js data-site=pk_demo></script>\
    <portico-offers placement=home height=300><p id=own>What the page itself has to say.</p></portico-offers></html>";

async fn file(name: &str) -> Response {
    let folder = PathBuf::from(std::env::var_os("PORTICO_DIST").unwrap_or_default()).join("assets");
    match std::fs::read(folder.join(name)) {
        Ok(content) => ([(CONTENT_TYPE, "text/javascript")], content).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn decide(State(says): State<Says>) -> Response {
    let (late, status, what) = says.lock().map(|says| says.clone()).unwrap_or_default();
    tokio::time::sleep(late).await;
    (StatusCode::from_u16(status).unwrap_or_default(), [(CONTENT_TYPE, "application/json")], what).into_response()
}

fn answer(html: &str, title: &str) -> Value {
    json!({
        "visitor": null, "decision": "d", "config": 1, "model": 1, "style": ".title{color:red}",
        "placements": [{ "id": "home", "arm": "model", "reason": null, "layout": "list", "html": html, "offers": [
            { "offer": "one", "rank": 1, "score": 1.0, "propensity": null, "token": "t", "href": "/v1/go/t", "content": { "title": title, "body": "b", "cta": "c" } },
        ] }],
    })
}

#[tokio::test]
async fn whatever_the_edge_says_the_page_stays_whole() -> Result<()> {
    let says = Says::default();
    let edge = Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/portico.js", get(|| async { file("portico.js").await }))
        .route("/assets/{name}", get(|Path(name): Path<String>| async move { file(&name).await }))
        .route("/v1/decide", post(decide))
        .with_state(says.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, edge).into_future());
    let browser = Browser::start().await?;
    let other_version = "<section class=\"offers\" data-portico-markup=\"999\"><ul class=\"cards\"><li class=\"card\"><div><a href=\"/v1/go/t\">x</a>\
                         <button class=\"dismiss\">n</button></div><p hidden tabindex=\"-1\">thanks</p></li></ul></section>";
    let too_many = other_version.replace("</ul>", "<li class=\"card\"><div><a href=\"/\">y</a></div><p></p></li></ul>");
    let cases = [
        ("empty", Duration::ZERO, 200, String::new(), Some("network")),
        ("no JSON", Duration::ZERO, 200, "<html>".into(), Some("network")),
        ("null", Duration::ZERO, 200, "null".into(), Some("network")),
        ("nothing in it", Duration::ZERO, 200, "{}".into(), Some("network")),
        ("no placements", Duration::ZERO, 200, json!({ "placements": [] }).to_string(), Some("network")),
        ("of another kind", Duration::ZERO, 200, json!({ "placements": [7], "style": 7 }).to_string(), Some("network")),
        ("an error without a document", Duration::ZERO, 500, "down".into(), Some("http_500")),
        ("late", Duration::from_secs(4), 200, answer(other_version, "x").to_string(), Some("deadline")),
        ("more cards than offers", Duration::ZERO, 200, answer(&too_many, "x").to_string(), None),
        ("no cards", Duration::ZERO, 200, answer("<p>no cards", "x").to_string(), None),
    ];
    for (name, late, status, what, code) in cases {
        if let Ok(mut says) = says.lock() {
            *says = (late, status, what);
        }
        browser.open(&origin).await?;
        browser.until("return (window.failed ?? window.decided)?.length > 0").await.context(name)?;
        browser.run("await new Promise(done => setTimeout(done, 300))").await?;
        if let Some(code) = code {
            assert_eq!(browser.run("return window.failed").await?, json!([code]), "{name}");
            let own = browser.run("const own = document.querySelector('#own'); return own.checkVisibility() && own.assignedSlot !== undefined").await?;
            assert_eq!(own, true, "{name}: the page's own content is gone");
        }
        assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null, "{name}");
        let ours = browser.complaints().await?.into_iter().filter(|line| line.contains("portico:")).count();
        assert!(ours <= 1, "{name}: {ours} warnings");
    }

    // Of another version: painted, and put away without the component that does not know it.
    if let Ok(mut says) = says.lock() {
        *says = (Duration::ZERO, 200, answer(other_version, &"long ".repeat(2_000_000)).to_string());
    }
    browser.open(&origin).await?;
    let card = "document.querySelector('portico-offers').shadowRoot?.querySelector('.card')";
    browser.until(&format!("return {card} != null")).await?;
    browser.run("document.querySelector('portico-offers').dispatchEvent(new PointerEvent('pointerenter')); await new Promise(done => setTimeout(done, 600))").await?;
    browser.run(&format!("{card}.querySelector('.dismiss').click()")).await?;
    browser.until(&format!("return {card}.firstElementChild.hidden")).await?;
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);
    Ok(())
}
