//! `POST /v1/vitals`: what the widget cost a page, from a few views.

use portico_protocol::limits::BODY_BYTES;
use portico_protocol::problem::ProblemKind;
use portico_protocol::vitals::Vitals;
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response};
use crate::routes::metrics;

/// Counted and not kept: it becomes part of what `/metrics` says.
pub(crate) async fn vitals(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let (origin, refuses) = (request.origin(), request.is_private());
    let vitals: Vitals = request.json(BODY_BYTES).await?;
    let errors = vitals.check();
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "No page costs this much.", errors));
    }
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &vitals.site).await?;
    if !refuses {
        metrics::observe(&caller.snapshot.site, &vitals);
    }
    Ok(Response::empty(204))
}
