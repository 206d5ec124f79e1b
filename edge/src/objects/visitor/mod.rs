//! `VisitorObject`, one per customer of a site: what is remembered of them across visits and devices, and the triggers that
//! wait for what they do next. Of an anonymous visitor it holds the triggers that call webhooks, and nothing else.
//!
//! One row for what they did and one for what the site's servers say of them, each replaced in one synchronous turn.
//! Dismissals are idempotent (by offer), and of everything else the marks of the last reports are kept: what is sent again
//! because nobody confirmed it is heard once. What they did under other names is kept as it came, so that it is taken over
//! once and can be given back. All of it is written before it is answered. Page views are written together, a moment later: who is
//! killed in between forgets a page, and no decision waits for a disk. A trigger that has begun is durable, and so is its
//! message when it fires; an alarm fires what nobody has stopped, and hands messages over until the outbox confirms them.

mod known;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use portico_engine::Asked;
use portico_protocol::customers::{ConsentRecord, CustomerRecord, Membership, MergedHistory};
use portico_protocol::decide::Consent;
use portico_protocol::id::{PersonId, VisitorId};
use portico_protocol::limits::{CONSENTS, PROFILE_CHANGES};
use portico_protocol::profile::{COMPUTED, Profile, ProfileChange, SERVER, Told};
use portico_protocol::seal::{Memory, Portrait, Said, VISITOR_DAYS};
use portico_protocol::stream::{PageView, Stream};
use portico_protocol::triggers::Trigger;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::{Delay, Env, SqlStorageValue, State};

pub(crate) use known::{Did, History, Replied, Report};
use known::{Heard, Known, Merged, Stored};

use super::census::Stands;
use super::outbox::{Enqueue, Message};
use super::sql::{Database, Row, Sql, number};
use super::{Call, Object, answer, call, object};
use crate::crypto::random;
use crate::error::Failure;
use crate::http::now_ms;
use crate::log;
use crate::snapshot;
use crate::triggers::{self, Fired, Happened};
use crate::valuation;

const SCHEMA: [&str; 16] = [
    "CREATE TABLE IF NOT EXISTS memory (one INTEGER PRIMARY KEY CHECK (one = 1), seen INTEGER NOT NULL, memory TEXT NOT NULL)",
    // What one source says, as JSON: values by attribute.
    "CREATE TABLE IF NOT EXISTS told (source TEXT PRIMARY KEY, told TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, attribute TEXT NOT NULL, change TEXT NOT NULL)",
    // What they said and were asked, under their own name ('') and as it came with the histories that were taken over.
    "CREATE TABLE IF NOT EXISTS portrait (source TEXT PRIMARY KEY, portrait TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS consents (seq INTEGER PRIMARY KEY, consent TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS links (kind TEXT PRIMARY KEY, link TEXT NOT NULL) WITHOUT ROWID",
    // When they are to be valued next.
    "CREATE TABLE IF NOT EXISTS valued (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL)",
    // Where earlier versions kept what servers say.
    "CREATE TABLE IF NOT EXISTS profile (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL, attributes TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS heard (one INTEGER PRIMARY KEY CHECK (one = 1), heard BLOB NOT NULL)",
    // Who they are on record.
    "CREATE TABLE IF NOT EXISTS person (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL)",
    // Histories that were taken over; without a memory where they were given back or became part of their own.
    "CREATE TABLE IF NOT EXISTS merged (source TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL, memory TEXT, \
     own INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS signed_out (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS erased (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL)",
    // The objects that have taken their histories over.
    "CREATE TABLE IF NOT EXISTS takers (taker TEXT PRIMARY KEY) WITHOUT ROWID",
    // The triggers that wait, as they were when they began.
    "CREATE TABLE IF NOT EXISTS plan (one INTEGER PRIMARY KEY CHECK (one = 1), plan TEXT NOT NULL)",
    // Messages that the outbox has not confirmed.
    "CREATE TABLE IF NOT EXISTS outgoing (id TEXT PRIMARY KEY, message TEXT NOT NULL) WITHOUT ROWID",
];

/// Wait before what the outbox did not confirm is handed over again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long the object of somebody who is not known stays after what they did last: as long as their token counts.
const KEPT: Duration = Duration::from_secs(VISITOR_DAYS * 86_400);
/// How long a change waits for others before a customer is valued anew.
const VALUE_AFTER: Duration = Duration::from_millis(500);
/// How long a customer waits who could not be valued.
const VALUE_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How long page views wait to be written together.
const WRITE_AFTER: Duration = Duration::from_secs(2);

/// Values by attribute.
pub(crate) type Attributes = BTreeMap<String, serde_json::Value>;
/// Values by attribute, as one source tells them.
pub(crate) type Values = BTreeMap<String, Told>;

/// A customer's place in a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The group's id, as the site's servers call it.
    pub(crate) id: String,
    /// The id of the group's object.
    pub(crate) group: String,
    pub(crate) role: Option<String>,
    /// What they have of the group by being in it: its id and their role.
    pub(crate) own: Values,
    /// The version of what it shares that they have.
    #[serde(default)]
    pub(crate) version: u64,
    /// Since when.
    pub(crate) at_ms: u64,
}

/// Whose memory it is, and what the site wants to be told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) site: String,
    /// A customer, or an anonymous visitor.
    pub(crate) who: Who,
    pub(crate) triggers: Vec<Trigger>,
    /// Whether there is something to value them by.
    #[serde(default)]
    pub(crate) is_valued: bool,
}

/// A visitor, as webhooks name them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// By the site's own name for them.
    Customer(String),
    /// By the id in their token.
    Visitor(String),
}

