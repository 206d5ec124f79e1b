//! What is held on a person: all of it as one document, and its erasure.
//!
//! What names somebody lies in objects of their own, whose whole databases are deleted. What many share (the ledger, the
//! learner) has a random name in its place that only those objects could tell.

use std::collections::VecDeque;
use std::rc::Rc;

use futures_lite::stream;
use portico_protocol::customers::{CustomerRecord, EraseRequest, Erasure, ErasureProof, VerifyErasure};
use portico_protocol::id::{PersonId, VisitorId};
use portico_protocol::identity::IdentityError;
use portico_protocol::limits::BODY_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::{ErasureRecord, Purpose, VisitorRecord};
use sha2::{Digest as _, Sha256};
use worker::{Context, Env};

use super::customers::Named;
use super::export::{PAGE_ROWS, event};
use crate::access;
use crate::crypto::random;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::identity::{refused, verified};
use crate::log;
use crate::objects::call;
use crate::objects::ledger::{ForgetPerson, OfPerson};
use crate::objects::outbox::Withdraw;
use crate::objects::visitor::{self, Erase, LookUp, WhoIs};
use crate::recording::all_shards;
use crate::snapshot::{self, Snapshot};

/// `GET /v1/customers/{id}/export`.
pub(crate) async fn export(request: &Request, env: &Env, context: &Context, id: &str) -> Result<Response, Failure> {
    let Named { site, id, .. } = Named::of(request, env, id).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let held = call(env, &visitor::name(&site, &id), &LookUp {}).await?;
    document(env, snapshot, &id, &held).await
}

/// `GET /v1/privacy/export`: the bearer's identity token says whose, `site` in the query has the publishable key.
pub(crate) async fn export_own(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let key = request.url()?.query_pairs().find_map(|(name, value)| (name == "site").then(|| value.into_owned()));
    let origin = request.header("Origin");
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &key.unwrap_or_default()).await?;
    let Some(token) = access::bearer(request) else {
        return Err(Failure::refused(ProblemKind::Identity, "Send an identity token as a bearer token."));
    };
    let (customer, held) = known(env, &caller.snapshot, &token).await?;
    document(env, caller.snapshot, &customer, &held).await
}

/// The customer whom an identity token names, and what is held on them.
async fn known(env: &Env, snapshot: &Snapshot, token: &str) -> Result<(String, CustomerRecord), Failure> {
    let customer = verified(snapshot, token, now_ms()).await?;
    let held = call(env, &visitor::name(&snapshot.site, &customer.id), &LookUp {}).await?;
    if customer.issued_s <= held.signed_out_at {
        return Err(refused(IdentityError::SignedOut));
    }
    Ok((customer.id, held))
}

/// Everything held on a customer, streamed: what lies in their object, and the rows that are about them, shard after shard.
async fn document(
    env: &Env,
    snapshot: Rc<Snapshot>,
    customer: &str,
    held: &CustomerRecord,
) -> Result<Response, Failure> {
    let person = call(env, &visitor::name(&snapshot.site, customer), &WhoIs {}).await?;
    let begin = format!(
        r#"{{"customer":{},"exported_at":{},"held":{},"person":{},"events":["#,
        serde_json::to_string(customer)?,
        now_ms(),
        serde_json::to_string(held)?,
        serde_json::to_string(&person)?,
    );
    let shards = if person.is_some() { all_shards(&snapshot).collect() } else { VecDeque::new() };
    let rows = Rows { env: env.clone(), snapshot, person, shards, after: 0, begin: Some(begin), separator: "" };
    let parts = stream::try_unfold(Some(rows), |rows| async move {
        let Some(mut rows) = rows else { return Ok(None) };
        match rows.next().await {
            Ok(Some(text)) => Ok(Some((text, Some(rows)))),
            Ok(None) => Ok(Some(("]}".to_owned(), None))),
            Err(failure) => {
                // The connection breaks off, so that nobody takes a part for the whole.
                log::error("export of a person", &failure);
                Err(worker::Error::RustError("the export broke off".to_owned()))
            }
        }
    });
    Response::stream("application/json", parts)
}

/// Reads what is on record of a person, page after page.
struct Rows {
    env: Env,
    snapshot: Rc<Snapshot>,
    person: Option<PersonId>,
    /// Shards to read, the present one first.
    shards: VecDeque<(u16, String)>,
    /// The last row that was read of it.
    after: u64,
    begin: Option<String>,
    separator: &'static str,
}

impl Rows {
    /// The next part of the document; none where only its end is left.
    async fn next(&mut self) -> Result<Option<String>, Failure> {
        if let Some(begin) = self.begin.take() {
            return Ok(Some(begin));
        }
        while let Some(((shard, name), person)) = self.shards.front().cloned().zip(self.person) {
            let page = call(&self.env, &name, &OfPerson { person, after: self.after, most: PAGE_ROWS }).await?;
            if page.is_empty() {
                self.shards.pop_front();
                self.after = 0;
                continue;
            }
            let mut text = String::new();
            for row in page {
                self.after = row.seq;
                let line = event(&self.snapshot.settings.policy, format!("{shard}.{}", row.seq), row);
                text.push_str(std::mem::replace(&mut self.separator, ","));
                text.push_str(&serde_json::to_string(&line)?);
            }
            return Ok(Some(text));
        }
        Ok(None)
    }
}

/// `POST /v1/customers/{id}/erase`.
pub(crate) async fn erase(request: &Request, env: &Env, context: &Context, id: &str) -> Result<Response, Failure> {
    let Named { site, id, .. } = Named::of(request, env, id).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let held = call(env, &visitor::name(&site, &id), &LookUp {}).await?;
    let erased = erase_customer(env, &snapshot, &id, &held).await?;
    Response::json(200, &receipt(&snapshot, &id, erased)?)
}

