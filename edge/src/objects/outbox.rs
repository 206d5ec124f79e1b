//! `OutboxObject`, one per site: messages on their way to the site's webhooks.
//!
//! A message is durable before whoever hands it over hears that it is taken; handed over again, it is known by its id. It
//! is sent until its receiver takes it (any 2xx), with growing pauses, and given up when the receiver is gone (410), the
//! webhook is configured no longer, or after [`MOST_ATTEMPTS`]. What was given up stays until it is sent
//! again, for a month. Whom it is about only an object of theirs can tell, which is asked before each attempt; a message about
//! who was erased is not sent.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use data_encoding::BASE64;
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use portico_protocol::site::SiteConfig;
use portico_protocol::triggers::{DeadLetter, Webhook, WebhookState, WebhooksState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;
use worker::{Env, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response, State};

use super::site::{GetRuntime, RuntimeState};
use super::sql::{Database, Sql, number};
use super::visitor::{NameOf, Who};
use super::{Call, Object, answer, call, object};
use crate::crypto::random;
use crate::error::Failure;
use crate::http::{Abort, now_ms};
use crate::log;
use crate::now_or_later::within;

const SCHEMA: [&str; 7] = [
    "CREATE TABLE IF NOT EXISTS site (one INTEGER PRIMARY KEY CHECK (one = 1), site TEXT NOT NULL)",
    // `object` is the id of the object that can tell whom a message is about.
    "CREATE TABLE IF NOT EXISTS letters (id TEXT PRIMARY KEY, webhook TEXT NOT NULL, body TEXT NOT NULL, object TEXT NOT NULL, \
     at INTEGER NOT NULL, attempts INTEGER NOT NULL, state INTEGER NOT NULL, due INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID",
    // What an earlier version left says itself whom it is about.
    "CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, webhook TEXT NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL, \
     attempts INTEGER NOT NULL, state INTEGER NOT NULL, due INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID",
    "INSERT OR IGNORE INTO letters SELECT id, webhook, body, '', at, attempts, state, due, error FROM messages",
    "DROP TABLE messages",
    "CREATE INDEX IF NOT EXISTS letters_due ON letters (state, due)",
    "CREATE TABLE IF NOT EXISTS webhooks (id TEXT PRIMARY KEY, secret TEXT NOT NULL, delivered INTEGER NOT NULL) WITHOUT ROWID",
];

/// States of a message. What was delivered is remembered until it cannot be handed over again.
const WAITING: u64 = 0;
const DEAD: u64 = 1;
const DELIVERED: u64 = 2;

/// Times that a message is sent before it is given up: with pauses of 5 s, 10 s, … up to an hour, four to six hours in all.
const MOST_ATTEMPTS: u64 = 16;
const FIRST_PAUSE_MS: u64 = 5_000;
const LONGEST_PAUSE_MS: u64 = 3_600_000;
/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Messages sent at the same time.
const AT_ONCE: u64 = 16;
/// How long the id of a delivered message is remembered: nobody hands it over again later.
const REMEMBERED_MS: u64 = 24 * 3_600_000;
/// How long a message that was given up can be sent again.
const DEAD_MS: u64 = 30 * 24 * 3_600_000;
/// Wait after the site's configuration could not be had.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Dead letters in one answer.
const MOST_DEAD: u64 = 100;
/// Characters of an error that are kept.
const ERROR_CHARS: usize = 200;

/// A message: a CloudEvent as JSON, but for whom it is about. The outbox is every visitor's and learns that only when it
/// sends, from an object of theirs; so nothing here names somebody who was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) webhook: String,
    pub(crate) body: String,
    /// The id of the visitor's object; empty where an earlier version wrote the message, which says whom it is about.
    #[serde(default)]
    pub(crate) object: String,
    pub(crate) at_ms: u64,
}

/// Takes messages; those that are known already are passed over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Enqueue {
    pub(crate) site: String,
    pub(crate) messages: Vec<Message>,
}

