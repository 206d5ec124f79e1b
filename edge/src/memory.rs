//! What is remembered of visitors by what they do: offers put away and seen, and how often the events happened that rules
//! count.
//!
//! An anonymous visitor's memory travels in their token, which is renewed; a customer's lies with their object. Either may
//! not have heard of what is on record: whoever recorded it was ended before it was handed on, or the answer that renewed
//! the token was lost. So what is sent again is handed on again, and heard once.

use std::collections::BTreeMap;

use portico_engine::config::DripQuestion;
use portico_engine::{Asked, Reply, Seen, Step, keyed_hash};
use portico_protocol::events::EventsRequest;
use portico_protocol::id::{PersonId, VisitorId};
use portico_protocol::limits::NAME_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::profile::ProfileConfig;
use portico_protocol::seal::{Portrait, Purpose, Said, VisitorRecord};
use portico_protocol::triggers::Trigger;
use worker::Env;

use crate::access::Caller;
use crate::crypto::random;
use crate::error::Failure;
use crate::identity::verified;
use crate::objects::call;
use crate::objects::ledger::{Entry, NewRow, Taken};
use crate::objects::visitor::{self, Answered, Did, History, Plan, Replied, Report, StopWaiting, Who};
use crate::routes::decide::seal_visitor;
use crate::snapshot::Snapshot;
use crate::triggers::{self, Happened};

/// What the names of tracked events begin with in the record.
pub(crate) const TRACKED: &str = "track ";

/// What the names of replies to questions begin with in the record. What was said is not in it.
pub(crate) const ANSWERED: &str = "answer ";

/// What somebody replied to a question: its answer, or nothing where they would rather not say.
pub(crate) fn replied(
    config: &ProfileConfig,
    question: &DripQuestion,
    answer: Option<&serde_json::Value>,
    at_ms: u64,
) -> Replied {
    let reply = if answer.is_some() { Reply::Answered } else { Reply::Declined };
    let said = answer.map(|value| said(config, &question.attribute, value, at_ms));
    Replied { asked: Asked { question: Asked::mark(&question.id), at_ms, reply }, said }
}

/// Something that somebody says of themselves; `null` takes it back.
pub(crate) fn said(config: &ProfileConfig, attribute: &str, value: &serde_json::Value, at_ms: u64) -> Said {
    let value = if value.is_null() { String::new() } else { value.to_string() };
    let until_ms = config.until(attribute, at_ms).unwrap_or(0);
    Said { at_ms, attribute: attribute.to_owned(), value, until_ms }
}

/// Whose events a batch holds, as far as that is known.
pub(crate) struct Sender {
    pub(crate) visitor: Option<VisitorRecord>,
    pub(crate) customer: Option<String>,
    /// When the identity token was issued that names the customer, in seconds since 1970; none where a server names them.
    pub(crate) issued_s: Option<u64>,
}

impl Sender {
    /// Whose it is that is not about a showing.
    pub(crate) fn whose(&self) -> Option<Whose> {
        let token = self.visitor.is_some().then_some(Whose::Token);
        self.customer.clone().map(Whose::Customer).or(token)
    }

    /// # Errors
    /// When a customer is named by a caller who may not. A token that does not hold is nobody's: what happened is recorded
    /// all the same.
    pub(crate) async fn of(
        caller: &Caller,
        asked: &EventsRequest,
        is_private: bool,
        now_ms: u64,
    ) -> Result<Self, Failure> {
        let snapshot = &caller.snapshot;
        let EventsRequest { visitor, identity, customer, consent, .. } = asked;
        if customer.is_some() && !caller.trusted {
            return Err(Failure::refused(ProblemKind::Forbidden, "Only a secret key may name a customer."));
        }
        if customer.as_ref().is_some_and(|customer| customer.is_empty() || customer.len() > NAME_BYTES) {
            let detail = format!("empty or longer than {NAME_BYTES} bytes");
            let error = FieldError { pointer: "/customer".into(), detail };
            return Err(Failure::invalid(ProblemKind::Malformed, "The request is out of bounds.", vec![error]));
        }
        let allows = |unsaid: bool| !is_private && consent.map_or(unsaid, |consent| consent.personalization);
        // Who has a visitor token has agreed.
        let visitor = visitor
            .as_deref()
            .filter(|_| allows(true))
            .and_then(|token| snapshot.settings.keyring.open(Purpose::Visitor, &snapshot.site, token, now_ms).ok());
        let may_know = allows(snapshot.settings.config.consent_default.personalization);
        let (customer, issued_s) = match (customer, identity) {
            _ if !may_know => (None, None),
            (None, Some(token)) => match verified(snapshot, token, now_ms).await {
                Ok(customer) => (Some(customer.id), Some(customer.issued_s)),
                Err(_) => (None, None),
            },
            (customer, _) => (customer.clone(), None),
        };
        Ok(Self { visitor, customer, issued_s })
    }
}

/// What an object has to know of the site's triggers.
pub(crate) fn plan(snapshot: &Snapshot, who: Who) -> Plan {
    let is_valued = matches!(who, Who::Customer(_)) && snapshot.settings.policy.values_customers();
    Plan { site: snapshot.site.clone(), who, triggers: snapshot.triggers().to_vec(), is_valued }
}

