//! `/v1/customers`: what the site's servers know of their customers, and what is remembered of them.

use futures_util::future::join_all;
use portico_engine::Source;
use portico_engine::config::Tier;
use portico_protocol::check::{self, escape};
use portico_protocol::customers::{
    CustomerLine, CustomerProfile, CustomerRecord, Imported, ImportedLine, Merge, MergeCustomer, TierOverride,
    UndoMerge,
};
use portico_protocol::decide::Consent;
use portico_protocol::limits::{
    CUSTOMER_ATTRIBUTES, CUSTOMER_BYTES, CUSTOMERS_BYTES, CUSTOMERS_PER_BATCH, NAME_BYTES, TIER_REASON_BYTES,
};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::profile::{OVERRIDE, SERVER, Told};
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::log;
use crate::memory;
use crate::objects::visitor::{
    self, GiveBack, Histories, LookUp, PutProfile, SignOut, StopWaiting, TakeOver, Values, Who, source_of_customer,
    source_of_segment,
};
use crate::objects::{call, id_of};
use crate::routes::profile::told;
use crate::snapshot::{self, Snapshot};
use crate::valuation;

/// Customers whose objects are written at the same time.
const AT_ONCE: usize = 32;

/// `PUT /v1/customers/{id}`.
pub(crate) async fn put(mut request: Request, env: &Env, context: &Context, id: &str) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let id = percent_decoded(id);
    let profile: CustomerProfile = request.json(CUSTOMER_BYTES).await?;
    let mut errors = check(&snapshot, &profile);
    errors.extend(check_id(&id, ""));
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "Nothing was stored.", errors));
    }
    store(env, &snapshot, &id, profile).await?;
    Ok(Response::empty(204))
}

/// `GET /v1/customers/{id}`.
pub(crate) async fn get(request: &Request, env: &Env, context: &Context, id: &str) -> Result<Response, Failure> {
    let customer = Named::of(request, env, id).await?;
    let snapshot = snapshot::get(env, context, &customer.site).await?;
    let mut held = call(env, &customer.object, &LookUp {}).await?;
    complete(&snapshot, &mut held);
    Response::json(200, &held)
}

/// Adds what the configuration says of somebody: which values are believed, and on which levels they are.
pub(crate) fn complete(snapshot: &Snapshot, held: &mut CustomerRecord) {
    let now_ms = now_ms();
    held.attributes = snapshot.settings.config.profile.facts(&held.profile, Consent::ALL, now_ms);
    held.tiers = valuation::value(snapshot, &held.profile, (&held.memory, &held.stream), now_ms).levels;
    held.intent = held.stream.intent(now_ms).map(str::to_owned);
    held.left_off = held.stream.unfinished().to_vec();
}

/// `PUT /v1/customers/{id}/tiers/{tier}`.
pub(crate) async fn put_on_level(
    mut request: Request,
    env: &Env,
    context: &Context,
    id: &str,
    tier: &str,
) -> Result<Response, Failure> {
    let customer = Named::of(&request, env, id).await?;
    let snapshot = snapshot::get(env, context, &customer.site).await?;
    let (tier, attribute) = overridable(&snapshot, tier)?;
    let TierOverride { level, reason, until } = request.json(CUSTOMER_BYTES).await?;
    let now_ms = now_ms();
    let wrong = [
        ("/level", !tier.levels.iter().any(|known| known.id == level), "no level of this tier"),
        ("/reason", !(1..=TIER_REASON_BYTES).contains(&reason.len()), "say why, in at most 500 bytes"),
        ("/until", until.is_some_and(|until| until <= now_ms), "it is over already"),
    ];
    let wrong = wrong.into_iter().filter(|(_, is_wrong, _)| *is_wrong);
    let errors: Vec<FieldError> =
        wrong.map(|(pointer, _, detail)| FieldError { pointer: pointer.into(), detail: detail.into() }).collect();
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "Nothing was changed.", errors));
    }
    let told = Told { until, reason: Some(reason), ..Told::new(level.into(), now_ms) };
    let values = Values::from([(attribute.to_owned(), told)]);
    decide_level(env, &snapshot, customer, values, now_ms).await
}

/// `DELETE /v1/customers/{id}/tiers/{tier}`.
pub(crate) async fn take_off_level(
    request: &Request,
    env: &Env,
    context: &Context,
    id: &str,
    tier: &str,
) -> Result<Response, Failure> {
    let customer = Named::of(request, env, id).await?;
    let snapshot = snapshot::get(env, context, &customer.site).await?;
    let (_, attribute) = overridable(&snapshot, tier)?;
    let now_ms = now_ms();
    // Over from now on.
    let told = Told { until: Some(now_ms), ..Told::new(serde_json::Value::Null, now_ms) };
    decide_level(env, &snapshot, customer, Values::from([(attribute.to_owned(), told)]), now_ms).await
}

