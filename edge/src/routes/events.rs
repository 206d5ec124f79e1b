//! `POST /v1/events`: each event is judged alone, everything accepted is durable before the answer.

use portico_engine::Step;
use portico_engine::config::DripQuestion;
use portico_protocol::events::{Event, EventKind, EventsRequest, EventsResponse, Rejection};
use portico_protocol::limits::{BODY_BYTES, EVENTS_PER_BATCH, NAME_BYTES};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::{OfferRecord, Purpose, SealError};
use worker::{Context, Env};

use crate::access::{self, Caller};
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::memory::{ANSWERED, Memories, Sender, TRACKED, replied};
use crate::objects::ledger::{Entry, NewRow, Taken};
use crate::objects::visitor::Replied;
use crate::recording::record;
use crate::routes::metrics::{Counted, count};
use crate::snapshot::Snapshot;

/// Age that an event without a decision can have: it waited for so long on a device without a network.
const OLDEST_NOTE_MS: u64 = 7 * 86_400_000;
/// Bytes of an event's `props`, written as JSON.
pub(crate) const PROPS_BYTES: usize = 2048;

pub(crate) async fn events(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let bearer = access::bearer(&request);
    let origin = request.origin();
    let is_private = request.is_private();
    let mut asked: EventsRequest = request.json(BODY_BYTES).await?;
    let caller = access::visitor_side(env, context, bearer.as_deref(), origin.as_deref(), &asked.site).await?;
    if asked.events.len() > EVENTS_PER_BATCH {
        let detail = format!("{} events; at most {EVENTS_PER_BATCH} go in one batch", asked.events.len());
        let error = FieldError { pointer: "/events".into(), detail };
        return Err(Failure::invalid(ProblemKind::Malformed, "Send the events in smaller batches.", vec![error]));
    }
    let now_ms = now_ms();
    let clock = Clock::new(now_ms, asked.sent);
    let mut answer = EventsResponse::default();
    let (mut rows, mut replies) = (Vec::with_capacity(asked.events.len()), Vec::new());
    for (index, event) in (0_u32..).zip(std::mem::take(&mut asked.events)) {
        match judge(&caller, event, clock) {
            Ok((row, replied)) => {
                rows.push(row);
                replies.push(replied);
            }
            Err(reason) => answer.rejected.push(Rejection { index, reason }),
        }
    }
    let sender = Sender::of(&caller, &asked, is_private, now_ms).await?;
    if !rows.is_empty() {
        let snapshot = &caller.snapshot;
        let memories = Memories::of(snapshot, (&rows, &replies), sender.visitor.as_ref(), |_| sender.whose(), now_ms);
        let stored = record(env, context, snapshot, rows).await?;
        answer.accepted = stored.iter().filter(|taken| matches!(taken, Taken::New(_))).count() as u32;
        answer.duplicate = stored.len() as u32 - answer.accepted;
        answer.visitor = memories.keep(env, snapshot, (sender.visitor, sender.issued_s), &stored, now_ms).await?;
    }
    count(&caller.snapshot.site, Counted::Rejected, answer.rejected.len());
    Response::json(202, &answer)
}

/// Opens an offer's token, which begins with its site.
pub(crate) fn open(snapshot: &Snapshot, token: &str, now_ms: u64) -> Result<OfferRecord, SealError> {
    let sealed = token.split_once('~').filter(|(site, _)| *site == snapshot.site).ok_or(SealError::Forged)?.1;
    snapshot.settings.keyring.open(Purpose::Offer, &snapshot.site, sealed, now_ms)
}

/// The sender's clock beside ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now_ms: u64,
    /// By how much the sender's is ahead.
    ahead_ms: i64,
}

impl Clock {
    /// Of a sender whose clock said `sent_ms` when it sent what has just arrived.
    pub(crate) fn new(now_ms: u64, sent_ms: Option<u64>) -> Self {
        Self { now_ms, ahead_ms: sent_ms.map_or(0, |sent_ms| difference(sent_ms, now_ms)) }
    }

    /// When something happened that the sender's clock dates: not in the future, and not before what it answers.
    pub(crate) fn happened_ms(self, at_ms: Option<u64>, decided_ms: Option<u64>) -> u64 {
        let corrected = at_ms.map_or(self.now_ms, |at_ms| at_ms.saturating_add_signed(self.ahead_ms.saturating_neg()));
        corrected.max(decided_ms.unwrap_or(self.now_ms.saturating_sub(OLDEST_NOTE_MS))).min(self.now_ms)
    }
}

