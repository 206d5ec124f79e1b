//! `LedgerObject`, one per site and shard: the append-only record of what visitors did.
//!
//! An append is one synchronous turn on one thread, so the check for what is known and the insert cannot be
//! interleaved; its statements commit together, and the platform holds back the answer until they are durable. A row
//! is known by its event id and by (decision, offer, step): the same report by another way is one report. Once a stage has
//! been withdrawn it can be reported again. Sequence numbers have no gaps, because nothing else allocates them.
//!
//! Rows older than the site keeps them become counts by day.
//!
//! The way to the learner is an alarm, which is durable too: rows are pushed from the learner's own cursor, in order,
//! until it has them all, and again a second later if it could not take them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use portico_engine::evaluate::Compared;
use portico_engine::{Arm, Feature, Progress, Step};
use portico_protocol::id::{DecisionId, PersonId, VisitorId};
use portico_protocol::report::DecisionSample;
use portico_protocol::seal::{OfferRecord, grown};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use worker::{Env, SqlStorageValue, State};

use super::learner::Fold;
use super::sql::{self, Database, Sql, number};
use super::{Call, Object, answer, call, object};
use crate::error::Failure;
use crate::http::now_ms;
use crate::log;

const SCHEMA: [&str; 7] = [
    "CREATE TABLE IF NOT EXISTS rows (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, decision TEXT, offer TEXT, \
     step TEXT, at INTEGER NOT NULL, row TEXT NOT NULL, UNIQUE (decision, offer, step))",
    "CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), site TEXT NOT NULL, shard INTEGER NOT NULL)",
    // Sampled decisions lay here once.
    "DROP TABLE IF EXISTS samples",
    // Which rows are about whom, by the name that only their own object can tell. Outcomes are attributed to the impressions
    // and clicks among them.
    "CREATE TABLE IF NOT EXISTS persons (person TEXT NOT NULL, offer TEXT NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL, \
     PRIMARY KEY (person, offer, at, seq)) WITHOUT ROWID",
    // Named customers.
    "DROP TABLE IF EXISTS touches",
    // What a stage that stands was worth.
    "CREATE TABLE IF NOT EXISTS worth (decision TEXT NOT NULL, offer TEXT NOT NULL, stage INTEGER NOT NULL, value REAL NOT NULL, \
     PRIMARY KEY (decision, offer, stage)) WITHOUT ROWID",
    // What is left of rows that are kept no longer. `kind` is a step of an offer, or the name of what happened on a page.
    "CREATE TABLE IF NOT EXISTS days (day INTEGER NOT NULL, kind TEXT NOT NULL, offer TEXT NOT NULL, placement TEXT NOT NULL, \
     channel TEXT NOT NULL, arm TEXT NOT NULL, partner TEXT NOT NULL, rows INTEGER NOT NULL, value REAL NOT NULL, \
     PRIMARY KEY (day, kind, offer, placement, channel, arm, partner)) WITHOUT ROWID",
];

/// Wait between an append and its push to the learner: gathers what arrives together.
const PUSH_AFTER: Duration = Duration::from_millis(100);
/// Wait after a push that failed.
const PUSH_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Rows in one push: about 1 MB.
const PUSH_ROWS: u64 = 2_000;
/// Sampled decisions kept, and the bytes that they may have altogether.
const MOST_SAMPLES: usize = 100;
const MOST_SAMPLE_BYTES: usize = 4 * 1024 * 1024;
/// How long after a look at the samples somebody still watches.
const WATCHED_MS: u64 = 60_000;
/// Rows turned into counts in one turn.
const COMPACT_ROWS: u64 = 1_000;
pub(crate) const DAY_MS: u64 = 86_400_000;

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// Something happened to a shown offer.
    Answer {
        #[serde(with = "grown")]
        record: Box<OfferRecord>,
        step: Step,
        /// What a stage was worth, where its sender says so.
        #[serde(default)]
        value: Option<f64>,
    },
    /// Something happened on a page.
    Note {
        name: String,
        /// An object, as JSON.
        props: String,
    },
}

/// A row to append.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewRow {
    pub(crate) id: String,
    pub(crate) entry: Entry,
    /// When it happened, as far as it is known.
    pub(crate) happened_ms: u64,
}

/// What became of a row to append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Taken {
    /// New and durable, recorded at this time.
    New(u64),
    /// On record already, since this time.
    Known(u64),
    /// It cannot be, for this reason.
    Refused(String),
}

