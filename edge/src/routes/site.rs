//! Sites: created by the operator, configured and published by their owners.

use portico_protocol::limits::{CONFIG_BYTES, NAME_BYTES};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::site::{CreateSite, DraftState, Published, Rollback, ShadowStarted, ShadowState, SiteConfig};
use worker::{Context, Env};

use crate::access;
use crate::crypto::{key_hash, same_secret};
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::objects::call;
use crate::objects::directory::{self, Register, Role};
use crate::objects::learner::CompareShadow;
use crate::objects::site::{BeginShadow, Drafts, EndShadow, GetDraft, GetShadow, GetVersion, Publish, PutDraft};
use crate::snapshot;

pub(crate) async fn create(mut request: Request, env: &Env, id: &str) -> Result<Response, Failure> {
    let operator = env.var("PORTICO_OPERATOR_KEY").map(|key| key.to_string()).unwrap_or_default();
    let given = access::bearer(&request).unwrap_or_default();
    if operator.is_empty() || !same_secret(&operator, &given) {
        return Err(Failure::refused(ProblemKind::UnknownKey, "Only the operator creates sites."));
    }
    let asked: CreateSite = request.json(4096).await?;
    let mut errors = Vec::new();
    for (pointer, key, prefix) in [("/site_key", &asked.site_key, "pk_"), ("/secret_key", &asked.secret_key, "sk_")] {
        if !key.starts_with(prefix) || key.len() <= prefix.len() || key.len() > NAME_BYTES {
            let detail = format!("begins with {prefix} and has at most {NAME_BYTES} bytes");
            errors.push(FieldError { pointer: pointer.to_owned(), detail });
        }
    }
    if !access::is_site_id(id) {
        errors.push(FieldError {
            pointer: String::new(),
            detail: "a site's id has a-z, 0-9 and -, at most 64".to_owned(),
        });
    }
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Malformed, "The site cannot be created like this.", errors));
    }
    let keys = vec![(key_hash(&asked.site_key), Role::Site), (key_hash(&asked.secret_key), Role::Secret)];
    register(env, id, keys, |index| if index == 0 { "/site_key".into() } else { "/secret_key".into() }).await?;
    Ok(Response::empty(204))
}

pub(crate) async fn draft(request: &Request, env: &Env) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    Response::json(200, &state(call(env, &site, &GetDraft {}).await?)?)
}

pub(crate) async fn put_draft(mut request: Request, env: &Env) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let config: SiteConfig = request.json(CONFIG_BYTES).await?;
    call(env, &site, &PutDraft { config }).await?;
    Response::json(200, &state(call(env, &site, &GetDraft {}).await?)?)
}

pub(crate) async fn publish(request: &Request, env: &Env, _: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let config = draft_of(env, &site).await?;
    publish_config(env, &site, config).await
}

async fn draft_of(env: &Env, site: &str) -> Result<SiteConfig, Failure> {
    let drafts = call(env, site, &GetDraft {}).await?;
    let none = || Failure::refused(ProblemKind::Configuration, "There is no draft. Put one first.");
    drafts.draft.or(drafts.published).ok_or_else(none)
}

pub(crate) async fn shadow(request: &Request, env: &Env) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let Some(candidate) = call(env, &site, &GetShadow {}).await? else {
        return Response::json(200, &ShadowState::default());
    };
    let number = candidate.number;
    let figures = call(env, &site, &CompareShadow { site: site.clone(), candidate: number }).await?;
    Response::json(200, &ShadowState { candidate: Some(number), since: Some(candidate.since_ms), figures })
}

pub(crate) async fn begin_shadow(request: &Request, env: &Env) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let config = draft_of(env, &site).await?;
    let errors = config.errors();
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Configuration, "What is tried in shadow stays as it is.", errors));
    }
    // Before anything is published nobody is decided for.
    let snapshot = snapshot::refresh_now(env, &site).await?;
    let candidate = call(env, &snapshot.site, &BeginShadow { config, now_ms: now_ms() }).await?;
    snapshot::refresh_now(env, &site).await?;
    Response::json(200, &ShadowStarted { candidate })
}

pub(crate) async fn end_shadow(request: &Request, env: &Env) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    call(env, &site, &EndShadow {}).await?;
    snapshot::refresh_now(env, &site).await?;
    Ok(Response::empty(204))
}

pub(crate) async fn rollback(mut request: Request, env: &Env, _: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let asked: Rollback = request.json(4096).await?;
    let config = call(env, &site, &GetVersion { version: asked.to }).await?.ok_or_else(|| {
        let error = FieldError { pointer: "/to".into(), detail: "no such version was ever published".into() };
        Failure::invalid(ProblemKind::NotFound, "Choose a version that was published.", vec![error])
    })?;
    publish_config(env, &site, config).await
}

async fn publish_config(env: &Env, site: &str, config: SiteConfig) -> Result<Response, Failure> {
    let errors = config.errors();
    if !errors.is_empty() {
        return Err(Failure::invalid(ProblemKind::Configuration, "What is published stays as it is.", errors));
    }
    let keys = config.partners.iter().map(|partner| (key_hash(&partner.key), Role::Partner(partner.id.clone())));
    register(env, site, keys.collect(), |index| format!("/partners/{index}/key")).await?;
    let version = call(env, site, &Publish { config, now_ms: now_ms() }).await?;
    snapshot::refresh_now(env, site).await?;
    Response::json(200, &Published { version })
}

async fn register(
    env: &Env,
    site: &str,
    keys: Vec<(String, Role)>,
    pointer: impl Fn(usize) -> String,
) -> Result<(), Failure> {
    let taken = call(env, directory::NAME, &Register { site: site.to_owned(), keys }).await?;
    if taken.is_empty() {
        return Ok(());
    }
    let error = |index| FieldError { pointer: pointer(index), detail: "another site has this key".to_owned() };
    let errors = taken.into_iter().map(error).collect();
    Err(Failure::invalid(ProblemKind::Conflict, "Choose another key.", errors))
}

fn state(drafts: Drafts) -> Result<DraftState, Failure> {
    let draft = drafts.draft.or_else(|| drafts.published.clone());
    let published = match (&draft, &drafts.published) {
        (Some(draft), Some(published)) => serde_json::to_value(draft)? == serde_json::to_value(published)?,
        _ => false,
    };
    let errors = draft.as_ref().map(SiteConfig::errors).unwrap_or_default();
    Ok(DraftState { draft, published_version: drafts.version, published, errors })
}
