//! Identity tokens: whose customer asks, by the word of the site's server.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_lite::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use portico_protocol::identity::{
    Customer, IdentityError, IdentityKey, IdentitySecret, IdentitySecrets, Unverified, keys_of_jwks,
};
use portico_protocol::limits::JWKS_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use sha2::Sha256;
use worker::{Context, Delay, Env, Fetch, Method, RequestInit, RequestRedirect};

use crate::access;
use crate::crypto::{key_hash, verify};
use crate::error::Failure;
use crate::http::{Abort, Request, Response, now_ms};
use crate::log;
use crate::now_or_later::within;
use crate::snapshot::{self, Snapshot};

/// Verified identity tokens remembered by their hash; beyond it all are verified again.
const MOST_IDENTITIES: usize = 10_000;
/// How long a verified token is believed without verifying it again: a key that the issuer takes back counts no longer.
const BELIEVED_MS: u64 = 600_000;
/// How long published keys are taken as they are.
const KEYS_MS: u64 = 600_000;
/// A token with an unknown key makes us ask for the issuer's keys anew, not more often than this.
const KEYS_AGAIN_MS: u64 = 5_000;
/// How long an issuer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often somebody looks whether another's answer is there.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

thread_local! {
    /// By site, configuration and hash of the token: the customer, and until when it is believed.
    static IDENTITIES: RefCell<BTreeMap<String, (u64, Customer)>> = const { RefCell::new(BTreeMap::new()) };
    /// By site and address.
    static PUBLISHED: RefCell<BTreeMap<String, Published>> = const { RefCell::new(BTreeMap::new()) };
}

/// What an issuer publishes, as far as it could be fetched.
#[derive(Clone, Default)]
struct Published {
    keys: Rc<Vec<IdentityKey>>,
    /// Whether it was ever fetched.
    is_known: bool,
    /// When it was last asked for, with or without an answer.
    asked_ms: u64,
    /// Whether that has ended.
    has_ended: bool,
}

impl Published {
    fn of(name: &str) -> Self {
        PUBLISHED.with_borrow(|all| all.get(name).cloned()).unwrap_or_default()
    }

    fn remember(self, name: &str) {
        PUBLISHED.with_borrow_mut(|all| all.insert(name.to_owned(), self));
    }

    /// Somebody else is asking, unless that was given up long since.
    fn is_awaited(&self) -> bool {
        !self.has_ended && now_ms().saturating_sub(self.asked_ms) < 2 * PATIENCE.as_millis() as u64
    }
}

/// The customer of an identity token.
pub(crate) async fn verified(snapshot: &Snapshot, token: &str, now_ms: u64) -> Result<Customer, Failure> {
    let cached = format!("{} {} {}", snapshot.site, snapshot.version, key_hash(token));
    let known = IDENTITIES.with_borrow(|identities| identities.get(&cached).cloned());
    if let Some((until_ms, customer)) = known
        && now_ms < until_ms
    {
        return Ok(customer);
    }
    let customer = verify_anew(snapshot, token, now_ms).await.map_err(refused)?;
    let until_ms = customer.expires_s.saturating_mul(1_000).min(now_ms + BELIEVED_MS);
    IDENTITIES.with_borrow_mut(|identities| {
        if identities.len() >= MOST_IDENTITIES {
            identities.clear();
        }
        identities.insert(cached, (until_ms, customer.clone()));
    });
    Ok(customer)
}

pub(crate) fn refused(error: IdentityError) -> Failure {
    let errors = vec![FieldError { pointer: "/identity".into(), detail: error.to_string() }];
    Failure::invalid(ProblemKind::Identity, "Let the site's server issue a new identity token.", errors)
}