/// A row as recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Its number in the shard: the key, and not part of what is written under it.
    #[serde(skip)]
    pub(crate) seq: u64,
    /// When it was recorded.
    pub(crate) at_ms: u64,
    /// When it happened. Older rows do not say.
    #[serde(default)]
    pub(crate) happened_ms: u64,
    pub(crate) entry: Entry,
    /// What had been recorded of the same showing before.
    pub(crate) before: Progress,
    /// Sequence number of the showing's impression.
    pub(crate) impression: Option<u64>,
    /// When the showing's last step before was recorded. Older rows do not say.
    #[serde(default)]
    pub(crate) since_ms: Option<u64>,
}

/// A row as it is written, under its number.
pub(crate) type Written = (u64, ByteBuf);

/// First byte of a row that is written as postcard. Rows were JSON objects once, which begin otherwise.
const ROW_VERSION: u8 = 2;
/// In rows of this version the record lay among the other fields, ending with what it had then.
const INLINE_VERSION: u8 = 1;
/// The fields of that record; more than 16 are no tuple.
type InlineRecord = (
    (DecisionId, String, String, u32, String, Arm, Option<f64>, u64, u64, Vec<Feature>, Vec<f32>),
    (Option<VisitorId>, Option<String>, Option<String>, u64, Option<Compared>, u16, Vec<u8>),
);

impl Row {
    fn write(&self) -> Result<Vec<u8>, Failure> {
        Ok(postcard::to_extend(self, vec![ROW_VERSION])?)
    }

    pub(crate) fn read(seq: u64, bytes: &[u8]) -> Result<Self, Failure> {
        let row: Self = match bytes.split_first() {
            Some((&ROW_VERSION, rest)) => postcard::from_bytes(rest)?,
            Some((&INLINE_VERSION, rest)) => Self::read_inline(rest)?,
            _ => {
                let mut json: serde_json::Value = serde_json::from_slice(bytes)?;
                if let Some(props) = json.pointer_mut("/entry/Note/props") {
                    *props = props.to_string().into();
                }
                serde_json::from_value(json)?
            }
        };
        Ok(Self { seq, ..row })
    }

    fn read_inline(bytes: &[u8]) -> Result<Self, Failure> {
        let (((_, _), is_note), rest): (((u64, u64), bool), _) = postcard::take_from_bytes(bytes)?;
        if is_note {
            return Ok(postcard::from_bytes(bytes)?);
        }
        let (_, after): (InlineRecord, _) = postcard::take_from_bytes(rest)?;
        let (head, record) = (bytes.len() - rest.len(), rest.len() - after.len());
        let (head, record) = (bytes.get(..head).unwrap_or_default(), rest.get(..record).unwrap_or_default());
        Ok(postcard::from_bytes(&[head, &postcard::to_stdvec(record)?, after].concat())?)
    }

    fn of_sql(row: &mut sql::Row) -> Result<Self, Failure> {
        Self::read(row.number()?, &row.bytes()?)
    }
}

/// Appends rows; what is known already is a duplicate.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) site: String,
    pub(crate) shard: u16,
    /// For how long the site keeps rows.
    pub(crate) keep_ms: u64,
    pub(crate) rows: Vec<NewRow>,
}

impl Call for Append {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/append";
    const IS_BINARY: bool = true;
    /// What became of each row.
    type Answer = Vec<Taken>;
}

/// Reads what is on record of somebody, in order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OfPerson {
    pub(crate) person: PersonId,
    pub(crate) after: u64,
    pub(crate) most: u64,
}

impl Call for OfPerson {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/person";
    const IS_BINARY: bool = true;
    type Answer = Vec<ExportedRow>;
}

/// Forgets which rows are about somebody; the rows stay, for what they count.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ForgetPerson {
    pub(crate) person: PersonId,
}

impl Call for ForgetPerson {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/person/forget";
    /// Showings that were about them.
    type Answer = u64;
}

/// Asks since when rows are on record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) ids: Vec<String>,
}

impl Call for Known {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/known";
    type Answer = Vec<Option<u64>>;
}

/// Asks for the showing that an outcome is attributed to: the customer's latest impression or click in the time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FindTouch {
    /// The outcome's.
    pub(crate) id: String,
    pub(crate) person: PersonId,
    pub(crate) offer: String,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
}

/// The answer to [`FindTouch`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Touched {
    /// The outcome itself is on record already.
    Known,
    Never,
    At(u64, Box<OfferRecord>),
}

impl Call for FindTouch {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/touch";
    type Answer = Touched;
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
    const IS_BINARY: bool = true;
    type Answer = Vec<Written>;
}

/// Reads what was recorded in a time, from a place on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Export {
    /// After this row.
    pub(crate) after: u64,
    /// Recorded at this time or later, and before that one.
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
    pub(crate) what: Exported,
    pub(crate) most: u64,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exported {
    /// Offers that were seen, each with what it led to.
    Showings,
    /// Rows as they were recorded.
    Rows,
}