impl Who {
    fn is_anonymous(&self) -> bool {
        matches!(self, Self::Visitor(_))
    }
}

/// A page view: remembered, and all that is remembered comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct See {
    /// When the identity token was issued that names the customer, in seconds since 1970; none where a server names them.
    pub(crate) issued_s: Option<u64>,
    /// What they did on this device before they were known.
    pub(crate) history: Option<History>,
    /// What they agree to, as far as the request says it.
    pub(crate) says: Option<Consent>,
    /// What holds where neither the request nor they themselves ever said it.
    pub(crate) unsaid: Consent,
    /// Whether they are on a publisher's page.
    pub(crate) is_shared: bool,
    pub(crate) view: PageView,
    /// What of it rules or triggers are about.
    pub(crate) happened: Vec<Happened>,
    pub(crate) plan: Plan,
    /// How long they stay in an arm.
    pub(crate) period_ms: u64,
    pub(crate) now_ms: u64,
}

impl Call for See {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/see";
    type Answer = Seen;
}

/// The answer to [`See`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Seen {
    Known {
        person: PersonId,
        memory: Box<Memory>,
        /// What everybody says of them.
        profile: Profile,
        portrait: Box<Portrait>,
        /// What they agree to.
        consent: Consent,
        /// Whether the history was taken over.
        has_merged: bool,
        /// Whether it was not, because it goes back to before they were erased.
        was_erased: bool,
    },
    /// They did not agree to be known here: nothing was remembered. What they do agree to.
    NotAgreed(Consent),
    /// The identity token was issued before they were signed out.
    SignedOut,
}

/// Everything known of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LookUp {}

impl Call for LookUp {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/look-up";
    type Answer = CustomerRecord;
}

/// Their histories, for whoever takes them over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Histories {
    /// What their own is called there.
    pub(crate) source: String,
    /// The object that takes them over.
    pub(crate) taker: String,
    /// Whether nobody else may: a device's history is its first customer's.
    pub(crate) once: bool,
}

impl Call for Histories {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/histories";
    type Answer = Vec<History>;
}

/// Takes histories over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TakeOver {
    pub(crate) histories: Vec<History>,
    pub(crate) plan: Plan,
    pub(crate) now_ms: u64,
}

impl Call for TakeOver {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/take-over";
    /// How many were new.
    type Answer = u32;
}

/// Gives a history back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GiveBack {
    pub(crate) source: String,
}

impl Call for GiveBack {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/give-back";
    /// Whether there was one.
    type Answer = bool;
}

/// Takes no identity token any more that has been issued so far.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignOut {
    pub(crate) at_s: u64,
}

impl Call for SignOut {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/sign-out";
    type Answer = ();
}

/// Asks what the site calls them; nothing where nobody knows. The outbox asks, which knows nothing but the object.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NameOf {}

impl Call for NameOf {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/name-of";
    type Answer = Option<Who>;
}

/// Asks who they are on record; nothing where nothing was recorded of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhoIs {}

impl Call for WhoIs {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/who-is";
    type Answer = Option<PersonId>;
}

/// Erases everything, but for the time: what was handed out before is worth nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Erase {
    /// When, in milliseconds since 1970; 0 where nobody could come back with what was.
    pub(crate) at_ms: u64,
}

impl Call for Erase {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/erase";
    /// Whether there was anything, and the object's id.
    type Answer = (bool, String);
}

/// Who has taken their histories over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Takers {}

impl Call for Takers {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/takers";
    /// The ids of their objects.
    type Answer = Vec<String>;
}

/// Lets go of the histories of somebody who is erased.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DropSources {
    pub(crate) sources: Vec<String>,
}

impl Call for DropSources {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/drop-sources";
    type Answer = ();
}

/// Nothing waits for them any more: it waits for whom they are now known as.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StopWaiting {}

impl Call for StopWaiting {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/stop-waiting";
    type Answer = ();
}

/// Replaces what a source says, or the attributes that are named of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PutProfile {
    pub(crate) source: String,
    pub(crate) values: Values,
    /// Whether attributes that are not named stay as they are.
    pub(crate) keeps_others: bool,
    pub(crate) plan: Plan,
    pub(crate) now_ms: u64,
}

impl Call for PutProfile {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/profile/put";
    type Answer = ();
}

/// A question was put to them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) asked: Asked,
}

impl Call for Ask {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/ask";
    type Answer = ();
}

/// They say something of themselves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Say {
    pub(crate) said: Vec<Said>,
}

impl Call for Say {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/say";
    /// What everybody says of them now, and the trace of their page views.
    type Answer = (Profile, Stream);
}

/// They say what they agree to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Agree {
    pub(crate) record: ConsentRecord,
}

impl Call for Agree {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/agree";
    type Answer = ();
}

/// Makes them a member of a group, in the place of another of its kind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Join {
    pub(crate) kind: String,
    pub(crate) link: Link,
    pub(crate) plan: Plan,
}

impl Call for Join {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/join";
    /// The object of the group that they leave.
    type Answer = Option<String>;
}

/// Ends their membership in a group of a kind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) kind: String,
    pub(crate) now_ms: u64,
}

impl Call for Part {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/part";
    /// The object of the group that they leave.
    type Answer = Option<String>;
}

/// What a group shares with them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) kind: String,
    /// The id of the group's object.
    pub(crate) group: String,
    /// Later ones take the place of earlier ones.
    pub(crate) version: u64,
    pub(crate) values: Values,
    pub(crate) now_ms: u64,
}

impl Call for Share {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/share";
    /// Whether they belong to the group.
    type Answer = bool;
}

