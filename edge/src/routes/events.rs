//! `POST /v1/events`: each event is judged alone, everything accepted is durable before the answer.

use std::collections::BTreeMap;

use portico_engine::{Seen, Step};
use portico_protocol::events::{Event, EventKind, EventsRequest, EventsResponse, Rejection};
use portico_protocol::limits::{BODY_BYTES, EVENTS_PER_BATCH, NAME_BYTES};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::{OfferRecord, Purpose, SealError, VisitorRecord};
use worker::{Context, Env, Request, Response};

use crate::access::{self, Caller};
use crate::error::Failure;
use crate::http::{header, json, now_ms, read};
use crate::objects::call;
use crate::objects::ledger::{self, Append, Entry, NewRow};
use crate::objects::visitor::{self, Answered};
use crate::routes::decide::seal_visitor;
use crate::snapshot::{self, Snapshot};

/// Bytes of an event's `props`, written as JSON.
const PROPS_BYTES: usize = 2048;
/// Shards of a site's ledger.
pub(crate) const SHARDS: u16 = 1;

pub(crate) async fn events(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let bearer = access::bearer(&request);
    let origin = header(&request, "Origin");
    let asked: EventsRequest = read(&mut request, BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, bearer.as_deref(), origin.as_deref(), &asked.site).await?;
    if asked.events.len() > EVENTS_PER_BATCH {
        let detail = format!("{} events; at most {EVENTS_PER_BATCH} go in one batch", asked.events.len());
        let error = FieldError { pointer: "/events".into(), detail };
        return Err(Failure::invalid(ProblemKind::Malformed, "Send the events in smaller batches.", vec![error]));
    }
    let now_ms = now_ms();
    let mut answer = EventsResponse::default();
    let mut rows = Vec::with_capacity(asked.events.len());
    for (index, event) in (0_u32..).zip(asked.events) {
        match judge(&caller, event, now_ms) {
            Ok(row) => rows.push(row),
            Err(reason) => answer.rejected.push(Rejection { index, reason }),
        }
    }
    if !rows.is_empty() {
        let answers = answers(&caller.snapshot, &rows);
        let stored = record(env, context, &caller.snapshot, rows).await?;
        answer.accepted = stored.iter().filter(|new| **new).count() as u32;
        answer.duplicate = stored.len() as u32 - answer.accepted;
        answer.visitor = remember(env, &caller.snapshot, asked.visitor.as_deref(), &answers, &stored, now_ms).await?;
    }
    json(202, &answer)
}

/// Writes rows to the ledger and sees to it that this isolate soon decides with them.
pub(crate) async fn record(
    env: &Env,
    context: &Context,
    snapshot: &Snapshot,
    rows: Vec<NewRow>,
) -> Result<Vec<bool>, Failure> {
    let shard = SHARDS - 1;
    let append = Append { site: snapshot.site.clone(), shard, rows };
    let stored = call(env, &ledger::name(&snapshot.site, shard), &append).await?;
    snapshot::follow_events(env, context, &snapshot.site);
    Ok(stored)
}

/// Opens an offer's token, which begins with its site.
pub(crate) fn open(snapshot: &Snapshot, token: &str, now_ms: u64) -> Result<OfferRecord, SealError> {
    let sealed = token.split_once('~').filter(|(site, _)| *site == snapshot.site).ok_or(SealError::Forged)?.1;
    snapshot.settings.keyring.open(Purpose::Offer, &snapshot.site, sealed, now_ms)
}