/// A row, and for a showing what it led to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportedRow {
    pub(crate) id: String,
    pub(crate) seq: u64,
    pub(crate) row: Row,
    pub(crate) led_to: Vec<LedTo>,
}

/// A step of a showing that stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LedTo {
    pub(crate) step: Step,
    pub(crate) happened_ms: u64,
    pub(crate) value: Option<f64>,
}

impl Call for Export {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/export";
    const IS_BINARY: bool = true;
    type Answer = Vec<ExportedRow>;
}

/// Asks how much is recorded.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// The last row that is in the model.
    pub(crate) folded: u64,
}

/// The answer to [`Measure`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Rows ever recorded.
    pub(crate) recorded: u64,
    /// Of these, rows that are kept.
    pub(crate) kept: u64,
    /// When the first row that is not in the model was recorded.
    pub(crate) waiting_since_ms: Option<u64>,
}

impl Call for Measure {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/measure";
    type Answer = Measured;
}

/// Keeps a sampled decision.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeepSample {
    pub(crate) sample: DecisionSample,
}

impl Call for KeepSample {
    const BINDING: &'static str = "LEDGER";
    const PATH: &'static str = "/samples/keep";
    /// Whether somebody watches.
    type Answer = bool;
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
pub(crate) struct LedgerObject {
    state: State,
    env: Env,
    database: Database,
    /// Whether an alarm is set: saves a write per append. Memory only, for setting it twice is harmless.
    push_set: Cell<bool>,
    /// For how long rows are kept, as the last append said; 0 before one.
    keep_ms: Cell<u64>,
    /// Sampled decisions, the newest last, as JSON. Memory only: nobody is promised one, and a disk would stop the answers
    /// of everybody meanwhile.
    samples: RefCell<VecDeque<String>>,
    watched_ms: Cell<u64>,
}

object!(LedgerObject);

impl Object for LedgerObject {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            database: Database::default(),
            push_set: Cell::new(false),
            keep_ms: Cell::new(0),
            samples: RefCell::default(),
            watched_ms: Cell::new(now_ms()),
        }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            Append::PATH => answer(question, async |call| self.append(call).await).await,
            Known::PATH => answer(question, async |call: Known| self.known(&call)).await,
            FindTouch::PATH => answer(question, async |call: FindTouch| self.touch(&call)).await,
            Export::PATH => answer(question, async |call: Export| self.export(&call)).await,
            OfPerson::PATH => answer(question, async |call: OfPerson| self.of_person(&call)).await,
            ForgetPerson::PATH => answer(question, async |call: ForgetPerson| self.forget_person(&call)).await,
            Measure::PATH => answer(question, async |call: Measure| self.measure(&call)).await,
            Reread::PATH => answer(question, async |call: Reread| self.read(call.from, call.to)).await,
            KeepSample::PATH => answer(question, async |call| self.keep_sample(&call)).await,
            Samples::PATH => answer(question, async |call: Samples| self.samples(call.most)).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }

    async fn alarm(&self) -> worker::Result<()> {
        self.push_set.set(false);
        let again = match self.push().await {
            Ok(()) => self.compact(now_ms()).map(|more| more.then_some(PUSH_AFTER)),
            Err(failure) => Err(failure),
        };
        let again = again.unwrap_or_else(|failure| {
            log::error("LedgerObject: push", &failure);
            Some(PUSH_AGAIN_AFTER)
        });
        if let Some(after) = again {
            self.set_push(after).await?;
        }
        Ok(())
    }
}