/// What the visitor did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// As in [`See`]: what comes with a token from before they were signed out is not theirs.
    pub(crate) issued_s: Option<u64>,
    pub(crate) did: Did,
    pub(crate) plan: Plan,
    pub(crate) now_ms: u64,
}

impl Call for Answered {
    const BINDING: &'static str = "VISITOR";
    const PATH: &'static str = "/answered";
    type Answer = ();
}

/// The name of a customer's object.
pub(crate) fn name(site: &str, customer: &str) -> String {
    format!("{site}/customer/{customer}")
}

/// The name of the object of whom a site's server tells by Segment's `anonymousId`.
pub(crate) fn name_of_segment(site: &str, anonymous: &str) -> String {
    format!("{site}/segment/{anonymous}")
}

/// What a history is called where it is taken over: a customer's by the id of their object, so that nobody else's database
/// names them.
pub(crate) fn source_of_customer(object: &str) -> String {
    format!("customer/{object}")
}

pub(crate) fn source_of_visitor(visitor: VisitorId) -> String {
    format!("visitor/{visitor}")
}

pub(crate) fn source_of_segment(anonymous: &str) -> String {
    format!("segment/{anonymous}")
}

/// The name of an anonymous visitor's object, which there is only where webhooks have to be told of them.
pub(crate) fn name_of_anonymous(site: &str, visitor: VisitorId) -> String {
    format!("{site}/visitor/{visitor}")
}

/// A visitor.
pub(crate) struct VisitorObject {
    state: State,
    core: Rc<Core>,
}

struct Core {
    env: Env,
    database: Database,
    known: RefCell<Option<Known>>,
    /// Whether page views are about to be written.
    write_set: Cell<bool>,
    /// Whether an alarm is set that forgets who does not come back.
    forgetting_set: Cell<bool>,
}

object!(VisitorObject);

impl Object for VisitorObject {
    fn new(state: State, env: Env) -> Self {
        let (database, known) = (Database::default(), RefCell::default());
        let core = Core { env, database, known, write_set: Cell::default(), forgetting_set: Cell::default() };
        Self { state, core: Rc::new(core) }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        let answered = match path {
            See::PATH => answer(question, async |call: See| self.see(call).await).await,
            LookUp::PATH => answer(question, async |_: LookUp| self.look_up()).await,
            Histories::PATH => answer(question, async |call: Histories| self.histories(&call)).await,
            TakeOver::PATH => answer(question, async |call: TakeOver| self.take_over(call).await).await,
            GiveBack::PATH => answer(question, async |call: GiveBack| self.give_back(&call)).await,
            NameOf::PATH => answer(question, async |_: NameOf| Ok(self.plan()?.map(|plan| plan.who))).await,
            WhoIs::PATH => answer(question, async |_: WhoIs| self.core.with(&self.state, |known| known.person)).await,
            Erase::PATH => answer(question, async |call: Erase| self.erase(&call).await).await,
            SignOut::PATH => answer(question, async |call: SignOut| self.sign_out(&call)).await,
            Takers::PATH => answer(question, async |_: Takers| self.takers()).await,
            DropSources::PATH => answer(question, async |call: DropSources| self.drop_sources(&call)).await,
            StopWaiting::PATH => answer(question, async |_: StopWaiting| self.stop_waiting()).await,
            Answered::PATH => answer(question, async |call: Answered| self.answered(call).await).await,
            PutProfile::PATH => answer(question, async |call: PutProfile| self.put_profile(call).await).await,
            Ask::PATH => answer(question, async |call: Ask| self.ask(&call)).await,
            Say::PATH => answer(question, async |call: Say| self.say(call).await).await,
            Agree::PATH => answer(question, async |call: Agree| self.agree(call)).await,
            Join::PATH => answer(question, async |call: Join| self.join(call).await).await,
            Part::PATH => answer(question, async |call: Part| self.part(&call).await).await,
            Share::PATH => answer(question, async |call: Share| self.share(call).await).await,
            _ => Err(Failure::Internal("no such operation")),
        };
        if answered.is_err() {
            // What could not be written is not known.
            self.core.known.replace(None);
        }
        answered
    }

    async fn alarm(&self) -> worker::Result<()> {
        if let Err(failure) = self.wake().await {
            log::error("VisitorObject: alarm", &failure);
            self.state.storage().set_alarm(AGAIN_AFTER).await?;
        }
        Ok(())
    }
}

impl VisitorObject {
    async fn see(&self, call: See) -> Result<Seen, Failure> {
        let See { issued_s, history, says, unsaid, is_shared, view, happened, plan, period_ms, now_ms } = call;
        let fresh = PersonId::new(random()?);
        let seen = self.core.with(&self.state, |known| {
            if !known.admits(issued_s) {
                return Err(Seen::SignedOut);
            }
            let consent = known.agreed(says, unsaid);
            if !consent.personalization || (is_shared && !consent.sharing) {
                return Err(Seen::NotAgreed(consent));
            }
            let before = known.memory().triggers.clone();
            let was_erased = history.as_ref().is_some_and(|history| known.was_erased(history));
            let merged = history.is_some_and(|history| known.merge(history, now_ms));
            known.see(&view, period_ms, now_ms);
            let happened = happened.into_iter().map(|what| (None, what)).collect();
            let fired = known.did(Did { happened, ..Did::default() }, &plan.triggers, now_ms);
            let is_first = known.person.is_none();
            let person = *known.person.get_or_insert(fresh);
            let answer = Seen::Known {
                person,
                memory: Box::new(known.memory().clone()),
                profile: known.profile(),
                portrait: Box::new(known.portrait().clone()),
                consent,
                has_merged: merged,
                was_erased,
            };
            Ok((answer, fired, merged, is_first, known.memory().triggers != before))
        })?;
        let (answer, fired, merged, is_first, has_begun) = match seen {
            Ok(seen) => seen,
            Err(stranger) => return Ok(stranger),
        };
        let begins = plan.is_valued && self.core.with(&self.state, |known| known.value_at_ms)? == 0;
        if is_first {
            // Tokens will name them so.
            self.sql()?.run("INSERT INTO person VALUES (1, ?)", vec![fresh.to_string().into()])?;
        }
        if merged {
            self.core.write_merged()?;
        }
        if begins {
            self.value_at(now_ms)?;
        }
        if merged || has_begun || begins || !fired.is_empty() {
            self.follow(&plan, fired).await?;
        } else if !self.core.write_set.replace(true) {
            let core = Rc::clone(&self.core);
            self.state.wait_until(async move {
                Delay::from(WRITE_AFTER).await;
                core.write_set.set(false);
                if let Err(failure) = core.write_memory() {
                    log::error("VisitorObject: page views are not written", &failure);
                }
            });
        }
        Ok(answer)
    }

