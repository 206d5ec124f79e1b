//! The edge worker: routes in front, Durable Objects behind.
//!
//! A route reads and checks a request, calls the pure engine, and answers; an object owns facts in SQLite. All
//! objects and requests of an isolate share one Wasm instance, in which a panic wipes everybody's memory: nothing
//! here may panic, and no borrow of shared state lives across an `await`.
#![deny(clippy::indexing_slicing)]

mod access;
mod crypto;
mod doctor;
mod error;
mod facts;
mod http;
mod identity;
mod log;
mod memory;
mod now_or_later;
mod objects;
mod page_counts;
mod prints;
mod recording;
mod routes;
mod snapshot;
mod triggers;
mod valuation;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::{self, web_sys};
use worker::{Context, Env, Method};

use error::Failure;
use http::{Request, Response};
use log::RequestId;
use portico_protocol::problem::ProblemKind;

/// Answers a request: with a response, or with a promise of one where something has to be waited for. `src/entry.js` hands
/// over what it has read of it, see [`Request::new`].
#[wasm_bindgen]
pub fn answer(
    request: web_sys::Request,
    env: Env,
    context: worker_sys::Context,
    head: String,
    body: Option<Vec<u8>>,
) -> Result<JsValue, JsValue> {
    let (request, context) = (Request::new(request, head, body), Context::new(context));
    let id = RequestId::new();
    let work = async move {
        let (method, path) = (request.method(), request.path().to_owned());
        let origin = request.header("Origin");
        let response = match route(request, &path, &env, &context).await {
            Ok(response) => response,
            Err(failure) => failure.response(&method, &path),
        };
        response.with(log::HEADER, &id.to_string()).with_cors(&path, origin.as_deref()).into_js()
    };
    now_or_later::run(log::on_behalf(Some(id), work))
}

