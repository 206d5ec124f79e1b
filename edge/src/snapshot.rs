//! What an isolate keeps of each site: configuration and model, compiled, in memory.
//!
//! A request takes what is there. It waits only for the first snapshot of a site; later ones are fetched behind the
//! answer, and again a moment after events went by, so that the isolate that heard an answer soon decides with it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::iter;
use std::rc::Rc;
use std::time::Duration;

use portico_engine::{Model, Policy, Predictor};
use portico_protocol::problem::ProblemKind;
use portico_protocol::seal::Keyring;
use portico_protocol::site::SiteConfig;
use portico_protocol::triggers::Trigger;
use worker::{Context, Delay, Env};

use crate::error::Failure;
use crate::http::now_ms;
use crate::log;
use crate::now_or_later::within;
use crate::objects::call;
use crate::objects::learner::newer_model;
use crate::objects::site::{GetRuntime, RuntimeState, Shards};
use crate::prints::Prints;
use crate::triggers::Happened;

/// Age at which a snapshot is looked up again behind the next answer.
const FRESH_MS: u64 = 300;
/// A look-up that has not come back after this long does not keep others from trying.
const REFRESH_GIVE_UP_MS: u64 = 5_000;
/// How long a learner is waited for: one that reads its record again may take half a minute.
const PATIENCE: Duration = Duration::from_secs(2);
/// Waits before the looks after events: the ledger pushes after 100 ms, and a busy learner needs longer.
const LOOK_AFTER_EVENTS: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(750)];

/// One site, ready to decide. Never changed, only replaced.
pub(crate) struct Snapshot {
    pub(crate) site: String,
    pub(crate) version: u64,
    pub(crate) settings: Rc<Settings>,
    pub(crate) model_version: u64,
    pub(crate) predictor: Rc<Predictor>,
    /// The same model for the candidate's offers.
    pub(crate) shadow: Option<Rc<Predictor>>,
}

impl Snapshot {
    /// The events that rules ask for.
    pub(crate) fn counted_events(&self) -> impl Iterator<Item = &str> {
        self.policies().flat_map(|policy| policy.counted_events()).map(String::as_str)
    }

    /// Whether a rule or trigger counts an event.
    pub(crate) fn counts(&self, event: &str) -> bool {
        self.policies().any(|policy| policy.counted_events().contains(event))
            || self.triggers().iter().any(|trigger| trigger.counted().any(|counted| counted == event))
    }

    pub(crate) fn triggers(&self) -> &[Trigger] {
        &self.settings.config.triggers
    }

    /// What an event means for a visitor; nothing where no rule or trigger could care.
    pub(crate) fn happened(&self, event: String) -> Option<Happened> {
        let counts = self.counts(&event);
        (counts || !self.triggers().is_empty()).then_some(Happened { event, counts })
    }

    fn policies(&self) -> impl Iterator<Item = &Policy> {
        iter::once(&self.settings.policy).chain(self.settings.candidate.as_ref().map(|(_, policy)| policy))
    }

    /// What is tried in shadow: its number, its policy, and the model laid out for it.
    pub(crate) fn candidate(&self) -> Option<(u64, &Policy, &Predictor)> {
        let (number, policy) = self.settings.candidate.as_ref()?;
        Some((*number, policy, self.shadow.as_deref()?))
    }
}

/// The part that changes with the configuration.
pub(crate) struct Settings {
    pub(crate) config: SiteConfig,
    pub(crate) policy: Policy,
    pub(crate) keyring: Keyring,
    pub(crate) hash_key: [u8; 16],
    pub(crate) identity_key: [u8; 32],
    pub(crate) shards: Shards,
    pub(crate) prints: Prints,
    /// The number of what is tried in shadow, and its policy.
    pub(crate) candidate: Option<(u64, Policy)>,
}

#[derive(Default)]
struct Entry {
    snapshot: Option<Rc<Snapshot>>,
    looked_ms: u64,
    refreshing_since_ms: Option<u64>,
    /// Looks after events that are under way.
    following: bool,
}

thread_local! {
    static SITES: RefCell<BTreeMap<String, Entry>> = RefCell::default();
}

fn with_entry<T>(site: &str, act: impl FnOnce(&mut Entry) -> T) -> T {
    SITES.with_borrow_mut(|sites| act(sites.entry(site.to_owned()).or_default()))
}

/// The site's snapshot, at once if there is one.
pub(crate) async fn get(env: &Env, context: &Context, site: &str) -> Result<Rc<Snapshot>, Failure> {
    let now = now_ms();
    let (snapshot, refresh) = with_entry(site, |entry| {
        let stale = now.saturating_sub(entry.looked_ms) >= FRESH_MS;
        let busy = entry.refreshing_since_ms.is_some_and(|since| now.saturating_sub(since) < REFRESH_GIVE_UP_MS);
        let refresh = entry.snapshot.is_some() && stale && !busy;
        if refresh {
            entry.refreshing_since_ms = Some(now);
        }
        (entry.snapshot.clone(), refresh)
    });
    if refresh {
        let (env, site) = (env.clone(), site.to_owned());
        log::behind(context, async move { refresh_and_report(&env, &site).await });
    }
    match snapshot {
        Some(snapshot) => Ok(snapshot),
        None => refresh_now(env, site).await,
    }
}