async fn verify_anew(snapshot: &Snapshot, token: &str, now_ms: u64) -> Result<Customer, IdentityError> {
    let identity = snapshot.settings.config.identity.as_ref().ok_or(IdentityError::NotConfigured)?;
    let mut published = published(snapshot, KEYS_MS, now_ms).await;
    let unknown = matches!(Unverified::parse(identity, &published, token), Err(IdentityError::UnknownKey));
    if unknown {
        // It may be new there.
        published = self::published(snapshot, KEYS_AGAIN_MS, now_ms).await;
    }
    let unverified = Unverified::parse(identity, &published, token)?;
    match unverified.key {
        IdentityKey::Hs256 { kid } => {
            let secret = secret(snapshot, kid).map_err(|_| IdentityError::UnknownKey)?;
            let mut mac = mac(secret.as_bytes()).map_err(|_| IdentityError::UnknownKey)?;
            mac.update(unverified.message.as_bytes());
            mac.verify_slice(&unverified.signature).map_err(|_| IdentityError::Signature)?;
        }
        _ => verify(&unverified).await?,
    }
    unverified.customer(now_ms)
}

/// The keys that the issuer publishes, asked for anew where they are older than `fresh_ms`. Where it does not answer, those
/// that it published last still count.
async fn published(snapshot: &Snapshot, fresh_ms: u64, now_ms: u64) -> Rc<Vec<IdentityKey>> {
    let Some(url) = snapshot.settings.config.identity.as_ref().and_then(|identity| identity.jwks_url.as_ref()) else {
        return Rc::default();
    };
    let name = format!("{} {url}", snapshot.site);
    let mut known = Published::of(&name);
    // Who knows no key that fits waits for whoever asks already; others take what there is.
    while (!known.is_known || fresh_ms < KEYS_MS) && known.is_awaited() {
        Delay::from(LOOK_AGAIN).await;
        known = Published::of(&name);
    }
    if now_ms.saturating_sub(known.asked_ms) < fresh_ms {
        return known.keys;
    }
    Published { asked_ms: now_ms, has_ended: false, ..known.clone() }.remember(&name);
    let late = || Err(Failure::Internal("the issuer does not answer in time"));
    match within(PATIENCE, fetch_keys(url)).await.unwrap_or_else(late) {
        Ok(keys) => {
            let keys = Rc::new(keys);
            Published { keys: Rc::clone(&keys), is_known: true, asked_ms: now_ms, has_ended: true }.remember(&name);
            keys
        }
        Err(failure) => {
            log::error("keys of an issuer of identity tokens", &failure);
            Published { asked_ms: now_ms, has_ended: true, ..known.clone() }.remember(&name);
            known.keys
        }
    }
}

async fn fetch_keys(url: &str) -> Result<Vec<IdentityKey>, Failure> {
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_redirect(RequestRedirect::Manual);
    let request = worker::Request::new_with_init(url, &init)?;
    let abort = Abort::default();
    let mut response = Fetch::Request(request).send_with_signal(&abort.signal()).await?;
    if response.status_code() != 200 {
        return Err(Failure::Internal("the issuer's key set is not there"));
    }
    let bytes = bounded(&mut response).await?;
    keys_of_jwks(&bytes).map_err(|_| Failure::Internal("the issuer's key set is no JWK set"))
}

async fn bounded(response: &mut worker::Response) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut stream = response.stream()?;
    while let Some(part) = stream.next().await {
        bytes.extend(part?);
        if bytes.len() > JWKS_BYTES {
            return Err(Failure::Internal("the issuer's key set is too large"));
        }
    }
    Ok(bytes)
}

/// `GET /v1/identity`.
pub(crate) async fn secrets(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let keys = snapshot.settings.config.identity.iter().flat_map(|identity| &identity.keys);
    let secrets = keys.filter_map(|key| match key {
        IdentityKey::Hs256 { kid } => {
            Some(secret(&snapshot, kid).map(|secret| IdentitySecret { kid: kid.clone(), secret }))
        }
        _ => None,
    });
    Response::json(200, &IdentitySecrets { secrets: secrets.collect::<Result<_, Failure>>()? })
}

/// The secret of a key by its id: nobody can tell one from another, and none is stored.
fn secret(snapshot: &Snapshot, kid: &str) -> Result<String, Failure> {
    let mut mac = mac(&snapshot.settings.identity_key)?;
    mac.update(kid.as_bytes());
    Ok(BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, Failure> {
    Hmac::<Sha256>::new_from_slice(key).map_err(|_| Failure::Internal("a key that HMAC does not take"))
}
