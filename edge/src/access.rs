//! Who asks: publishable keys with their origins, secret keys, console sessions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use portico_protocol::limits::NAME_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::{Purpose, SessionRecord};
use worker::{Context, Env};

use crate::crypto::key_hash;
use crate::error::Failure;
use crate::http::{OWN_ORIGIN, Request, now_ms};
use crate::objects::call;
use crate::objects::directory::{self, Owner, Resolve, Role};
use crate::snapshot::{self, Snapshot};

/// How long a key's owner is believed without asking again.
const OWNER_MS: u64 = 60_000;
/// How long an unknown key stays unknown: short, for it may have been created just now.
const UNKNOWN_MS: u64 = 1_000;
/// Keys remembered; beyond it all are asked for again, which bounds what made-up keys can cost.
const MOST_KEYS: usize = 10_000;
/// The cookie of a console session.
pub(crate) const SESSION_COOKIE: &str = "portico_session";

thread_local! {
    static OWNERS: RefCell<BTreeMap<String, (u64, Option<Owner>)>> = RefCell::default();
}

/// A caller of a visitor-side operation.
pub(crate) struct Caller {
    pub(crate) snapshot: Rc<Snapshot>,
    /// The publisher on whose page it happens.
    pub(crate) partner: Option<String>,
    /// Whether a server asks, with the secret key.
    pub(crate) trusted: bool,
}

/// The caller of a visitor-side operation: a secret key in the header, or the publishable key of the body from an
/// origin that may use it.
pub(crate) async fn visitor_side(
    env: &Env,
    context: &Context,
    bearer: Option<&str>,
    origin: Option<&str>,
    key: &str,
) -> Result<Caller, Failure> {
    if let Some(secret) = bearer {
        let site = secret_site(env, secret).await?;
        let snapshot = snapshot::get(env, context, &site).await?;
        return Ok(Caller { snapshot, partner: None, trusted: true });
    }
    let (caller, allowed) = holder(env, context, key).await?;
    if !origin.is_some_and(|origin| origin == OWN_ORIGIN || allowed.iter().any(|allowed| allowed == origin)) {
        let shown = origin.map_or("a request without an Origin".to_owned(), |origin| format!("{origin:.200}"));
        let detail = format!("This key does not serve {shown}. Add the origin to the site's configuration.");
        return Err(Failure::refused(ProblemKind::OriginNotAllowed, detail));
    }
    Ok(caller)
}

/// For whom a publishable key stands, and the origins of the pages that may use it. Pages of our own may as well: who frames
/// them is settled by their policy.
pub(crate) async fn holder(env: &Env, context: &Context, key: &str) -> Result<(Caller, Vec<String>), Failure> {
    let unknown = || {
        let error = FieldError { pointer: "/site".into(), detail: "no site has this key".into() };
        Failure::invalid(ProblemKind::UnknownKey, "Check the key in the script tag's data-site.", vec![error])
    };
    let owner = owner(env, key).await?.ok_or_else(unknown)?;
    let partner = match owner.role {
        Role::Site => None,
        Role::Partner(id) => Some(id),
        // A secret key in a page is known to everybody: it does nothing there.
        Role::Secret => return Err(unknown()),
    };
    let snapshot = snapshot::get(env, context, &owner.site).await?;
    let config = &snapshot.settings.config;
    let allowed = match &partner {
        None => &config.origins,
        Some(id) => match config.partners.iter().find(|partner| partner.id == *id && partner.key == key) {
            Some(partner) => &partner.origins,
            None => return Err(unknown()),
        },
    };
    let allowed = allowed.clone();
    Ok((Caller { snapshot, partner, trusted: false }, allowed))
}

/// The site of a server-side request's secret key.
pub(crate) async fn server_side(env: &Env, request: &Request) -> Result<String, Failure> {
    match bearer(request) {
        Some(secret) => secret_site(env, &secret).await,
        None => Err(Failure::refused(ProblemKind::UnknownKey, "Send the secret key as a bearer token.")),
    }
}

/// The site of a console session, or of a secret key.
pub(crate) async fn console_side(env: &Env, context: &Context, request: &Request) -> Result<Rc<Snapshot>, Failure> {
    if bearer(request).is_some() {
        let site = server_side(env, request).await?;
        return snapshot::get(env, context, &site).await;
    }
    let signed_out = || Failure::refused(ProblemKind::UnknownKey, "The session is over. Open a new console link.");
    let cookies = request.header("Cookie").unwrap_or_default();
    let session = cookies
        .split(';')
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == SESSION_COOKIE).then_some(value))
        .ok_or_else(signed_out)?;
    let (site, token) = session.split_once('~').filter(|(site, _)| is_site_id(site)).ok_or_else(signed_out)?;
    let snapshot = snapshot::get(env, context, site).await.map_err(|_| signed_out())?;
    let record: Result<SessionRecord, _> = snapshot.settings.keyring.open(Purpose::Session, site, token, now_ms());
    record.map_err(|_| signed_out())?;
    Ok(snapshot)
}

/// The bearer token of a request.
pub(crate) fn bearer(request: &Request) -> Option<String> {
    request.header("Authorization")?.strip_prefix("Bearer ").map(|token| token.trim().to_owned())
}

/// The secret key of a request with Basic authentication, where it is the user's name.
pub(crate) async fn basic(env: &Env, request: &Request) -> Result<String, Failure> {
    let credentials = request.header("Authorization").and_then(|value| {
        let encoded = value.strip_prefix("Basic ")?.trim();
        String::from_utf8(data_encoding::BASE64.decode(encoded.as_bytes()).ok()?).ok()
    });
    let user = credentials.as_deref().and_then(|credentials| credentials.split(':').next());
    match user {
        Some(secret) => secret_site(env, secret).await,
        None => Err(Failure::refused(
            ProblemKind::UnknownKey,
            "Send the secret key as the user's name of Basic authentication.",
        )),
    }
}

/// Ids of sites stand in object names and cookies.
pub(crate) fn is_site_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

async fn secret_site(env: &Env, secret: &str) -> Result<String, Failure> {
    match owner(env, secret).await? {
        Some(Owner { site, role: Role::Secret }) => Ok(site),
        _ => Err(Failure::refused(ProblemKind::UnknownKey, "No site has this secret key.")),
    }
}

async fn owner(env: &Env, key: &str) -> Result<Option<Owner>, Failure> {
    if key.is_empty() || key.len() > NAME_BYTES {
        return Ok(None);
    }
    let (hash, now) = (key_hash(key), now_ms());
    let known = OWNERS.with_borrow(|owners| owners.get(&hash).filter(|(until, _)| now < *until).cloned());
    if let Some((_, owner)) = known {
        return Ok(owner);
    }
    let owner = call(env, directory::NAME, &Resolve { hash: hash.clone() }).await?;
    OWNERS.with_borrow_mut(|owners| {
        if owners.len() >= MOST_KEYS {
            owners.clear();
        }
        owners.insert(hash, (now + if owner.is_some() { OWNER_MS } else { UNKNOWN_MS }, owner.clone()));
    });
    Ok(owner)
}
