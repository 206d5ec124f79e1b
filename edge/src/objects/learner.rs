//! `LearnerObject`, one per site: folds the ledgers' rows, in a recorded order, into the model and the counts.
//!
//! Each fold is one synchronous turn: the batch (shard, first row, last row, configuration) is written to the order
//! book and folded in memory; the number of batches is the model's version, so a version names exactly one model. A
//! checkpoint every few seconds holds model, counts and cursors. After a restart the learner reads the checkpoint,
//! rereads the batches since from the ledgers in the recorded order, and arrives at the same model.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use portico_engine::config::Config;
use portico_engine::evaluate::{Entrant, ExperimentFigures, ShadowFigures};
use portico_engine::{
    Associations, Change, Learner, Model, Observation, Place, Policy, StageQuality, Tally, keyed_hash,
};
use portico_protocol::report::Lag;
use portico_protocol::seal::OfferRecord;
use serde::{Deserialize, Serialize};
use worker::{Delay, Env, State};

use super::ledger::{self, Entry, Reread, Row};
use super::site::{GetRuntime, GetVersion, RuntimeState};
use super::sql::{Database, Sql, number};
use super::{Call, Object, answer, call, object, send};
use crate::error::Failure;
use crate::http::now_ms;
use crate::log;

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS batches (n INTEGER PRIMARY KEY, shard INTEGER NOT NULL, first INTEGER NOT NULL, \
     last INTEGER NOT NULL, config INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS checkpoint (part INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
];

/// Wait between a fold and its checkpoint: a restart rereads at most what was folded in this time.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(3);
/// Bytes in one part of a checkpoint; the platform allows 2 MB in a value.
const PART_BYTES: usize = 1024 * 1024;
/// Rows between two checkpoints of a replay: a few seconds.
const CHECKPOINT_ROWS: usize = 20_000;
/// Rows reread at once.
const REREAD_ROWS: u64 = 1_000;
/// Batches over which the lag is reported.
const LAGS: usize = 200;

/// Folds rows that follow the shard's cursor; rows before it are passed over. Without rows it only asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fold {
    pub(crate) site: String,
    pub(crate) shard: u16,
    /// The first row that the shard has still: what came before is in the model, or is counted by day and nothing else.
    pub(crate) kept_from: u64,
    pub(crate) rows: Vec<ledger::Written>,
}

impl Call for Fold {
    const BINDING: &'static str = "LEARNER";
    const PATH: &'static str = "/fold";
    const IS_BINARY: bool = true;
    /// The shard's cursor: the last row that is in the model.
    type Answer = u64;
}

/// Asks for the model unless `have` is its version already. Answered with bytes, see [`newer_model`].
#[derive(Debug, Serialize, Deserialize)]
struct GetModel {
    site: String,
    have: u64,
}

const MODEL_PATH: &str = "/model";

/// Asks for the figures.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GetFigures {
    pub(crate) site: String,
}

/// The learner's figures.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) model: u64,
    pub(crate) model_at: u64,
    pub(crate) folded: u64,
    /// The last row of each shard that is in the model.
    pub(crate) cursors: BTreeMap<u16, u64>,
    pub(crate) lag: Lag,
    pub(crate) tally: Tally,
    pub(crate) experiment: Option<ExperimentFigures>,
}

impl Call for GetFigures {
    const BINDING: &'static str = "LEARNER";
    const PATH: &'static str = "/figures";
    type Answer = Figures;
}

/// Asks how good the predictions are, and which facts go with the success of an offer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JudgeModel {
    pub(crate) site: String,
    pub(crate) offer: Option<String>,
}

/// The answer to [`JudgeModel`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Judgement {
    pub(crate) model: u64,
    pub(crate) stages: Vec<StageQuality>,
    pub(crate) changes: Vec<Change>,
    /// The offer's, by stage; none for what the learner does not know.
    pub(crate) facts: Vec<Associations>,
}

impl Call for JudgeModel {
    const BINDING: &'static str = "LEARNER";
    const PATH: &'static str = "/judge";
    type Answer = Judgement;
}

/// Asks how a candidate in shadow compares.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CompareShadow {
    pub(crate) site: String,
    pub(crate) candidate: u64,
}

impl Call for CompareShadow {
    const BINDING: &'static str = "LEARNER";
    const PATH: &'static str = "/shadow";
    type Answer = Option<ShadowFigures>;
}

