//! `CensusObject`, one per site: how its customers are spread over the levels of its tiers.
//!
//! Every customer's object reports where they stand when that changes; the rows name them by the ids of their objects, and go
//! when they are erased. A report reads all rows: some millions take seconds, and it is made for people who look at it
//! now and then.

use std::collections::BTreeMap;

use portico_protocol::report::{TierLevelReport, TierReport};
use serde::{Deserialize, Serialize};
use worker::{Env, State};

use super::sql::{Database, Sql};
use super::{Call, Object, answer, object};
use crate::error::Failure;

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS levels (object TEXT, tier TEXT, level TEXT NOT NULL, PRIMARY KEY (object, tier)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS worth (object TEXT, attribute TEXT, value REAL NOT NULL, PRIMARY KEY (object, attribute)) \
     WITHOUT ROWID",
];

/// Where a customer stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stands {
    pub(crate) object: String,
    /// Their level by tier; none at all where they are nobody's customer any more.
    pub(crate) levels: BTreeMap<String, String>,
    /// What they are worth, by computed attribute.
    pub(crate) worth: BTreeMap<String, f64>,
}

impl Call for Stands {
    const BINDING: &'static str = "CENSUS";
    const PATH: &'static str = "/stands";
    type Answer = ();
}

/// How customers are spread.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Distribution {}

impl Call for Distribution {
    const BINDING: &'static str = "CENSUS";
    const PATH: &'static str = "/distribution";
    /// The levels of each tier that somebody is on.
    type Answer = BTreeMap<String, TierReport>;
}

/// A site's census.
pub(crate) struct CensusObject {
    state: State,
    database: Database,
}

object!(CensusObject);

impl Object for CensusObject {
    fn new(state: State, _: Env) -> Self {
        Self { state, database: Database::default() }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            Stands::PATH => answer(question, async |call: Stands| self.stands(&call)).await,
            Distribution::PATH => answer(question, async |_: Distribution| self.distribution()).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }
}

impl CensusObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.database.get(&self.state, &SCHEMA)
    }

    fn stands(&self, call: &Stands) -> Result<(), Failure> {
        let sql = self.sql()?;
        let object = || call.object.as_str().into();
        sql.run("DELETE FROM levels WHERE object = ?", vec![object()])?;
        sql.run("DELETE FROM worth WHERE object = ?", vec![object()])?;
        for (tier, level) in &call.levels {
            let values = vec![object(), tier.as_str().into(), level.as_str().into()];
            sql.run("INSERT INTO levels VALUES (?, ?, ?)", values)?;
        }
        call.worth.iter().try_for_each(|(attribute, value)| {
            sql.run("INSERT INTO worth VALUES (?, ?, ?)", vec![object(), attribute.as_str().into(), (*value).into()])
        })
    }

    fn distribution(&self) -> Result<BTreeMap<String, TierReport>, Failure> {
        let mut tiers: BTreeMap<String, TierReport> = BTreeMap::new();
        for mut row in self.sql()?.rows("SELECT tier, level, count(*) FROM levels GROUP BY tier, level", Vec::new())? {
            let (tier, level, customers) = (row.text()?, row.text()?, row.number()?);
            let level = TierLevelReport { level, customers, worth: BTreeMap::new() };
            tiers.entry(tier).or_default().levels.push(level);
        }
        let sums = "SELECT tier, level, attribute, sum(value) FROM levels JOIN worth USING (object) GROUP BY tier, level, attribute";
        for mut row in self.sql()?.rows(sums, Vec::new())? {
            let (tier, level, attribute, sum) = (row.text()?, row.text()?, row.text()?, row.real()?);
            let levels = tiers.get_mut(&tier).map(|tier| &mut tier.levels);
            if let Some(found) = levels.into_iter().flatten().find(|found| found.level == level) {
                found.worth.insert(attribute, sum);
            }
        }
        Ok(tiers)
    }
}
