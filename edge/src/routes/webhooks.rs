//! `/v1/webhooks`: the secrets that receivers check signatures with, what is on its way, and what was given up.

use portico_protocol::problem::ProblemKind;
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response};
use crate::objects::call;
use crate::objects::outbox::{LookAt, SendAgain};
use crate::snapshot;

/// `GET /v1/webhooks`.
pub(crate) async fn state(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    Response::json(200, &call(env, &site, &LookAt { webhooks: snapshot.settings.config.webhooks.clone() }).await?)
}

/// `POST /v1/webhooks/dead` and `POST /v1/webhooks/dead/{id}`.
pub(crate) async fn send_again(request: &Request, env: &Env, id: Option<&str>) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let sent = call(env, &site, &SendAgain { id: id.map(str::to_owned) }).await?;
    if sent == 0 && id.is_some() {
        return Err(Failure::refused(ProblemKind::NotFound, "No message of this id was given up."));
    }
    Ok(Response::empty(202))
}