async fn decide_level(
    env: &Env,
    snapshot: &Snapshot,
    customer: Named,
    values: Values,
    now_ms: u64,
) -> Result<Response, Failure> {
    let plan = memory::plan(snapshot, Who::Customer(customer.id));
    let put = PutProfile { source: OVERRIDE.to_owned(), values, keeps_others: true, plan, now_ms };
    call(env, &customer.object, &put).await?;
    Ok(Response::empty(204))
}

/// A tier, and the attribute by which somebody decides on it.
fn overridable<'a>(snapshot: &'a Snapshot, id: &str) -> Result<(&'a Tier, &'a str), Failure> {
    let decisions = &snapshot.settings.config.decisions;
    let tier = decisions.tiers.iter().find(|tier| tier.id == id);
    let is_stored = |name: &&String| {
        decisions.attributes.iter().any(|attribute| attribute.name == **name && attribute.source == Source::Profile)
    };
    let found = tier.and_then(|tier| Some((tier, tier.overridden_by.as_ref().filter(is_stored)?.as_str())));
    found.ok_or_else(|| {
        let detail = format!("No tier `{id:.128}` has an attribute with the source `profile` in `overridden_by`.");
        Failure::refused(ProblemKind::NotFound, detail)
    })
}

/// `POST /v1/customers/{id}/merge`.
pub(crate) async fn merge(mut request: Request, env: &Env, context: &Context, id: &str) -> Result<Response, Failure> {
    let Named { site, id, .. } = Named::of(&request, env, id).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let MergeCustomer { customer: other } = request.json(CUSTOMER_BYTES).await?;
    let mut errors: Vec<FieldError> = check_id(&other, "/customer").into_iter().collect();
    if other == id {
        errors.push(FieldError { pointer: "/customer".into(), detail: "the same customer".into() });
    }
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "Nothing was merged.", errors));
    }
    let merged = take_over(env, &snapshot, &id, &Other::Customer(other)).await?;
    Response::json(200, &Merge { merged })
}

/// Another name of a customer.
pub(crate) enum Other {
    Customer(String),
    /// Segment's `anonymousId`.
    Segment(String),
}

/// Takes over everything that is remembered under another name, and what waits for them there.
pub(crate) async fn take_over(env: &Env, snapshot: &Snapshot, customer: &str, other: &Other) -> Result<u32, Failure> {
    let site = &snapshot.site;
    let name = visitor::name(site, customer);
    let taker = id_of::<TakeOver>(env, &name)?;
    let (other, source, once) = match other {
        Other::Customer(id) => {
            let other = visitor::name(site, id);
            let source = source_of_customer(&id_of::<TakeOver>(env, &other)?);
            (other, source, false)
        }
        Other::Segment(id) => (visitor::name_of_segment(site, id), source_of_segment(id), true),
    };
    // Two that take each other over do not take over themselves.
    let own = source_of_customer(&taker);
    let mut histories = call(env, &other, &Histories { source, taker, once }).await?;
    histories.retain(|history| history.source != own && history.until_ms > 0);
    if histories.is_empty() {
        return Ok(0);
    }
    let plan = memory::plan(snapshot, Who::Customer(customer.to_owned()));
    let merged = call(env, &name, &TakeOver { histories, plan, now_ms: now_ms() }).await?;
    call(env, &other, &StopWaiting {}).await?;
    Ok(merged)
}

/// `POST /v1/customers/{id}/merge/undo`.
pub(crate) async fn undo_merge(mut request: Request, env: &Env, id: &str) -> Result<Response, Failure> {
    let customer = Named::of(&request, env, id).await?;
    let UndoMerge { source } = request.json(CUSTOMER_BYTES).await?;
    if !call(env, &customer.object, &GiveBack { source }).await? {
        return Err(Failure::refused(ProblemKind::NotFound, "No history of this source was taken over."));
    }
    Ok(Response::empty(204))
}

/// `POST /v1/customers/{id}/sign-out`.
pub(crate) async fn sign_out(request: &Request, env: &Env, id: &str) -> Result<Response, Failure> {
    let customer = Named::of(request, env, id).await?;
    call(env, &customer.object, &SignOut { at_s: now_ms() / 1_000 }).await?;
    Ok(Response::empty(204))
}

/// The customer that a path of a server-side request names.
pub(crate) struct Named {
    pub(crate) site: String,
    pub(crate) id: String,
    pub(crate) object: String,
}

impl Named {
    pub(crate) async fn of(request: &Request, env: &Env, id: &str) -> Result<Self, Failure> {
        let site = access::server_side(env, request).await?;
        let id = percent_decoded(id);
        match check_id(&id, "") {
            Some(error) => Err(Failure::invalid(ProblemKind::Malformed, "No customer has such an id.", vec![error])),
            None => Ok(Self { object: visitor::name(&site, &id), site, id }),
        }
    }
}