    async fn answered(&self, call: Answered) -> Result<(), Failure> {
        let Answered { issued_s, did, plan, now_ms } = call;
        let has_said = did.replied.iter().any(|(_, replied)| replied.said.is_some());
        let heard = self.core.with(&self.state, |known| {
            let before = known.memory().triggers.clone();
            known.admits(issued_s).then(|| {
                let fired = known.did(did, &plan.triggers, now_ms);
                (fired, known.memory().triggers != before)
            })
        })?;
        let Some((fired, has_begun)) = heard else { return Ok(()) };
        self.core.write_heard()?;
        self.core.write_changes()?;
        if has_said && plan.is_valued {
            self.value_at(now_ms + VALUE_AFTER.as_millis() as u64)?;
        }
        let is_forgotten_some_day = plan.who.is_anonymous() && !self.core.forgetting_set.get();
        if has_begun || has_said || !fired.is_empty() || is_forgotten_some_day {
            return self.follow(&plan, fired).await;
        }
        self.core.write_memory()
    }

    /// Fires what nobody has stopped in time, and hands over what the outbox has not confirmed. Forgets who is not known and
    /// has not come back.
    async fn wake(&self) -> Result<(), Failure> {
        let now_ms = now_ms();
        self.expire(now_ms)?;
        let Some(plan) = self.plan()? else { return self.set_alarm(None).await };
        if let Err(failure) = self.revalue(&plan, now_ms).await {
            // Nothing else waits for it.
            log::error("VisitorObject: not valued", &failure);
            self.value_at(now_ms + VALUE_AGAIN_AFTER.as_millis() as u64)?;
        }
        let seen_ms = self.core.with(&self.state, |known| known.seen_ms)?;
        if plan.who.is_anonymous() && kept_until_ms(seen_ms) <= now_ms && self.outgoing()?.is_empty() {
            return self.erase(&Erase { at_ms: 0 }).await.map(drop);
        }
        let fired = self.core.with(&self.state, |known| known.due(&plan.triggers, now_ms))?;
        self.follow(&plan, fired).await
    }

    /// Writes what has begun and fired, in one synchronous turn, and sees to the rest.
    async fn follow(&self, plan: &Plan, fired: Vec<Fired>) -> Result<(), Failure> {
        self.core.write_memory()?;
        self.write_plan(plan)?;
        let sql = self.sql()?;
        for fired in &fired {
            for webhook in &fired.webhooks {
                let message = message(&plan.site, fired, webhook, self.state.id().to_string())?;
                let values = vec![message.id.clone().into(), serde_json::to_string(&message)?.into()];
                sql.run("INSERT INTO outgoing VALUES (?, ?)", values)?;
            }
        }
        // Whatever becomes of the hand-over, it is tried again.
        self.set_alarm(Some(plan)).await?;
        if !self.outgoing()?.is_empty() {
            self.hand_over(&plan.site).await;
        }
        Ok(())
    }