/// The row of an event, or the reason why it is refused.
fn judge(caller: &Caller, event: serde_json::Value, now_ms: u64) -> Result<NewRow, String> {
    let event: Event = serde_json::from_value(event).map_err(|error| error.to_string())?;
    if !(8..=64).contains(&event.id.len()) || !event.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err("id is not a UUID".to_owned());
    }
    if event.name.as_ref().is_some_and(|name| name.len() > NAME_BYTES) {
        return Err(format!("name is longer than {NAME_BYTES} bytes"));
    }
    let props = serde_json::to_value(&event.props).map_err(|error| error.to_string())?;
    if props.to_string().len() > PROPS_BYTES {
        return Err(format!("props are larger than {PROPS_BYTES} bytes"));
    }
    let step = match event.kind {
        EventKind::Impression => Step::Impression,
        EventKind::Dismiss => Step::Dismissal,
        EventKind::Click => Step::Stage(0),
        EventKind::Stage => {
            let stage = event.stage.as_deref().ok_or("stage is missing")?;
            let policy = &caller.snapshot.settings.policy;
            let index = policy.stage(stage).and_then(|index| u8::try_from(index).ok());
            Step::Stage(index.ok_or_else(|| {
                let known: Vec<&str> = policy.stages().collect();
                format!("unknown stage `{stage:.128}`; the site's stages are {}", known.join(", "))
            })?)
        }
        EventKind::Page => {
            return Ok(NewRow { id: event.id, entry: Entry::Note { name: "page".to_owned(), props } });
        }
        EventKind::Track => {
            let name = event.name.ok_or("name is missing")?;
            return Ok(NewRow { id: event.id, entry: Entry::Note { name: format!("track {name}"), props } });
        }
    };
    let token = event.token.as_deref().ok_or("token is missing")?;
    let record = open(&caller.snapshot, token, now_ms).map_err(|error| error.to_string())?;
    // A publisher's page reports for its own showings only.
    if !caller.trusted && caller.partner.is_some() && record.partner != caller.partner {
        return Err("the token was given to another publisher".to_owned());
    }
    Ok(NewRow { id: event.id, entry: Entry::Answer { record: Box::new(record), step } })
}

/// What is worth remembering of a batch: by row, whose offer was put away or seen. Impressions only where the site has
/// rules that count them.
fn answers(snapshot: &Snapshot, rows: &[NewRow]) -> Vec<Option<(OfferRecord, Step)>> {
    let counts_contacts = !snapshot.settings.config.decisions.contact.is_empty();
    let worth_it = |row: &NewRow| match &row.entry {
        Entry::Answer { record, step: step @ Step::Dismissal } => Some((OfferRecord::clone(record), *step)),
        Entry::Answer { record, step: step @ Step::Impression } if counts_contacts => {
            Some((OfferRecord::clone(record), *step))
        }
        _ => None,
    };
    rows.iter().map(worth_it).collect()
}

/// Remembers answers: with the customers' objects, or in the visitor's renewed token. An impression only when it was new;
/// a dismissal always, for the answer that renewed the token may have been lost.
async fn remember(
    env: &Env,
    snapshot: &Snapshot,
    visitor: Option<&str>,
    answers: &[Option<(OfferRecord, Step)>],
    stored: &[bool],
    now_ms: u64,
) -> Result<Option<String>, Failure> {
    let anonymous = visitor.and_then(|token| {
        snapshot.settings.keyring.open::<VisitorRecord>(Purpose::Visitor, &snapshot.site, token, now_ms).ok()
    });
    let mut by_customer: BTreeMap<Option<&str>, Answered> = BTreeMap::new();
    for (answer, new) in answers.iter().zip(stored) {
        let Some((record, step)) = answer.as_ref().filter(|(_, step)| *new || *step == Step::Dismissal) else {
            continue;
        };
        let theirs = anonymous.as_ref().is_some_and(|visitor| record.visitor == Some(visitor.id));
        if record.customer.is_none() && !theirs {
            continue;
        }
        let answered = by_customer.entry(record.customer.as_deref()).or_default();
        match step {
            Step::Dismissal => answered.dismissed.push(record.offer.clone()),
            _ => answered.seen.push(Seen { offer: Seen::mark(&record.offer), at_ms: now_ms }),
        }
    }
    let mut renewed = None;
    for (customer, answered) in by_customer {
        let answered = Answered { now_ms, ..answered };
        match (customer, &anonymous) {
            (Some(customer), _) => call(env, &visitor::name(&snapshot.site, customer), &answered).await?,
            (None, Some(visitor)) => {
                let mut visitor = visitor.clone();
                answered.remember(&mut visitor.memory);
                renewed = Some(seal_visitor(snapshot, &visitor)?);
            }
            (None, None) => {}
        }
    }
    Ok(renewed)
}