/// `POST /v1/customers:batch`.
pub(crate) async fn import(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let bytes = request.body(CUSTOMERS_BYTES).await?;
    let numbered = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let lines: Vec<(u64, &[u8])> = numbered.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    if lines.len() > CUSTOMERS_PER_BATCH {
        let detail = format!("{} lines; at most {CUSTOMERS_PER_BATCH} go in one import", lines.len());
        let error = FieldError { pointer: String::new(), detail };
        return Err(Failure::invalid(ProblemKind::TooLarge, "Send the customers in smaller parts.", vec![error]));
    }
    let mut answer = Vec::new();
    // An object takes what is sent to it in the order of sending, so of two lines about one customer the later one counts.
    for some in lines.chunks(AT_ONCE) {
        for line in join_all(some.iter().map(|(number, line)| import_line(env, &snapshot, *number, line))).await {
            serde_json::to_writer(&mut answer, &line)?;
            answer.push(b'\n');
        }
    }
    Ok(Response::bytes(200, "application/x-ndjson", answer))
}

async fn import_line(env: &Env, snapshot: &Snapshot, line: u64, bytes: &[u8]) -> ImportedLine {
    let refused = |errors| ImportedLine { line, status: Imported::Refused, errors };
    if bytes.len() > CUSTOMER_BYTES {
        let detail = format!("larger than {CUSTOMER_BYTES} bytes");
        return refused(vec![FieldError { pointer: String::new(), detail }]);
    }
    let customer: CustomerLine = match check::read(bytes) {
        Ok(customer) => customer,
        Err(error) => return refused(vec![error]),
    };
    let mut errors = check(snapshot, &customer.profile);
    errors.extend(check_id(&customer.id, "/id"));
    if !errors.is_empty() {
        return refused(errors);
    }
    match store(env, snapshot, &customer.id, customer.profile).await {
        Ok(()) => ImportedLine { line, status: Imported::Stored, errors: Vec::new() },
        Err(failure) => {
            log::error("import of a customer", &failure);
            ImportedLine { line, status: Imported::Failed, errors: Vec::new() }
        }
    }
}

async fn store(env: &Env, snapshot: &Snapshot, id: &str, profile: CustomerProfile) -> Result<(), Failure> {
    let CustomerProfile { attributes, source, at } = profile;
    let now_ms = now_ms();
    let values = told(&snapshot.settings.config.profile, attributes, at.unwrap_or(now_ms).min(now_ms));
    let source = source.unwrap_or_else(|| SERVER.to_owned());
    let plan = memory::plan(snapshot, Who::Customer(id.to_owned()));
    let put = PutProfile { source, values, keeps_others: false, plan, now_ms };
    call(env, &visitor::name(&snapshot.site, id), &put).await
}

/// What is wrong with a profile, each with its place.
fn check(snapshot: &Snapshot, profile: &CustomerProfile) -> Vec<FieldError> {
    let CustomerProfile { attributes, source, .. } = profile;
    let may_tell = |source: &String| snapshot.settings.config.profile.is_servers(source);
    if source.as_ref().is_some_and(|source| !may_tell(source)) {
        let detail = "`server`, or a source that the site's `profile.precedence` names for its servers".to_owned();
        return vec![FieldError { pointer: "/source".into(), detail }];
    }
    if attributes.len() > CUSTOMER_ATTRIBUTES {
        let detail = format!("{} attributes; at most {CUSTOMER_ATTRIBUTES}", attributes.len());
        return vec![FieldError { pointer: "/attributes".into(), detail }];
    }
    let policy = &snapshot.settings.policy;
    let wrong = attributes.iter().filter_map(|(name, value)| {
        let error = policy.check_fact(Source::Profile, name, value).err()?;
        Some(FieldError { pointer: format!("/attributes/{:.128}", escape(name)), detail: error.to_string() })
    });
    wrong.collect()
}

pub(crate) fn check_id(id: &str, pointer: &str) -> Option<FieldError> {
    let fits = (1..=NAME_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    let detail = || format!("a customer's id has 1 to {NAME_BYTES} bytes and no control characters");
    (!fits).then(|| FieldError { pointer: pointer.into(), detail: detail() })
}

/// A part of a path as its sender meant it.
pub(crate) fn percent_decoded(part: &str) -> String {
    // A form's reader turns `+` into a space, which a path does not mean by it.
    let as_form = format!("x={}", part.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(as_form.as_bytes()).map(|(_, value)| value.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_was_meant() {
        for (part, expect) in
            [("peter", "peter"), ("a%2Fb", "a/b"), ("a+b&c=d", "a+b&c=d"), ("%E7%8E%8B", "王"), ("", "")]
        {
            assert_eq!(percent_decoded(part), expect);
        }
    }

    #[test]
    fn ids_are_bounded() {
        assert!(
            check_id("a\nb", "").is_some() && check_id("", "").is_some() && check_id(&"x".repeat(129), "").is_some()
        );
        assert_eq!(check_id("王小明/7", ""), None);
    }
}
