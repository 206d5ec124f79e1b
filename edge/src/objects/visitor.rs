//! `VisitorObject`, one per customer of a site: what is remembered of them across visits and devices, and the triggers that
//! wait for what they do next. Of an anonymous visitor it holds the triggers that call webhooks, and nothing else.
//!
//! One row for what they did and one for what the site's servers say of them, each replaced in one synchronous turn.
//! Dismissals are idempotent (by offer), and impressions come here only when the ledger took them as new, so a repeated
//! event is harmless. Both are written before they are answered. Page views are written together, a moment later: who is
//! killed in between forgets a page, and no decision waits for a disk. A trigger that has begun is durable, and so is its
//! message when it fires; an alarm fires what nobody has stopped, and hands messages over until the outbox confirms them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use portico_engine::Seen;
use portico_protocol::id::VisitorId;
use portico_protocol::seal::Memory;
use portico_protocol::triggers::Trigger;
use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::{Delay, Env, State};

use super::outbox::{Enqueue, Message};
use super::sql::{Database, Sql, number};
use super::{Call, Object, answer, call, object};
use crate::crypto::random;
use crate::error::Failure;
use crate::http::now_ms;
use crate::log;
use crate::triggers::{self, Fired, Happened};

const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS memory (one INTEGER PRIMARY KEY CHECK (one = 1), seen INTEGER NOT NULL, memory TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS profile (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL, attributes TEXT NOT NULL)",
    // The triggers that wait, as they were when they began.
    "CREATE TABLE IF NOT EXISTS plan (one INTEGER PRIMARY KEY CHECK (one = 1), plan TEXT NOT NULL)",
    // Messages that the outbox has not confirmed.
    "CREATE TABLE IF NOT EXISTS outgoing (id TEXT PRIMARY KEY, message TEXT NOT NULL) WITHOUT ROWID",
];

/// Wait before what the outbox did not confirm is handed over again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long page views wait to be written together.
const WRITE_AFTER: Duration = Duration::from_secs(2);

/// What the site's servers say of a customer: values by attribute.
pub(crate) type Attributes = BTreeMap<String, serde_json::Value>;

/// Whose memory it is, and what the site wants to be told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) site: String,
    /// A customer, or an anonymous visitor.
    pub(crate) who: Who,
    pub(crate) triggers: Vec<Trigger>,
}

/// A visitor, as webhooks name them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// By the site's own name for them.
    Customer(String),
    /// By the id in their token.
    Visitor(String),
}

/// A page view: remembered, and all that is remembered comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct See {
    pub(crate) topic: Option<String>,
    /// What of it rules or triggers are about.
    pub(crate) happened: Vec<Happened>,
    pub(crate) plan: Plan,
    /// How long they stay in an arm.
    pub(crate) period_ms: u64,
    pub(crate) now_ms: u64,
}

impl Call for See {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/see";
    type Answer = (Memory, Attributes);
}

/// Replaces the profile, or the attributes that are named of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PutProfile {
    pub(crate) attributes: Attributes,
    /// Whether attributes that are not named stay as they are.
    pub(crate) keeps_others: bool,
    pub(crate) now_ms: u64,
}

impl Call for PutProfile {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/profile/put";
    type Answer = ();
}

/// What the visitor did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) did: Did,
    pub(crate) plan: Plan,
    pub(crate) now_ms: u64,
}

impl Call for Answered {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/answered";
    type Answer = ();
}

/// What somebody did with offers, and otherwise.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Did {
    pub(crate) dismissed: Vec<String>,
    pub(crate) seen: Vec<Seen>,
    /// What rules or triggers are about.
    pub(crate) happened: Vec<Happened>,
}

impl Did {
    /// Adds it to what is remembered; what fires by it.
    pub(crate) fn remember(self, memory: &mut Memory, triggers: &[Trigger], now_ms: u64) -> Vec<Fired> {
        self.dismissed.iter().for_each(|offer| memory.dismiss(offer, now_ms));
        memory.look(self.seen);
        self.happened.iter().flat_map(|what| triggers::happened(memory, triggers, what, now_ms)).collect()
    }
}

/// The name of a customer's object.
pub(crate) fn name(site: &str, customer: &str) -> String {
    format!("{site}/customer/{customer}")
}