/// Remembers what an anonymous visitor did. What their token says is enough for offers; where a webhook may have to be
/// told, an object of theirs hears of it too, because a token fires nothing while its visitor is away. A token has heard of
/// what was recorded before the latest that it counts.
pub(crate) async fn anonymous(
    env: &Env,
    snapshot: &Snapshot,
    visitor: &mut VisitorRecord,
    did: Did,
    now_ms: u64,
) -> Result<(), Failure> {
    let told = snapshot.triggers().iter().filter(|trigger| !trigger.webhooks.is_empty());
    let concerns = |trigger: &&Trigger| {
        did.happened.iter().any(|(_, what)| triggers::concerns(&visitor.memory, trigger, &what.event))
    };
    if told.clone().any(|trigger| concerns(&trigger)) {
        let plan = Plan { triggers: told.cloned().collect(), ..plan(snapshot, Who::Visitor(visitor.id.to_string())) };
        let did = Did { happened: did.happened.clone(), ..Did::default() };
        call(
            env,
            &visitor::name_of_anonymous(&snapshot.site, visitor.id),
            &Answered { issued_s: None, did, plan, now_ms },
        )
        .await?;
    }
    triggers::due(&mut visitor.memory, snapshot.triggers(), now_ms);
    visitor.portrait.expire(now_ms);
    let before_ms = visitor.heard_ms;
    // Also where it changes the memory and nothing else: a later history takes the place of an earlier one.
    let dismissed_ms = did.dismissed.iter().map(|(report, _)| report.recorded_ms).max();
    visitor.heard_ms = dismissed_ms.unwrap_or(0).max(before_ms);
    let heard_ms = &mut visitor.heard_ms;
    let is_news = |report: Report| {
        *heard_ms = report.recorded_ms.max(*heard_ms);
        report.is_new || report.recorded_ms > before_ms
    };
    let did = did.news(is_news);
    did.note(&mut visitor.portrait);
    did.remember(&mut visitor.memory, snapshot.triggers(), now_ms);
    Ok(())
}

/// Takes what an anonymous visitor's token remembers over to a customer, once: the token says who took it, and whoever else
/// comes with it afterwards, on the same device, begins with a new one. What the customer's object is to be told, and the
/// token to go on with where it is another.
pub(crate) fn take_over(
    snapshot: &Snapshot,
    mut visitor: VisitorRecord,
    customer: &str,
    now_ms: u64,
) -> Result<(Option<History>, Option<VisitorRecord>), Failure> {
    let mark = mark_of(snapshot, customer);
    if visitor.taken_by != 0 && visitor.taken_by != mark {
        return Ok((None, Some(taken_by(mark, now_ms)?)));
    }
    let history = History {
        source: visitor::source_of_visitor(visitor.id),
        until_ms: visitor.seen_ms.max(visitor.heard_ms),
        taken_ms: visitor.taken_ms,
        memory: visitor.memory.clone(),
        portrait: visitor.portrait.clone(),
    };
    let is_first = visitor.taken_by == 0;
    if is_first {
        visitor.taken_by = mark;
        visitor.taken_ms = now_ms;
    }
    Ok((Some(history), is_first.then_some(visitor)))
}

/// How a token names the customer who took its history over: never 0, which is nobody's.
fn mark_of(snapshot: &Snapshot, customer: &str) -> u64 {
    keyed_hash(&snapshot.settings.hash_key, &[b"taken by", customer.as_bytes()]) | 1
}

/// A device that begins anew with a customer.
pub(crate) fn begun_by(snapshot: &Snapshot, customer: &str, now_ms: u64) -> Result<VisitorRecord, Failure> {
    taken_by(mark_of(snapshot, customer), now_ms)
}

fn taken_by(mark: u64, now_ms: u64) -> Result<VisitorRecord, Failure> {
    Ok(VisitorRecord { taken_by: mark, taken_ms: now_ms, ..anybody(now_ms)? })
}

/// An object of an anonymous visitor whose history was taken over tells nobody any more: the customer's does.
pub(crate) async fn stop_waiting(env: &Env, snapshot: &Snapshot, visitor: VisitorId) -> Result<(), Failure> {
    if snapshot.triggers().iter().all(|trigger| trigger.webhooks.is_empty()) {
        return Ok(());
    }
    call(env, &visitor::name_of_anonymous(&snapshot.site, visitor), &StopWaiting {}).await
}

/// A visitor of whom nothing is known.
pub(crate) fn anybody(now_ms: u64) -> Result<VisitorRecord, Failure> {
    let memory = portico_protocol::seal::Memory::default();
    Ok(VisitorRecord {
        id: VisitorId::new(random()?),
        seen_ms: now_ms,
        memory,
        heard_ms: 0,
        taken_by: 0,
        taken_ms: 0,
        portrait: Portrait::default(),
    })
}

/// What is worth remembering of a batch of rows, row by row.
pub(crate) struct Memories(Vec<Option<Memory>>);

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    Customer(String),
    /// Whom a site's server tells of by Segment's `anonymousId`.
    Segment(String),
    /// The batch's anonymous visitor, whose token came with it.
    Token,
}