/// The model of a site if it is not of version `have`.
pub(crate) async fn newer_model(env: &Env, site: &str, have: u64) -> Result<Option<(u64, Model)>, Failure> {
    let question = serde_json::to_vec(&GetModel { site: site.to_owned(), have })?;
    let answer = send(env, Fold::BINDING, site, MODEL_PATH, &question).await?;
    let Some((version, model)) = answer.split_first_chunk() else { return Ok(None) };
    let model = Model::decode(model).map_err(|_| Failure::Internal("a model that does not decode"))?;
    Ok(Some((u64::from_le_bytes(*version), model)))
}

/// A site's learner.
pub(crate) struct LearnerObject {
    state: State,
    core: Rc<Core>,
    checkpoint_set: Cell<bool>,
}

struct Core {
    env: Env,
    loaded: RefCell<Option<Loaded>>,
    database: Database,
}

/// Everything in memory; the truth is the checkpoint, the order book and the ledgers.
struct Loaded {
    learner: Learner,
    policy: Policy,
    config: u64,
    progress: Written,
    model_at: u64,
    encoded: Option<Vec<u8>>,
}

/// How far the learner is; part of a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Written {
    /// Batches folded: the model's version.
    batches: u64,
    /// Rows folded.
    rows: u64,
    cursors: BTreeMap<u16, u64>,
    at_ms: u64,
    /// How late the last batches were, in milliseconds, the newest last.
    #[serde(default)]
    lags: VecDeque<u64>,
}

object!(LearnerObject);

impl Object for LearnerObject {
    fn new(state: State, env: Env) -> Self {
        let core = Core { env, loaded: RefCell::new(None), database: Database::default() };
        Self { state, core: Rc::new(core), checkpoint_set: Cell::new(false) }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            Fold::PATH => answer(question, async |call: Fold| self.fold(call).await).await,
            GetFigures::PATH => answer(question, async |call: GetFigures| self.figures(&call.site).await).await,
            JudgeModel::PATH => answer(question, async |call: JudgeModel| self.judge(&call).await).await,
            CompareShadow::PATH => answer(question, async |call: CompareShadow| self.compare(&call).await).await,
            MODEL_PATH => self.model(question).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }

    async fn alarm(&self) -> worker::Result<()> {
        self.checkpoint_set.set(false);
        if let Err(failure) = self.checkpoint() {
            log::error("LearnerObject: checkpoint", &failure);
            self.set_checkpoint().await?;
        }
        Ok(())
    }
}

impl LearnerObject {
    async fn fold(&self, call: Fold) -> Result<u64, Failure> {
        self.load(&call.site).await?;
        let rows = read_rows(&call.rows)?;
        let wanted = rows.iter().map(config_of).max().unwrap_or(0);
        self.follow_config(&call.site, wanted).await?;
        let cursor = self.core.fold(&self.state, &call, &rows)?;
        if !call.rows.is_empty() && !self.checkpoint_set.replace(true) {
            self.set_checkpoint().await?;
        }
        Ok(cursor)
    }

    async fn set_checkpoint(&self) -> worker::Result<()> {
        self.checkpoint_set.set(true);
        self.state.storage().set_alarm(CHECKPOINT_AFTER).await
    }

    /// Brings memory up once; nothing else reaches the object meanwhile.
    async fn load(&self, site: &str) -> Result<(), Failure> {
        if self.core.loaded.borrow().is_some() {
            return Ok(());
        }
        let sql = self.core.database.get(&self.state, &SCHEMA)?.clone();
        let (core, site) = (Rc::clone(&self.core), site.to_owned());
        let loading = async move { Ok(load(&core, &sql, &site).await) };
        self.state.block_concurrency_while(loading).await?
    }

    /// Takes over a newer configuration before rows decided with it are folded.
    async fn follow_config(&self, site: &str, wanted: u64) -> Result<(), Failure> {
        let have = self.core.loaded.borrow().as_ref().map_or(0, |loaded| loaded.config);
        if have >= wanted && have > 0 {
            return Ok(());
        }
        if let RuntimeState::Newer(runtime) = call(&self.core.env, site, &GetRuntime { have, candidate: None }).await?
            && let Some(loaded) = self.core.loaded.borrow_mut().as_mut()
        {
            loaded.policy = Policy::compile(&runtime.config.decisions).0;
            loaded.config = runtime.version;
        }
        Ok(())
    }

