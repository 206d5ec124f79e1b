//! `/v1/groups` and a customer's place in them: households, companies, and what they share with their members.

use portico_engine::Source;
use portico_protocol::check::escape;
use portico_protocol::customers::{GroupProfile, GroupRecord, Membership};
use portico_protocol::limits::CUSTOMER_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::profile::GroupRules;
use worker::{Context, Env};

use super::customers::{Named, check_id, percent_decoded};
use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::memory;
use crate::objects::group::{self, GetShared, LetGo, PutShared, Shared, TakeIn};
use crate::objects::visitor::{Attributes, Join, Link, Part, Who};
use crate::objects::{call, id_of};
use crate::routes::profile::told;
use crate::snapshot::{self, Snapshot};

/// `PUT /v1/groups/{kind}/{id}`.
pub(crate) async fn put(
    mut request: Request,
    env: &Env,
    context: &Context,
    kind: &str,
    id: &str,
) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let id = percent_decoded(id);
    let rules = rules(&snapshot, kind)?;
    let GroupProfile { attributes } = request.json(CUSTOMER_BYTES).await?;
    let policy = &snapshot.settings.policy;
    let wrong = |(name, value): (&String, &serde_json::Value)| {
        let detail = if rules.shares.contains(name) {
            policy.check_fact(Source::Profile, name, value).err()?.to_string()
        } else {
            "groups of this kind do not share it".to_owned()
        };
        Some(FieldError { pointer: format!("/attributes/{:.128}", escape(name)), detail })
    };
    let errors: Vec<FieldError> = check_id(&id, "").into_iter().chain(attributes.iter().filter_map(wrong)).collect();
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "Nothing was stored.", errors));
    }
    let values = told(&snapshot.settings.config.profile, attributes, now_ms());
    call(env, &group::name(&site, kind, &id), &PutShared { kind: kind.to_owned(), values }).await?;
    Ok(Response::empty(204))
}

/// `GET /v1/groups/{kind}/{id}`.
pub(crate) async fn get(
    request: &Request,
    env: &Env,
    context: &Context,
    kind: &str,
    id: &str,
) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    rules(&snapshot, kind)?;
    let Shared { values, members, pending } =
        call(env, &group::name(&site, kind, &percent_decoded(id)), &GetShared {}).await?;
    let attributes = values.into_iter().map(|(name, told)| (name, told.value)).collect();
    Response::json(200, &GroupRecord { attributes, members, pending })
}

/// `PUT /v1/customers/{id}/groups/{kind}`: makes a customer a member.
pub(crate) async fn join(
    mut request: Request,
    env: &Env,
    context: &Context,
    id: &str,
    kind: &str,
) -> Result<Response, Failure> {
    let customer = Named::of(&request, env, id).await?;
    let snapshot = snapshot::get(env, context, &customer.site).await?;
    let rules = rules(&snapshot, kind)?;
    let Membership { id, role, .. } = request.json(CUSTOMER_BYTES).await?;
    let of_role = role.as_deref().and_then(|role| check_id(role, "/role"));
    let mut errors: Vec<FieldError> = check_id(&id, "/id").into_iter().chain(of_role).collect();
    let mut own = Attributes::new();
    for (attribute, value, pointer) in [(&rules.id, Some(&id), "/id"), (&rules.role, role.as_ref(), "/role")] {
        let (Some(attribute), Some(value)) = (attribute, value) else { continue };
        let value = serde_json::Value::from(value.as_str());
        if let Err(error) = snapshot.settings.policy.check_fact(Source::Profile, attribute, &value) {
            errors.push(FieldError { pointer: pointer.into(), detail: error.to_string() });
        }
        own.insert(attribute.clone(), value);
    }
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "Nothing was stored.", errors));
    }
    let now_ms = now_ms();
    let name = group::name(&customer.site, kind, &id);
    let group = id_of::<TakeIn>(env, &name)?;
    let own = told(&snapshot.settings.config.profile, own, now_ms);
    let link = Link { id, group, role, own, version: 0, at_ms: now_ms };
    let plan = memory::plan(&snapshot, Who::Customer(customer.id.clone()));
    let left = call(env, &customer.object, &Join { kind: kind.to_owned(), link, plan }).await?;
    let member = id_of::<Join>(env, &customer.object)?;
    call(env, &name, &TakeIn { kind: kind.to_owned(), object: member.clone() }).await?;
    leave(env, left, member).await?;
    Ok(Response::empty(204))
}

/// `DELETE /v1/customers/{id}/groups/{kind}`.
pub(crate) async fn part(request: &Request, env: &Env, id: &str, kind: &str) -> Result<Response, Failure> {
    let customer = Named::of(request, env, id).await?;
    let left = call(env, &customer.object, &Part { kind: kind.to_owned(), now_ms: now_ms() }).await?;
    leave(env, left, id_of::<Join>(env, &customer.object)?).await?;
    Ok(Response::empty(204))
}

/// A group that was left forgets its member. One that does not hear of it does so when it next has something to tell.
async fn leave(env: &Env, group: Option<String>, member: String) -> Result<(), Failure> {
    match group {
        Some(group) => call(env, &format!("#{group}"), &LetGo { object: member }).await,
        None => Ok(()),
    }
}

fn rules<'a>(snapshot: &'a Snapshot, kind: &str) -> Result<&'a GroupRules, Failure> {
    let unknown = || {
        let detail = format!("The site's configuration has no groups of the kind {kind:.128}.");
        Failure::refused(ProblemKind::NotFound, detail)
    };
    snapshot.settings.config.profile.groups.get(kind).ok_or_else(unknown)
}