/// The name of an anonymous visitor's object, which there is only where webhooks have to be told of them.
pub(crate) fn name_of_anonymous(site: &str, visitor: VisitorId) -> String {
    format!("{site}/visitor/{visitor}")
}

/// A visitor.
pub(crate) struct VisitorObject {
    state: State,
    core: Rc<Core>,
}

struct Core {
    env: Env,
    database: Database,
    known: RefCell<Option<Known>>,
    /// Whether page views are about to be written.
    write_set: Cell<bool>,
}

/// What is known of the customer; page views of the last moments may not be written yet.
#[derive(Default)]
struct Known {
    seen_ms: u64,
    memory: Memory,
    attributes: Attributes,
}

object!(VisitorObject);

impl Object for VisitorObject {
    fn new(state: State, env: Env) -> Self {
        let (database, known, write_set) = (Database::default(), RefCell::default(), Cell::default());
        Self { state, core: Rc::new(Core { env, database, known, write_set }) }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            See::PATH => answer(question, async |call: See| self.see(&call).await).await,
            Answered::PATH => answer(question, async |call: Answered| self.answered(call).await).await,
            PutProfile::PATH => answer(question, async |call: PutProfile| self.put_profile(call)).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }

    async fn alarm(&self) -> worker::Result<()> {
        if let Err(failure) = self.wake().await {
            log::error("VisitorObject: alarm", &failure);
            self.state.storage().set_alarm(AGAIN_AFTER).await?;
        }
        Ok(())
    }
}

impl VisitorObject {
    async fn see(&self, call: &See) -> Result<(Memory, Attributes), Failure> {
        let (answer, fired, has_begun) = self.core.with(&self.state, |known| {
            let before = known.memory.triggers.clone();
            known.memory.see(call.topic.as_deref(), known.seen_ms, call.now_ms);
            known.memory.enter(call.period_ms, call.now_ms);
            known.seen_ms = call.now_ms;
            let (memory, triggers) = (&mut known.memory, &call.plan.triggers);
            let fired: Vec<Fired> =
                call.happened.iter().flat_map(|what| triggers::happened(memory, triggers, what, call.now_ms)).collect();
            ((known.memory.clone(), known.attributes.clone()), fired, known.memory.triggers != before)
        })?;
        if has_begun || !fired.is_empty() {
            self.follow(&call.plan, fired).await?;
        } else if !self.core.write_set.replace(true) {
            let core = Rc::clone(&self.core);
            self.state.wait_until(async move {
                Delay::from(WRITE_AFTER).await;
                core.write_set.set(false);
                if let Err(failure) = core.write_memory() {
                    log::error("VisitorObject: page views are not written", &failure);
                }
            });
        }
        Ok(answer)
    }

    async fn answered(&self, call: Answered) -> Result<(), Failure> {
        let (fired, has_begun) = self.core.with(&self.state, |known| {
            let before = known.memory.triggers.clone();
            known.seen_ms = call.now_ms;
            let fired = call.did.remember(&mut known.memory, &call.plan.triggers, call.now_ms);
            (fired, known.memory.triggers != before)
        })?;
        if has_begun || !fired.is_empty() {
            return self.follow(&call.plan, fired).await;
        }
        self.core.write_memory()
    }

    /// Fires what nobody has stopped in time, and hands over what the outbox has not confirmed.
    async fn wake(&self) -> Result<(), Failure> {
        let Some(mut plan) = self.sql()?.first("SELECT plan FROM plan", Vec::new())? else { return Ok(()) };
        let plan: Plan = serde_json::from_str(&plan.text()?)?;
        let now_ms = now_ms();
        let fired = self.core.with(&self.state, |known| triggers::due(&mut known.memory, &plan.triggers, now_ms))?;
        self.follow(&plan, fired).await
    }