    /// The model behind its version, or nothing where that is known.
    async fn model(&self, question: &[u8]) -> Result<Vec<u8>, Failure> {
        let question: GetModel = serde_json::from_slice(question)?;
        self.load(&question.site).await?;
        let mut loaded = self.core.loaded.borrow_mut();
        let loaded = loaded.as_mut().ok_or(Failure::Internal("the learner is not loaded"))?;
        let version = loaded.progress.batches;
        if version == question.have {
            return Ok(Vec::new());
        }
        let model = loaded.encoded.get_or_insert_with(|| loaded.learner.usable_model(&loaded.policy).encode_compact());
        Ok([&version.to_le_bytes(), model.as_slice()].concat())
    }

    async fn figures(&self, site: &str) -> Result<Figures, Failure> {
        self.load(site).await?;
        let loaded = self.core.loaded.borrow();
        let loaded = loaded.as_ref().ok_or(Failure::Internal("the learner is not loaded"))?;
        let mut lags: Vec<u64> = loaded.progress.lags.iter().copied().collect();
        lags.sort_unstable();
        let quantile = |part: usize| lags.get((lags.len() * part / 100).min(lags.len().saturating_sub(1))).copied();
        Ok(Figures {
            model: loaded.progress.batches,
            model_at: loaded.model_at,
            folded: loaded.progress.rows,
            cursors: loaded.progress.cursors.clone(),
            lag: Lag {
                batches: u32::try_from(loaded.progress.lags.len()).unwrap_or(u32::MAX),
                last_ms: loaded.progress.lags.back().copied().unwrap_or(0),
                p50_ms: quantile(50).unwrap_or(0),
                p95_ms: quantile(95).unwrap_or(0),
            },
            tally: loaded.learner.tally.clone(),
            experiment: loaded.learner.experiment.figures(now_ms()),
        })
    }

    async fn judge(&self, call: &JudgeModel) -> Result<Judgement, Failure> {
        self.load(&call.site).await?;
        let loaded = self.core.loaded.borrow();
        let loaded = loaded.as_ref().ok_or(Failure::Internal("the learner is not loaded"))?;
        let (learner, policy) = (&loaded.learner, &loaded.policy);
        let facts = call.offer.iter().flat_map(|offer| {
            (0..policy.stages().count()).filter_map(|stage| learner.associations(policy, offer, stage))
        });
        Ok(Judgement {
            model: loaded.progress.batches,
            stages: learner.quality.stages(),
            changes: learner.changes().to_vec(),
            facts: facts.collect(),
        })
    }

    async fn compare(&self, call: &CompareShadow) -> Result<Option<ShadowFigures>, Failure> {
        self.load(&call.site).await?;
        let loaded = self.core.loaded.borrow();
        Ok(loaded.as_ref().and_then(|loaded| loaded.learner.shadow.figures(call.candidate)))
    }

    fn checkpoint(&self) -> Result<(), Failure> {
        let loaded = self.core.loaded.borrow();
        let Some(loaded) = loaded.as_ref() else {
            return Ok(());
        };
        loaded.checkpoint(self.core.database.get(&self.state, &SCHEMA)?)
    }
}

impl Core {
    /// Writes a batch to the order book and folds it, in one synchronous turn.
    fn fold(&self, state: &State, call: &Fold, rows: &[Row]) -> Result<u64, Failure> {
        let Fold { shard, kept_from, .. } = *call;
        let mut loaded = self.loaded.borrow_mut();
        let loaded = loaded.as_mut().ok_or(Failure::Internal("the learner is not loaded"))?;
        let cursor = loaded.progress.cursors.get(&shard).copied().unwrap_or(0).max(kept_from.saturating_sub(1));
        let fresh = rows.get(rows.partition_point(|row| row.seq <= cursor)..).unwrap_or_default();
        let (Some(first), Some(last)) = (fresh.first(), fresh.last()) else {
            return Ok(cursor);
        };
        if first.seq != cursor + 1 || last.seq != cursor + fresh.len() as u64 {
            return Ok(cursor);
        }
        let batch = loaded.progress.batches + 1;
        let values =
            vec![number(batch), number(shard.into()), number(first.seq), number(last.seq), number(loaded.config)];
        self.database.get(state, &SCHEMA)?.run("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", values)?;
        loaded.fold(shard, fresh, last.seq, 1);
        let now = now_ms();
        loaded.model_at = now;
        if loaded.progress.lags.len() >= LAGS {
            loaded.progress.lags.pop_front();
        }
        loaded.progress.lags.push_back(now.saturating_sub(first.at_ms));
        Ok(last.seq)
    }
}