fn difference(left: u64, right: u64) -> i64 {
    i64::try_from(i128::from(left) - i128::from(right)).unwrap_or(0)
}

/// The row of an event, or the reason why it is refused.
fn judge(caller: &Caller, event: serde_json::Value, clock: Clock) -> Result<(NewRow, Option<Replied>), String> {
    let event: Event = serde_json::from_value(event).map_err(|error| error.to_string())?;
    if !(8..=64).contains(&event.id.len()) || !event.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err("id is not a UUID".to_owned());
    }
    if event.name.as_ref().is_some_and(|name| name.len() > NAME_BYTES) {
        return Err(format!("name is longer than {NAME_BYTES} bytes"));
    }
    let props = serde_json::to_string(&event.props).map_err(|error| error.to_string())?;
    if props.len() > PROPS_BYTES {
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
            let entry = Entry::Note { name: "page".to_owned(), props };
            return Ok((NewRow { id: event.id, entry, happened_ms: clock.happened_ms(event.at, None) }, None));
        }
        EventKind::Track => {
            let name = event.name.ok_or("name is missing")?;
            let entry = Entry::Note { name: format!("{TRACKED}{name}"), props };
            return Ok((NewRow { id: event.id, entry, happened_ms: clock.happened_ms(event.at, None) }, None));
        }
        EventKind::Answer => {
            let name = event.name.ok_or("name is missing")?;
            let questions = &caller.snapshot.settings.config.decisions.questions;
            let question = questions.iter().find(|question| question.id == name);
            let question = question.ok_or_else(|| format!("unknown question `{name:.128}`"))?;
            let answer = answer_of(question, event.props.get("value"))?;
            let happened_ms = clock.happened_ms(event.at, None);
            let replied = replied(&caller.snapshot.settings.config.profile, question, answer, happened_ms);
            let entry = Entry::Note { name: format!("{ANSWERED}{name}"), props: "{}".to_owned() };
            return Ok((NewRow { id: event.id, entry, happened_ms }, Some(replied)));
        }
    };
    let token = event.token.as_deref().ok_or("token is missing")?;
    let record = open(&caller.snapshot, token, clock.now_ms).map_err(|error| error.to_string())?;
    // A publisher's page reports for its own showings only.
    if !caller.trusted && caller.partner.is_some() && record.partner != caller.partner {
        return Err("the token was given to another publisher".to_owned());
    }
    let happened_ms = clock.happened_ms(event.at, Some(record.decided_ms));
    let entry = Entry::Answer { record: Box::new(record), step, value: None };
    Ok((NewRow { id: event.id, entry, happened_ms }, None))
}

/// The answer that is meant, itself or as JSON text as a button has it; nothing where it declines.
fn answer_of<'a>(
    question: &'a DripQuestion,
    said: Option<&serde_json::Value>,
) -> Result<Option<&'a serde_json::Value>, String> {
    let Some(said) = said.filter(|said| !said.is_null() && said.as_str() != Some("")) else { return Ok(None) };
    let as_json = said.as_str().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let is_meant = |answer: &&serde_json::Value| **answer == *said || as_json.as_ref() == Some(answer);
    match question.answers.iter().find(is_meant) {
        Some(answer) => Ok(Some(answer)),
        None => Err(format!("`{}` has no such answer", question.id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_corrected_and_bounded() {
        let check = |ahead_ms: i64, at_ms, decided_ms, expect| {
            let clock = Clock { now_ms: 1_000_000_000, ahead_ms };
            assert_eq!(clock.happened_ms(at_ms, decided_ms), expect, "{ahead_ms} {at_ms:?} {decided_ms:?}");
        };
        check(0, Some(999_999_000), Some(999_990_000), 999_999_000);
        check(0, None, Some(999_990_000), 1_000_000_000);
        // An hour ahead, five seconds ago.
        check(3_600_000, Some(1_003_595_000), Some(999_990_000), 999_995_000);
        check(-3_600_000, Some(996_395_000), Some(999_990_000), 999_995_000);
        // Without a word on the sender's clock: never in the future, never before the decision.
        check(0, Some(u64::MAX), Some(999_990_000), 1_000_000_000);
        check(0, Some(0), Some(999_990_000), 999_990_000);
        check(i64::MIN, Some(u64::MAX), None, 1_000_000_000);
        check(i64::MAX, Some(0), None, 1_000_000_000 - OLDEST_NOTE_MS);
    }
}
