//! `POST /v1/outcomes`: what the site's servers know of what became of offers.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use portico_engine::Step;
use portico_protocol::events::{EventsResponse, Rejection};
use portico_protocol::limits::{NAME_BYTES, OUTCOMES_BYTES, OUTCOMES_PER_BATCH};
use portico_protocol::outcomes::{Outcome, OutcomesRequest};
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::OfferRecord;
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::memory::Memories;
use crate::objects::call;
use crate::objects::ledger::{DAY_MS, Entry, FindTouch, NewRow, Taken, Touched};
use crate::objects::visitor::{self, WhoIs};
use crate::recording::{all_shards, busy, record};
use crate::routes::events::open;
use crate::routes::metrics::{Counted, count};
use crate::snapshot::{self, Snapshot};

/// Beyond it a value is no amount but a mistake, and sums would lose cents.
const MOST_VALUE: f64 = 1e12;
/// Outcomes that are judged at the same time.
const AT_ONCE: usize = 32;

pub(crate) async fn outcomes(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, &request).await?;
    let asked: OutcomesRequest = request.json(OUTCOMES_BYTES).await?;
    if asked.outcomes.len() > OUTCOMES_PER_BATCH {
        let detail = format!("{} outcomes; at most {OUTCOMES_PER_BATCH} go in one batch", asked.outcomes.len());
        let error = FieldError { pointer: "/outcomes".into(), detail };
        return Err(Failure::invalid(ProblemKind::Malformed, "Send the outcomes in smaller batches.", vec![error]));
    }
    let snapshot = snapshot::get(env, context, &site).await?;
    let now_ms = now_ms();
    let mut answer = EventsResponse::default();
    let (mut rows, mut indices) = (Vec::new(), Vec::new());
    let snapshot = &*snapshot;
    // Those without a token ask for their customer and every shard.
    let judging = asked.outcomes.into_iter().map(async |outcome| match serde_json::from_value(outcome) {
        Ok(outcome) => judge(env, snapshot, outcome, now_ms).await,
        Err(error) => Ok(Judged::Refused(error.to_string())),
    });
    let judged: Vec<Judged> = stream::iter(judging).buffered(AT_ONCE).try_collect().await?;
    for (index, judged) in (0_u32..).zip(judged) {
        match judged {
            Judged::Row(row) => {
                rows.push(*row);
                indices.push(index);
            }
            Judged::Known => answer.duplicate += 1,
            Judged::Refused(reason) => answer.rejected.push(Rejection { index, reason }),
        }
    }
    if !rows.is_empty() {
        let memories = Memories::of(snapshot, (&rows, &[]), None, |_| None, now_ms);
        let stored = record(env, context, snapshot, rows).await?;
        memories.keep(env, snapshot, (None, None), &stored, now_ms).await?;
        for (index, taken) in indices.into_iter().zip(stored) {
            match taken {
                Taken::New(_) => answer.accepted += 1,
                Taken::Known(_) => answer.duplicate += 1,
                Taken::Refused(reason) => answer.rejected.push(Rejection { index, reason }),
            }
        }
        answer.rejected.sort_by_key(|rejection| rejection.index);
    }
    count(&site, Counted::Rejected, answer.rejected.len());
    Response::json(202, &answer)
}

/// What is to be done with an outcome.
pub(crate) enum Judged {
    Row(Box<NewRow>),
    /// It is on record already.
    Known,
    Refused(String),
}

/// Checks an outcome and finds the showing that it is about.
pub(crate) async fn judge(env: &Env, snapshot: &Snapshot, outcome: Outcome, now_ms: u64) -> Result<Judged, Failure> {
    let stage = match check(snapshot, &outcome) {
        Ok(stage) => stage,
        Err(reason) => return Ok(Judged::Refused(reason)),
    };
    let at_ms = outcome.at.unwrap_or(now_ms).min(now_ms);
    // An outcome and its withdrawal may share an id: an order's number.
    let id = format!("outcome {}{}", if outcome.withdrawn { "withdrawn " } else { "" }, outcome.id);
    let decided = match (&outcome.token, &outcome.customer, &outcome.offer) {
        (Some(token), _, _) => open(snapshot, token, now_ms).map_err(|error| error.to_string()),
        (None, Some(customer), Some(offer)) => {
            let days = snapshot.settings.config.ledger.attribution_days;
            let from_ms = at_ms.saturating_sub(u64::from(days) * DAY_MS);
            let touched = match call(env, &visitor::name(&snapshot.site, customer), &WhoIs {}).await? {
                Some(person) => {
                    let (id, offer) = (id.clone(), offer.clone());
                    last_touch(env, snapshot, &FindTouch { id, person, offer, from_ms, until_ms: at_ms }).await?
                }
                None => Touched::Never,
            };
            match touched {
                Touched::Known => return Ok(Judged::Known),
                // The ledger does not know who it is.
                Touched::At(_, record) => Ok(OfferRecord { customer: Some(customer.clone()), ..*record }),
                Touched::Never => Err(format!("the customer did not see this offer in the {days} days before")),
            }
        }
        _ => Err("name the offer's token, or customer and offer".to_owned()),
    };
    let record: OfferRecord = match decided {
        Ok(record) => record,
        Err(reason) => return Ok(Judged::Refused(reason)),
    };
    let happened_ms = at_ms.max(record.decided_ms).min(now_ms);
    let step = if outcome.withdrawn { Step::Withdrawal(stage) } else { Step::Stage(stage) };
    let entry = Entry::Answer { record: Box::new(record), step, value: outcome.value };
    Ok(Judged::Row(Box::new(NewRow { id, entry, happened_ms })))
}

/// Bounds and names, before anything is looked up.
fn check(snapshot: &Snapshot, outcome: &Outcome) -> Result<u8, String> {
    for (name, text) in
        [("id", Some(&outcome.id)), ("customer", outcome.customer.as_ref()), ("offer", outcome.offer.as_ref())]
    {
        if text.is_some_and(|text| text.is_empty() || text.len() > NAME_BYTES) {
            return Err(format!("{name} is empty or longer than {NAME_BYTES} bytes"));
        }
    }
    if outcome.value.is_some_and(|value| !(value.is_finite() && value.abs() <= MOST_VALUE)) {
        return Err(format!("value is not between -{MOST_VALUE} and {MOST_VALUE}"));
    }
    let policy = &snapshot.settings.policy;
    policy.stage(&outcome.stage).and_then(|index| u8::try_from(index).ok()).ok_or_else(|| {
        let known: Vec<&str> = policy.stages().collect();
        format!("unknown stage `{:.128}`; the site's stages are {}", outcome.stage, known.join(", "))
    })
}

/// The latest touch over all shards: a customer's showings lie where they were decided.
async fn last_touch(env: &Env, snapshot: &Snapshot, question: &FindTouch) -> Result<Touched, Failure> {
    let mut latest = Touched::Never;
    for (_, name) in all_shards(snapshot) {
        let found = call(env, &name, question).await.map_err(|failure| busy(&snapshot.site, &failure))?;
        match (found, &latest) {
            (Touched::Known, _) => return Ok(Touched::Known),
            (Touched::At(at_ms, _), Touched::At(before_ms, _)) if at_ms <= *before_ms => {}
            (Touched::At(at_ms, record), _) => latest = Touched::At(at_ms, record),
            (Touched::Never, _) => {}
        }
    }
    Ok(latest)
}