impl Loaded {
    fn checkpoint(&self, sql: &Sql) -> Result<(), Failure> {
        let mut written = self.progress.clone();
        written.at_ms = self.model_at;
        let bytes = write_checkpoint(&written, &self.learner)?;
        sql.run("DELETE FROM checkpoint", Vec::new())?;
        for (part, bytes) in bytes.chunks(PART_BYTES).enumerate() {
            sql.run("INSERT INTO checkpoint VALUES (?, ?)", vec![number(part as u64), bytes.to_vec().into()])?;
        }
        Ok(())
    }

    /// Folds so many batches that end with row `last`; in a replay rows may be missing that were kept no longer.
    fn fold(&mut self, shard: u16, rows: &[Row], last: u64, batches: u64) {
        for row in rows {
            if let Entry::Answer { record, step, .. } = &row.entry {
                let decision = record.decision.to_string();
                let observation = Observation {
                    showing: keyed_hash(&[0; 16], &[decision.as_bytes(), record.offer.as_bytes()]),
                    offer: record.offer.clone(),
                    placement: record.placement.clone(),
                    rank: record.rank,
                    channel: record.channel.clone(),
                    arm: record.arm,
                    features: record.features.clone(),
                    promised: record.promised.clone(),
                    compared: record.compared,
                    entrant: entrant(record),
                    step: *step,
                    before: row.before,
                    impression: row.impression.map(|seq| Place { shard, seq }),
                    since_ms: row.since_ms,
                    place: Place { shard, seq: row.seq },
                    at_ms: row.at_ms,
                };
                self.learner.fold(&self.policy, &observation);
            }
        }
        self.progress.cursors.insert(shard, last);
        self.progress.batches += batches;
        self.progress.rows += rows.len() as u64;
        self.encoded = None;
    }
}

/// Batches that follow each other, reread at once.
struct Stretch {
    shard: u16,
    first: u64,
    last: u64,
    config: u64,
    batches: u64,
}

/// The order book after so many batches.
fn stretches(sql: &Sql, after: u64) -> Result<Vec<Stretch>, Failure> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let since = "SELECT shard, first, last, config FROM batches WHERE n > ? ORDER BY n";
    for mut row in sql.rows(since, vec![number(after)])? {
        let shard = u16::try_from(row.number()?).map_err(|_| Failure::Internal("a shard beyond u16"))?;
        let (first, last, config) = (row.number()?, row.number()?, row.number()?);
        match stretches.last_mut() {
            Some(open)
                if (open.shard, open.config, open.last + 1) == (shard, config, first)
                    && last - open.first < REREAD_ROWS =>
            {
                open.last = last;
                open.batches += 1;
            }
            _ => stretches.push(Stretch { shard, first, last, config, batches: 1 }),
        }
    }
    Ok(stretches)
}

/// Reads the checkpoint and replays the batches since. What was replayed is written at once: whoever is interrupted, by
/// the platform's patience or by a kill, goes on from there.
async fn load(core: &Core, sql: &Sql, site: &str) -> Result<(), Failure> {
    let (written, learner) = read_checkpoint(sql)?;
    let mut loaded = Loaded {
        learner,
        policy: Policy::compile(&Config::default()).0,
        config: 0,
        model_at: written.at_ms,
        progress: written,
        encoded: None,
    };
    let mut unwritten = 0;
    for stretch in stretches(sql, loaded.progress.batches)? {
        if stretch.config != loaded.config {
            let version = call(&core.env, site, &GetVersion { version: stretch.config }).await?;
            let version = version.ok_or(Failure::Internal("a batch of an unknown configuration"))?;
            loaded.policy = Policy::compile(&version.decisions).0;
            loaded.config = stretch.config;
        }
        let reread = Reread { from: stretch.first, to: stretch.last };
        let rows = call(&core.env, &ledger::name(site, stretch.shard), &reread).await?;
        loaded.fold(stretch.shard, &read_rows(&rows)?, stretch.last, stretch.batches);
        unwritten += rows.len();
        if unwritten >= CHECKPOINT_ROWS {
            loaded.checkpoint(sql)?;
            unwritten = 0;
        }
        // workerd's loop hears nobody while there is always something ready to go on with.
        Delay::from(Duration::ZERO).await;
    }
    if unwritten > 0 {
        loaded.checkpoint(sql)?;
    }
    if let RuntimeState::Newer(runtime) =
        call(&core.env, site, &GetRuntime { have: loaded.config, candidate: None }).await?
    {
        loaded.policy = Policy::compile(&runtime.config.decisions).0;
        loaded.config = runtime.version;
    }
    *core.loaded.borrow_mut() = Some(loaded);
    Ok(())
}

