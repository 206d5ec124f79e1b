//! What is held on a person: all of it as one document, and its erasure.
//!
//! What names somebody lies in objects of their own, whose whole databases are deleted. What many share (the ledger, the
//! learner) has a random name in its place that only those objects could tell.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use futures_lite::stream;
use portico_protocol::customers::{CustomerRecord, EraseRequest, Erasure, ErasureProof, VerifyErasure};
use portico_protocol::id::PersonId;
use portico_protocol::identity::IdentityError;
use portico_protocol::limits::BODY_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::{ErasureRecord, Purpose, VisitorRecord};
use sha2::{Digest as _, Sha256};
use worker::{Context, Env};

use super::customers::{Named, complete};
use super::export::{PAGE_ROWS, event};
use crate::access::{self, Caller};
use crate::crypto::random;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::identity::{refused, verified};
use crate::log;
use crate::objects::census::Stands;
use crate::objects::group::{self, LetGo};
use crate::objects::ledger::{ForgetPerson, OfPerson};
use crate::objects::outbox::Withdraw;
use crate::objects::visitor::{self, DropSources, Erase, LookUp, Takers, WhoIs};
use crate::objects::{call, id_of};
use crate::recording::all_shards;
use crate::snapshot::{self, Snapshot};

/// `GET /v1/customers/{id}/export`.
pub(crate) async fn export(request: &Request, env: &Env, context: &Context, id: &str) -> Result<Response, Failure> {
    let Named { site, id, .. } = Named::of(request, env, id).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    document(env, snapshot, &id).await
}

/// `GET /v1/privacy/export`: the bearer's identity token says whose, `site` in the query has the publishable key.
pub(crate) async fn export_own(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let (caller, token) = caller_of_page(request, env, context).await?;
    let customer = known(env, &caller.snapshot, &token).await?;
    document(env, caller.snapshot, &customer).await
}

/// Who reads as a page of the site with an identity token for a bearer token, and that token.
pub(crate) async fn caller_of_page(
    request: &Request,
    env: &Env,
    context: &Context,
) -> Result<(Caller, String), Failure> {
    let key = request.url()?.query_pairs().find_map(|(name, value)| (name == "site").then(|| value.into_owned()));
    let origin = request.origin();
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &key.unwrap_or_default()).await?;
    only_by_the_site(&caller)?;
    let token = access::bearer(request);
    let none = || Failure::refused(ProblemKind::Identity, "Send an identity token as a bearer token.");
    Ok((caller, token.ok_or_else(none)?))
}

/// A publisher's page may show offers, and no more.
pub(crate) fn only_by_the_site(caller: &Caller) -> Result<(), Failure> {
    match caller.partner {
        None => Ok(()),
        Some(_) => Err(Failure::refused(ProblemKind::Forbidden, "Only the site's own pages may ask for this.")),
    }
}

/// The customer whom an identity token names.
pub(crate) async fn known(env: &Env, snapshot: &Snapshot, token: &str) -> Result<String, Failure> {
    let customer = verified(snapshot, token, now_ms()).await?;
    let held = call(env, &visitor::name(&snapshot.site, &customer.id), &LookUp {}).await?;
    if customer.issued_s <= held.signed_out_at {
        return Err(refused(IdentityError::SignedOut));
    }
    Ok(customer.id)
}

