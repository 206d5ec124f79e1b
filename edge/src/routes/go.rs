//! `GET /v1/go/{token}`: the link of an offer. Works without any script: the click is recorded, then the visitor is led on.

use portico_engine::Step;
use portico_protocol::problem::ProblemKind;
use portico_protocol::seal::{OfferRecord, Purpose};
use worker::{Context, Env, Url};

use crate::access::is_site_id;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::log;
use crate::objects::ledger::{Entry, NewRow};
use crate::recording::record;
use crate::routes::events::open;
use crate::snapshot;

pub(crate) async fn go(_: &Request, env: &Env, context: &Context, token: &str) -> Result<Response, Failure> {
    let refused = || Failure::refused(ProblemKind::Token, "This link is not one of ours, or has been changed.");
    let (site, sealed) = token.split_once('~').filter(|(site, _)| is_site_id(site)).ok_or_else(refused)?;
    let snapshot = snapshot::get(env, context, site).await.map_err(|failure| match failure {
        Failure::Refused(_) => refused(),
        failure => failure,
    })?;
    // An old link still leads on; only what it would teach is over.
    let keyring = &snapshot.settings.keyring;
    let decided: OfferRecord = keyring.open_expired(Purpose::Offer, site, sealed).map_err(|_| refused())?;
    let target = snapshot.settings.config.content.get(&decided.offer).map(|content| content.target.clone());
    let target = target.ok_or_else(|| {
        Failure::refused(ProblemKind::NotFound, "This offer is over. Look at the site for what there is now.")
    })?;
    let mut url = Url::parse(&target).map_err(|_| Failure::Internal("a target that does not parse"))?;
    url.query_pairs_mut().append_pair("portico", &decided.offer);
    if let Some(partner) = &decided.partner {
        url.query_pairs_mut().append_pair("portico_partner", partner);
    }
    // The token goes on in the fragment, which no server sees: the page can report later stages with it.
    url.set_fragment(Some(&format!("portico={token}")));
    if open(&snapshot, token, now_ms()).is_ok() {
        let id = format!(
            "go-{}-{:016x}",
            decided.decision,
            portico_engine::keyed_hash(&[0; 16], &[decided.offer.as_bytes()])
        );
        let entry = Entry::Answer { record: Box::new(decided), step: Step::Stage(0), value: None };
        let row = NewRow { id, entry, happened_ms: now_ms() };
        if let Err(failure) = record(env, context, &snapshot, vec![row]).await {
            // A person who clicked is led on whatever happens to us.
            log::error("click", &failure);
        }
    }
    Ok(Response::empty(302)
        .with("Location", url.as_str())
        .with("Cache-Control", "no-store")
        .with("Referrer-Policy", "no-referrer"))
}