impl Call for Enqueue {
    const BINDING: &'static str = "OUTBOX";
    const PATH: &'static str = "/enqueue";
    type Answer = ();
}

/// What is on its way, and what was given up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LookAt {
    pub(crate) webhooks: Vec<Webhook>,
}

impl Call for LookAt {
    const BINDING: &'static str = "OUTBOX";
    const PATH: &'static str = "/look";
    type Answer = WebhooksState;
}

/// Sends again what was given up: the message of an id, or all.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SendAgain {
    pub(crate) id: Option<String>,
}

impl Call for SendAgain {
    const BINDING: &'static str = "OUTBOX";
    const PATH: &'static str = "/again";
    /// How many there were.
    type Answer = u64;
}

/// Sends nothing more about somebody.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Withdraw {
    /// The ids of their objects.
    pub(crate) objects: Vec<String>,
}

impl Call for Withdraw {
    const BINDING: &'static str = "OUTBOX";
    const PATH: &'static str = "/withdraw";
    /// Messages that were withdrawn.
    type Answer = u64;
}

/// A site's outbox.
pub(crate) struct OutboxObject {
    state: State,
    core: Rc<Core>,
}

struct Core {
    env: Env,
    database: Database,
    /// The published configuration that was last seen.
    config: RefCell<Option<(u64, Rc<SiteConfig>)>>,
}

object!(OutboxObject);

impl Object for OutboxObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, core: Rc::new(Core { env, database: Database::default(), config: RefCell::default() }) }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            Enqueue::PATH => answer(question, async |call: Enqueue| self.enqueue(call).await).await,
            LookAt::PATH => answer(question, async |call: LookAt| self.look(&call)).await,
            Withdraw::PATH => answer(question, async |call: Withdraw| self.withdraw(&call)).await,
            SendAgain::PATH => answer(question, async |call: SendAgain| self.send_again(&call).await).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }

    async fn alarm(&self) -> worker::Result<()> {
        let delivered = match self.deliver().await {
            Ok(()) => self.set_alarm().await,
            failed => failed,
        };
        if let Err(failure) = delivered {
            log::error("OutboxObject: delivery", &failure);
            self.state.storage().set_alarm(AGAIN_AFTER).await?;
        }
        Ok(())
    }
}