    /// Writes what has begun and fired, in one synchronous turn, and sees to the rest.
    async fn follow(&self, plan: &Plan, fired: Vec<Fired>) -> Result<(), Failure> {
        self.core.write_memory()?;
        let sql = self.sql()?;
        sql.run(
            "INSERT INTO plan VALUES (1, ?) ON CONFLICT DO UPDATE SET plan = excluded.plan",
            vec![serde_json::to_string(plan)?.into()],
        )?;
        for fired in &fired {
            for webhook in &fired.webhooks {
                let message = message(plan, fired, webhook)?;
                let values = vec![message.id.clone().into(), serde_json::to_string(&message)?.into()];
                sql.run("INSERT INTO outgoing VALUES (?, ?)", values)?;
            }
        }
        // Whatever becomes of the hand-over, it is tried again.
        let due_ms = self.core.with(&self.state, |known| triggers::next_due_ms(&known.memory))?;
        let is_waiting = !self.outgoing()?.is_empty();
        let wait = due_ms.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms())));
        if let Some(wait) = wait.into_iter().chain(is_waiting.then_some(AGAIN_AFTER)).min() {
            self.state.storage().set_alarm(wait).await?;
        }
        if is_waiting {
            self.hand_over(&plan.site).await;
        }
        Ok(())
    }

    async fn hand_over(&self, site: &str) {
        let handing = async {
            let messages = self.outgoing()?;
            let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
            call(&self.core.env, site, &Enqueue { site: site.to_owned(), messages }).await?;
            let sql = self.sql()?;
            ids.into_iter().try_for_each(|id| sql.run("DELETE FROM outgoing WHERE id = ?", vec![id.into()]))
        };
        let handed: Result<(), Failure> = handing.await;
        if let Err(failure) = handed {
            log::error("VisitorObject: the outbox takes nothing", &failure);
        }
    }

    fn outgoing(&self) -> Result<Vec<Message>, Failure> {
        let rows = self.sql()?.rows("SELECT message FROM outgoing LIMIT 100", Vec::new())?;
        rows.into_iter().map(|mut row| Ok(serde_json::from_str(&row.text()?)?)).collect()
    }

    fn sql(&self) -> Result<&Sql, Failure> {
        self.core.database.get(&self.state, &SCHEMA)
    }

    fn put_profile(&self, call: PutProfile) -> Result<(), Failure> {
        let attributes = self.core.with(&self.state, |known| {
            if !call.keeps_others {
                known.attributes.clear();
            }
            known.attributes.extend(call.attributes);
            serde_json::to_string(&known.attributes)
        })??;
        self.core.database.get(&self.state, &SCHEMA)?.run(
            "INSERT INTO profile VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, attributes = excluded.attributes",
            vec![number(call.now_ms), attributes.into()],
        )
    }
}

impl Core {
    /// Reads or changes what is known, which is read from the database first where it is not in memory.
    fn with<T>(&self, state: &State, act: impl FnOnce(&mut Known) -> T) -> Result<T, Failure> {
        let sql = self.database.get(state, &SCHEMA)?;
        let mut known = self.known.borrow_mut();
        if known.is_none() {
            let (seen_ms, memory) = match sql.first("SELECT seen, memory FROM memory", Vec::new())? {
                Some(mut row) => (row.number()?, serde_json::from_str(&row.text()?)?),
                None => (0, Memory::default()),
            };
            let attributes = match sql.first("SELECT attributes FROM profile", Vec::new())? {
                Some(mut row) => serde_json::from_str(&row.text()?)?,
                None => Attributes::new(),
            };
            *known = Some(Known { seen_ms, memory, attributes });
        }
        Ok(act(known.get_or_insert_default()))
    }

    fn write_memory(&self) -> Result<(), Failure> {
        let known = self.known.borrow();
        let (Some(known), Some(sql)) = (known.as_ref(), self.database.opened()) else { return Ok(()) };
        sql.run(
            "INSERT INTO memory VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen, memory = excluded.memory",
            vec![number(known.seen_ms), serde_json::to_string(&known.memory)?.into()],
        )
    }
}

/// What a webhook is told: a CloudEvent 1.0.
fn message(plan: &Plan, fired: &Fired, webhook: &str) -> Result<Message, Failure> {
    let id = HEXLOWER.encode(&random::<16>()?);
    let (kind, who) = match &plan.who {
        Who::Customer(customer) => ("customer", customer),
        Who::Visitor(visitor) => ("visitor", visitor),
    };
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/sites/{}", plan.site),
        "type": "portico.trigger.fired",
        "subject": format!("{kind}/{who}"),
        "time": String::from(js_sys::Date::new(&(fired.at_ms as f64).into()).to_iso_string()),
        "datacontenttype": "application/json",
        "data": { "trigger": fired.trigger, "begun": fired.begun_ms, "at": fired.at_ms, kind: who },
    });
    Ok(Message { id, webhook: webhook.to_owned(), body: body.to_string(), at_ms: fired.at_ms })
}
