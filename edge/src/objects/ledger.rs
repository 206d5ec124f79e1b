//! `LedgerObject`, one per site and shard: the append-only record of what visitors did.
//!
//! An append is one synchronous turn on one thread, so the check for what is known and the insert cannot be
//! interleaved; its statements commit together, and the platform holds back the answer until they are durable. A row
//! is known by its event id and by (decision, offer, step): the same report by another way is one report. Sequence
//! numbers have no gaps, because nothing else allocates them.
//!
//! The way to the learner is an alarm, which is durable too: rows are pushed from the learner's own cursor, in order,
//! until it has them all, and again a second later if it could not take them.

use std::cell::Cell;
use std::time::Duration;

use portico_engine::{Progress, Step};
use portico_protocol::report::DecisionSample;
use portico_protocol::seal::OfferRecord;
use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::learner::Fold;
use super::sql::{Database, Sql, number};
use super::{Call, answer, call, finish};
use crate::error::Failure;
use crate::http::now_ms;

const SCHEMA: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS rows (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, decision TEXT, offer TEXT, \
     step TEXT, at INTEGER NOT NULL, row TEXT NOT NULL, UNIQUE (decision, offer, step))",
    "CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), site TEXT NOT NULL, shard INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS samples (n INTEGER PRIMARY KEY, sample TEXT NOT NULL)",
];

/// Wait between an append and its push to the learner: gathers what arrives together.
const PUSH_AFTER: Duration = Duration::from_millis(100);
/// Wait after a push that failed.
const PUSH_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Rows in one push: about 1 MB.
const PUSH_ROWS: u64 = 2_000;
/// Sampled decisions kept.
const MOST_SAMPLES: u64 = 100;

/// What is recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// Something happened to a shown offer.
    Answer { record: Box<OfferRecord>, step: Step },
    /// Something happened on a page.
    Note { name: String, props: serde_json::Value },
}

/// A row to append.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewRow {
    pub(crate) id: String,
    pub(crate) entry: Entry,
}

/// A row as recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) at_ms: u64,
    pub(crate) entry: Entry,
    /// What had been recorded of the same showing before.
    pub(crate) before: Progress,
    /// Sequence number of the showing's impression.
    pub(crate) impression: Option<u64>,
    /// When the showing's last step before was recorded. Older rows do not say.
    #[serde(default)]
    pub(crate) since_ms: Option<u64>,
}

/// Appends rows; what is known already is a duplicate.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) site: String,
    pub(crate) shard: u16,
    pub(crate) rows: Vec<NewRow>,
}

impl Call for Append {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/append";
    /// For each row whether it was new.
    type Answer = Vec<bool>;
}

/// Reads rows again, for a learner that replays.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reread {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Call for Reread {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/reread";
    type Answer = Vec<Row>;
}

/// Keeps a sampled decision.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeepSample {
    pub(crate) sample: DecisionSample,
}

impl Call for KeepSample {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/samples/keep";
    type Answer = ();
}

/// Reads the newest sampled decisions, newest first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Samples {
    pub(crate) most: u64,
}

impl Call for Samples {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/samples";
    type Answer = Vec<DecisionSample>;
}

/// The name of a site's ledger shard.
pub(crate) fn name(site: &str, shard: u16) -> String {
    format!("{site}/{shard}")
}

/// A shard of a ledger.
#[durable_object]
pub struct LedgerObject {
    state: State,
    env: Env,
    database: Database,
    /// Whether an alarm is set: saves a write per append. Memory only, for setting it twice is harmless.
    push_set: Cell<bool>,
}

impl DurableObject for LedgerObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, database: Database::default(), push_set: Cell::new(false) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let path = request.path();
        let answered = match path.as_str() {
            Append::PATH => answer(&mut request, async |call| self.append(call).await).await,
            Reread::PATH => answer(&mut request, async |call: Reread| self.read(call.from, call.to)).await,
            KeepSample::PATH => answer(&mut request, async |call| self.keep_sample(&call)).await,
            Samples::PATH => answer(&mut request, async |call: Samples| self.samples(call.most)).await,
            _ => Err(Failure::Internal("no such operation")),
        };
        finish("LedgerObject", &path, answered)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.push_set.set(false);
        if let Err(failure) = self.push().await {
            worker::console_error!("LedgerObject push: {failure}");
            self.set_push(PUSH_AGAIN_AFTER).await?;
        }
        Response::empty()
    }
}

