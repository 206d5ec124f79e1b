//! `VisitorObject`, one per customer of a site: what is remembered of them across visits and devices.
//!
//! One row for what they did and one for what the site's servers say of them, each replaced in one synchronous turn. Dismissals are idempotent (by offer), and impressions come here only when
//! the ledger took them as new, so a repeated event is harmless.

use std::collections::BTreeMap;

use portico_engine::Seen;
use portico_protocol::seal::Memory;
use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::sql::{Database, number};
use super::{Call, answer, finish};
use crate::error::Failure;

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS memory (one INTEGER PRIMARY KEY CHECK (one = 1), seen INTEGER NOT NULL, memory TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS profile (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL, attributes TEXT NOT NULL)",
];

/// What the site's servers say of a customer: values by attribute.
pub(crate) type Attributes = BTreeMap<String, serde_json::Value>;

/// A page view: remembered, and all that is remembered comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct See {
    pub(crate) topic: Option<String>,
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

/// What the customer did with offers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) dismissed: Vec<String>,
    pub(crate) seen: Vec<Seen>,
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
    database: Database,
}

impl DurableObject for VisitorObject {
    fn new(state: State, _env: Env) -> Self {
        Self { state, database: Database::default() }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let path = request.path();
        let answered = match path.as_str() {
            See::PATH => {
                let see = async |call: See| {
                    let see = |memory: &mut Memory, seen_ms| memory.see(call.topic.as_deref(), seen_ms, call.now_ms);
                    Ok((self.change(call.now_ms, see)?, self.profile()?))
                };
                answer(&mut request, see).await
            }
            Answered::PATH => {
                let answered = async |call: Answered| {
                    self.change(call.now_ms, |memory, _| call.remember(memory))?;
                    Ok(())
                };
                answer(&mut request, answered).await
            }
            PutProfile::PATH => answer(&mut request, async |call: PutProfile| self.put_profile(&call)).await,
            _ => Err(Failure::Internal("no such operation")),
        };
        finish("VisitorObject", &path, answered)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        Response::empty()
    }
}

impl VisitorObject {
    fn profile(&self) -> Result<Attributes, Failure> {
        let row = self.database.get(&self.state, &SCHEMA)?.first("SELECT attributes FROM profile", Vec::new())?;
        row.map_or(Ok(Attributes::new()), |mut row| Ok(serde_json::from_str(&row.text()?)?))
    }

    fn put_profile(&self, call: &PutProfile) -> Result<(), Failure> {
        let mut attributes = if call.keeps_others { self.profile()? } else { Attributes::new() };
        attributes.extend(call.attributes.clone());
        let values = vec![number(call.now_ms), serde_json::to_string(&attributes)?.into()];
        self.database.get(&self.state, &SCHEMA)?.run(
            "INSERT INTO profile VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, attributes = excluded.attributes",
            values,
        )
    }

    fn change(&self, now_ms: u64, change: impl FnOnce(&mut Memory, u64)) -> Result<Memory, Failure> {
        let sql = self.database.get(&self.state, &SCHEMA)?;
        let (seen_ms, mut memory) = match sql.first("SELECT seen, memory FROM memory", Vec::new())? {
            Some(mut row) => (row.number()?, serde_json::from_str(&row.text()?)?),
            None => (0, Memory::default()),
        };
        change(&mut memory, seen_ms);
        let values = vec![number(now_ms), serde_json::to_string(&memory)?.into()];
        sql.run(
            "INSERT INTO memory VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen, memory = excluded.memory",
            values,
        )?;
        Ok(memory)
    }
}