/// Everything held on a customer, streamed: what lies in their objects, and the rows that are about them, shard after shard.
async fn document(env: &Env, snapshot: Rc<Snapshot>, customer: &str) -> Result<Response, Failure> {
    let mut parts = parts(env, &snapshot, customer).await?;
    let own = parts.remove(0);
    let others: Vec<&CustomerRecord> = parts.iter().map(|part| &part.held).collect();
    let begin = format!(
        r#"{{"customer":{},"exported_at":{},"held":{},"under_other_names":{},"events":["#,
        serde_json::to_string(customer)?,
        now_ms(),
        serde_json::to_string(&own.held)?,
        serde_json::to_string(&others)?,
    );
    let persons: Vec<PersonId> = own.person.into_iter().chain(parts.iter().filter_map(|part| part.person)).collect();
    let shards: Vec<(u16, String)> = all_shards(&snapshot).collect();
    let to_read = shards.iter().flat_map(|shard| persons.iter().map(|person| (shard.clone(), *person))).collect();
    let rows = Rows { env: env.clone(), snapshot, to_read, after: 0, begin: Some(begin), separator: "" };
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
    /// Shards to read and of whom, the present first.
    to_read: VecDeque<((u16, String), PersonId)>,
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
        while let Some(((shard, name), person)) = self.to_read.front().cloned() {
            let page = call(&self.env, &name, &OfPerson { person, after: self.after, most: PAGE_ROWS }).await?;
            if page.is_empty() {
                self.to_read.pop_front();
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
    let erased = erase_customer(env, &snapshot, &id).await?;
    Response::json(200, &receipt(&snapshot, &id, erased)?)
}

/// `POST /v1/privacy/erase`.
pub(crate) async fn erase_own(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let origin = request.origin();
    let asked: EraseRequest = request.json(BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, None, origin.as_deref(), &asked.site).await?;
    only_by_the_site(&caller)?;
    let snapshot = &caller.snapshot;
    let open = |token: &str| {
        let keyring = &snapshot.settings.keyring;
        keyring.open::<VisitorRecord>(Purpose::Visitor, &snapshot.site, token, now_ms()).ok()
    };
    let visitor = asked.visitor.as_deref().and_then(open);
    let (who, mut erased) = match (&asked.identity, &visitor) {
        (Some(token), _) => {
            let customer = known(env, snapshot, token).await?;
            let erased = erase_customer(env, snapshot, &customer).await?;
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
    async fn object(&mut self, env: &Env, name: &str, at_ms: u64) -> Result<(), Failure> {
        let (was_there, id) = call(env, name, &Erase { at_ms }).await?;
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

/// An object that remembers a person, by its name or by `#` and its id.
struct Part {
    object: String,
    /// Its id.
    id: String,
    held: CustomerRecord,
    person: Option<PersonId>,
}

/// All objects that remember a customer, their own first: also those of the devices and other names whose histories they took
/// over, and of theirs. What was given back is somebody else's.
async fn parts(env: &Env, snapshot: &Snapshot, customer: &str) -> Result<Vec<Part>, Failure> {
    let mut parts: Vec<Part> = Vec::new();
    let mut to_ask = vec![visitor::name(&snapshot.site, customer)];
    while let Some(object) = to_ask.pop() {
        let id = match object.strip_prefix('#') {
            Some(id) => id.to_owned(),
            None => id_of::<LookUp>(env, &object)?,
        };
        if parts.iter().any(|part| part.id == id) {
            continue;
        }
        let mut held = call(env, &object, &LookUp {}).await?;
        complete(snapshot, &mut held);
        let person = call(env, &object, &WhoIs {}).await?;
        let sources = held.merged.iter().filter(|merged| !merged.undone).map(|merged| merged.source.split_once('/'));
        to_ask.extend(sources.filter_map(|source| match source? {
            ("visitor", id) => Some(visitor::name_of_anonymous(&snapshot.site, id.parse().ok()?)),
            ("segment", id) => Some(visitor::name_of_segment(&snapshot.site, id)),
            ("customer", id) => Some(format!("#{id}")),
            _ => None,
        }));
        parts.push(Part { object, id, held, person });
    }
    Ok(parts)
}

/// Erases a customer under all their names. Their own object, which knows these, goes last: what broke off is done by asking
/// again.
async fn erase_customer(env: &Env, snapshot: &Snapshot, customer: &str) -> Result<Erased, Failure> {
    let at_ms = now_ms();
    let mut erased = Erased::default();
    for Part { object, id, person, held } in parts(env, snapshot, customer).await?.into_iter().rev() {
        if let Some(person) = person {
            erased.showings(env, snapshot, person).await?;
        }
        // Whoever took them over remembers them too, and what they had taken over.
        let theirs = held.merged.iter().filter(|merged| !merged.undone).map(|merged| merged.source.clone());
        let sources: Vec<String> = theirs.chain([visitor::source_of_customer(&id)]).collect();
        for taker in call(env, &object, &Takers {}).await? {
            call(env, &format!("#{taker}"), &DropSources { sources: sources.clone() }).await?;
        }
        // The groups that they belonged to forget them.
        for (kind, membership) in &held.groups {
            let group = group::name(&snapshot.site, kind, &membership.id);
            call(env, &group, &LetGo { object: id.clone() }).await?;
        }
        let gone = Stands { object: id.clone(), levels: BTreeMap::new(), worth: BTreeMap::new() };
        call(env, &snapshot.site, &gone).await?;
        erased.object(env, &object, at_ms).await?;
    }
    erased.messages(env, snapshot).await?;
    Ok(erased)
}

pub(crate) fn subject(site: &str, who: &str) -> [u8; 32] {
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
