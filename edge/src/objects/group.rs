//! `GroupObject`, one per household, company or other group of a site: what it shares with its members.
//!
//! A member's `VisitorObject` has a copy of what is shared, so that a decision asks one object and no more. A change is
//! durable here before it is answered, with the members that have not confirmed it; an alarm brings it to them until
//! all have. Members are known by the ids of their objects, so that nothing here names them.

use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use worker::{Env, State};

use super::sql::{Database, Sql, number};
use super::visitor::{Share, Values};
use super::{Call, Object, answer, call, object};
use crate::error::Failure;
use crate::http::now_ms;
use crate::log;

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS shared (one INTEGER PRIMARY KEY CHECK (one = 1), kind TEXT NOT NULL, version INTEGER NOT NULL, \
     told TEXT NOT NULL)",
    // The version that a member has.
    "CREATE TABLE IF NOT EXISTS members (object TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
];

/// Members who are told at the same time.
const AT_ONCE: usize = 32;
/// Members who are told in one go; then others come to their turn.
const IN_ONE_GO: u64 = 1_024;
/// Wait before what a member did not confirm is told again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Replaces what the group shares.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PutShared {
    pub(crate) kind: String,
    pub(crate) values: Values,
}

impl Call for PutShared {
    const BINDING: &'static str = "GROUP";
    const PATH: &'static str = "/put";
    type Answer = ();
}

/// What it shares.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GetShared {}

impl Call for GetShared {
    const BINDING: &'static str = "GROUP";
    const PATH: &'static str = "/get";
    type Answer = Shared;
}

/// The answer to it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub(crate) values: Values,
    pub(crate) members: u64,
    /// Members who have not confirmed the latest change.
    pub(crate) pending: u64,
}

/// Takes a member in, by the id of their object, and tells them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TakeIn {
    pub(crate) kind: String,
    pub(crate) object: String,
}

impl Call for TakeIn {
    const BINDING: &'static str = "GROUP";
    const PATH: &'static str = "/take-in";
    type Answer = ();
}

/// A member has left.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LetGo {
    pub(crate) object: String,
}

impl Call for LetGo {
    const BINDING: &'static str = "GROUP";
    const PATH: &'static str = "/let-go";
    type Answer = ();
}

/// The name of a group's object.
pub(crate) fn name(site: &str, kind: &str, id: &str) -> String {
    format!("{site}/{kind}/{id}")
}

/// A group.
pub(crate) struct GroupObject {
    state: State,
    env: Env,
    database: Database,
}

object!(GroupObject);

impl Object for GroupObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, database: Database::default() }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            PutShared::PATH => answer(question, async |call: PutShared| self.put(call).await).await,
            GetShared::PATH => answer(question, async |_: GetShared| self.get()).await,
            TakeIn::PATH => answer(question, async |call: TakeIn| self.take_in(call).await).await,
            LetGo::PATH => answer(question, async |call: LetGo| self.let_go(&call.object)).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }

    async fn alarm(&self) -> worker::Result<()> {
        let wait = match self.tell().await {
            Ok(wait) => wait,
            Err(failure) => {
                log::error("GroupObject: alarm", &failure);
                Some(AGAIN_AFTER)
            }
        };
        if let Some(wait) = wait {
            self.state.storage().set_alarm(wait).await?;
        }
        Ok(())
    }
}

impl GroupObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.database.get(&self.state, &SCHEMA)
    }

    /// Kind, version and values of what is shared.
    fn shared(&self) -> Result<Option<(String, u64, Values)>, Failure> {
        let row = self.sql()?.first("SELECT kind, version, told FROM shared", Vec::new())?;
        row.map(|mut row| Ok((row.text()?, row.number()?, serde_json::from_str(&row.text()?)?))).transpose()
    }

    async fn put(&self, call: PutShared) -> Result<(), Failure> {
        // Memberships begin with version 0, which nothing shared has.
        let write = "INSERT INTO shared VALUES (1, ?, 1, ?) \
                     ON CONFLICT DO UPDATE SET version = version + 1, kind = excluded.kind, told = excluded.told";
        self.sql()?.run(write, vec![call.kind.into(), serde_json::to_string(&call.values)?.into()])?;
        // Whatever becomes of telling them now, it is tried again.
        self.state.storage().set_alarm(AGAIN_AFTER).await?;
        self.tell().await.map(drop)
    }

    fn get(&self) -> Result<Shared, Failure> {
        let values = self.shared()?.map(|(_, _, values)| values).unwrap_or_default();
        let count =
            "SELECT count(*), count(*) FILTER (WHERE version < coalesce((SELECT version FROM shared), 0)) FROM members";
        let Some(mut row) = self.sql()?.first(count, Vec::new())? else { return Ok(Shared::default()) };
        Ok(Shared { values, members: row.number()?, pending: row.number()? })
    }

    async fn take_in(&self, call: TakeIn) -> Result<(), Failure> {
        let sql = self.sql()?;
        sql.run("INSERT INTO shared VALUES (1, ?, 1, '{}') ON CONFLICT DO NOTHING", vec![call.kind.into()])?;
        let write = "INSERT INTO members VALUES (?, 0) ON CONFLICT DO UPDATE SET version = 0";
        sql.run(write, vec![call.object.into()])?;
        self.state.storage().set_alarm(AGAIN_AFTER).await?;
        self.tell().await.map(drop)
    }

    fn let_go(&self, object: &str) -> Result<(), Failure> {
        self.sql()?.run("DELETE FROM members WHERE object = ?", vec![object.into()])
    }

    /// Tells members what they do not have yet. How long to wait before the rest, where there is a rest.
    async fn tell(&self) -> Result<Option<Duration>, Failure> {
        let Some((kind, version, values)) = self.shared()? else { return Ok(None) };
        let behind = "SELECT object FROM members WHERE version < ? LIMIT ?";
        let rows = self.sql()?.rows(behind, vec![number(version), number(IN_ONE_GO)])?;
        let members: Vec<String> = rows.into_iter().map(|mut row| row.text()).collect::<Result<_, _>>()?;
        let (group, mut failed) = (self.state.id().to_string(), false);
        for some in members.chunks(AT_ONCE) {
            let told = some.iter().map(|member| {
                let (kind, group, values) = (kind.clone(), group.clone(), values.clone());
                let share = Share { kind, group, version, values, now_ms: now_ms() };
                async move { (member, call(&self.env, &format!("#{member}"), &share).await) }
            });
            for (member, told) in join_all(told).await {
                match told {
                    // A later change may have come meanwhile: it is not confirmed by this.
                    Ok(true) => self.sql()?.run(
                        "UPDATE members SET version = ? WHERE object = ? AND version < ?",
                        vec![number(version), member.as_str().into(), number(version)],
                    )?,
                    Ok(false) => self.let_go(member)?,
                    Err(failure) => {
                        failed = true;
                        log::error("GroupObject: a member is not told", &failure);
                    }
                }
            }
        }
        Ok(match (failed, members.len() as u64 == IN_ONE_GO) {
            (true, _) => Some(AGAIN_AFTER),
            (false, true) => Some(Duration::ZERO),
            (false, false) => None,
        })
    }
}