/// The checkpoint; the beginning where there is none, or one that does not read (of an older version, or damaged): the
/// order book and the ledgers hold everything, it only takes longer.
fn read_checkpoint(sql: &Sql) -> Result<(Written, Learner), Failure> {
    let mut bytes = Vec::new();
    for mut row in sql.rows("SELECT bytes FROM checkpoint ORDER BY part", Vec::new())? {
        bytes.extend(row.bytes()?);
    }
    let read = parse_checkpoint(&bytes);
    if read.is_none() && !bytes.is_empty() {
        log::error("LearnerObject: everything is folded again", &"the checkpoint does not read");
    }
    Ok(read.unwrap_or_default())
}

/// The sum of the rest, the length of the progress, the progress, the learner.
fn write_checkpoint(written: &Written, learner: &Learner) -> Result<Vec<u8>, Failure> {
    let state = serde_json::to_vec(written)?;
    let rest = [&(state.len() as u64).to_le_bytes()[..], &state, &learner.encode()].concat();
    Ok([&sum(&rest).to_le_bytes()[..], &rest].concat())
}

/// A single wrong byte would often read as another model.
fn sum(bytes: &[u8]) -> u64 {
    keyed_hash(&[0; 16], &[bytes])
}

fn parse_checkpoint(bytes: &[u8]) -> Option<(Written, Learner)> {
    let (written, bytes) = bytes.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*written) != sum(bytes) {
        return None;
    }
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (state, learner) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    Some((serde_json::from_slice(state).ok()?, Learner::decode(learner).ok()?))
}

fn read_rows(rows: &[ledger::Written]) -> Result<Vec<Row>, Failure> {
    rows.iter().map(|(seq, bytes)| Row::read(*seq, bytes)).collect()
}

/// Whom a record is about, for the comparison of the arms; who is not known is the visitor of one decision.
fn entrant(record: &OfferRecord) -> Option<Entrant> {
    let who = match (&record.person, &record.customer, &record.visitor) {
        (Some(person), ..) => person.to_string(),
        // Rows of an earlier version name their customers.
        (None, Some(customer), _) => format!("customer {customer}"),
        (None, None, Some(visitor)) => visitor.to_string(),
        (None, None, None) => record.decision.to_string(),
    };
    let id = keyed_hash(&[0; 16], &[b"entrant", who.as_bytes()]);
    (record.entered_ms > 0).then_some(Entrant { id, entered_ms: record.entered_ms })
}

fn config_of(row: &Row) -> u64 {
    match &row.entry {
        Entry::Answer { record, .. } => record.config,
        Entry::Note { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_that_does_not_read_is_no_checkpoint() {
        let whole = write_checkpoint(&Written { batches: 7, ..Written::default() }, &Learner::default()).unwrap();
        assert_eq!(parse_checkpoint(&whole).map(|(written, _)| written.batches), Some(7));
        for length in 0..whole.len() {
            assert!(parse_checkpoint(&whole[..length]).is_none(), "{length} of {} bytes", whole.len());
        }
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            assert!(parse_checkpoint(&damaged).is_none(), "byte {place}");
        }
        // A true sum of what does not read: another version of the model's format, and a length that lies.
        let at = whole.windows(3).position(|bytes| bytes == b"PMD").unwrap();
        for (place, byte) in [(at + 3, b'0'), (8, 0xff), (15, 0xff)] {
            let mut other = whole[8..].to_vec();
            other[place - 8] = byte;
            assert!(parse_checkpoint(&[&sum(&other).to_le_bytes()[..], &other].concat()).is_none(), "byte {place}");
        }
    }
}
