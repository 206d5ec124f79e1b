//! `SiteObject`, one per site: the draft, the published versions, the sealing keys, the one-time console codes.
//!
//! Every operation is one synchronous turn on one thread: a version is published once, a code is redeemed once.

use portico_protocol::seal::{Keyring, SealingKey};
use portico_protocol::site::SiteConfig;
use serde::{Deserialize, Serialize};
use worker::{Env, State};

use super::sql::{Database, Sql, number};
use super::{Call, Object, answer, object};
use crate::crypto;
use crate::error::Failure;

const SCHEMA: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY, at INTEGER NOT NULL, config TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS draft (one INTEGER PRIMARY KEY CHECK (one = 1), config TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS candidates (n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, config TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS codes (hash TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID",
];

/// How long a page may keep what it could not send, at most: as long as the numbers of shards are remembered for notes.
const RESEND_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How long a one-time link waits to be opened.
const CODE_MS: u64 = 12 * 60 * 60 * 1000;

/// Everything an isolate needs to decide for the site.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Runtime {
    pub(crate) version: u64,
    pub(crate) config: SiteConfig,
    pub(crate) keyring: Keyring,
    pub(crate) hash_key: [u8; 16],
    /// From which the secrets of shared keys are made.
    pub(crate) identity_key: [u8; 32],
    pub(crate) candidate: Option<Candidate>,
    pub(crate) shards: Shards,
}

/// The ledger's shards, by what was and is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shards {
    /// That take new showings and notes.
    pub(crate) now: u16,
    /// Other numbers of shards in the time in which a page may send its notes again.
    pub(crate) former: Vec<u16>,
    /// That may hold rows.
    pub(crate) most: u16,
}

/// A configuration that is tried in shadow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) number: u64,
    pub(crate) since_ms: u64,
    pub(crate) config: SiteConfig,
}

/// Asks for the runtime unless `have` is the published version already, and `candidate` the number of what is tried in
/// shadow (0 for nothing); whoever does not care for candidates names none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GetRuntime {
    pub(crate) have: u64,
    pub(crate) candidate: Option<u64>,
}

/// The answer to [`GetRuntime`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum RuntimeState {
    NotPublished,
    Unchanged,
    Newer(Box<Runtime>),
}

impl Call for GetRuntime {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/runtime";
    type Answer = RuntimeState;
}

/// Replaces the draft.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PutDraft {
    pub(crate) config: SiteConfig,
}

impl Call for PutDraft {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/draft/put";
    type Answer = ();
}

/// Reads the draft and what is published.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GetDraft {}

/// The answer to [`GetDraft`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Drafts {
    pub(crate) draft: Option<SiteConfig>,
    pub(crate) published: Option<SiteConfig>,
    pub(crate) version: u64,
}

impl Call for GetDraft {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/draft/get";
    type Answer = Drafts;
}

/// Publishes a checked configuration as the next version.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Publish {
    pub(crate) config: SiteConfig,
    pub(crate) now_ms: u64,
}

impl Call for Publish {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/publish";
    type Answer = u64;
}

/// Tries a checked configuration in shadow, in the place of what is tried now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BeginShadow {
    pub(crate) config: SiteConfig,
    pub(crate) now_ms: u64,
}

impl Call for BeginShadow {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/shadow/begin";
    /// The candidate's number.
    type Answer = u64;
}

/// Tries nothing in shadow any more.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EndShadow {}

impl Call for EndShadow {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/shadow/end";
    type Answer = ();
}

/// Reads what is tried in shadow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GetShadow {}

impl Call for GetShadow {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/shadow/get";
    type Answer = Option<Candidate>;
}

/// Reads one published version.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GetVersion {
    pub(crate) version: u64,
}

impl Call for GetVersion {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/version";
    type Answer = Option<SiteConfig>;
}

/// Makes a one-time console code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IssueCode {
    pub(crate) now_ms: u64,
}

impl Call for IssueCode {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/code/issue";
    type Answer = String;
}

/// Redeems one; the second time it is unknown.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RedeemCode {
    pub(crate) code: String,
    pub(crate) now_ms: u64,
}

impl Call for RedeemCode {
    const BINDING: &'static str = "SITE";
    const PATH: &'static str = "/code/redeem";
    /// The keyring to seal a session with.
    type Answer = Option<Keyring>;
}

/// A site.
pub(crate) struct SiteObject {
    state: State,
    database: Database,
}

object!(SiteObject);

