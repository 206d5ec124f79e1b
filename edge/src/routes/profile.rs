//! `/v1/profile` and `/v1/identify`: what somebody says of themselves, and that they are there.

use std::collections::BTreeMap;

use portico_engine::Source;
use portico_protocol::check::escape;
use portico_protocol::customers::{Identified, IdentifyRequest, OwnProfile, ProfileRequest};
use portico_protocol::decide::{Consent, DecideRequest};
use portico_protocol::limits::{BODY_BYTES, CUSTOMER_ATTRIBUTES};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::profile::{Profile, ProfileConfig, Told};
use portico_protocol::seal::{Purpose, VisitorRecord};
use portico_protocol::stream::Stream;
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::memory;
use crate::objects::call;
use crate::objects::visitor::{self, Attributes, LookUp, Say, Values};
use crate::routes::decide::{identify_visitor, seal_visitor};
use crate::routes::privacy::{caller_of_page, known, only_by_the_site};
use crate::snapshot::Snapshot;

/// Values as a source tells them at a time: they end as the site's configuration says.
pub(crate) fn told(config: &ProfileConfig, attributes: Attributes, at_ms: u64) -> Values {
    let told = |(name, value): (String, _)| {
        let until = config.until(&name, at_ms);
        (name, Told { until, ..Told::new(value, at_ms) })
    };
    attributes.into_iter().map(told).collect()
}

/// `GET /v1/profile`: what is known of the bearer of an identity token that they may say themselves.
pub(crate) async fn get(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let (caller, token) = caller_of_page(request, env, context).await?;
    let customer = known(env, &caller.snapshot, &token).await?;
    let held = call(env, &visitor::name(&caller.snapshot.site, &customer), &LookUp {}).await?;
    Response::json(200, &own(&caller.snapshot, &held.profile, &held.stream, None))
}

/// `PUT /v1/profile`.
pub(crate) async fn put(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let origin = request.origin();
    let is_private = request.is_private();
    let asked: ProfileRequest = request.json(BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &asked.site).await?;
    only_by_the_site(&caller)?;
    let snapshot = &caller.snapshot;
    let errors = check(snapshot, &asked.attributes);
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "Nothing was remembered.", errors));
    }
    let consent = asked.consent.unwrap_or(snapshot.settings.config.consent_default);
    if is_private || !consent.personalization {
        let detail = "Without consent to personalization nothing is remembered.";
        return Err(Failure::refused(ProblemKind::Forbidden, detail));
    }
    let now_ms = now_ms();
    let config = &snapshot.settings.config.profile;
    let said = asked.attributes.iter().map(|(attribute, value)| memory::said(config, attribute, value, now_ms));
    if let Some(token) = &asked.identity {
        let object = visitor::name(&snapshot.site, &known(env, snapshot, token).await?);
        let (profile, stream) = if asked.attributes.is_empty() {
            let held = call(env, &object, &LookUp {}).await?;
            (held.profile, held.stream)
        } else {
            call(env, &object, &Say { said: said.collect() }).await?
        };
        return Response::json(200, &own(snapshot, &profile, &stream, None));
    }
    let open = |token: &str| {
        snapshot.settings.keyring.open::<VisitorRecord>(Purpose::Visitor, &snapshot.site, token, now_ms).ok()
    };
    let mut visitor = asked.visitor.as_deref().and_then(open).map_or_else(|| memory::anybody(now_ms), Ok)?;
    let renewed = if asked.attributes.is_empty() {
        None
    } else {
        said.for_each(|said| visitor.portrait.say(said));
        visitor.seen_ms = now_ms;
        Some(seal_visitor(snapshot, &visitor)?)
    };
    let mut profile = Profile::new();
    visitor.portrait.tell(&mut profile);
    Response::json(200, &own(snapshot, &profile, &visitor.portrait.stream, renewed))
}

/// `POST /v1/identify`.
pub(crate) async fn identify(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let origin = request.origin();
    let is_private = request.is_private();
    let IdentifyRequest { site, identity, visitor, consent } = request.json(BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &site).await?;
    only_by_the_site(&caller)?;
    // As a page that is decided for once more: the visit is counted there.
    let asked = DecideRequest { identity: Some(identity), visitor, consent, again: true, ..DecideRequest::of(site) };
    let token = identify_visitor(&asked, is_private, &caller, env, now_ms()).await?;
    Response::json(200, &Identified { visitor: token })
}

/// The values of the attributes that somebody may say themselves.
fn own(snapshot: &Snapshot, profile: &Profile, stream: &Stream, visitor: Option<String>) -> OwnProfile {
    let config = &snapshot.settings.config;
    let mut attributes = config.profile.facts(profile, Consent::ALL, now_ms());
    attributes.retain(|name, _| config.profile.may_say(&config.decisions, name));
    OwnProfile { attributes, left_off: stream.unfinished().to_vec(), visitor }
}

/// What is wrong with what somebody says, each with its place.
fn check(snapshot: &Snapshot, attributes: &BTreeMap<String, serde_json::Value>) -> Vec<FieldError> {
    if attributes.len() > CUSTOMER_ATTRIBUTES {
        let detail = format!("{} attributes; at most {CUSTOMER_ATTRIBUTES}", attributes.len());
        return vec![FieldError { pointer: "/attributes".into(), detail }];
    }
    let config = &snapshot.settings.config;
    let wrong = attributes.iter().filter_map(|(name, value)| {
        let detail = if !config.profile.may_say(&config.decisions, name) {
            "nobody is asked for it".to_owned()
        } else if value.is_null() {
            return None;
        } else {
            snapshot.settings.policy.check_fact(Source::Profile, name, value).err()?.to_string()
        };
        Some(FieldError { pointer: format!("/attributes/{:.128}", escape(name)), detail })
    });
    wrong.collect()
}