impl OutboxObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.core.database.get(&self.state, &SCHEMA)
    }

    async fn enqueue(&self, call: Enqueue) -> Result<(), Failure> {
        let (sql, now_ms) = (self.sql()?, now_ms());
        sql.run("INSERT INTO site VALUES (1, ?) ON CONFLICT DO NOTHING", vec![call.site.into()])?;
        for Message { id, webhook, body, object, at_ms } in call.messages {
            let values = vec![id.into(), webhook.into(), body.into(), object.into(), number(at_ms), number(now_ms)];
            sql.run("INSERT INTO letters VALUES (?, ?, ?, ?, ?, 0, 0, ?, '') ON CONFLICT DO NOTHING", values)?;
        }
        self.set_alarm().await
    }

    fn look(&self, call: &LookAt) -> Result<WebhooksState, Failure> {
        let sql = self.sql()?;
        forget(sql)?;
        let mut webhooks = Vec::new();
        for Webhook { id, url } in &call.webhooks {
            let count = |state| -> Result<u64, Failure> {
                let count = "SELECT count(*) FROM letters WHERE webhook = ? AND state = ?";
                sql.first(count, vec![id.clone().into(), number(state)])?.map_or(Ok(0), |mut row| row.number())
            };
            let (secret, delivered) = secret_of(sql, id)?;
            let (waiting, dead) = (count(WAITING)?, count(DEAD)?);
            webhooks.push(WebhookState { id: id.clone(), url: url.clone(), secret, waiting, dead, delivered });
        }
        let dead = "SELECT id, webhook, at, attempts, error FROM letters WHERE state = ? ORDER BY at, id LIMIT ?";
        let dead = sql.rows(dead, vec![number(DEAD), number(MOST_DEAD)])?.into_iter().map(|mut row| {
            let (id, webhook, at) = (row.text()?, row.text()?, row.number()?);
            let attempts = u32::try_from(row.number()?).unwrap_or(u32::MAX);
            Ok(DeadLetter { id, webhook, at, attempts, error: row.text()? })
        });
        Ok(WebhooksState { webhooks, dead: dead.collect::<Result<_, Failure>>()? })
    }

    fn withdraw(&self, call: &Withdraw) -> Result<u64, Failure> {
        let sql = self.sql()?;
        let of = format!("FROM letters WHERE state <> {DELIVERED} AND object IN (SELECT value FROM json_each(?))");
        let objects = serde_json::to_string(&call.objects)?;
        let count = sql.first(&format!("SELECT count(*) {of}"), vec![objects.as_str().into()])?;
        let withdrawn = count.map_or(Ok(0), |mut row| row.number())?;
        sql.run(&format!("DELETE {of}"), vec![objects.into()])?;
        Ok(withdrawn)
    }

    async fn send_again(&self, call: &SendAgain) -> Result<u64, Failure> {
        let (sql, now) = (self.sql()?, number(now_ms()));
        let (chosen, of) = match &call.id {
            Some(id) => (" AND id = ?", vec![id.clone().into()]),
            None => ("", Vec::new()),
        };
        let count = format!("SELECT count(*) FROM letters WHERE state = {DEAD}{chosen}");
        let count = sql.first(&count, of.clone())?.map_or(Ok(0), |mut row| row.number())?;
        let again = format!("UPDATE letters SET state = {WAITING}, attempts = 0, due = ? WHERE state = {DEAD}{chosen}");
        sql.run(&again, [vec![now], of].concat())?;
        self.set_alarm().await?;
        Ok(count)
    }

    /// Wakes up for the message that is due next.
    async fn set_alarm(&self) -> Result<(), Failure> {
        let first = "SELECT due FROM letters WHERE state = ? ORDER BY due LIMIT 1";
        if let Some(mut row) = self.sql()?.first(first, vec![number(WAITING)])? {
            let wait = Duration::from_millis(row.number()?.saturating_sub(now_ms()));
            self.state.storage().set_alarm(wait).await?;
        }
        Ok(())
    }

    /// Sends what is due.
    async fn deliver(&self) -> Result<(), Failure> {
        let (sql, now) = (self.sql()?, now_ms());
        forget(sql)?;
        let Some(mut site) = sql.first("SELECT site FROM site", Vec::new())? else { return Ok(()) };
        let config = self.core.config(&site.text()?).await?;
        let due =
            "SELECT id, webhook, body, object, attempts FROM letters WHERE state = ? AND due <= ? ORDER BY due LIMIT ?";
        let mut sent = Vec::new();
        for mut row in sql.rows(due, vec![number(WAITING), number(now), number(AT_ONCE)])? {
            let (id, webhook, body) = (row.text()?, row.text()?, row.text()?);
            let (object, attempts) = (row.text()?, row.number()?);
            let env = &self.core.env;
            let url = config.webhooks.iter().find(|known| known.id == webhook).map(|known| known.url.clone());
            let (secret, _) = secret_of(sql, &webhook)?;
            sent.push(async move {
                let outcome = match url {
                    Some(url) => match addressed(env, &object, &body).await {
                        Ok(Some(body)) => send(&url, &secret, &id, body).await,
                        Ok(None) => Outcome::Withdrawn,
                        Err(failure) => Outcome::Later(failure.to_string(), 0),
                    },
                    None => Outcome::Hopeless("the webhook is configured no longer".to_owned()),
                };
                (id, webhook, attempts + 1, outcome)
            });
        }
        for (id, webhook, attempts, outcome) in join_all(sent).await {
            note(sql, id, webhook, attempts, outcome)?;
        }
        Ok(())
    }
}