impl Object for SiteObject {
    fn new(state: State, _env: Env) -> Self {
        Self { state, database: Database::default() }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            GetRuntime::PATH => answer(question, async |call: GetRuntime| self.runtime(&call)).await,
            PutDraft::PATH => answer(question, async |call| self.put_draft(&call)).await,
            GetDraft::PATH => answer(question, async |_: GetDraft| self.drafts()).await,
            Publish::PATH => answer(question, async |call| self.publish(&call)).await,
            BeginShadow::PATH => answer(question, async |call| self.begin_shadow(&call)).await,
            EndShadow::PATH => answer(question, async |_: EndShadow| self.end_shadow()).await,
            GetShadow::PATH => answer(question, async |_: GetShadow| Self::candidate(self.sql()?)).await,
            GetVersion::PATH => answer(question, async |call: GetVersion| self.version(call.version)).await,
            IssueCode::PATH => answer(question, async |call: IssueCode| self.issue_code(call.now_ms)).await,
            RedeemCode::PATH => answer(question, async |call| self.redeem_code(&call)).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }
}

impl SiteObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.database.get(&self.state, &SCHEMA)
    }

    fn latest(sql: &Sql) -> Result<Option<(u64, SiteConfig)>, Failure> {
        let row = sql.first("SELECT version, config FROM versions ORDER BY version DESC LIMIT 1", Vec::new())?;
        row.map(|mut row| Ok((row.number()?, serde_json::from_str(&row.text()?)?))).transpose()
    }

    fn runtime(&self, call: &GetRuntime) -> Result<RuntimeState, Failure> {
        let sql = self.sql()?;
        let newest =
            sql.first("SELECT max(version) FROM versions WHERE version > 0 HAVING max(version) > 0", Vec::new())?;
        match newest.map(|mut row| row.number()).transpose()? {
            None => Ok(RuntimeState::NotPublished),
            Some(version) if version == call.have && self.has_candidate(call.candidate)? => Ok(RuntimeState::Unchanged),
            Some(_) => match Self::latest(sql)? {
                None => Ok(RuntimeState::NotPublished),
                Some((version, config)) => {
                    let keyring = secret(sql, "keyring", || {
                        Ok(Keyring::new(vec![SealingKey { id: 1, secret: crypto::random()? }]))
                    })?;
                    let hash_key = secret(sql, "hash_key", crypto::random)?;
                    let identity_key = secret(sql, "identity_key", crypto::random)?;
                    let candidate = Self::candidate(sql)?;
                    let shards = Self::shards(sql)?;
                    let runtime = Runtime { version, config, keyring, hash_key, identity_key, candidate, shards };
                    Ok(RuntimeState::Newer(Box::new(runtime)))
                }
            },
        }
    }

    fn shards(sql: &Sql) -> Result<Shards, Failure> {
        let numbers = "SELECT at, coalesce(config ->> '$.ledger.shards', 1) FROM versions ORDER BY version DESC";
        let rows = sql.rows(numbers, Vec::new())?;
        let versions: Result<Vec<(u64, u64)>, Failure> =
            rows.into_iter().map(|mut row| Ok((row.number()?, row.number()?))).collect();
        Ok(Shards::of_versions(&versions?, crate::http::now_ms()))
    }

    fn put_draft(&self, call: &PutDraft) -> Result<(), Failure> {
        let values = vec![serde_json::to_string(&call.config)?.into()];
        self.sql()?.run("INSERT INTO draft VALUES (1, ?) ON CONFLICT DO UPDATE SET config = excluded.config", values)
    }

    fn drafts(&self) -> Result<Drafts, Failure> {
        let sql = self.sql()?;
        let draft = sql.first("SELECT config FROM draft", Vec::new())?;
        let draft = draft.map(|mut row| Ok::<_, Failure>(serde_json::from_str(&row.text()?)?)).transpose()?;
        let latest = Self::latest(sql)?;
        let version = latest.as_ref().map_or(0, |(version, _)| *version);
        Ok(Drafts { draft, published: latest.map(|(_, config)| config), version })
    }

    fn publish(&self, call: &Publish) -> Result<u64, Failure> {
        let sql = self.sql()?;
        let version = Self::latest(sql)?.map_or(0, |(version, _)| version) + 1;
        let values = vec![number(version), number(call.now_ms), serde_json::to_string(&call.config)?.into()];
        sql.run("INSERT INTO versions VALUES (?, ?, ?)", values)?;
        // It was compared with what is published no longer.
        self.end_shadow()?;
        Ok(version)
    }

    fn candidate(sql: &Sql) -> Result<Option<Candidate>, Failure> {
        let row = sql.first("SELECT n, at, config FROM candidates", Vec::new())?;
        row.map(|mut row| {
            let (number, since_ms) = (row.number()?, row.number()?);
            Ok(Candidate { number, since_ms, config: serde_json::from_str(&row.text()?)? })
        })
        .transpose()
    }

    fn has_candidate(&self, number: Option<u64>) -> Result<bool, Failure> {
        let Some(number) = number else { return Ok(true) };
        let row = self.sql()?.first("SELECT n FROM candidates", Vec::new())?;
        Ok(row.map(|mut row| row.number()).transpose()?.unwrap_or(0) == number)
    }

    fn begin_shadow(&self, call: &BeginShadow) -> Result<u64, Failure> {
        self.end_shadow()?;
        let values = vec![number(call.now_ms), serde_json::to_string(&call.config)?.into()];
        let row = self.sql()?.first("INSERT INTO candidates (at, config) VALUES (?, ?) RETURNING n", values)?;
        row.ok_or(Failure::Internal("a candidate without a number"))?.number()
    }

    /// Numbers are not given twice, so what was compared with an earlier candidate stays apart.
    fn end_shadow(&self) -> Result<(), Failure> {
        self.sql()?.run("DELETE FROM candidates", Vec::new())
    }

    fn version(&self, version: u64) -> Result<Option<SiteConfig>, Failure> {
        let row = self.sql()?.first("SELECT config FROM versions WHERE version = ?", vec![number(version)])?;
        row.map(|mut row| Ok(serde_json::from_str(&row.text()?)?)).transpose()
    }

    fn issue_code(&self, now_ms: u64) -> Result<String, Failure> {
        let sql = self.sql()?;
        let code = data_encoding::BASE32_NOPAD.encode(&crypto::random::<20>()?).to_ascii_lowercase();
        sql.run("DELETE FROM codes WHERE expires <= ?", vec![number(now_ms)])?;
        let values = vec![crypto::key_hash(&code).into(), number(now_ms + CODE_MS)];
        sql.run("INSERT INTO codes VALUES (?, ?)", values)?;
        Ok(code)
    }

    fn redeem_code(&self, call: &RedeemCode) -> Result<Option<Keyring>, Failure> {
        let sql = self.sql()?;
        let values = vec![crypto::key_hash(&call.code).into(), number(call.now_ms)];
        let found = sql.first("DELETE FROM codes WHERE hash = ? AND expires > ? RETURNING expires", values)?;
        match (found, self.runtime(&GetRuntime { have: 0, candidate: None })?) {
            (Some(_), RuntimeState::Newer(runtime)) => Ok(Some(runtime.keyring)),
            _ => Ok(None),
        }
    }
}

