//! `POST /segment/v1/…`: Segment's tracking API.
//!
//! `identify` stores traits as attributes of the customer, and `group` what the configuration keeps of the group. What was
//! done under an `anonymousId` is the customer's when an `identify` names both, and so it is under the `previousId` of an
//! `alias`. `track`
//! is recorded, and where the configuration says that the event is an outcome, it also teaches: it goes to what the customer
//! was last shown of the offer that its property names. `page` and `screen` are recorded as page views, the others under
//! their names.

use std::io::Read as _;

use flate2::read::GzDecoder;
use portico_engine::Source;
use portico_protocol::check;
use portico_protocol::events::Rejection;
use portico_protocol::limits::{NAME_BYTES, SEGMENT_BYTES, SEGMENT_MESSAGES};
use portico_protocol::outcomes::Outcome;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::profile::SEGMENT;
use portico_protocol::segment::{SegmentBatch, SegmentCall, SegmentMessage, SegmentReceipt};
use portico_protocol::site::SegmentConfig;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use worker::{Context, Env};

use crate::access;
use crate::crypto::{content_hash, random};
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::memory::{self, Memories, TRACKED, Whose};
use crate::objects::call;
use crate::objects::ledger::{Entry, NewRow, Taken};
use crate::objects::visitor::{self, Attributes, PutProfile, Who};
use crate::recording::record;
use crate::routes::customers::{Other, check_id, take_over};
use crate::routes::events::{Clock, PROPS_BYTES};
use crate::routes::metrics::{Counted, count};
use crate::routes::outcomes::{Judged, judge};
use crate::routes::profile;
use crate::snapshot::{self, Snapshot};

pub(crate) async fn segment(
    mut request: Request,
    env: &Env,
    context: &Context,
    name: &str,
) -> Result<Response, Failure> {
    let site = access::basic(env, &request).await?;
    let body = unpacked(&mut request).await?;
    let (messages, sent_at) = match serde_json::from_value::<SegmentCall>(Value::from(name)) {
        Ok(call) => {
            let mut message: Map<String, Value> = read(&body)?;
            message.insert("type".to_owned(), serde_json::to_value(call)?);
            let sent_at = message.get("sentAt").cloned();
            (vec![Value::Object(message)], sent_at)
        }
        Err(_) if matches!(name, "batch" | "import") => {
            let batch: SegmentBatch = read(&body)?;
            (batch.batch, batch.sent_at)
        }
        Err(_) => return Err(Failure::refused(ProblemKind::NotFound, format!("There is no call {name:.64}."))),
    };
    if messages.len() > SEGMENT_MESSAGES {
        let detail = format!("{} messages; at most {SEGMENT_MESSAGES} go in one batch", messages.len());
        let error = FieldError { pointer: "/batch".into(), detail };
        return Err(Failure::invalid(ProblemKind::Malformed, "Send the messages in smaller batches.", vec![error]));
    }
    let snapshot = snapshot::get(env, context, &site).await?;
    let now_ms = now_ms();
    let clock = Clock::new(now_ms, sent_at.as_ref().and_then(moment));
    let mut rejected = Vec::new();
    let (mut rows, mut indices, mut whose, mut joined) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, message) in (0_u32..).zip(messages) {
        let mut refuse = |reason| rejected.push(Rejection { index, reason });
        let checked = Checked::of(message, clock);
        let checked = match checked {
            Ok(checked) => checked,
            Err(reason) => {
                refuse(reason);
                continue;
            }
        };
        if let Some(reason) = store_traits(env, &snapshot, &checked.message, now_ms).await? {
            refuse(reason);
        }
        if let Some(outcome) = outcome_of(&snapshot, &checked) {
            match judge(env, &snapshot, outcome, now_ms).await? {
                Judged::Row(row) => {
                    rows.push(*row);
                    indices.push(index);
                    whose.push(None);
                }
                Judged::Known => {}
                Judged::Refused(reason) => refuse(reason),
            }
        }
        joined.extend(joined_by(&checked.message));
        whose.push(of_whom(&checked.message));
        rows.push(checked.note());
        indices.push(index);
    }
    if !rows.is_empty() {
        let memories = Memories::of(&snapshot, (&rows, &[]), None, |at| whose.get(at).cloned().flatten(), now_ms);
        let stored = record(env, context, &snapshot, rows).await?;
        memories.keep(env, &snapshot, (None, None), &stored, now_ms).await?;
        for (index, taken) in indices.into_iter().zip(stored) {
            if let Taken::Refused(reason) = taken {
                rejected.push(Rejection { index, reason });
            }
        }
    }
    // After what the same batch says of them was kept.
    for (customer, other) in joined {
        take_over(env, &snapshot, &customer, &other).await?;
    }
    rejected.sort_by_key(|rejection| rejection.index);
    count(&site, Counted::Rejected, rejected.len());
    Response::json(200, &SegmentReceipt { success: true, rejected })
}

fn of_whom(message: &SegmentMessage) -> Option<Whose> {
    let customer = message.user_id.clone().map(Whose::Customer);
    customer.or(message.anonymous_id.clone().map(Whose::Segment))
}

