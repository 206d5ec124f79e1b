//! The Durable Objects: each fact has one owner, and its truth is in SQLite.
//!
//! Callers and objects share one typed interface: a [`Call`] names its object, its path, its question and its answer. Both
//! ends are of one build, so how it is written on the way is nobody else's business.

pub(crate) mod directory;
pub(crate) mod learner;
pub(crate) mod ledger;
pub(crate) mod outbox;
pub(crate) mod site;
mod sql;
pub(crate) mod visitor;

use js_sys::Uint8Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use worker::{Env, Headers, Method, Request, RequestInit, Response, ResponseBuilder, Stub};

use crate::error::Failure;
use crate::log::{self, RequestId};

/// A question to an object.
pub(crate) trait Call: Serialize + DeserializeOwned {
    /// The namespace's binding.
    const BINDING: &'static str;
    /// The operation, as a path.
    const PATH: &'static str;
    /// Whether question and answer travel as postcard: a third of the time of JSON, for calls that carry many rows.
    const IS_BINARY: bool = false;
    /// What comes back.
    type Answer: Serialize + DeserializeOwned;
}

/// Asks the object of a name.
pub(crate) async fn call<C: Call>(env: &Env, name: &str, question: &C) -> Result<C::Answer, Failure> {
    let stub = stub(env, C::BINDING, name)?;
    if C::IS_BINARY {
        let body = Uint8Array::from(postcard::to_stdvec(question)?.as_slice());
        let mut response = send(&stub, C::PATH, body.into()).await?;
        return Ok(postcard::from_bytes(&response.bytes().await?)?);
    }
    let mut response = post(&stub, C::PATH, question).await?;
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}

pub(crate) fn stub(env: &Env, binding: &str, name: &str) -> Result<Stub, Failure> {
    Ok(env.durable_object(binding)?.get_by_name(name)?)
}

pub(crate) async fn post(stub: &Stub, path: &str, question: &impl Serialize) -> Result<Response, Failure> {
    send(stub, path, JsValue::from_str(&serde_json::to_string(question)?)).await
}

async fn send(stub: &Stub, path: &str, body: JsValue) -> Result<Response, Failure> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(body));
    if let Some(id) = RequestId::current() {
        let headers = Headers::new();
        headers.set(log::HEADER, &id.to_string())?;
        init.with_headers(headers);
    }
    let request = Request::new_with_init(&format!("https://object{path}"), &init)?;
    let response = stub.fetch_with_request(request).await?;
    match response.status_code() {
        200 | 204 => Ok(response),
        _ => Err(Failure::Internal("an object failed; its own log says why")),
    }
}

/// The request on whose behalf an object is called.
pub(crate) fn caller(request: &Request) -> Option<RequestId> {
    request.headers().get(log::HEADER).ok().flatten().as_deref().and_then(RequestId::read)
}

/// Answers a call inside an object.
pub(crate) async fn answer<C: Call>(
    request: &mut Request,
    handle: impl AsyncFnOnce(C) -> Result<C::Answer, Failure>,
) -> Result<Response, Failure> {
    let body = request.bytes().await?;
    if C::IS_BINARY {
        let answer = handle(postcard::from_bytes(&body)?).await?;
        return Ok(ResponseBuilder::new().fixed(postcard::to_stdvec(&answer)?));
    }
    Ok(Response::from_json(&handle(serde_json::from_slice(&body)?).await?)?)
}

/// The last step of an object's `fetch`: our failures are logged and become a plain 500.
pub(crate) fn finish(object: &str, path: &str, answer: Result<Response, Failure>) -> worker::Result<Response> {
    answer.or_else(|failure| {
        log::error(&format!("{object} {path}"), &failure);
        Response::error("failed", 500)
    })
}