impl Shards {
    /// From when versions were published and how many shards they have, newest first.
    fn of_versions(versions: &[(u64, u64)], now_ms: u64) -> Self {
        let count = |shards: u64| u16::try_from(shards).unwrap_or(1).max(1);
        let now = versions.first().map_or(1, |(_, shards)| count(*shards));
        let most = versions.iter().map(|(_, shards)| count(*shards)).max().unwrap_or(1);
        let mut former = Vec::new();
        for pair in versions.windows(2) {
            // The older of the two held until the newer was published.
            if let [(until_ms, _), (_, shards)] = pair
                && until_ms.saturating_add(RESEND_MS) > now_ms
                && count(*shards) != now
                && !former.contains(&count(*shards))
            {
                former.push(count(*shards));
            }
        }
        Self { now, former, most }
    }
}

/// A secret of the site, made when first asked for.
fn secret<T: Serialize + for<'a> Deserialize<'a>>(
    sql: &Sql,
    name: &str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    if let Some(mut row) = sql.first("SELECT value FROM secrets WHERE name = ?", vec![name.into()])? {
        return Ok(serde_json::from_str(&row.text()?)?);
    }
    let value = make()?;
    sql.run("INSERT INTO secrets VALUES (?, ?)", vec![name.into(), serde_json::to_string(&value)?.into()])?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_shards_are_remembered_for_as_long_as_notes_may_come_again() {
        let day = 24 * 60 * 60 * 1000;
        let shards = |versions: &[(u64, u64)]| Shards::of_versions(versions, 100 * day);
        let one = Shards { now: 1, former: vec![], most: 1 };
        assert_eq!((shards(&[]), shards(&[(90 * day, 1), (3 * day, 1)])), (one.clone(), one));
        let grown = [(99 * day, 4), (98 * day, 4), (97 * day, 2), (50 * day, 2), (49 * day, 1)];
        assert_eq!(shards(&grown), Shards { now: 4, former: vec![2], most: 4 });
        assert_eq!(shards(&[(10 * day, 2), (9 * day, 8)]), Shards { now: 2, former: vec![], most: 8 });
    }
}