    /// Sets the alarm to the next moment at which there is something to do.
    async fn set_alarm(&self, plan: Option<&Plan>) -> Result<(), Failure> {
        let (due_ms, end_ms, value_at_ms, seen_ms) = self.core.with(&self.state, |known| {
            (triggers::next_due_ms(known.memory()), known.next_end_ms(), known.value_at_ms, known.seen_ms)
        })?;
        let is_waiting = !self.outgoing()?.is_empty();
        let is_anonymous = plan.is_some_and(|plan| plan.who.is_anonymous());
        // Nobody is forgotten while something waits to be told of them.
        let forgotten_ms = (is_anonymous && !is_waiting).then(|| kept_until_ms(seen_ms));
        let moments = due_ms.filter(|_| plan.is_some()).into_iter().chain(forgotten_ms).chain(end_ms);
        let moments = moments.chain((value_at_ms > 0).then_some(value_at_ms));
        let waits = moments.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms())));
        if let Some(wait) = waits.chain(is_waiting.then_some(AGAIN_AFTER)).min() {
            self.state.storage().set_alarm(wait).await?;
            self.core.forgetting_set.set(is_anonymous);
        }
        Ok(())
    }

    /// Values them anew a moment from now: something is known that was not.
    async fn value_soon(&self, plan: Option<&Plan>) -> Result<(), Failure> {
        if plan.is_some_and(|plan| plan.is_valued) {
            self.value_at(now_ms() + VALUE_AFTER.as_millis() as u64)?;
        }
        self.set_alarm(plan).await
    }

    fn value_at(&self, at_ms: u64) -> Result<(), Failure> {
        self.core.with(&self.state, |known| known.value_at_ms = at_ms)?;
        let write = "INSERT INTO valued VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at";
        self.sql()?.run(write, vec![number(at_ms)])
    }

    /// Works out what they are worth and on which levels they are, if it is time, and reports it to the site's census.
    async fn revalue(&self, plan: &Plan, now_ms: u64) -> Result<(), Failure> {
        let at_ms = self.core.with(&self.state, |known| known.value_at_ms)?;
        if at_ms == 0 || now_ms < at_ms {
            return Ok(());
        }
        let snapshot = snapshot::for_object(&self.core.env, &plan.site).await?;
        let object = self.state.id().to_string();
        let valued = self.core.with(&self.state, |known| {
            let valued =
                valuation::value(&snapshot, &known.profile(), (known.memory(), &known.portrait().stream), now_ms);
            known.tell(COMPUTED, valued.values.clone(), false, now_ms);
            valued
        })?;
        self.core.write_told()?;
        self.core.write_changes()?;
        let worth = valued.values.into_iter().filter_map(|(name, told)| Some((name, told.value.as_f64()?))).collect();
        // Where that fails it is done again, all of it.
        call(&self.core.env, &plan.site, &Stands { object: object.clone(), levels: valued.levels, worth }).await?;
        self.value_at(valuation::next_ms(&object, now_ms))
    }

    /// Lets go of values whose time is over, and of what the history of changes says of them.
    fn expire(&self, now_ms: u64) -> Result<(), Failure> {
        let ended = self.core.with(&self.state, |known| {
            let is_due = known.next_end_ms().is_some_and(|end_ms| end_ms <= now_ms);
            is_due.then(|| known.expire(now_ms))
        })?;
        let Some(ended) = ended else { return Ok(()) };
        self.core.write_told()?;
        self.core.write_merged()?;
        if self.core.with(&self.state, |known| known.value_at_ms)? > 0 {
            self.value_at(now_ms)?;
        }
        for (attribute, source) in ended {
            let forget = "DELETE FROM changes WHERE attribute = ? AND change ->> 'source' = ?";
            self.sql()?.run(forget, vec![attribute.into(), source.into()])?;
        }
        self.core.write_changes()?;
        self.forget_changes(now_ms)
    }

    /// Forgets changes that are older than a value of their attribute may become.
    fn forget_changes(&self, now_ms: u64) -> Result<(), Failure> {
        let old = self.core.with(&self.state, |known| known.old_changes(now_ms))?;
        old.into_iter().try_for_each(|(attribute, until_ms)| {
            let forget = "DELETE FROM changes WHERE attribute = ? AND at <= ?";
            self.sql()?.run(forget, vec![attribute.into(), number(until_ms)])
        })
    }

    fn write_plan(&self, plan: &Plan) -> Result<(), Failure> {
        self.sql()?.run(
            "INSERT INTO plan VALUES (1, ?) ON CONFLICT DO UPDATE SET plan = excluded.plan",
            vec![serde_json::to_string(plan)?.into()],
        )
    }

    fn plan(&self) -> Result<Option<Plan>, Failure> {
        let plan = self.sql()?.first("SELECT plan FROM plan", Vec::new())?;
        plan.map(|mut plan| Ok(serde_json::from_str(&plan.text()?)?)).transpose()
    }

    async fn hand_over(&self, site: &str) {
        let handing = async {
            let messages = self.outgoing()?;
            let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
            call(&self.core.env, site, &Enqueue { site: site.to_owned(), messages }).await?;
            let sql = self.sql()?;
            ids.into_iter().try_for_each(|id| sql.run("DELETE FROM outgoing WHERE id = ?", vec![id.into()]))
        };
        let handed: Result<(), Failure> = handing.await;
        if let Err(failure) = handed {
            log::error("VisitorObject: the outbox takes nothing", &failure);
        }
    }

    fn outgoing(&self) -> Result<Vec<Message>, Failure> {
        let rows = self.sql()?.rows("SELECT message FROM outgoing LIMIT 100", Vec::new())?;
        rows.into_iter().map(|mut row| Ok(serde_json::from_str(&row.text()?)?)).collect()
    }

    fn sql(&self) -> Result<&Sql, Failure> {
        self.core.database.get(&self.state, &SCHEMA)
    }

    fn look_up(&self) -> Result<CustomerRecord, Failure> {
        let changes = self.sql()?.rows("SELECT change FROM changes ORDER BY seq DESC", Vec::new())?;
        let changes: Vec<ProfileChange> = read_all(changes)?;
        let consents: Vec<ConsentRecord> =
            read_all(self.sql()?.rows("SELECT consent FROM consents ORDER BY seq DESC", Vec::new())?)?;
        self.core.with(&self.state, |known| {
            let merged = known.merged().iter().map(|(source, merged)| MergedHistory {
                source: source.clone(),
                at: merged.at_ms,
                undone: merged.memory.is_none() && !merged.is_own,
                visits: merged.memory.as_ref().map_or(0, |memory| memory.visits),
            });
            let mut merged: Vec<MergedHistory> = merged.collect();
            merged.sort_by_key(|merged| merged.at);
            let membership =
                |link: &Link| Membership { id: link.id.clone(), role: link.role.clone(), since: link.at_ms };
            let groups = known.links.iter().map(|(kind, link)| (kind.clone(), membership(link))).collect();
            CustomerRecord {
                // Who is believed and on which levels they are, the site's configuration says.
                attributes: Attributes::new(),
                profile: known.profile(),
                changes,
                tiers: BTreeMap::new(),
                groups,
                consents,
                asked: known.portrait().asked.clone(),
                stream: known.portrait().stream.clone(),
                intent: None,
                left_off: Vec::new(),
                memory: known.memory().clone(),
                seen_at: known.seen_ms,
                merged,
                signed_out_at: known.signed_out_s,
            }
        })
    }

    fn histories(&self, call: &Histories) -> Result<Vec<History>, Failure> {
        if call.once && self.takers()?.iter().any(|taker| *taker != call.taker) {
            return Ok(Vec::new());
        }
        let write = "INSERT INTO takers VALUES (?) ON CONFLICT DO NOTHING";
        self.sql()?.run(write, vec![call.taker.as_str().into()])?;
        self.core.with(&self.state, |known| known.histories(&call.source))
    }

    async fn take_over(&self, call: TakeOver) -> Result<u32, Failure> {
        let TakeOver { histories, plan, now_ms } = call;
        let merged = self.core.with(&self.state, |known| {
            histories.into_iter().map(|history| u32::from(known.merge(history, now_ms))).sum()
        })?;
        if merged > 0 {
            self.core.write_merged()?;
            self.follow(&plan, Vec::new()).await?;
        }
        Ok(merged)
    }

    fn give_back(&self, call: &GiveBack) -> Result<bool, Failure> {
        let was_there = self.core.with(&self.state, |known| known.undo(&call.source))?;
        if was_there {
            self.core.write_merged()?;
        }
        Ok(was_there)
    }

    fn sign_out(&self, call: &SignOut) -> Result<(), Failure> {
        let at_s = self.core.with(&self.state, |known| {
            known.signed_out_s = known.signed_out_s.max(call.at_s);
            known.signed_out_s
        })?;
        let write = "INSERT INTO signed_out VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at";
        self.sql()?.run(write, vec![number(at_s)])
    }

    /// The whole database goes, so that nothing is left in its file: of what is deleted row by row there is.
    async fn erase(&self, call: &Erase) -> Result<(bool, String), Failure> {
        let was_there = self.core.with(&self.state, |known| !known.is_empty())?;
        let storage = self.state.storage();
        storage.delete_alarm().await?;
        storage.delete_all().await?;
        self.core.known.replace(None);
        self.core.forgetting_set.set(false);
        self.core.database.begin_anew(&SCHEMA)?;
        if call.at_ms > 0 {
            self.sql()?.run("INSERT INTO erased VALUES (1, ?)", vec![number(call.at_ms)])?;
            self.sign_out(&SignOut { at_s: call.at_ms / 1_000 })?;
        }
        Ok((was_there, self.state.id().to_string()))
    }

    fn takers(&self) -> Result<Vec<String>, Failure> {
        let rows = self.sql()?.rows("SELECT taker FROM takers", Vec::new())?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    fn drop_sources(&self, call: &DropSources) -> Result<(), Failure> {
        self.core.with(&self.state, |known| call.sources.iter().for_each(|source| known.drop_source(source)))?;
        self.core.write_merged()
    }

    fn stop_waiting(&self) -> Result<(), Failure> {
        self.core.with(&self.state, Known::stop_waiting)?;
        self.core.write_memory()
    }

    async fn put_profile(&self, call: PutProfile) -> Result<(), Failure> {
        let PutProfile { source, values, keeps_others, plan, now_ms } = call;
        self.core.with(&self.state, |known| known.tell(&source, values, keeps_others, now_ms))?;
        self.write_plan(&plan)?;
        self.write_profile(Some(&plan)).await
    }

    /// Writes what others say, and sees to what follows from it: its end, and what they are worth now.
    async fn write_profile(&self, plan: Option<&Plan>) -> Result<(), Failure> {
        self.core.write_told()?;
        self.core.write_changes()?;
        self.forget_changes(now_ms())?;
        self.value_soon(plan).await
    }

    fn ask(&self, call: &Ask) -> Result<(), Failure> {
        self.core.with(&self.state, |known| known.ask(call.asked))?;
        self.core.write_portrait()
    }

    async fn say(&self, call: Say) -> Result<(Profile, Stream), Failure> {
        let profile = self.core.with(&self.state, |known| {
            call.said.into_iter().for_each(|said| known.say(said));
            (known.profile(), known.portrait().stream.clone())
        })?;
        self.core.write_portrait()?;
        self.core.write_changes()?;
        self.value_soon(self.plan()?.as_ref()).await?;
        Ok(profile)
    }

    fn agree(&self, call: Agree) -> Result<(), Failure> {
        let write = serde_json::to_string(&call.record)?;
        self.core.with(&self.state, |known| known.consent = Some(call.record))?;
        let sql = self.sql()?;
        sql.run("INSERT INTO consents (consent) VALUES (?)", vec![write.into()])?;
        let oldest = "DELETE FROM consents WHERE seq <= (SELECT max(seq) FROM consents) - ?";
        sql.run(oldest, vec![number(CONSENTS)])
    }

    async fn join(&self, call: Join) -> Result<Option<String>, Failure> {
        let Join { kind, link, plan } = call;
        let left = self.core.with(&self.state, |known| {
            let before = known.links.get(&kind).map(|before| (before.group.clone(), before.version, before.at_ms));
            let stays = before.as_ref().is_some_and(|(group, ..)| *group == link.group);
            let mut link = link;
            if let Some((_, version, at_ms)) = before.as_ref().filter(|_| stays) {
                (link.version, link.at_ms) = (*version, *at_ms);
            }
            // What it shares comes from the group itself.
            known.tell(&kind, link.own.clone(), stays, link.at_ms);
            known.links.insert(kind, link);
            before.map(|(group, ..)| group).filter(|_| !stays)
        })?;
        self.core.write_links()?;
        self.write_plan(&plan)?;
        self.write_profile(Some(&plan)).await?;
        Ok(left)
    }

    async fn part(&self, call: &Part) -> Result<Option<String>, Failure> {
        let left = self.core.with(&self.state, |known| {
            let left = known.links.remove(&call.kind)?;
            known.tell(&call.kind, Values::new(), false, call.now_ms);
            Some(left.group)
        })?;
        self.core.write_links()?;
        self.write_profile(self.plan()?.as_ref()).await?;
        Ok(left)
    }

    async fn share(&self, call: Share) -> Result<bool, Failure> {
        let Share { kind, group, version, values, now_ms } = call;
        let taken = self.core.with(&self.state, |known| {
            let link = known.links.get_mut(&kind).filter(|link| link.group == group)?;
            if link.version >= version {
                return Some(false);
            }
            link.version = version;
            let all = values.into_iter().chain(link.own.clone()).collect();
            known.tell(&kind, all, false, now_ms);
            Some(true)
        })?;
        let Some(is_newer) = taken else { return Ok(false) };
        if is_newer {
            self.core.write_links()?;
            self.write_profile(self.plan()?.as_ref()).await?;
        }
        Ok(true)
    }
}