impl LedgerObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.database.get(&self.state, &SCHEMA)
    }

    async fn append(&self, call: Append) -> Result<Vec<Taken>, Failure> {
        let sql = self.sql()?;
        let at_ms = now_ms();
        self.keep_ms.set(call.keep_ms);
        let seq =
            sql.first("SELECT coalesce(max(seq), 0) FROM rows", Vec::new())?.map_or(Ok(0), |mut row| row.number())?;
        if seq == 0 {
            let values = vec![call.site.as_str().into(), number(call.shard.into())];
            sql.run("INSERT INTO identity VALUES (1, ?, ?) ON CONFLICT DO NOTHING", values)?;
        }
        let mut appending = Appending::new(sql, seq, at_ms, &call.rows)?;
        let taken = call.rows.into_iter().map(|new| appending.take(new)).collect::<Result<Vec<Taken>, Failure>>()?;
        appending.write()?;
        // Also where nothing was new: what is sent again may have been stored when its push could not be set.
        if !self.push_set.get() {
            self.set_push(PUSH_AFTER).await?;
        }
        Ok(taken)
    }

    fn known(&self, call: &Known) -> Result<Vec<Option<u64>>, Failure> {
        let sql = self.sql()?;
        call.ids.iter().map(|id| known_since(sql, id)).collect()
    }

    fn touch(&self, call: &FindTouch) -> Result<Touched, Failure> {
        let sql = self.sql()?;
        if known_since(sql, &call.id)?.is_some() {
            return Ok(Touched::Known);
        }
        let latest = "SELECT persons.at, seq, row FROM persons JOIN rows USING (seq) WHERE person = ? AND persons.offer = ? \
                      AND persons.at BETWEEN ? AND ? AND (step IN ('impression', 'stage 0') OR step LIKE 'stage 0 %') \
                      ORDER BY persons.at DESC, seq DESC LIMIT 1";
        let values = vec![
            call.person.to_string().into(),
            call.offer.as_str().into(),
            number(call.from_ms),
            number(call.until_ms),
        ];
        let Some(mut found) = sql.first(latest, values)? else { return Ok(Touched::Never) };
        let at_ms = found.number()?;
        let row = Row::of_sql(&mut found)?;
        Ok(match row.entry {
            Entry::Answer { record, .. } => Touched::At(at_ms, record),
            Entry::Note { .. } => Touched::Never,
        })
    }

    fn export(&self, call: &Export) -> Result<Vec<ExportedRow>, Failure> {
        let sql = self.sql()?;
        let after = call.after.max(first_at(sql, call.from_ms)?.saturating_sub(1));
        let rows = match call.what {
            Exported::Rows => "SELECT id, seq, row FROM rows WHERE seq > ? AND at < ? ORDER BY seq LIMIT ?",
            Exported::Showings => {
                "SELECT id, seq, row FROM rows WHERE seq > ? AND at < ? AND step = 'impression' ORDER BY seq LIMIT ?"
            }
        };
        let rows = sql.rows(rows, vec![number(after), number(call.until_ms), number(call.most)])?;
        let read = |mut found: sql::Row| {
            let (id, row) = (found.text()?, Row::of_sql(&mut found)?);
            let led_to = if call.what == Exported::Showings { led_to(sql, &row)? } else { Vec::new() };
            Ok(ExportedRow { id, seq: row.seq, row, led_to })
        };
        rows.into_iter().map(read).collect()
    }

    fn of_person(&self, call: &OfPerson) -> Result<Vec<ExportedRow>, Failure> {
        let rows = "SELECT id, seq, row FROM rows JOIN (SELECT seq FROM persons WHERE person = ?) USING (seq) \
                    WHERE seq > ? ORDER BY seq LIMIT ?";
        let rows =
            self.sql()?.rows(rows, vec![call.person.to_string().into(), number(call.after), number(call.most)])?;
        let read = |mut found: sql::Row| {
            let (id, row) = (found.text()?, Row::of_sql(&mut found)?);
            Ok(ExportedRow { id, seq: row.seq, row, led_to: Vec::new() })
        };
        rows.into_iter().map(read).collect()
    }

    fn forget_person(&self, call: &ForgetPerson) -> Result<u64, Failure> {
        let (sql, person) = (self.sql()?, call.person.to_string());
        let count =
            "SELECT count(DISTINCT decision || ' ' || rows.offer) FROM persons JOIN rows USING (seq) WHERE person = ?";
        let count = sql.first(count, vec![person.as_str().into()])?.map_or(Ok(0), |mut row| row.number())?;
        sql.run("DELETE FROM persons WHERE person = ?", vec![person.into()])?;
        Ok(count)
    }

    fn measure(&self, call: &Measure) -> Result<Measured, Failure> {
        let waiting = "SELECT at FROM rows WHERE seq > ? ORDER BY seq LIMIT 1";
        let waiting = self.sql()?.first(waiting, vec![number(call.folded)])?;
        let waiting_since_ms = waiting.map(|mut row| row.number()).transpose()?;
        let count = "SELECT coalesce(max(seq), 0), coalesce(max(seq) - min(seq) + 1, 0) FROM rows";
        let row = self.sql()?.first(count, Vec::new())?;
        let measured = row.map(|mut row| {
            Ok::<_, Failure>(Measured { recorded: row.number()?, kept: row.number()?, waiting_since_ms })
        });
        Ok(measured.transpose()?.unwrap_or_default())
    }

    /// Turns the oldest rows into counts by day, if the site keeps them no longer. Says whether there may be more. What is
    /// so old was folded and is in a checkpoint long since.
    fn compact(&self, now_ms: u64) -> Result<bool, Failure> {
        let keep_ms = self.keep_ms.get();
        if keep_ms == 0 {
            return Ok(false);
        }
        let sql = self.sql()?;
        let before_ms = now_ms.saturating_sub(keep_ms);
        // The last row stays, so that the numbers go on. Times grow with the rows: the first young one ends it.
        let end = first_at(sql, before_ms)?;
        let oldest = "SELECT seq, row FROM rows WHERE seq < min(?, (SELECT max(seq) FROM rows)) ORDER BY seq LIMIT ?";
        let mut last = 0;
        for mut old in sql.rows(oldest, vec![number(end), number(COMPACT_ROWS)])? {
            let row = Row::of_sql(&mut old)?;
            count_by_day(sql, &row)?;
            last = row.seq;
        }
        if last == 0 {
            return Ok(false);
        }
        sql.run("DELETE FROM persons WHERE seq <= ?", vec![number(last)])?;
        let worthless = "DELETE FROM worth WHERE (decision, offer) IN (SELECT decision, offer FROM rows WHERE seq <= ? AND step IS NOT NULL)";
        sql.run(worthless, vec![number(last)])?;
        sql.run("DELETE FROM rows WHERE seq <= ?", vec![number(last)])?;
        Ok(true)
    }

    fn read(&self, from: u64, to: u64) -> Result<Vec<Written>, Failure> {
        let values = vec![number(from), number(to)];
        let rows = self.sql()?.rows("SELECT seq, row FROM rows WHERE seq BETWEEN ? AND ? ORDER BY seq", values)?;
        rows.into_iter().map(|mut row| Ok((row.number()?, ByteBuf::from(row.bytes()?)))).collect()
    }

    async fn set_push(&self, after: Duration) -> worker::Result<()> {
        self.push_set.set(true);
        let set = self.state.storage().set_alarm(after).await;
        // Only a failure is noted: the alarm may have come while its own setting was waited for.
        if set.is_err() {
            self.push_set.set(false);
        }
        set
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
            let asked = rows.last().map(|(seq, _): &Written| *seq);
            let first = "SELECT coalesce(min(seq), 1) FROM rows";
            let kept_from = self.sql()?.first(first, Vec::new())?.map_or(Ok(1), |mut row| row.number())?;
            let cursor = call(&self.env, &site, &Fold { site: site.clone(), shard, kept_from, rows }).await?;
            if asked.is_some_and(|last| cursor < last) {
                return Err(Failure::Internal("the learner did not take the rows"));
            }
            rows = self.read(cursor + 1, cursor + PUSH_ROWS)?;
            if rows.is_empty() {
                return Ok(());
            }
        }
    }

    fn keep_sample(&self, call: &KeepSample) -> Result<bool, Failure> {
        let sample = serde_json::to_string(&call.sample)?;
        let mut samples = self.samples.borrow_mut();
        samples.push_back(sample);
        let mut bytes: usize = samples.iter().map(String::len).sum();
        while samples.len() > MOST_SAMPLES || bytes > MOST_SAMPLE_BYTES {
            bytes -= samples.pop_front().map_or(bytes, |oldest| oldest.len());
        }
        Ok(now_ms() < self.watched_ms.get().saturating_add(WATCHED_MS))
    }

    fn samples(&self, most: u64) -> Result<Vec<DecisionSample>, Failure> {
        self.watched_ms.set(now_ms());
        let samples = self.samples.borrow();
        let newest = samples.iter().rev().take(usize::try_from(most).unwrap_or(MOST_SAMPLES));
        newest.map(|sample| Ok(serde_json::from_str(sample)?)).collect()
    }
}

