//! `VisitorObject`, one per customer of a site: what is remembered of them across visits and devices.
//!
//! One row for what they did and one for what the site's servers say of them, each replaced in one synchronous turn.
//! Dismissals are idempotent (by offer), and impressions come here only when the ledger took them as new, so a repeated
//! event is harmless. Both are written before they are answered. Page views are written together, a moment later: who is
//! killed in between forgets a page, and no decision waits for a disk.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use portico_engine::Seen;
use portico_protocol::seal::Memory;
use serde::{Deserialize, Serialize};
use worker::{Delay, DurableObject, Env, Request, Response, State, durable_object};

use super::sql::{Database, number};
use super::{Call, answer, finish};
use crate::error::Failure;

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS memory (one INTEGER PRIMARY KEY CHECK (one = 1), seen INTEGER NOT NULL, memory TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS profile (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL, attributes TEXT NOT NULL)",
];

/// How long page views wait to be written together.
const WRITE_AFTER: Duration = Duration::from_secs(2);

/// What the site's servers say of a customer: values by attribute.
pub(crate) type Attributes = BTreeMap<String, serde_json::Value>;

/// A page view: remembered, and all that is remembered comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct See {
    pub(crate) topic: Option<String>,
    /// What of it rules count.
    pub(crate) events: Vec<String>,
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

/// What the customer did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) dismissed: Vec<String>,
    pub(crate) seen: Vec<Seen>,
    /// What happened that rules count.
    pub(crate) events: Vec<String>,
    pub(crate) now_ms: u64,
}

impl Call for Answered {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/answered";
    type Answer = ();
}

impl Answered {
    /// Adds it to what is remembered.
    pub(crate) fn remember(self, memory: &mut Memory) {
        self.dismissed.iter().for_each(|offer| memory.dismiss(offer, self.now_ms));
        memory.look(self.seen);
        self.events.iter().for_each(|event| memory.events.record(event, self.now_ms));
    }
}

/// The name of a customer's object.
pub(crate) fn name(site: &str, customer: &str) -> String {
    format!("{site}/customer/{customer}")
}

/// A visitor.
#[durable_object]
pub struct VisitorObject {
    state: State,
    core: Rc<Core>,
}

#[derive(Default)]
struct Core {
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

impl DurableObject for VisitorObject {
    fn new(state: State, _env: Env) -> Self {
        Self { state, core: Rc::default() }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let path = request.path();
        let answered = match path.as_str() {
            See::PATH => answer(&mut request, async |call: See| self.see(&call)).await,
            Answered::PATH => answer(&mut request, async |call: Answered| self.answered(call)).await,
            PutProfile::PATH => answer(&mut request, async |call: PutProfile| self.put_profile(call)).await,
            _ => Err(Failure::Internal("no such operation")),
        };
        finish("VisitorObject", &path, answered)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        Response::empty()
    }
}

impl VisitorObject {
    fn see(&self, call: &See) -> Result<(Memory, Attributes), Failure> {
        let answer = self.core.with(&self.state, |known| {
            known.memory.see(call.topic.as_deref(), known.seen_ms, call.now_ms);
            known.memory.enter(call.period_ms, call.now_ms);
            call.events.iter().for_each(|event| known.memory.events.record(event, call.now_ms));
            known.seen_ms = call.now_ms;
            (known.memory.clone(), known.attributes.clone())
        })?;
        if !self.core.write_set.replace(true) {
            let core = Rc::clone(&self.core);
            self.state.wait_until(async move {
                Delay::from(WRITE_AFTER).await;
                core.write_set.set(false);
                if let Err(failure) = core.write_memory() {
                    worker::console_error!("VisitorObject: page views are not written: {failure}");
                }
            });
        }
        Ok(answer)
    }

    fn answered(&self, call: Answered) -> Result<(), Failure> {
        self.core.with(&self.state, |known| {
            known.seen_ms = call.now_ms;
            call.remember(&mut known.memory);
        })?;
        self.core.write_memory()
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