/// `POST /v1/privacy/erase`.
pub(crate) async fn erase_own(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let origin = request.header("Origin");
    let asked: EraseRequest = request.json(BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &asked.site).await?;
    let snapshot = &caller.snapshot;
    let open = |token: &str| {
        let keyring = &snapshot.settings.keyring;
        keyring.open::<VisitorRecord>(Purpose::Visitor, &snapshot.site, token, now_ms()).ok()
    };
    let visitor = asked.visitor.as_deref().and_then(open);
    let (who, mut erased) = match (&asked.identity, &visitor) {
        (Some(token), _) => {
            let (customer, held) = known(env, snapshot, token).await?;
            let erased = erase_customer(env, snapshot, &customer, &held).await?;
            (customer, erased)
        }
        (None, Some(visitor)) => (visitor.id.to_string(), Erased::default()),
        (None, None) => {
            let error = FieldError { pointer: "/visitor".into(), detail: "no token that holds".into() };
            let detail = "Say who asks: send an identity token or a visitor token.";
            return Err(Failure::invalid(ProblemKind::Identity, detail, vec![error]));
        }
    };
    if let Some(visitor) = visitor {
        erased.object(env, &visitor::name_of_anonymous(&snapshot.site, visitor.id), 0).await?;
        erased.messages(env, snapshot).await?;
    }
    Response::json(200, &receipt(snapshot, &who, erased)?)
}

/// What an erasure has come to so far.
#[derive(Debug, Default)]
struct Erased {
    objects: u32,
    showings: u64,
    messages: u64,
    /// Ids of the objects that were erased.
    ids: Vec<String>,
}

impl Erased {
    async fn object(&mut self, env: &Env, name: &str, at_s: u64) -> Result<(), Failure> {
        let (was_there, id) = call(env, name, &Erase { at_s }).await?;
        self.objects += u32::from(was_there);
        self.ids.push(id);
        Ok(())
    }

    async fn showings(&mut self, env: &Env, snapshot: &Snapshot, person: PersonId) -> Result<(), Failure> {
        for (_, shard) in all_shards(snapshot) {
            self.showings += call(env, &shard, &ForgetPerson { person }).await?;
        }
        Ok(())
    }

    /// Takes back what waits for webhooks. What would be missed is not sent either: nobody can tell whom it is about.
    async fn messages(&mut self, env: &Env, snapshot: &Snapshot) -> Result<(), Failure> {
        self.messages += call(env, &snapshot.site, &Withdraw { objects: std::mem::take(&mut self.ids) }).await?;
        Ok(())
    }
}

/// Erases a customer and all names under which they are known. Their own object knows these, so it goes last: what broke off
/// is done by asking again.
async fn erase_customer(
    env: &Env,
    snapshot: &Snapshot,
    customer: &str,
    held: &CustomerRecord,
) -> Result<Erased, Failure> {
    let site = &snapshot.site;
    let at_s = now_ms() / 1_000;
    let mut erased = Erased::default();
    let mut customers = Vec::new();
    // What was given back is somebody else's.
    for source in held.merged.iter().filter(|merged| !merged.undone).map(|merged| &merged.source) {
        match source.split_once('/') {
            Some(("visitor", id)) => {
                if let Ok(id) = id.parse::<VisitorId>() {
                    erased.object(env, &visitor::name_of_anonymous(site, id), 0).await?;
                }
            }
            Some(("segment", id)) => {
                erased.object(env, &visitor::name_of_segment(site, id), 0).await?;
            }
            Some(("customer", id)) => customers.push(id),
            _ => {}
        }
    }
    customers.push(customer);
    for id in customers {
        let name = visitor::name(site, id);
        if let Some(person) = call(env, &name, &WhoIs {}).await? {
            erased.showings(env, snapshot, person).await?;
        }
        erased.object(env, &name, at_s).await?;
    }
    erased.messages(env, snapshot).await?;
    Ok(erased)
}

fn subject(site: &str, who: &str) -> [u8; 32] {
    Sha256::digest([site.as_bytes(), &[0], who.as_bytes()].concat()).into()
}

fn receipt(snapshot: &Snapshot, who: &str, erased: Erased) -> Result<Erasure, Failure> {
    let Erased { objects, showings, messages, .. } = erased;
    let erased_at = now_ms();
    let record =
        ErasureRecord { subject: subject(&snapshot.site, who), erased_ms: erased_at, objects, showings, messages };
    let receipt = snapshot.settings.keyring.seal(Purpose::Receipt, &snapshot.site, &record, random()?);
    let receipt = receipt.map_err(|_| Failure::Internal("a receipt could not be sealed"))?;
    Ok(Erasure { erased_at, objects, showings, messages, receipt })
}

/// `POST /v1/privacy/verify`.
pub(crate) async fn verify(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let VerifyErasure { receipt, customer } = request.json(BODY_BYTES).await?;
    let keyring = &snapshot.settings.keyring;
    let record: Result<ErasureRecord, _> = keyring.open(Purpose::Receipt, &site, &receipt, now_ms());
    let wrong = |pointer: &str, detail: String| {
        let error = FieldError { pointer: pointer.into(), detail };
        Failure::invalid(ProblemKind::Token, "It proves nothing.", vec![error])
    };
    let record = record.map_err(|error| wrong("/receipt", error.to_string()))?;
    if record.subject != subject(&site, &customer) {
        return Err(wrong("/customer", "the receipt is about somebody else".to_owned()));
    }
    let ErasureRecord { erased_ms, objects, showings, messages, .. } = record;
    Response::json(200, &ErasureProof { erased_at: erased_ms, objects, showings, messages })
}
