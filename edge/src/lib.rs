//! The edge worker: routes in front, Durable Objects behind.
//!
//! A route reads and checks a request, calls the pure engine, and answers; an object owns facts in SQLite. All
//! objects and requests of an isolate share one Wasm instance, in which a panic wipes everybody's memory: nothing
//! here may panic, and no borrow of shared state lives across an `await`.
#![deny(clippy::indexing_slicing)]

mod access;
mod crypto;
mod error;
mod facts;
mod http;
mod log;
mod memory;
mod objects;
mod recording;
mod routes;
mod snapshot;
mod triggers;

use worker::{Context, Env, Method, Request, Response, event};

use error::Failure;
use log::RequestId;
use portico_protocol::problem::ProblemKind;

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let method = request.method();
    let origin = http::header(&request, "Origin");
    let path = request.path();
    let id = RequestId::new();
    let work = async {
        let response = match route(request, &path, &env, &context).await {
            Ok(response) => response,
            Err(failure) => failure.response(&method, &path)?,
        };
        response.headers().set(log::HEADER, &id.to_string())?;
        http::with_cors(response, &path, origin.as_deref())
    };
    log::on_behalf(Some(id), work).await
}

async fn route(request: Request, path: &str, env: &Env, context: &Context) -> Result<Response, Failure> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method(), parts.as_slice()) {
        (Method::Get | Method::Head, ["healthz"]) => http::json(200, &serde_json::json!({"status": "ok"})),
        (Method::Get | Method::Head, ["openapi.json"]) => routes::assets::openapi(),
        (Method::Get | Method::Head, ["portico.js"]) => routes::assets::loader(&request, env).await,
        (Method::Get | Method::Head, ["assets", name]) => routes::assets::asset(&request, env, name).await,
        (Method::Get | Method::Head, ["console"]) => routes::assets::console(&request, env).await,
        (Method::Post, ["v1", "decide"]) => routes::decide::decide(request, env, context).await,
        (Method::Get, ["v1", "decisions"]) => routes::export::decisions(&request, env, context).await,
        (Method::Get, ["v1", "events"]) => routes::export::events(&request, env, context).await,
        (Method::Get, ["metrics"]) => routes::metrics::metrics(&request, env, context).await,
        (Method::Post, ["v1", "events"]) => routes::events::events(request, env, context).await,
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
        (Method::Post, ["v1", "console", "links"]) => routes::console::link(&request, env).await,
        (Method::Post, ["v1", "console", "session"]) => routes::console::session(request, env).await,
        (Method::Get, ["v1", "reports", "live"]) => routes::report::live(&request, env, context).await,
        (Method::Get, ["v1", "reports", "model"]) => routes::report::model(&request, env, context).await,
        (Method::Options, _) => http::preflight(),
        (_, ["healthz" | "metrics" | "openapi.json" | "portico.js" | "console"] | ["assets", _])
        | (
            _,
            ["v1", "customers:batch" | "decide" | "decisions" | "events" | "outcomes"]
            | ["v1", "go", _]
            | ["v1", "customers", _]
            | ["v1", "sites", _],
        )
        | (_, ["segment", "v1", _])
        | (_, ["v1", "webhooks"] | ["v1", "webhooks", "dead"] | ["v1", "webhooks", "dead", _])
        | (_, ["v1", "site", "draft" | "publish" | "rollback" | "shadow"])
        | (_, ["v1", "console", "links" | "session"] | ["v1", "reports", "live" | "model"]) => Err(Failure::refused(
            ProblemKind::Method,
            format!("{} does not apply to {path}.", request.method().as_ref()),
        )),
        _ => Err(Failure::refused(ProblemKind::NotFound, format!("There is nothing at {path}."))),
    }
}
