//! `/v1/consent`: what somebody agreed to, with a receipt.
//!
//! The receipt is sealed and says when, to what and to which version of the text; whom it is about it has as a hash. Of a
//! customer their object keeps it too, and decisions on channels that say nothing on consent go by it.

use portico_protocol::customers::{ConsentReceipt, ConsentRecord, ConsentRequest, VerifyConsent};
use portico_protocol::decide::Consent;
use portico_protocol::limits::{BODY_BYTES, NAME_BYTES};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::{ConsentProof, Purpose, VisitorRecord};
use worker::{Context, Env};

use crate::access;
use crate::crypto::random;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::objects::call;
use crate::objects::visitor::{self, Agree};
use crate::routes::customers::check_id;
use crate::routes::privacy::{known, only_by_the_site, subject};
use crate::snapshot;

/// `PUT /v1/consent`.
pub(crate) async fn put(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let (bearer, origin) = (access::bearer(&request), request.origin());
    let by_browser = request.is_private();
    let asked: ConsentRequest = request.json(BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, bearer.as_deref(), origin.as_deref(), &asked.site).await?;
    only_by_the_site(&caller)?;
    let ConsentRequest { identity, customer, visitor, consent, version, .. } = asked;
    let fits = (1..=NAME_BYTES).contains(&version.len()) && !version.chars().any(char::is_control);
    let wrong = (!fits).then(|| FieldError { pointer: "/version".into(), detail: "1 to 128 bytes of text".into() });
    let of_customer = customer.as_deref().and_then(|id| check_id(id, "/customer"));
    let errors: Vec<FieldError> = wrong.into_iter().chain(of_customer).collect();
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "Nothing was recorded.", errors));
    }
    if customer.is_some() && !caller.trusted {
        return Err(Failure::refused(ProblemKind::Forbidden, "Only a secret key may name a customer."));
    }
    let snapshot = &caller.snapshot;
    let now_ms = now_ms();
    let customer = match (customer, identity) {
        (Some(customer), _) => Some(customer),
        (None, Some(token)) => Some(known(env, snapshot, &token).await?),
        (None, None) => None,
    };
    let consent = if by_browser { Consent::default() } else { consent };
    let record = ConsentRecord { at: now_ms, consent, version, by_browser };
    if let Some(customer) = &customer {
        let agree = Agree { record: record.clone() };
        call(env, &visitor::name(&snapshot.site, customer), &agree).await?;
    }
    let keyring = &snapshot.settings.keyring;
    let open = |token: &str| keyring.open::<VisitorRecord>(Purpose::Visitor, &snapshot.site, token, now_ms).ok();
    let visitor = visitor.as_deref().and_then(open).map(|visitor| visitor.id.to_string());
    let proof = ConsentProof {
        subject: subject(&snapshot.site, &customer.or(visitor).unwrap_or_default()),
        at_ms: now_ms,
        agreed: consent.bits(),
        by_browser,
        version: record.version.clone(),
    };
    let receipt = keyring.seal(Purpose::Consent, &snapshot.site, &proof, random()?);
    let receipt = receipt.map_err(|_| Failure::Internal("a receipt could not be sealed"))?;
    Response::json(200, &ConsentReceipt { record, receipt })
}

/// `POST /v1/consent/verify`.
pub(crate) async fn verify(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let VerifyConsent { receipt, who } = request.json(BODY_BYTES).await?;
    let wrong = |pointer: &str, detail: String| {
        let error = FieldError { pointer: pointer.into(), detail };
        Failure::invalid(ProblemKind::Token, "It proves nothing.", vec![error])
    };
    let proof: Result<ConsentProof, _> = snapshot.settings.keyring.open(Purpose::Consent, &site, &receipt, now_ms());
    let ConsentProof { subject: about, at_ms, agreed, by_browser, version } =
        proof.map_err(|error| wrong("/receipt", error.to_string()))?;
    if about != subject(&site, &who) {
        return Err(wrong("/who", "the receipt is about somebody else".to_owned()));
    }
    Response::json(200, &ConsentRecord { at: at_ms, consent: Consent::of_bits(agreed), version, by_browser })
}