/// The first row that was recorded at a time or later; one past the last where there is none. Times grow with the rows.
fn first_at(sql: &Sql, from_ms: u64) -> Result<u64, Failure> {
    let ends = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM rows";
    let ends = sql.first(ends, Vec::new())?.map(|mut row| Ok::<_, Failure>((row.number()?, row.number()?)));
    let (mut low, mut high) = ends.transpose()?.unwrap_or((1, 1));
    while low < high {
        let middle = low + (high - low) / 2;
        let at = sql.first("SELECT at FROM rows WHERE seq >= ? ORDER BY seq LIMIT 1", vec![number(middle)])?;
        match at.map(|mut row| row.number()).transpose()? {
            Some(at_ms) if at_ms < from_ms => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// What of a showing stands, in the order in which it was recorded.
fn led_to(sql: &Sql, impression: &Row) -> Result<Vec<LedTo>, Failure> {
    let Entry::Answer { record, .. } = &impression.entry else { return Ok(Vec::new()) };
    let decision = record.decision.to_string();
    let rows = "SELECT seq, row FROM rows WHERE decision = ? AND offer = ? AND step IS NOT NULL ORDER BY seq";
    let mut standing: Vec<LedTo> = Vec::new();
    for mut row in sql.rows(rows, vec![decision.as_str().into(), record.offer.as_str().into()])? {
        let row = Row::of_sql(&mut row)?;
        let Entry::Answer { step, .. } = row.entry else { continue };
        match step {
            Step::Withdrawal(from) => standing.retain(|led| !matches!(led.step, Step::Stage(stage) if stage >= from)),
            Step::Stage(stage) => {
                let value = Standing { sql, decision: &decision, offer: &record.offer, stage }.value()?;
                standing.push(LedTo { step, happened_ms: row.happened_ms, value });
            }
            step => standing.push(LedTo { step, happened_ms: row.happened_ms, value: None }),
        }
    }
    Ok(standing)
}

/// Rows on their way into the table: what is on record of their ids and showings is read once for all of them, and they are
/// written together at the end of the turn. A statement of its own for each would cost most of the turn.
struct Appending<'a> {
    sql: &'a Sql,
    at_ms: u64,
    /// The last number that is given.
    seq: u64,
    /// By id, since when it is on record.
    known: BTreeMap<String, u64>,
    /// By decision and offer, what is on record of the showing, the oldest first.
    showings: BTreeMap<(String, String), Vec<Recorded>>,
    rows: Vec<NewColumns>,
    /// What the rows say, one after the other.
    contents: Vec<u8>,
    /// Whom it is about, offer, when it happened, row.
    persons: Vec<(String, String, u64, u64)>,
}

/// A step on record.
struct Recorded {
    seq: u64,
    name: String,
    at_ms: u64,
}

impl<'a> Appending<'a> {
    fn new(sql: &'a Sql, seq: u64, at_ms: u64, rows: &[NewRow]) -> Result<Self, Failure> {
        let mut known = BTreeMap::new();
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let of_ids = "SELECT id, at FROM rows WHERE id IN (SELECT value FROM json_each(?))";
        for mut row in sql.rows(of_ids, vec![serde_json::to_string(&ids)?.into()])? {
            known.insert(row.text()?, row.number()?);
        }
        let decisions: BTreeSet<String> = rows
            .iter()
            .filter_map(|row| match &row.entry {
                Entry::Answer { record, .. } => Some(record.decision.to_string()),
                Entry::Note { .. } => None,
            })
            .collect();
        let mut showings: BTreeMap<(String, String), Vec<Recorded>> = BTreeMap::new();
        let of_decisions = "SELECT decision, offer, seq, step, at FROM rows \
                            WHERE decision IN (SELECT value FROM json_each(?)) AND step IS NOT NULL ORDER BY seq";
        for mut row in sql.rows(of_decisions, vec![serde_json::to_string(&decisions)?.into()])? {
            let showing = (row.text()?, row.text()?);
            let recorded = Recorded { seq: row.number()?, name: row.text()?, at_ms: row.number()? };
            showings.entry(showing).or_default().push(recorded);
        }
        Ok(Self { sql, at_ms, seq, known, showings, rows: Vec::new(), contents: Vec::new(), persons: Vec::new() })
    }

    /// Takes a row unless it is on record.
    fn take(&mut self, new: NewRow) -> Result<Taken, Failure> {
        let NewRow { id, entry, happened_ms } = new;
        let mut row = Row {
            seq: self.seq + 1,
            at_ms: self.at_ms,
            happened_ms,
            entry,
            before: Progress::default(),
            impression: None,
            since_ms: None,
        };
        if let Some(at_ms) = self.known.get(&id) {
            return Ok(Taken::Known(*at_ms));
        }
        let Entry::Answer { record, step, value } = row.entry.clone() else {
            self.put(id, &row, None)?;
            return Ok(Taken::New(self.at_ms));
        };
        let showing = (record.decision.to_string(), record.offer.clone());
        let on_record = self.showings.get(&showing).map_or(&[][..], Vec::as_slice);
        let withdrawals = complete(&mut row, on_record);
        let name = step_name(step, withdrawals);
        let stands = |stage| Standing { sql: self.sql, decision: &showing.0, offer: &showing.1, stage };
        match (step, value) {
            (Step::Withdrawal(stage), _) if stage >= row.before.reached => {
                return Ok(Taken::Refused("the stage has not been reached".to_owned()));
            }
            _ if let Some(recorded) = on_record.iter().find(|recorded| recorded.name == name) => {
                let known = Taken::Known(recorded.at_ms);
                let Some((stage, value)) = stage_of(step).zip(value) else { return Ok(known) };
                if stands(stage).value()? == Some(value) {
                    return Ok(known);
                }
                // The same stage with another value corrects it.
                stands(stage).write(value)?;
                self.persons.extend(about(&record, happened_ms, row.seq));
                self.put(id, &row, None)?;
                return Ok(Taken::New(self.at_ms));
            }
            (Step::Withdrawal(stage), _) => stands(stage).forget_from()?,
            (Step::Stage(stage), Some(value)) => stands(stage).write(value)?,
            _ => {}
        }
        self.persons.extend(about(&record, happened_ms, row.seq));
        self.put(id, &row, Some((showing, name)))?;
        Ok(Taken::New(self.at_ms))
    }

    /// Gives a row its number, which is the next, and its place among what is on record.
    fn put(&mut self, id: String, row: &Row, of: Option<((String, String), String)>) -> Result<(), Failure> {
        let (decision, offer, step) = match of {
            Some((showing, name)) => {
                let values = (Some(showing.0.clone()), Some(showing.1.clone()), Some(name.clone()));
                let recorded = Recorded { seq: row.seq, name, at_ms: row.at_ms };
                self.showings.entry(showing).or_default().push(recorded);
                values
            }
            None => (None, None, None),
        };
        let content = row.write()?;
        // SQLite counts from one.
        let from = self.contents.len() + 1;
        self.rows.push((row.seq, id.clone(), decision, offer, step, row.at_ms, from, content.len()));
        self.contents.extend(content);
        self.known.insert(id, row.at_ms);
        self.seq = row.seq;
        Ok(())
    }

    /// Writes everything, with two values for all rows: to bring over and bind one for each column took longer than to
    /// insert. Whom they are about comes last.
    fn write(self) -> Result<(), Failure> {
        if !self.rows.is_empty() {
            let insert = "INSERT INTO rows SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, \
                          substr(?2, value->>6, value->>7) FROM json_each(?1)";
            self.sql.run(insert, vec![serde_json::to_string(&self.rows)?.into(), self.contents.into()])?;
        }
        if !self.persons.is_empty() {
            let insert = "INSERT INTO persons SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?)";
            self.sql.run(insert, vec![serde_json::to_string(&self.persons)?.into()])?;
        }
        Ok(())
    }
}

/// Whom a row is about, offer, when it happened, row.
fn about(record: &OfferRecord, happened_ms: u64, seq: u64) -> Option<(String, String, u64, u64)> {
    Some((record.person?.to_string(), record.offer.clone(), happened_ms, seq))
}

/// Of a new row: number, id, decision, offer, step, when it was recorded, and where its content begins and how long it is.
type NewColumns = (u64, String, Option<String>, Option<String>, Option<String>, u64, usize, usize);

fn stage_of(step: Step) -> Option<u8> {
    match step {
        Step::Stage(stage) => Some(stage),
        Step::Impression | Step::Dismissal | Step::Withdrawal(_) => None,
    }
}

/// Completes a row by what is on record of its showing; how often a stage of it was withdrawn.
fn complete(row: &mut Row, on_record: &[Recorded]) -> u64 {
    let mut withdrawals = 0;
    for Recorded { seq, name, at_ms } in on_record {
        let earlier = step_from(name);
        if earlier != Some(Step::Dismissal) {
            row.since_ms = row.since_ms.max(Some(*at_ms));
        }
        if earlier == Some(Step::Impression) {
            row.impression = Some(*seq);
        }
        withdrawals += u64::from(matches!(earlier, Some(Step::Withdrawal(_))));
        row.before = earlier.map_or(row.before, |step| row.before.after(step));
    }
    withdrawals
}

fn known_since(sql: &Sql, id: &str) -> Result<Option<u64>, Failure> {
    sql.first("SELECT at FROM rows WHERE id = ?", vec![id.into()])?.map(|mut row| row.number()).transpose()
}

/// What a stage of a showing was worth.
struct Standing<'a> {
    sql: &'a Sql,
    decision: &'a str,
    offer: &'a str,
    stage: u8,
}

impl Standing<'_> {
    fn key(&self) -> Vec<SqlStorageValue> {
        vec![self.decision.into(), self.offer.into(), number(self.stage.into())]
    }

    fn value(&self) -> Result<Option<f64>, Failure> {
        let value = "SELECT value FROM worth WHERE decision = ? AND offer = ? AND stage = ?";
        self.sql.first(value, self.key())?.map(|mut row| row.real()).transpose()
    }

    fn write(&self, value: f64) -> Result<(), Failure> {
        let write = "INSERT INTO worth VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value";
        let mut values = self.key();
        values.push(SqlStorageValue::Float(value));
        self.sql.run(write, values)
    }

    /// Nor is any later stage worth anything.
    fn forget_from(&self) -> Result<(), Failure> {
        self.sql.run("DELETE FROM worth WHERE decision = ? AND offer = ? AND stage >= ?", self.key())
    }
}

