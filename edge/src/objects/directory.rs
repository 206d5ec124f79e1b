//! `DirectoryObject`, one per deployment: which key belongs to which site.
//!
//! Keys are kept as hashes. Registering is one synchronous turn, so two sites cannot both get a key. Every isolate
//! remembers what it has looked up, so the hot path comes here once per key.

use serde::{Deserialize, Serialize};
use worker::{Env, State};

use super::sql::{Database, Sql};
use super::{Call, Object, answer, object};
use crate::error::Failure;

/// The one directory's name.
pub(crate) const NAME: &str = "directory";

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Used in the site's own pages.
    Site,
    /// Used in a publisher's pages, by its id.
    Partner(String),
    /// Used by the site's servers.
    Secret,
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) site: String,
    pub(crate) role: Role,
}

/// Registers all keys of one role set of a site; keys of publishers that are gone are dropped.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Register {
    pub(crate) site: String,
    /// Hash of each key with its role.
    pub(crate) keys: Vec<(String, Role)>,
}

impl Call for Register {
    const BINDING: &'static str = "DIRECTORY";
    const PATH: &'static str = "/register";
    /// Places in `keys` that another site has already; nothing is registered unless it is empty.
    type Answer = Vec<usize>;
}

/// Finds a key's owner by its hash.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) hash: String,
}

impl Call for Resolve {
    const BINDING: &'static str = "DIRECTORY";
    const PATH: &'static str = "/resolve";
    type Answer = Option<Owner>;
}

/// The directory.
pub(crate) struct DirectoryObject {
    state: State,
    database: Database,
}

object!(DirectoryObject);

impl Object for DirectoryObject {
    fn new(state: State, _env: Env) -> Self {
        Self { state, database: Database::default() }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            Register::PATH => answer(question, async |call| self.register(&call)).await,
            Resolve::PATH => answer(question, async |call| self.resolve(&call)).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }
}

impl DirectoryObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.database.get(
            &self.state,
            &["CREATE TABLE IF NOT EXISTS keys (hash TEXT PRIMARY KEY, site TEXT NOT NULL, role TEXT NOT NULL) WITHOUT ROWID"],
        )
    }

    fn register(&self, call: &Register) -> Result<Vec<usize>, Failure> {
        let sql = self.sql()?;
        let mut taken = Vec::new();
        for (index, (hash, _)) in call.keys.iter().enumerate() {
            if let Some(mut row) = sql.first("SELECT site FROM keys WHERE hash = ?", vec![hash.as_str().into()])?
                && row.text()? != call.site
            {
                taken.push(index);
            }
        }
        if !taken.is_empty() {
            return Ok(taken);
        }
        if call.keys.iter().all(|(_, role)| matches!(role, Role::Partner(_))) {
            let partners = "DELETE FROM keys WHERE site = ? AND role LIKE '%Partner%'";
            sql.run(partners, vec![call.site.as_str().into()])?;
        }
        for (hash, role) in &call.keys {
            let values = vec![hash.as_str().into(), call.site.as_str().into(), serde_json::to_string(role)?.into()];
            sql.run("INSERT INTO keys VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET role = excluded.role", values)?;
        }
        Ok(taken)
    }

    fn resolve(&self, call: &Resolve) -> Result<Option<Owner>, Failure> {
        let row = self.sql()?.first("SELECT site, role FROM keys WHERE hash = ?", vec![call.hash.as_str().into()])?;
        row.map(|mut row| Ok(Owner { site: row.text()?, role: serde_json::from_str(&row.text()?)? })).transpose()
    }
}