/// The site's snapshot for an object, which is not in a hurry: at once if there is one.
pub(crate) async fn for_object(env: &Env, site: &str) -> Result<Rc<Snapshot>, Failure> {
    match with_entry(site, |entry| entry.snapshot.clone()) {
        Some(snapshot) => Ok(snapshot),
        None => refresh_now(env, site).await,
    }
}

/// Looks for a newer model a moment after events of the site were recorded.
pub(crate) fn follow_events(env: &Env, context: &Context, site: &str) {
    if with_entry(site, |entry| std::mem::replace(&mut entry.following, true)) {
        return;
    }
    let (env, site) = (env.clone(), site.to_owned());
    log::behind(context, async move {
        for (look, wait) in LOOK_AFTER_EVENTS.into_iter().enumerate() {
            Delay::from(wait).await;
            // Events that come from here on are followed by looks of their own.
            if look == 0 {
                with_entry(&site, |entry| entry.following = false);
            }
            refresh_and_report(&env, &site).await;
        }
    });
}

async fn refresh_and_report(env: &Env, site: &str) {
    if let Err(failure) = refresh_now(env, site).await {
        log::error("refresh of a snapshot", &failure);
    }
}

/// Fetches what is newer and replaces the snapshot.
pub(crate) async fn refresh_now(env: &Env, site: &str) -> Result<Rc<Snapshot>, Failure> {
    let old = with_entry(site, |entry| entry.snapshot.clone());
    let fetched = fetch(env, site, old.as_deref()).await;
    with_entry(site, |entry| {
        entry.refreshing_since_ms = None;
        entry.looked_ms = now_ms();
        let fetched = Rc::new(fetched?);
        // Two refreshes may overlap: the newer wins.
        let newest = match entry.snapshot.take() {
            Some(kept) if (kept.version, kept.model_version) > (fetched.version, fetched.model_version) => kept,
            _ => fetched,
        };
        entry.snapshot = Some(Rc::clone(&newest));
        Ok(newest)
    })
}

async fn fetch(env: &Env, site: &str, old: Option<&Snapshot>) -> Result<Snapshot, Failure> {
    let have = old.map_or(0, |old| old.version);
    let candidate = old.and_then(|old| old.settings.candidate.as_ref()).map_or(0, |(number, _)| *number);
    let asked = GetRuntime { have, candidate: Some(candidate) };
    let (version, settings) = match (call(env, site, &asked).await?, old) {
        (RuntimeState::Newer(runtime), _) => {
            let compile = |config: &SiteConfig| Policy::compile(&config.decisions).0;
            let settings = Settings {
                policy: compile(&runtime.config),
                candidate: runtime.candidate.map(|candidate| (candidate.number, compile(&candidate.config))),
                config: runtime.config,
                keyring: runtime.keyring,
                hash_key: runtime.hash_key,
                identity_key: runtime.identity_key,
                shards: runtime.shards,
                prints: Prints::default(),
            };
            (runtime.version, Rc::new(settings))
        }
        (RuntimeState::Unchanged, Some(old)) => (old.version, Rc::clone(&old.settings)),
        _ => {
            return Err(Failure::refused(ProblemKind::NotPublished, "Publish a configuration, then ask again."));
        }
    };
    // A learner that cannot answer does not keep the site from deciding with what it has.
    let late = || Err(Failure::Internal("the learner does not answer in time"));
    let asked = newer_model(env, site, old.map_or(0, |old| old.model_version));
    let newer = match within(PATIENCE, asked).await.unwrap_or_else(late) {
        Ok(newer) => newer,
        Err(failure) => {
            log::error("look-up of a model", &failure);
            None
        }
    };
    let lay_out = |model: Model| {
        let shadow = settings.candidate.as_ref().map(|(_, policy)| Rc::new(Predictor::new(policy, model.clone())));
        (Rc::new(Predictor::new(&settings.policy, model)), shadow)
    };
    let (model_version, (predictor, shadow)) = match (newer, old) {
        (Some((version, model)), _) => (version, lay_out(model)),
        (None, Some(old)) if Rc::ptr_eq(&old.settings, &settings) => {
            (old.model_version, (Rc::clone(&old.predictor), old.shadow.clone()))
        }
        // The same model for other offers.
        (None, Some(old)) => (old.model_version, lay_out(old.predictor.model().clone())),
        (None, None) => (0, lay_out(Model::default())),
    };
    Ok(Snapshot { site: site.to_owned(), version, settings, model_version, predictor, shadow })
}
