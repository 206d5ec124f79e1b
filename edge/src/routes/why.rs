//! `POST /v1/why`: why an offer is shown, for whoever sees it.

use portico_protocol::decide::WhyRequest;
use portico_protocol::limits::BODY_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::routes::events::open;

/// By what is believed today, from the record in the offer's token: nothing is stored for it, and no value is told.
pub(crate) async fn why(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let origin = request.origin();
    let WhyRequest { site, token, locale } = request.json(BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &site).await?;
    let snapshot = &caller.snapshot;
    let decided = open(snapshot, &token, now_ms()).map_err(|reason| {
        let error = FieldError { pointer: "/token".into(), detail: reason.to_string() };
        Failure::invalid(ProblemKind::Token, "The offer is not known.", vec![error])
    })?;
    let policy = &snapshot.settings.policy;
    let reasons = policy.reasons(snapshot.predictor.model(), &decided.offer, &decided.features);
    Response::json(200, &portico_widget::why(&decided.offer, &locale, decided.arm, &reasons))
}