/// The values of rows that are JSON.
fn read_all<T: DeserializeOwned>(rows: Vec<Row>) -> Result<Vec<T>, Failure> {
    rows.into_iter().map(|mut row| Ok(serde_json::from_str(&row.text()?)?)).collect()
}

/// When somebody who is not known is forgotten, if they do not come back.
fn kept_until_ms(seen_ms: u64) -> u64 {
    seen_ms.saturating_add(KEPT.as_millis() as u64)
}

impl Core {
    /// Reads or changes what is known, which is read from the database first where it is not in memory.
    fn with<T>(&self, state: &State, act: impl FnOnce(&mut Known) -> T) -> Result<T, Failure> {
        let sql = self.database.get(state, &SCHEMA)?;
        let mut known = self.known.borrow_mut();
        if known.is_none() {
            *known = Some(read(sql)?);
        }
        Ok(act(known.get_or_insert_default()))
    }

    fn write_memory(&self) -> Result<(), Failure> {
        self.write(|known, sql| {
            let write = "INSERT INTO memory VALUES (1, ?, ?) \
                         ON CONFLICT DO UPDATE SET seen = excluded.seen, memory = excluded.memory";
            sql.run(write, vec![number(known.seen_ms), serde_json::to_string(&known.own())?.into()])
        })?;
        self.write_portrait()
    }