struct Memory {
    whose: Whose,
    /// See [`Report`].
    mark: u64,
    person: Option<PersonId>,
    what: What,
}

enum What {
    Dismissed(String),
    Seen(Seen),
    Happened(Happened),
    Replied(Replied, Option<Happened>),
}

impl Memories {
    /// Impressions only where the site has rules that count them, and so events. `replies` has what rows that reply to questions
    /// say; `whose` says whose a row without a showing is, unless it is nobody's.
    pub(crate) fn of(
        snapshot: &Snapshot,
        (rows, replies): (&[NewRow], &[Option<Replied>]),
        visitor: Option<&VisitorRecord>,
        whose: impl Fn(usize) -> Option<Whose>,
        now_ms: u64,
    ) -> Self {
        let counts_contacts = !snapshot.settings.config.decisions.contact.is_empty();
        let of_row = |(at, row): (usize, &NewRow)| {
            let mark = |parts: &[&[u8]]| keyed_hash(&snapshot.settings.hash_key, parts);
            let (whose, mark, person, what) = match &row.entry {
                Entry::Note { name, .. } => {
                    let event = match name.strip_prefix(ANSWERED) {
                        Some(question) => format!("answer:{question}"),
                        None => name.strip_prefix(TRACKED).unwrap_or(name).to_owned(),
                    };
                    let happened = snapshot.happened(event);
                    let what = match replies.get(at).cloned().flatten() {
                        Some(replied) => What::Replied(replied, happened),
                        None => What::Happened(happened?),
                    };
                    (whose(at)?, mark(&[b"note", row.id.as_bytes()]), None, what)
                }
                Entry::Answer { record, step, .. } => {
                    let theirs = visitor.is_some_and(|visitor| record.visitor == Some(visitor.id));
                    if record.customer.is_none() && !theirs {
                        return None;
                    }
                    let what = match step {
                        Step::Dismissal => What::Dismissed(record.offer.clone()),
                        Step::Impression if counts_contacts => {
                            What::Seen(Seen { offer: Seen::mark(&record.offer), at_ms: now_ms })
                        }
                        Step::Stage(stage) => {
                            let stage = snapshot.settings.policy.stages().nth(usize::from(*stage))?;
                            What::Happened(snapshot.happened(format!("stage:{stage}"))?)
                        }
                        Step::Impression | Step::Withdrawal(_) => return None,
                    };
                    let (decision, step) = (record.decision.to_string(), format!("{step:?}"));
                    let mark = mark(&[b"answer", decision.as_bytes(), record.offer.as_bytes(), step.as_bytes()]);
                    (record.customer.clone().map_or(Whose::Token, Whose::Customer), mark, record.person, what)
                }
            };
            Some(Memory { whose, mark, person, what })
        };
        Self(rows.iter().enumerate().map(of_row).collect())
    }

    /// Keeps what is on record now; the visitor's renewed token, if it has changed.
    pub(crate) async fn keep(
        self,
        env: &Env,
        snapshot: &Snapshot,
        (visitor, issued_s): (Option<VisitorRecord>, Option<u64>),
        stored: &[Taken],
        now_ms: u64,
    ) -> Result<Option<String>, Failure> {
        let mut by_person: BTreeMap<Whose, Did> = BTreeMap::new();
        for (memory, taken) in self.0.into_iter().zip(stored) {
            let Some(Memory { whose, mark, person, what }) = memory else { continue };
            let (recorded_ms, is_new) = match taken {
                Taken::New(at_ms) => (*at_ms, true),
                Taken::Known(at_ms) => (*at_ms, false),
                Taken::Refused(_) => continue,
            };
            let report = Report { mark, recorded_ms, is_new, person };
            let did = by_person.entry(whose).or_default();
            match what {
                What::Dismissed(offer) => {
                    did.dismissed.push((report, offer));
                    did.happened.extend(snapshot.happened("dismiss".to_owned()).map(|what| (Some(report), what)));
                }
                What::Seen(seen) => did.seen.push((report, seen)),
                What::Happened(what) => did.happened.push((Some(report), what)),
                What::Replied(replied, happened) => {
                    did.replied.push((report, replied));
                    did.happened.extend(happened.map(|what| (Some(report), what)));
                }
            }
        }
        let (mut renewed, mut anonymous) = (None, visitor);
        for (whose, did) in by_person {
            let (name, plan) = match whose {
                Whose::Customer(id) => (visitor::name(&snapshot.site, &id), plan(snapshot, Who::Customer(id))),
                Whose::Segment(id) => (visitor::name_of_segment(&snapshot.site, &id), plan(snapshot, Who::Visitor(id))),
                Whose::Token => {
                    if let Some(mut visitor) = anonymous.take() {
                        self::anonymous(env, snapshot, &mut visitor, did, now_ms).await?;
                        renewed = Some(seal_visitor(snapshot, &visitor)?);
                    }
                    continue;
                }
            };
            call(env, &name, &Answered { issued_s, did, plan, now_ms }).await?;
        }
        Ok(renewed)
    }
}