impl LedgerObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.database.get(&self.state, &SCHEMA)
    }

    async fn append(&self, call: Append) -> Result<Vec<bool>, Failure> {
        let sql = self.sql()?;
        let at_ms = now_ms();
        let mut seq =
            sql.first("SELECT coalesce(max(seq), 0) FROM rows", Vec::new())?.map_or(Ok(0), |mut row| row.number())?;
        if seq == 0 {
            let values = vec![call.site.as_str().into(), number(call.shard.into())];
            sql.run("INSERT INTO identity VALUES (1, ?, ?) ON CONFLICT DO NOTHING", values)?;
        }
        let mut accepted = Vec::with_capacity(call.rows.len());
        for new in call.rows {
            let stored = self.insert(sql, seq + 1, at_ms, &new)?;
            seq += u64::from(stored);
            accepted.push(stored);
        }
        if accepted.contains(&true) && !self.push_set.replace(true) {
            self.set_push(PUSH_AFTER).await?;
        }
        Ok(accepted)
    }

    fn insert(&self, sql: &Sql, seq: u64, at_ms: u64, new: &NewRow) -> Result<bool, Failure> {
        let mut row =
            Row { seq, at_ms, entry: new.entry.clone(), before: Progress::default(), impression: None, since_ms: None };
        let (decision, offer, step) = match &new.entry {
            Entry::Answer { record, step } => {
                let decision = record.decision.to_string();
                let values = vec![decision.as_str().into(), record.offer.as_str().into()];
                let showing = "SELECT seq, step, at FROM rows WHERE decision = ? AND offer = ?";
                for mut earlier in sql.rows(showing, values)? {
                    let (seq, name, at_ms) = (earlier.number()?, earlier.text()?, earlier.number()?);
                    let earlier = step_from(&name);
                    if earlier != Some(Step::Dismissal) {
                        row.since_ms = row.since_ms.max(Some(at_ms));
                    }
                    if earlier == Some(Step::Impression) {
                        row.impression = Some(seq);
                    }
                    row.before = earlier.map_or(row.before, |step| row.before.after(step));
                }
                (Some(decision), Some(record.offer.as_str()), Some(step_name(*step)))
            }
            Entry::Note { .. } => (None, None, None),
        };
        let values = vec![
            number(seq),
            new.id.as_str().into(),
            decision.into(),
            offer.into(),
            step.into(),
            number(at_ms),
            serde_json::to_string(&row)?.into(),
        ];
        let insert = "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING seq";
        Ok(sql.first(insert, values)?.is_some())
    }

    fn read(&self, from: u64, to: u64) -> Result<Vec<Row>, Failure> {
        let values = vec![number(from), number(to)];
        let rows = self.sql()?.rows("SELECT row FROM rows WHERE seq BETWEEN ? AND ? ORDER BY seq", values)?;
        rows.into_iter().map(|mut row| Ok(serde_json::from_str(&row.text()?)?)).collect()
    }

    async fn set_push(&self, after: Duration) -> worker::Result<()> {
        self.push_set.set(true);
        self.state.storage().set_alarm(after).await
    }

    /// Gives the learner everything after its cursor.
    async fn push(&self) -> Result<(), Failure> {
        let Some(mut identity) = self.sql()?.first("SELECT site, shard FROM identity", Vec::new())? else {
            return Ok(());
        };
        let site = identity.text()?;
        let shard = u16::try_from(identity.number()?).map_err(|_| Failure::Internal("a shard beyond u16"))?;
        // An empty fold asks for the cursor.
        let mut rows = Vec::new();
        loop {
            let asked = rows.last().map(|row: &Row| row.seq);
            let cursor = call(&self.env, &site, &Fold { site: site.clone(), shard, rows }).await?;
            if asked.is_some_and(|last| cursor < last) {
                return Err(Failure::Internal("the learner did not take the rows"));
            }
            rows = self.read(cursor + 1, cursor + PUSH_ROWS)?;
            if rows.is_empty() {
                return Ok(());
            }
        }
    }

    fn keep_sample(&self, call: &KeepSample) -> Result<(), Failure> {
        let sql = self.sql()?;
        sql.run("INSERT INTO samples (sample) VALUES (?)", vec![serde_json::to_string(&call.sample)?.into()])?;
        let keep = "DELETE FROM samples WHERE n <= (SELECT max(n) FROM samples) - ?";
        sql.run(keep, vec![number(MOST_SAMPLES)])
    }

    fn samples(&self, most: u64) -> Result<Vec<DecisionSample>, Failure> {
        let newest = "SELECT sample FROM samples ORDER BY n DESC LIMIT ?";
        let rows = self.sql()?.rows(newest, vec![number(most.min(MOST_SAMPLES))])?;
        rows.into_iter().map(|mut row| Ok(serde_json::from_str(&row.text()?)?)).collect()
    }
}

fn step_name(step: Step) -> String {
    match step {
        Step::Impression => "impression".to_owned(),
        Step::Dismissal => "dismiss".to_owned(),
        Step::Stage(stage) => format!("stage {stage}"),
    }
}

fn step_from(name: &str) -> Option<Step> {
    match name {
        "impression" => Some(Step::Impression),
        "dismiss" => Some(Step::Dismissal),
        _ => name.strip_prefix("stage ").and_then(|stage| stage.parse().ok()).map(Step::Stage),
    }
}