    /// Writes what they said and were asked under their own name.
    fn write_portrait(&self) -> Result<(), Failure> {
        self.write(|known, sql| match known.own_portrait() {
            portrait if portrait.is_empty() => sql.run("DELETE FROM portrait WHERE source = ''", Vec::new()),
            portrait => write_portrait(sql, "", portrait),
        })
    }

    /// Writes what others say, of which there are a few.
    fn write_told(&self) -> Result<(), Failure> {
        self.write(|known, sql| {
            let mut by_source: BTreeMap<&str, BTreeMap<&str, &Told>> = BTreeMap::new();
            for (attribute, told) in known.told() {
                for (source, told) in told {
                    by_source.entry(source).or_default().insert(attribute, told);
                }
            }
            sql.run("DELETE FROM told", Vec::new())?;
            by_source.into_iter().try_for_each(|(source, told)| {
                let values = vec![source.into(), serde_json::to_string(&told)?.into()];
                sql.run("INSERT INTO told VALUES (?, ?)", values)
            })
        })
    }

    /// Writes the changes of the profile, of which the oldest go.
    fn write_changes(&self) -> Result<(), Failure> {
        let changes = self.known.borrow_mut().as_mut().map(|known| std::mem::take(&mut known.changes));
        let Some(changes) = changes.filter(|changes| !changes.is_empty()) else { return Ok(()) };
        self.write(|_, sql| {
            for change in &changes {
                let values =
                    vec![number(change.at), change.attribute.as_str().into(), serde_json::to_string(change)?.into()];
                sql.run("INSERT INTO changes (at, attribute, change) VALUES (?, ?, ?)", values)?;
            }
            let oldest = "DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?";
            sql.run(oldest, vec![number(PROFILE_CHANGES)])
        })
    }

    fn write_links(&self) -> Result<(), Failure> {
        self.write(|known, sql| {
            sql.run("DELETE FROM links", Vec::new())?;
            known.links.iter().try_for_each(|(kind, link)| {
                let values = vec![kind.as_str().into(), serde_json::to_string(link)?.into()];
                sql.run("INSERT INTO links VALUES (?, ?)", values)
            })
        })
    }

    fn write_heard(&self) -> Result<(), Failure> {
        self.write(|known, sql| {
            let heard = postcard::to_stdvec(&known.heard).map_err(|_| Failure::Internal("marks that do not write"))?;
            let write = "INSERT INTO heard VALUES (1, ?) ON CONFLICT DO UPDATE SET heard = excluded.heard";
            sql.run(write, vec![heard.into()])
        })
    }