/// What a call says of a customer's other names: an `identify` that has both ids, and an `alias`, whose `previousId` may be
/// of either kind.
fn joined_by(message: &SegmentMessage) -> Vec<(String, Other)> {
    let Some(customer) = &message.user_id else { return Vec::new() };
    let names = match (message.call, &message.previous_id, &message.anonymous_id) {
        (Some(SegmentCall::Alias), Some(previous), _) if previous == customer => vec![Other::Segment(previous.clone())],
        (Some(SegmentCall::Alias), Some(previous), _) => {
            vec![Other::Segment(previous.clone()), Other::Customer(previous.clone())]
        }
        (Some(SegmentCall::Identify), _, Some(anonymous)) => vec![Other::Segment(anonymous.clone())],
        _ => Vec::new(),
    };
    names.into_iter().map(|other| (customer.clone(), other)).collect()
}

/// The body, unpacked if it is packed; neither way larger than its limit.
async fn unpacked(request: &mut Request) -> Result<Vec<u8>, Failure> {
    let encoding = request.header("Content-Encoding").unwrap_or_default().to_ascii_lowercase();
    let bytes = request.body(SEGMENT_BYTES).await?;
    match encoding.as_str() {
        "" | "identity" => Ok(bytes),
        "gzip" => {
            let mut unpacked = Vec::new();
            let read = GzDecoder::new(bytes.as_slice()).take(SEGMENT_BYTES as u64 + 1).read_to_end(&mut unpacked);
            if read.is_err() {
                return Err(Failure::refused(ProblemKind::Malformed, "The body is not gzip."));
            }
            if unpacked.len() > SEGMENT_BYTES {
                let detail = format!("The body is larger than {SEGMENT_BYTES} bytes when unpacked.");
                return Err(Failure::refused(ProblemKind::TooLarge, detail));
            }
            Ok(unpacked)
        }
        other => {
            let detail = format!("The encoding {other:.32} is not understood; send gzip or nothing.");
            Err(Failure::refused(ProblemKind::Malformed, detail))
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    check::read(body)
        .map_err(|error| Failure::invalid(ProblemKind::Malformed, "The body is not what this call takes.", vec![error]))
}

fn moment(json: &Value) -> Option<u64> {
    portico_engine::moment_ms(json).and_then(|ms| u64::try_from(ms).ok())
}

/// A message within its bounds.
struct Checked {
    message: SegmentMessage,
    call: SegmentCall,
    id: String,
    happened_ms: u64,
}

impl Checked {
    fn of(json: Value, clock: Clock) -> Result<Self, String> {
        let content = json.to_string();
        let message: SegmentMessage = serde_json::from_value(json).map_err(|error| error.to_string())?;
        let call = message.call.ok_or("type is missing")?;
        let names = [
            ("messageId", &message.message_id),
            ("userId", &message.user_id),
            ("anonymousId", &message.anonymous_id),
            ("event", &message.event),
            ("groupId", &message.group_id),
            ("previousId", &message.previous_id),
            ("name", &message.name),
        ];
        for (name, text) in names {
            if text.as_ref().is_some_and(|text| check_id(text, "").is_some()) {
                return Err(format!("{name} is empty, longer than {NAME_BYTES} bytes or has control characters"));
            }
        }
        if message.user_id.is_none() && message.anonymous_id.is_none() {
            return Err("userId or anonymousId is needed".to_owned());
        }
        if call == SegmentCall::Track && message.event.is_none() {
            return Err("event is missing".to_owned());
        }
        if call == SegmentCall::Alias && (message.user_id.is_none() || message.previous_id.is_none()) {
            return Err("userId and previousId are needed".to_owned());
        }
        if Value::Object(message.properties.clone()).to_string().len() > PROPS_BYTES {
            return Err(format!("properties are larger than {PROPS_BYTES} bytes"));
        }
        // The same at the same moment is the same; without a moment nobody can tell, and nothing is to be lost.
        let id = match (&message.message_id, &message.timestamp) {
            (Some(id), _) => format!("segment {id}"),
            (None, Some(_)) => format!("segment {}", content_hash(content.as_bytes())),
            (None, None) => {
                let id = random::<12>().map_err(|failure| failure.to_string())?;
                format!("segment {}", data_encoding::HEXLOWER.encode(&id))
            }
        };
        let happened_ms = clock.happened_ms(message.timestamp.as_ref().and_then(moment), None);
        Ok(Self { message, call, id, happened_ms })
    }

    /// The row that says what happened. Of whom it was said is not in it, nor are their traits.
    fn note(self) -> NewRow {
        let Self { message, call, id, happened_ms } = self;
        let name = match call {
            SegmentCall::Track => format!("{TRACKED}{}", message.event.unwrap_or_default()),
            SegmentCall::Page | SegmentCall::Screen => "page".to_owned(),
            SegmentCall::Identify => "identify".to_owned(),
            SegmentCall::Group => "group".to_owned(),
            SegmentCall::Alias => "alias".to_owned(),
        };
        let mut props = message.properties;
        if let Some(name) = message.name {
            props.insert("name".to_owned(), json!(name));
        }
        NewRow { id, entry: Entry::Note { name, props: Value::Object(props).to_string() }, happened_ms }
    }
}

/// What a call says of its customer's attributes: the traits of an `identify` and of a `group` that the site keeps, and
/// the group itself.
fn said_of_customer(config: &SegmentConfig, message: &SegmentMessage) -> Vec<(String, Value)> {
    let traits = message.traits.iter();
    match message.call {
        Some(SegmentCall::Identify) => {
            traits.map(|(name, value)| (config.traits.get(name).unwrap_or(name).clone(), value.clone())).collect()
        }
        Some(SegmentCall::Group) => {
            let kept = traits.filter_map(|(name, value)| Some((config.group.traits.get(name)?.clone(), value.clone())));
            let id = config.group.id.clone().zip(message.group_id.clone().map(Value::from));
            id.into_iter().chain(kept).collect()
        }
        _ => Vec::new(),
    }
}

/// Stores what a call says of its customer, as far as there are attributes for it. What does not fit its attribute is told.
async fn store_traits(
    env: &Env,
    snapshot: &Snapshot,
    message: &SegmentMessage,
    now_ms: u64,
) -> Result<Option<String>, Failure> {
    let Some(customer) = &message.user_id else { return Ok(None) };
    let policy = &snapshot.settings.policy;
    let stored: Vec<&str> = policy.attributes_from(Source::Profile).collect();
    let mut attributes = Attributes::new();
    let mut wrong = Vec::new();
    for (name, value) in said_of_customer(&snapshot.settings.config.segment, message) {
        if !stored.contains(&name.as_str()) {
            continue;
        }
        match policy.check_fact(Source::Profile, &name, &value) {
            Ok(()) => {
                attributes.insert(name, value);
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    if !attributes.is_empty() {
        let values = profile::told(&snapshot.settings.config.profile, attributes, now_ms);
        let plan = memory::plan(snapshot, Who::Customer(customer.clone()));
        let put = PutProfile { source: SEGMENT.to_owned(), values, keeps_others: true, plan, now_ms };
        call(env, &visitor::name(&snapshot.site, customer), &put).await?;
    }
    Ok((!wrong.is_empty()).then(|| wrong.join("; ")))
}

/// The outcome that a tracked event of a customer is, if the configuration says so and the event names an offer.
fn outcome_of(snapshot: &Snapshot, checked: &Checked) -> Option<Outcome> {
    let message = &checked.message;
    let (SegmentCall::Track, Some(customer), Some(event)) = (checked.call, &message.user_id, &message.event) else {
        return None;
    };
    let means = snapshot.settings.config.segment.events.get(event)?;
    let offer = message.properties.get(&means.offer)?.as_str()?;
    Some(Outcome {
        id: checked.id.clone(),
        token: None,
        customer: Some(customer.clone()),
        offer: Some(offer.to_owned()),
        stage: means.stage.clone(),
        at: Some(checked.happened_ms),
        value: means.value.as_ref().and_then(|name| message.properties.get(name)?.as_f64()),
        withdrawn: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_an_id_is_known_by_its_content_and_moment() {
        let clock = Clock::new(1_000, None);
        let id = |json| Checked::of(json, clock).map(|checked| checked.id);
        let message = |event: &str, at: Option<&str>| json!({ "type": "track", "userId": "peter", "event": event, "timestamp": at });
        let now = Some("2026-11-22T05:00:00.123Z");
        assert_eq!(id(message("a", now)), id(message("a", now)));
        assert_ne!(id(message("a", now)), id(message("b", now)));
        assert_ne!(id(message("a", None)), id(message("a", None)), "the same again may be meant");
        let named = json!({ "type": "track", "userId": "peter", "event": "a", "messageId": "m-1" });
        assert_eq!(id(named), Ok("segment m-1".to_owned()));
    }

    #[test]
    fn a_message_is_bounded() {
        let refused = |json: Value| Checked::of(json, Clock::new(1_000, None)).err().unwrap_or_default();
        assert!(refused(json!({ "type": "sneeze", "userId": "x" })).contains("sneeze"));
        assert!(refused(json!({ "userId": "x" })).contains("type is missing"));
        assert!(refused(json!({ "type": "page" })).contains("userId or anonymousId"));
        assert!(refused(json!({ "type": "track", "userId": "x" })).contains("event is missing"));
        assert!(refused(json!({ "type": "alias", "userId": "x" })).contains("previousId"));
        assert!(refused(json!({ "type": "alias", "anonymousId": "x", "previousId": "y" })).contains("userId"));
        assert!(refused(json!({ "type": "page", "userId": "x".repeat(200) })).contains("userId is empty"));
        let large = json!({ "type": "page", "userId": "x", "properties": { "a": "x".repeat(3_000) } });
        assert!(refused(large).contains("properties are larger"));
        assert!(refused(json!(7)).contains("invalid type"));
    }
}