fn count_by_day(sql: &Sql, row: &Row) -> Result<(), Failure> {
    let when_ms = if row.happened_ms > 0 { row.happened_ms } else { row.at_ms };
    let (kind, value, of) = match &row.entry {
        Entry::Answer { record, step, value } => {
            let arm = match record.arm {
                Arm::Model => "model",
                Arm::Explore => "explore",
                Arm::Control => "control",
            };
            let partner = record.partner.as_deref().unwrap_or_default();
            let of = [record.offer.as_str(), &record.placement, &record.channel, arm, partner];
            (step_name(*step, 0), value.unwrap_or_default(), of)
        }
        Entry::Note { name, .. } => (name.clone(), 0.0, [""; 5]),
    };
    let mut values = vec![number(when_ms / DAY_MS), kind.into()];
    values.extend(of.map(SqlStorageValue::from));
    values.push(SqlStorageValue::Float(value));
    let count = "INSERT INTO days VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET rows = rows + 1, \
                 value = value + excluded.value";
    sql.run(count, values)
}

/// What makes a step of a showing one of its kind. After a withdrawal the same stages can come again.
fn step_name(step: Step, withdrawals: u64) -> String {
    let again = if withdrawals == 0 { String::new() } else { format!(" {withdrawals}") };
    match step {
        Step::Impression => "impression".to_owned(),
        Step::Dismissal => "dismiss".to_owned(),
        Step::Stage(stage) => format!("stage {stage}{again}"),
        Step::Withdrawal(stage) => format!("withdrawal {stage}{again}"),
    }
}