impl Core {
    async fn config(&self, site: &str) -> Result<Rc<SiteConfig>, Failure> {
        let known = self.config.borrow().clone();
        let have = known.as_ref().map_or(0, |(version, _)| *version);
        if let RuntimeState::Newer(runtime) = call(&self.env, site, &GetRuntime { have, candidate: None }).await? {
            let config = Rc::new(runtime.config);
            *self.config.borrow_mut() = Some((runtime.version, Rc::clone(&config)));
            return Ok(config);
        }
        known.map(|(_, config)| config).ok_or(Failure::Internal("messages of a site that is not published"))
    }
}

/// Lets go of messages that nobody asks for any more.
fn forget(sql: &Sql) -> Result<(), Failure> {
    let now = now_ms();
    [(DELIVERED, REMEMBERED_MS), (DEAD, DEAD_MS)].into_iter().try_for_each(|(state, kept_ms)| {
        let values = vec![number(state), number(now.saturating_sub(kept_ms))];
        sql.run("DELETE FROM letters WHERE state = ? AND due < ?", values)
    })
}

/// The secret of a webhook, made when it is first asked for, and how many messages its receiver has taken.
fn secret_of(sql: &Sql, webhook: &str) -> Result<(String, u64), Failure> {
    let known = "SELECT secret, delivered FROM webhooks WHERE id = ?";
    if let Some(mut row) = sql.first(known, vec![webhook.into()])? {
        return Ok((row.text()?, row.number()?));
    }
    let secret = format!("whsec_{}", BASE64.encode(&random::<32>()?));
    sql.run("INSERT INTO webhooks VALUES (?, ?, 0)", vec![webhook.into(), secret.clone().into()])?;
    Ok((secret, 0))
}

/// What became of sending a message.
enum Outcome {
    Taken,
    /// Again, not before so many milliseconds.
    Later(String, u64),
    Hopeless(String),
    /// Whom it is about has been erased.
    Withdrawn,
}

fn note(sql: &Sql, id: String, webhook: String, attempts: u64, outcome: Outcome) -> Result<(), Failure> {
    let now = now_ms();
    let (state, due, error) = match outcome {
        Outcome::Taken => {
            sql.run("UPDATE webhooks SET delivered = delivered + 1 WHERE id = ?", vec![webhook.into()])?;
            // Its id is enough to know it again; what it says of somebody is not kept.
            sql.run("UPDATE letters SET body = '' WHERE id = ?", vec![id.clone().into()])?;
            (DELIVERED, now, String::new())
        }
        Outcome::Later(error, at_least_ms) if attempts < MOST_ATTEMPTS => {
            (WAITING, now + pause_ms(attempts, random::<1>()?).max(at_least_ms), error)
        }
        Outcome::Later(error, _) | Outcome::Hopeless(error) => (DEAD, now, error),
        Outcome::Withdrawn => return sql.run("DELETE FROM letters WHERE id = ?", vec![id.into()]),
    };
    let error: String = error.chars().take(ERROR_CHARS).collect();
    let values = vec![number(state), number(attempts), number(due), error.into(), id.into()];
    sql.run("UPDATE letters SET state = ?, attempts = ?, due = ?, error = ? WHERE id = ?", values)
}

/// The pause after so many attempts: twice as long each time, half of it by chance, so that messages which failed together
/// do not come back together.
fn pause_ms(attempts: u64, [chance]: [u8; 1]) -> u64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
    let pause = (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS);
    pause / 2 + pause / 2 * u64::from(chance) / 255
}

