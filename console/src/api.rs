//! The requests that the console makes, by `fetch`.

use portico_protocol::doctor::DoctorReport;
use portico_protocol::report::LiveReport;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, RequestCredentials, RequestInit, Response};

use crate::console::Customers;
use crate::model::link::{self, Failure};

/// Exchanges the code of a sign-in link for a session cookie.
pub(crate) async fn sign_in(code: &str) -> Result<(), Failure> {
    let body = serde_json::json!({ "code": code }).to_string();
    send("/v1/console/session", Some(&body)).await.map(drop)
}

/// The live report.
pub(crate) async fn live_report() -> Result<LiveReport, Failure> {
    report("/v1/reports/live").await
}

/// What people are after, and how customers are spread.
pub(crate) async fn customers() -> Result<Customers, Failure> {
    let pages = report("/v1/reports/pages").await?;
    Ok(Customers { pages, tiers: report("/v1/reports/tiers").await? })
}

/// What is wrong with the installation in a page.
pub(crate) async fn examine(url: &str) -> Result<DoctorReport, Failure> {
    let text = send("/v1/doctor", Some(&serde_json::json!({ "url": url }).to_string())).await?;
    serde_json::from_str(&text).map_err(|_| Failure::Unreadable)
}

async fn report<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let text = send(path, None).await?;
    serde_json::from_str(&text).map_err(|_| Failure::Unreadable)
}

/// The body of an answer that is a success. A body to send makes it a POST.
async fn send(path: &str, body: Option<&str>) -> Result<String, Failure> {
    let (status, text) = exchange(path, body).await.map_err(|_| unanswered())?;
    match status {
        200..=299 => Ok(text),
        _ => Err(Failure::Problem(link::problem(status, &text))),
    }
}

async fn exchange(path: &str, body: Option<&str>) -> Result<(u16, String), JsValue> {
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let options = RequestInit::new();
    options.set_credentials(RequestCredentials::SameOrigin);
    options.set_signal(Some(&AbortSignal::timeout_with_u32(link::DEADLINE_MS)));
    let headers = web_sys::Headers::new()?;
    headers.set("Accept", "application/json")?;
    if let Some(body) = body {
        options.set_method("POST");
        options.set_body(&JsValue::from_str(body));
        headers.set("Content-Type", "application/json")?;
    }
    options.set_headers(&headers);
    let response: Response = JsFuture::from(window.fetch_with_str_and_init(path, &options)).await?.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}

fn unanswered() -> Failure {
    match web_sys::window().map(|window| window.navigator().on_line()) {
        Some(false) => Failure::Offline,
        _ => Failure::Unreachable,
    }
}