fn step_from(name: &str) -> Option<Step> {
    let mut words = name.split(' ');
    let (kind, stage) = (words.next()?, words.next().and_then(|stage| stage.parse().ok()));
    match kind {
        "impression" => Some(Step::Impression),
        "dismiss" => Some(Step::Dismissal),
        "stage" => stage.map(Step::Stage),
        "withdrawal" => stage.map(Step::Withdrawal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let entry = Entry::Note { name: "page".into(), props: "{\"title\":\"Loans\"}".into() };
        let row = Row {
            seq: 7,
            at_ms: 5,
            happened_ms: 4,
            entry,
            before: Progress::default(),
            impression: None,
            since_ms: None,
        };
        assert_eq!(Row::read(7, &row.write().unwrap()).unwrap(), row);
        // As they were written before.
        let json = r#"{"seq":7,"at_ms":5,"entry":{"Note":{"name":"page","props":{"title":"Loans"}}},
            "before":{"seen":false,"reached":0},"impression":null}"#;
        assert_eq!(Row::read(7, json.as_bytes()).unwrap(), Row { happened_ms: 0, ..row });
        for bytes in [&b""[..], b"{", b"\x01", b"\x02abc", b"\x01\x05\x04\x00abc"] {
            assert!(Row::read(7, bytes).is_err());
        }
    }

    /// A row of a time when the record lay among the other fields: what was written then, with a value that a token of then
    /// would open to.
    #[test]
    fn a_row_with_its_record_inline_is_read() {
        let offer: InlineRecord = (
            (
                DecisionId::new([1; 16]),
                "saver".into(),
                "hero".into(),
                1,
                "web".into(),
                Arm::Explore,
                Some(0.25),
                3,
                4,
                vec![7],
                vec![0.5],
            ),
            (Some(VisitorId::new([2; 16])), None, Some("roadbook".into()), 99, None, 5, vec![3]),
        );
        let (step, value, progress) = (Step::Stage(1), Some(2.5), Progress { seen: true, reached: 1 });
        let fields = (5_u64, 4_u64, 0_u32, &offer, step, value, (progress, Some(6_u64), Some(3_u64)));
        let row = Row::read(7, &postcard::to_extend(&fields, vec![INLINE_VERSION]).unwrap()).unwrap();
        let Entry::Answer { record, step: Step::Stage(1), value: Some(2.5) } = &row.entry else { panic!("{row:?}") };
        assert_eq!((record.offer.as_str(), record.decided_ms, record.shard, &record.among), ("saver", 99, 5, &vec![3]));
        assert_eq!((record.entered_ms, record.partner.as_deref()), (0, Some("roadbook")));
        assert_eq!((row.seq, row.at_ms, row.happened_ms, row.before), (7, 5, 4, progress));
        assert_eq!((row.impression, row.since_ms), (Some(6), Some(3)));
        assert_eq!(Row::read(7, &row.write().unwrap()).unwrap(), row);
        let note = Row { entry: Entry::Note { name: "page".into(), props: "{}".into() }, ..row };
        let mut written = note.write().unwrap();
        written[0] = INLINE_VERSION;
        assert_eq!(Row::read(7, &written).unwrap(), note);
    }

    #[test]
    fn a_step_is_read_as_it_was_written() {
        for step in [Step::Impression, Step::Dismissal, Step::Stage(0), Step::Stage(7), Step::Withdrawal(1)] {
            for withdrawals in [0, 3] {
                assert_eq!(step_from(&step_name(step, withdrawals)), Some(step));
            }
        }
        assert_eq!((step_from("stage x"), step_from("")), (None, None));
    }
}