/// The body with whom it is about; nothing where nobody knows any more.
async fn addressed(env: &Env, object: &str, body: &str) -> Result<Option<String>, Failure> {
    if object.is_empty() {
        return Ok(Some(body.to_owned()));
    }
    let Some(who) = call(env, &format!("#{object}"), &NameOf {}).await? else { return Ok(None) };
    let (kind, name) = match who {
        Who::Customer(customer) => ("customer", customer),
        Who::Visitor(visitor) => ("visitor", visitor),
    };
    let mut event: Map<String, Value> = serde_json::from_str(body)?;
    event.insert("subject".to_owned(), format!("{kind}/{name}").into());
    if let Some(data) = event.get_mut("data").and_then(Value::as_object_mut) {
        data.insert(kind.to_owned(), name.into());
    }
    Ok(Some(Value::Object(event).to_string()))
}

async fn send(url: &str, secret: &str, id: &str, body: String) -> Outcome {
    match within(PATIENCE, post(url, secret, id, body)).await {
        Some(Ok(response)) => {
            judge(response.status_code(), response.headers().get("Retry-After").ok().flatten().as_deref())
        }
        Some(Err(failure)) => Outcome::Later(failure.to_string(), 0),
        None => Outcome::Later(format!("no answer in {} s", PATIENCE.as_secs()), 0),
    }
}

fn judge(status: u16, retry_after: Option<&str>) -> Outcome {
    let said = format!("answered with {status}");
    match status {
        200..=299 => Outcome::Taken,
        410 => Outcome::Hopeless(said),
        _ => {
            let seconds = retry_after.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
            Outcome::Later(said, seconds.saturating_mul(1_000).min(LONGEST_PAUSE_MS))
        }
    }
}

async fn post(url: &str, secret: &str, id: &str, body: String) -> Result<Response, Failure> {
    let seconds = (now_ms() / 1_000).to_string();
    let headers = Headers::new();
    headers.set("Content-Type", "application/cloudevents+json; charset=utf-8")?;
    headers.set("webhook-id", id)?;
    headers.set("webhook-timestamp", &seconds)?;
    headers.set("webhook-signature", &signature(secret, id, &seconds, &body)?)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_headers(headers).with_body(Some(body.into()));
    init.with_redirect(RequestRedirect::Manual);
    let request = Request::new_with_init(url, &init)?;
    let abort = Abort::default();
    Ok(Fetch::Request(request).send_with_signal(&abort.signal()).await?)
}

/// As Standard Webhooks has it: HMAC-SHA-256 of id, time and body, by the secret's bytes.
fn signature(secret: &str, id: &str, seconds: &str, body: &str) -> Result<String, Failure> {
    let broken = || Failure::Internal("a webhook's secret is no secret");
    let key = secret.strip_prefix("whsec_").and_then(|key| BASE64.decode(key.as_bytes()).ok()).ok_or_else(broken)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| broken())?;
    [id, ".", seconds, ".", body].iter().for_each(|part| mac.update(part.as_bytes()));
    Ok(format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_standard_webhooks_are() {
        // The example of the specification's reference libraries.
        let signed = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(signature("secret", "id", "1", "{}").is_err());
    }

    #[test]
    fn pauses_grow_to_an_hour() {
        assert_eq!([1, 2, 3].map(|attempts| pause_ms(attempts, [255])), [5_000, 10_000, 20_000]);
        assert_eq!(pause_ms(1, [0]), 2_500);
        assert_eq!(pause_ms(MOST_ATTEMPTS, [255]), LONGEST_PAUSE_MS);
        assert_eq!(pause_ms(u64::MAX, [255]), LONGEST_PAUSE_MS);
    }

    #[test]
    fn an_answer_decides_what_becomes_of_a_message() {
        assert!(matches!(judge(204, None), Outcome::Taken));
        assert!(matches!(judge(410, None), Outcome::Hopeless(_)));
        assert!(matches!(judge(302, None), Outcome::Later(_, 0)));
        assert!(matches!(judge(503, Some("7")), Outcome::Later(_, 7_000)));
        assert!(matches!(judge(429, Some("Sun, 22 Nov 2026 20:00:00 GMT")), Outcome::Later(_, 0)));
        assert!(matches!(judge(503, Some("999999999999")), Outcome::Later(_, LONGEST_PAUSE_MS)));
    }
}