async fn route(request: Request, path: &str, env: &Env, context: &Context) -> Result<Response, Failure> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method(), parts.as_slice()) {
        (Method::Get | Method::Head, ["healthz"]) => Response::json(200, &serde_json::json!({"status": "ok"})),
        (Method::Get | Method::Head, ["openapi.json"]) => routes::assets::openapi(),
        (Method::Get | Method::Head, [name]) if routes::assets::is_loader(name) => {
            routes::assets::asset(&request, env, name).await
        }
        (Method::Get | Method::Head, ["assets", name]) => routes::assets::asset(&request, env, name).await,
        (Method::Get | Method::Head, ["console"]) => routes::assets::console(&request, env).await,
        (Method::Get | Method::Head, ["doctor"]) => routes::doctor::screen(&request),
        (Method::Get | Method::Head, ["embed", name]) => routes::embed::embed(&request, env, context, name).await,
        (Method::Get | Method::Head, ["oembed"]) => routes::embed::oembed(&request, env, context).await,
        (Method::Get | Method::Head, ["v1", "gadgets", name]) => {
            routes::embed::gadget(&request, env, context, name).await
        }
        (Method::Post, ["v1", "vitals"]) => routes::vitals::vitals(request, env, context).await,
        (Method::Post, ["v1", "why"]) => routes::why::why(request, env, context).await,
        (Method::Post, ["v1", "decide"]) => routes::decide::decide(request, env, context).await,
        (Method::Get, ["v1", "decisions"]) => routes::export::decisions(&request, env, context).await,
        (Method::Get, ["v1", "events"]) => routes::export::events(&request, env, context).await,
        (Method::Get, ["metrics"]) => routes::metrics::metrics(&request, env, context).await,
        (Method::Post, ["v1", "events"]) => routes::events::events(request, env, context).await,
        (Method::Get, ["v1", "identity"]) => identity::secrets(&request, env, context).await,
        (Method::Get, ["v1", "customers", id]) => routes::customers::get(&request, env, context, id).await,
        (Method::Post, ["v1", "customers", id, "merge"]) => routes::customers::merge(request, env, context, id).await,
        (Method::Post, ["v1", "customers", id, "merge", "undo"]) => {
            routes::customers::undo_merge(request, env, id).await
        }
        (Method::Get, ["v1", "customers", id, "export"]) => routes::privacy::export(&request, env, context, id).await,
        (Method::Post, ["v1", "customers", id, "erase"]) => routes::privacy::erase(&request, env, context, id).await,
        (Method::Get, ["v1", "privacy", "export"]) => routes::privacy::export_own(&request, env, context).await,
        (Method::Post, ["v1", "privacy", "erase"]) => routes::privacy::erase_own(request, env, context).await,
        (Method::Post, ["v1", "privacy", "verify"]) => routes::privacy::verify(request, env, context).await,
        (Method::Post, ["v1", "customers", id, "sign-out"]) => routes::customers::sign_out(&request, env, id).await,
        (Method::Put, ["v1", "customers", id, "tiers", tier]) => {
            routes::customers::put_on_level(request, env, context, id, tier).await
        }
        (Method::Delete, ["v1", "customers", id, "tiers", tier]) => {
            routes::customers::take_off_level(&request, env, context, id, tier).await
        }
        (Method::Get, ["v1", "reports", "pages"]) => routes::report::pages(&request, env, context).await,
        (Method::Get, ["v1", "reports", "tiers"]) => routes::report::tiers(&request, env, context).await,
        (Method::Put, ["v1", "customers", id, "groups", kind]) => {
            routes::groups::join(request, env, context, id, kind).await
        }
        (Method::Delete, ["v1", "customers", id, "groups", kind]) => {
            routes::groups::part(&request, env, id, kind).await
        }
        (Method::Put, ["v1", "groups", kind, id]) => routes::groups::put(request, env, context, kind, id).await,
        (Method::Get, ["v1", "groups", kind, id]) => routes::groups::get(&request, env, context, kind, id).await,
        (Method::Get, ["v1", "profile"]) => routes::profile::get(&request, env, context).await,
        (Method::Put, ["v1", "profile"]) => routes::profile::put(request, env, context).await,
        (Method::Post, ["v1", "identify"]) => routes::profile::identify(request, env, context).await,
        (Method::Put, ["v1", "consent"]) => routes::consent::put(request, env, context).await,
        (Method::Post, ["v1", "consent", "verify"]) => routes::consent::verify(request, env, context).await,
        (Method::Put, ["v1", "customers", id]) => routes::customers::put(request, env, context, id).await,
        (Method::Post, ["v1", "customers:batch"]) => routes::customers::import(request, env, context).await,
        (Method::Post, ["segment", "v1", call]) => routes::segment::segment(request, env, context, call).await,
        (Method::Post, ["v1", "outcomes"]) => routes::outcomes::outcomes(request, env, context).await,
        (Method::Get, ["v1", "go", token]) => routes::go::go(&request, env, context, token).await,
        (Method::Put, ["v1", "sites", id]) => routes::site::create(request, env, id).await,
        (Method::Get, ["v1", "site", "draft"]) => routes::site::draft(&request, env).await,
        (Method::Put, ["v1", "site", "draft"]) => routes::site::put_draft(request, env).await,
        (Method::Post, ["v1", "site", "publish"]) => routes::site::publish(&request, env, context).await,
        (Method::Post, ["v1", "site", "rollback"]) => routes::site::rollback(request, env, context).await,
        (Method::Get, ["v1", "site", "shadow"]) => routes::site::shadow(&request, env).await,
        (Method::Post, ["v1", "site", "shadow"]) => routes::site::begin_shadow(&request, env).await,
        (Method::Delete, ["v1", "site", "shadow"]) => routes::site::end_shadow(&request, env).await,
        (Method::Get, ["v1", "webhooks"]) => routes::webhooks::state(&request, env, context).await,
        (Method::Post, ["v1", "webhooks", "dead"]) => routes::webhooks::send_again(&request, env, None).await,
        (Method::Post, ["v1", "webhooks", "dead", id]) => routes::webhooks::send_again(&request, env, Some(id)).await,
        (Method::Post, ["v1", "doctor"]) => routes::doctor::examine(request, env, context).await,
        (Method::Post, ["v1", "console", "links"]) => routes::console::link(&request, env).await,
        (Method::Post, ["v1", "console", "session"]) => routes::console::session(request, env).await,
        (Method::Get, ["v1", "reports", "live"]) => routes::report::live(&request, env, context).await,
        (Method::Get, ["v1", "reports", "model"]) => routes::report::model(&request, env, context).await,
        (Method::Options, _) => Ok(http::preflight()),
        (
            _,
            ["healthz" | "metrics" | "openapi.json" | "portico.js" | "console" | "doctor" | "oembed"]
            | ["assets" | "embed", _],
        )
        | (
            _,
            ["v1", "customers:batch" | "decide" | "decisions" | "events" | "identity" | "outcomes"]
            | ["v1", "consent" | "doctor" | "identify" | "profile" | "vitals" | "why"]
            | ["v1", "consent", "verify"]
            | ["v1", "gadgets", _]
            | ["v1", "groups", _, _]
            | ["v1", "customers", _, "groups" | "tiers", _]
            | ["v1", "go", _]
            | ["v1", "customers", _]
            | ["v1", "customers", _, "erase" | "export" | "merge" | "sign-out"]
            | ["v1", "privacy", "erase" | "export" | "verify"]
            | ["v1", "customers", _, "merge", "undo"]
            | ["v1", "sites", _],
        )
        | (_, ["segment", "v1", _])
        | (_, ["v1", "webhooks"] | ["v1", "webhooks", "dead"] | ["v1", "webhooks", "dead", _])
        | (_, ["v1", "site", "draft" | "publish" | "rollback" | "shadow"])
        | (_, ["v1", "console", "links" | "session"] | ["v1", "reports", "live" | "model" | "pages" | "tiers"]) => Err(
            Failure::refused(ProblemKind::Method, format!("{} does not apply to {path}.", request.method().as_ref())),
        ),
        _ => Err(Failure::refused(ProblemKind::NotFound, format!("There is nothing at {path}."))),
    }
}