    /// Writes all histories, of which there are a few, and what they did under this name, of which one may have become part.
    fn write_merged(&self) -> Result<(), Failure> {
        self.write(|known, sql| {
            sql.run("DELETE FROM merged", Vec::new())?;
            sql.run("DELETE FROM portrait WHERE source <> ''", Vec::new())?;
            for (source, Merged { at_ms, until_ms, memory, is_own, portrait }) in known.merged() {
                if !portrait.is_empty() {
                    write_portrait(sql, source, portrait)?;
                }
                let memory = memory.as_ref().map(serde_json::to_string).transpose()?;
                let memory = memory.map_or(SqlStorageValue::Null, SqlStorageValue::from);
                let values =
                    vec![source.as_str().into(), number(*at_ms), number(*until_ms), memory, number((*is_own).into())];
                sql.run("INSERT INTO merged VALUES (?, ?, ?, ?, ?)", values)?;
            }
            Ok(())
        })?;
        self.write_memory()
    }

    fn write(&self, act: impl FnOnce(&Known, &Sql) -> Result<(), Failure>) -> Result<(), Failure> {
        let known = self.known.borrow();
        let (Some(known), Some(sql)) = (known.as_ref(), self.database.opened()) else { return Ok(()) };
        act(known, sql)
    }
}

fn write_portrait(sql: &Sql, source: &str, portrait: &Portrait) -> Result<(), Failure> {
    let write = "INSERT INTO portrait VALUES (?, ?) ON CONFLICT DO UPDATE SET portrait = excluded.portrait";
    sql.run(write, vec![source.into(), serde_json::to_string(portrait)?.into()])
}

fn read(sql: &Sql) -> Result<Known, Failure> {
    let did = match sql.first("SELECT seen, memory FROM memory", Vec::new())? {
        Some(mut row) => (row.number()?, serde_json::from_str(&row.text()?)?),
        None => (0, Memory::default()),
    };
    let mut portrait = BTreeMap::new();
    for mut row in sql.rows("SELECT source, portrait FROM portrait", Vec::new())? {
        portrait.insert(row.text()?, serde_json::from_str(&row.text()?)?);
    }
    let own_portrait: Portrait = portrait.remove("").unwrap_or_default();
    let mut merged = BTreeMap::new();
    for mut row in sql.rows("SELECT source, at, until, coalesce(memory, ''), own FROM merged", Vec::new())? {
        let (source, at_ms, until_ms, memory) = (row.text()?, row.number()?, row.number()?, row.text()?);
        let memory = if memory.is_empty() { None } else { Some(serde_json::from_str(&memory)?) };
        let portrait = portrait.remove(&source).unwrap_or_default();
        merged.insert(source, Merged { at_ms, until_ms, memory, is_own: row.number()? == 1, portrait });
    }
    let moment = |table| -> Result<u64, Failure> {
        let at = sql.first(&format!("SELECT at FROM {table}"), Vec::new())?;
        Ok(at.map(|mut row| row.number()).transpose()?.unwrap_or(0))
    };
    let (signed_out_s, erased_ms) = (moment("signed_out")?, moment("erased")?);
    let heard = match sql.first("SELECT heard FROM heard", Vec::new())? {
        Some(mut row) => {
            postcard::from_bytes(&row.bytes()?).map_err(|_| Failure::Internal("marks that do not read"))?
        }
        None => Heard::until(erased_ms),
    };
    let mut told = Profile::new();
    let mut tell = |source: &str, values: Values| {
        for (attribute, value) in values {
            told.entry(attribute).or_default().insert(source.to_owned(), value);
        }
    };
    for mut row in sql.rows("SELECT source, told FROM told", Vec::new())? {
        tell(&row.text()?, serde_json::from_str(&row.text()?)?);
    }
    if let Some(mut row) = sql.first("SELECT at, attributes FROM profile", Vec::new())? {
        let at = row.number()?;
        let attributes: Attributes = serde_json::from_str(&row.text()?)?;
        let told = |(attribute, value)| (attribute, Told::new(value, at));
        let values: Values = attributes.into_iter().map(told).collect();
        let write = "INSERT INTO told VALUES (?, ?) ON CONFLICT DO NOTHING";
        sql.run(write, vec![SERVER.into(), serde_json::to_string(&values)?.into()])?;
        sql.run("DELETE FROM profile", Vec::new())?;
        tell(SERVER, values);
    }
    let mut links = BTreeMap::new();
    for mut row in sql.rows("SELECT kind, link FROM links", Vec::new())? {
        links.insert(row.text()?, serde_json::from_str(&row.text()?)?);
    }
    let consent = sql.rows("SELECT consent FROM consents ORDER BY seq DESC LIMIT 1", Vec::new())?;
    let consent = read_all(consent)?.pop();
    let person = sql.first("SELECT id FROM person", Vec::new())?.map(|mut row| row.text()).transpose()?;
    let person = person.map(|id| id.parse()).transpose().map_err(|_| Failure::Internal("a person without a name"))?;
    let mut known = Known::new(Stored { did, own_portrait, merged, heard, told, links, consent });
    (known.signed_out_s, known.erased_ms, known.person) = (signed_out_s, erased_ms, person);
    known.value_at_ms = moment("valued")?;
    Ok(known)
}

/// What a webhook is told: a CloudEvent 1.0, but for whom it is about.
fn message(site: &str, fired: &Fired, webhook: &str, object: String) -> Result<Message, Failure> {
    let id = HEXLOWER.encode(&random::<16>()?);
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/sites/{site}"),
        "type": "portico.trigger.fired",
        "time": String::from(js_sys::Date::new(&(fired.at_ms as f64).into()).to_iso_string()),
        "datacontenttype": "application/json",
        "data": { "trigger": fired.trigger, "begun": fired.begun_ms, "at": fired.at_ms },
    });
    Ok(Message { id, webhook: webhook.to_owned(), body: body.to_string(), object, at_ms: fired.at_ms })
}
