//! Into the console: a one-time link, exchanged for a session cookie.

use portico_protocol::console::{ConsoleLink, ConsoleLogin};
use portico_protocol::problem::ProblemKind;
use portico_protocol::seal::{Purpose, SessionRecord};
use worker::Env;

use crate::access::{self, SESSION_COOKIE, is_site_id};
use crate::crypto::random;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::objects::call;
use crate::objects::site::{IssueCode, RedeemCode};

/// Seconds of a session: a working day.
const SESSION_S: u64 = 12 * 60 * 60;

pub(crate) async fn link(request: &Request, env: &Env) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let code = call(env, &site, &IssueCode { now_ms: now_ms() }).await?;
    Response::json(200, &ConsoleLink { url: format!("{}/console#login={site}.{code}", request.own_origin()) })
}

pub(crate) async fn session(mut request: Request, env: &Env) -> Result<Response, Failure> {
    let own = request.own_origin().to_owned();
    if request.header("Origin").is_some_and(|origin| origin != own) {
        return Err(Failure::refused(ProblemKind::OriginNotAllowed, "Sessions begin in the console only."));
    }
    let asked: ConsoleLogin = request.json(1024).await?;
    let used = || Failure::refused(ProblemKind::UnknownKey, "The link has been used or is too old. Open a new one.");
    let (site, code) = asked.code.split_once('.').filter(|(site, _)| is_site_id(site)).ok_or_else(used)?;
    let now_ms = now_ms();
    let redeem = RedeemCode { code: code.to_owned(), now_ms };
    let keyring = call(env, site, &redeem).await?.ok_or_else(used)?;
    let record = SessionRecord { expires_ms: now_ms + SESSION_S * 1000 };
    let token = keyring
        .seal(Purpose::Session, site, &record, random()?)
        .map_err(|_| Failure::Internal("a session could not be sealed"))?;
    let secure = if own.starts_with("https://") { "; Secure" } else { "" };
    let cookie =
        format!("{SESSION_COOKIE}={site}~{token}; Path=/; Max-Age={SESSION_S}; HttpOnly; SameSite=Strict{secure}");
    Ok(Response::empty(204).with("Set-Cookie", &cookie).with("Cache-Control", "no-store"))
}
