//! What is remembered of visitors by what they do: offers put away and seen, and how often the events happened that rules
//! count.
//!
//! An anonymous visitor's memory travels in their token, which is renewed; a customer's lies with their object. An
//! impression or event counts when it was new; a dismissal always, for the answer that renewed the token may have been
//! lost.

use std::collections::BTreeMap;

use portico_engine::{Seen, Step};
use portico_protocol::events::EventsRequest;
use portico_protocol::limits::NAME_BYTES;
use portico_protocol::problem::{FieldError, ProblemKind};
use portico_protocol::seal::{Purpose, VisitorRecord};
use portico_protocol::triggers::Trigger;
use worker::Env;

use crate::access::Caller;
use crate::error::Failure;
use crate::objects::call;
use crate::objects::ledger::{Entry, NewRow, Taken};
use crate::objects::visitor::{self, Answered, Did, Plan, Who};
use crate::routes::decide::{seal_visitor, verified};
use crate::snapshot::Snapshot;
use crate::triggers::{self, Happened};

/// What the names of tracked events begin with in the record.
pub(crate) const TRACKED: &str = "track ";

/// Whose events a batch holds, as far as that is known.
pub(crate) struct Sender {
    pub(crate) visitor: Option<VisitorRecord>,
    pub(crate) customer: Option<String>,
}

impl Sender {
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
        let customer = match (customer, identity) {
            _ if !may_know => None,
            (None, Some(token)) => verified(snapshot, token, now_ms).await.ok().map(|customer| customer.id),
            (customer, _) => customer.clone(),
        };
        Ok(Self { visitor, customer })
    }
}

/// What an object has to know of the site's triggers.
pub(crate) fn plan(snapshot: &Snapshot, who: Who) -> Plan {
    Plan { site: snapshot.site.clone(), who, triggers: snapshot.triggers().to_vec() }
}

/// Remembers what an anonymous visitor did. What their token says is enough for offers; where a webhook may have to be
/// told, an object of theirs hears of it too, because a token fires nothing while its visitor is away.
pub(crate) async fn anonymous(
    env: &Env,
    snapshot: &Snapshot,
    visitor: &mut VisitorRecord,
    did: Did,
    now_ms: u64,
) -> Result<(), Failure> {
    let told = snapshot.triggers().iter().filter(|trigger| !trigger.webhooks.is_empty());
    let concerns =
        |trigger: &&Trigger| did.happened.iter().any(|what| triggers::concerns(&visitor.memory, trigger, &what.event));
    if told.clone().any(|trigger| concerns(&trigger)) {
        let plan = Plan { triggers: told.cloned().collect(), ..plan(snapshot, Who::Visitor(visitor.id.to_string())) };
        let did = Did { happened: did.happened.clone(), ..Did::default() };
        call(env, &visitor::name_of_anonymous(&snapshot.site, visitor.id), &Answered { did, plan, now_ms }).await?;
    }
    triggers::due(&mut visitor.memory, snapshot.triggers(), now_ms);
    did.remember(&mut visitor.memory, snapshot.triggers(), now_ms);
    Ok(())
}

/// What is worth remembering of a batch of rows, row by row.
pub(crate) struct Memories(Vec<Option<Memory>>);

struct Memory {
    /// The customer, or else the batch's anonymous visitor.
    customer: Option<String>,
    what: What,
}

enum What {
    Dismissed(String),
    Seen(Seen),
    Happened(Happened),
}

impl Memories {
    /// Impressions only where the site has rules that count them, and so events. `customer_of` says whose a row without a
    /// showing is.
    pub(crate) fn of(
        snapshot: &Snapshot,
        rows: &[NewRow],
        visitor: Option<&VisitorRecord>,
        customer_of: impl Fn(usize) -> Option<String>,
        now_ms: u64,
    ) -> Self {
        let counts_contacts = !snapshot.settings.config.decisions.contact.is_empty();
        let of_row = |(at, row): (usize, &NewRow)| {
            let (customer, what) = match &row.entry {
                Entry::Note { name, .. } => {
                    let event = name.strip_prefix(TRACKED).unwrap_or(name);
                    (customer_of(at), What::Happened(snapshot.happened(event.to_owned())?))
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
                    (record.customer.clone(), what)
                }
            };
            (customer.is_some() || visitor.is_some()).then_some(Memory { customer, what })
        };
        Self(rows.iter().enumerate().map(of_row).collect())
    }

    /// Keeps what was taken as new; the visitor's renewed token, if it has changed.
    pub(crate) async fn keep(
        self,
        env: &Env,
        snapshot: &Snapshot,
        visitor: Option<VisitorRecord>,
        stored: &[Taken],
        now_ms: u64,
    ) -> Result<Option<String>, Failure> {
        let mut by_customer: BTreeMap<Option<String>, Did> = BTreeMap::new();
        for (memory, taken) in self.0.into_iter().zip(stored) {
            let Some(Memory { customer, what }) = memory else { continue };
            let is_new = *taken == Taken::New;
            match what {
                What::Dismissed(offer) => {
                    let did = by_customer.entry(customer).or_default();
                    did.dismissed.push(offer);
                    did.happened.extend(snapshot.happened("dismiss".to_owned()).filter(|_| is_new));
                }
                What::Seen(seen) if is_new => by_customer.entry(customer).or_default().seen.push(seen),
                What::Happened(what) if is_new => by_customer.entry(customer).or_default().happened.push(what),
                What::Seen(_) | What::Happened(_) => {}
            }
        }
        let (mut renewed, mut anonymous) = (None, visitor);
        for (customer, did) in by_customer {
            match customer {
                Some(customer) => {
                    let name = visitor::name(&snapshot.site, &customer);
                    let plan = plan(snapshot, Who::Customer(customer));
                    call(env, &name, &Answered { did, plan, now_ms }).await?;
                }
                None => {
                    if let Some(mut visitor) = anonymous.take() {
                        self::anonymous(env, snapshot, &mut visitor, did, now_ms).await?;
                        renewed = Some(seal_visitor(snapshot, &visitor)?);
                    }
                }
            }
        }
        Ok(renewed)
    }
}
