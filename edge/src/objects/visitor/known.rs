//! What a visitor's object knows: pure, so that it can be tried without a database.

use std::collections::{BTreeMap, VecDeque};

use portico_engine::{Asked, Seen};
use portico_protocol::customers::ConsentRecord;
use portico_protocol::decide::Consent;
use portico_protocol::id::PersonId;
use portico_protocol::profile::{COMPUTED, OVERRIDE, Profile, ProfileChange, Told, VISITOR};
use portico_protocol::seal::{Memory, Portrait, Said};
use portico_protocol::stream::PageView;
use portico_protocol::triggers::Trigger;
use serde::{Deserialize, Serialize};

use super::Link;
use crate::triggers::{self, Fired, Happened};

/// Everything known of a visitor; page views of the last moments may not be written yet.
#[derive(Default)]
pub(super) struct Known {
    pub(super) seen_ms: u64,
    /// What they did under this name, without the triggers that wait.
    own: Memory,
    /// What they did under other names, by source.
    merged: BTreeMap<String, Merged>,
    /// All of it together: what decisions and triggers go by.
    memory: Memory,
    /// What they said, and were asked, under this name.
    own_portrait: Portrait,
    /// The same under all names.
    portrait: Portrait,
    pub(super) heard: Heard,
    /// What others say of them.
    told: Profile,
    /// Changes of the profile that are not written yet.
    pub(super) changes: Vec<ProfileChange>,
    /// The groups that they belong to, by kind.
    pub(super) links: BTreeMap<String, Link>,
    /// What they last said on consent.
    pub(super) consent: Option<ConsentRecord>,
    /// When they are to be valued next, in milliseconds since 1970; 0 for never.
    pub(super) value_at_ms: u64,
    /// When they were last signed out everywhere, in seconds since 1970: identity tokens issued until then are worth nothing.
    pub(super) signed_out_s: u64,
    /// Who they are on record.
    pub(super) person: Option<PersonId>,
    /// When they were last erased, in milliseconds since 1970: what was known before does not come back.
    pub(super) erased_ms: u64,
}

/// A history that was taken over. It stays as it came, so that it can be given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Merged {
    /// When it was first taken over, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Until when it goes: a later one of the same source takes its place.
    pub(crate) until_ms: u64,
    /// Nothing, where somebody has given it back or it became part of their own; then it is not taken over again.
    pub(crate) memory: Option<Memory>,
    /// Whether it became part of what they did under this name.
    pub(crate) is_own: bool,
    /// What was said there.
    #[serde(default)]
    pub(crate) portrait: Portrait,
}

/// What was done under another name, on its way to be taken over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct History {
    /// Whose, such as `visitor/<id>`: what is taken over from one source is counted once.
    pub(crate) source: String,
    pub(crate) until_ms: u64,
    /// When it was first taken over, as the device says; 0 for never.
    pub(crate) taken_ms: u64,
    pub(crate) memory: Memory,
    pub(crate) portrait: Portrait,
}

/// What became of a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Replied {
    pub(crate) asked: Asked,
    /// What they said, unless they would rather not.
    pub(crate) said: Option<Said>,
}

/// What somebody did with offers, and otherwise.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Did {
    /// Heard every time: it makes no difference.
    pub(crate) dismissed: Vec<(Report, String)>,
    pub(crate) seen: Vec<(Report, Seen)>,
    /// What rules or triggers are about. What no ledger has, such as the page that is asked for, is always news.
    pub(crate) happened: Vec<(Option<Report>, Happened)>,
    pub(crate) replied: Vec<(Report, Replied)>,
}

/// How the ledger knows of something. What is on record already may be news here all the same: who recorded it was ended
/// before it was handed on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Of what happened, by whatever way it was reported.
    pub(crate) mark: u64,
    pub(crate) recorded_ms: u64,
    pub(crate) is_new: bool,
    /// Whom the record is about, where it says so: what is told of who was erased is nobody's.
    pub(crate) person: Option<PersonId>,
}

impl Did {
    /// What of it is news.
    pub(crate) fn news(mut self, mut is_news: impl FnMut(Report) -> bool) -> Self {
        self.seen.retain(|(report, _)| is_news(*report));
        self.happened.retain(|(report, _)| report.is_none_or(&mut is_news));
        self.replied.retain(|(report, _)| is_news(*report));
        self
    }

    /// Adds what was said of it.
    pub(crate) fn note(&self, portrait: &mut Portrait) {
        for (_, Replied { asked, said }) in &self.replied {
            portrait.ask(*asked);
            said.iter().for_each(|said| portrait.say(said.clone()));
        }
    }

    /// Adds it to what is remembered; what fires by it.
    pub(crate) fn remember(&self, memory: &mut Memory, triggers: &[Trigger], now_ms: u64) -> Vec<Fired> {
        self.dismissed.iter().for_each(|(_, offer)| memory.dismiss(offer, now_ms));
        memory.look(self.seen.iter().map(|(_, seen)| *seen));
        self.happened.iter().flat_map(|(_, what)| triggers::happened(memory, triggers, what, now_ms)).collect()
    }
}

impl Known {
    /// Histories that are kept apart. Of more, the oldest become part of what they did under this name, for good.
    const MOST_APART: usize = 32;
    /// Sources that are known again.
    const MOST_SOURCES: usize = 256;

    pub(super) fn new(
        Stored { did: (seen_ms, mut own), own_portrait, merged, heard, told, links, consent }: Stored,
    ) -> Self {
        let memory = Memory { triggers: std::mem::take(&mut own.triggers), ..Memory::default() };
        let mut known =
            Self { seen_ms, own, own_portrait, merged, memory, heard, told, links, consent, ..Self::default() };
        known.put_together();
        known
    }

    /// Whether an identity token that was issued then is still good.
    pub(super) fn admits(&self, issued_s: Option<u64>) -> bool {
        issued_s.is_none_or(|issued_s| issued_s > self.signed_out_s)
    }

    /// What they agree to: by this request's word, or else by what they said before, or else as it is where nobody ever said it.
    pub(super) fn agreed(&self, says: Option<Consent>, unsaid: Consent) -> Consent {
        let before = self.consent.as_ref().map(|record| record.consent);
        before.map_or(says.unwrap_or(unsaid), |before| before.beside(says))
    }

    /// Whether a history goes back to before an erasure.
    pub(super) fn was_erased(&self, history: &History) -> bool {
        history.until_ms <= self.erased_ms || (history.taken_ms > 0 && history.taken_ms <= self.erased_ms)
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.seen_ms == 0
            && self.person.is_none()
            && self.told.is_empty()
            && self.own_portrait.is_empty()
            && self.links.is_empty()
            && self.consent.is_none()
            && self.merged.is_empty()
    }

    /// All of what they did.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What they said and were asked.
    pub(super) fn portrait(&self) -> &Portrait {
        &self.portrait
    }

    pub(super) fn own_portrait(&self) -> &Portrait {
        &self.own_portrait
    }

    /// What others say of them, by attribute and source.
    pub(super) fn told(&self) -> &Profile {
        &self.told
    }

    /// What everybody says of them, they themselves included.
    pub(super) fn profile(&self) -> Profile {
        let mut profile = self.told.clone();
        self.portrait.tell(&mut profile);
        profile
    }

    /// Takes in what a source says, in the place of all that it said before unless the rest stays.
    pub(super) fn tell(&mut self, source: &str, values: BTreeMap<String, Told>, keeps_others: bool, now_ms: u64) {
        let mut change = |attribute: &str, value, reason: Option<String>| {
            // What follows from the others changes whenever the models do, and says nothing that was told.
            if source == COMPUTED {
                return;
            }
            let (attribute, source) = (attribute.to_owned(), source.to_owned());
            self.changes.push(ProfileChange { at: now_ms, attribute, source, value, reason });
        };
        if !keeps_others {
            for (attribute, told) in &mut self.told {
                if !values.contains_key(attribute) && told.remove(source).is_some() {
                    change(attribute, serde_json::Value::Null, None);
                }
            }
        }
        for (attribute, value) in values {
            let told = self.told.entry(attribute.clone()).or_default();
            let known = told.get(source);
            if known.is_some_and(|known| known.at > value.at) {
                continue;
            }
            if known.is_none_or(|known| known.value != value.value) {
                change(&attribute, value.value.clone(), value.reason.clone());
            }
            told.insert(source.to_owned(), value);
        }
        self.told.retain(|_, told| !told.is_empty());
    }

    /// Lets go of values whose time is over; the attributes and sources whose changes go with them. What somebody decided stays
    /// on record with its reason.
    pub(super) fn expire(&mut self, now_ms: u64) -> Vec<(String, String)> {
        let mut ended = Vec::new();
        for (attribute, told) in &mut self.told {
            told.retain(|source, told| {
                if told.until.is_none_or(|until| until > now_ms) {
                    return true;
                }
                if source != OVERRIDE {
                    ended.push((attribute.clone(), source.clone()));
                }
                let (attribute, source, value) = (attribute.clone(), source.clone(), serde_json::Value::Null);
                self.changes.push(ProfileChange { at: now_ms, attribute, source, value, reason: None });
                false
            });
        }
        self.told.retain(|_, told| !told.is_empty());
        for attribute in self.portrait.expire(now_ms) {
            ended.push((attribute.clone(), VISITOR.to_owned()));
            let (source, value) = (VISITOR.to_owned(), serde_json::Value::Null);
            self.changes.push(ProfileChange { at: now_ms, attribute, source, value, reason: None });
        }
        // Also where a later word on the same thing stands over it.
        self.own_portrait.expire(now_ms);
        self.merged.values_mut().for_each(|merged| drop(merged.portrait.expire(now_ms)));
        ended
    }

    /// By attribute, before which time its changes are as old as a value of it may become.
    pub(super) fn old_changes(&self, now_ms: u64) -> Vec<(String, u64)> {
        let kept = |(source, _): &(&String, &Told)| *source != OVERRIDE;
        let all = self.told.iter();
        let all = all.flat_map(|(attribute, told)| told.iter().filter(kept).map(move |(_, told)| (attribute, told)));
        let lives = all.filter_map(|(attribute, told)| Some((attribute, told.until?.saturating_sub(told.at))));
        lives.map(|(attribute, life_ms)| (attribute.clone(), now_ms.saturating_sub(life_ms))).collect()
    }

    /// When the next value's time is over.
    pub(super) fn next_end_ms(&self) -> Option<u64> {
        let told = self.told.values().flat_map(BTreeMap::values).filter_map(|told| told.until);
        let portraits = std::iter::once(&self.own_portrait).chain(self.merged.values().map(|merged| &merged.portrait));
        let said =
            portraits.flat_map(|portrait| &portrait.said).map(|said| said.until_ms).filter(|until_ms| *until_ms > 0);
        told.chain(said).min()
    }

    /// A question was put to them.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.own_portrait.ask(asked);
        self.portrait.ask(asked);
    }

    /// They said something of themselves.
    pub(super) fn say(&mut self, said: Said) {
        let change = ProfileChange {
            at: said.at_ms,
            attribute: said.attribute.clone(),
            source: VISITOR.to_owned(),
            value: serde_json::from_str(&said.value).unwrap_or_default(),
            reason: None,
        };
        self.changes.push(change);
        self.own_portrait.say(said.clone());
        self.portrait.say(said);
    }

    /// What they did under this name, with the triggers that wait.
    pub(super) fn own(&self) -> Memory {
        Memory { triggers: self.memory.triggers.clone(), ..self.own.clone() }
    }

    pub(super) fn merged(&self) -> &BTreeMap<String, Merged> {
        &self.merged
    }

    /// Their histories by source, their own under `name`.
    pub(super) fn histories(&self, name: &str) -> Vec<History> {
        let own = History {
            source: name.to_owned(),
            until_ms: self.seen_ms,
            taken_ms: 0,
            memory: self.own(),
            portrait: self.own_portrait.clone(),
        };
        let theirs = self.merged.iter().filter_map(|(source, merged)| {
            let memory = merged.memory.clone()?;
            let portrait = merged.portrait.clone();
            Some(History { source: source.clone(), until_ms: merged.until_ms, taken_ms: 0, memory, portrait })
        });
        std::iter::once(own).chain(theirs).collect()
    }

    /// A page view, and a decision.
    pub(super) fn see(&mut self, view: &PageView, period_ms: u64, now_ms: u64) {
        for portrait in [&mut self.own_portrait, &mut self.portrait] {
            portrait.stream.see(view, now_ms);
        }
        for memory in [&mut self.own, &mut self.memory] {
            memory.see(view.topic.as_deref(), self.seen_ms, now_ms);
            memory.enter(period_ms, now_ms);
        }
        // They stay in one arm, whichever name they entered it by.
        self.own.entered_ms = self.memory.entered_ms;
        self.seen_ms = self.seen_ms.max(now_ms);
    }

    /// What they did; what fires by it.
    pub(super) fn did(&mut self, did: Did, triggers: &[Trigger], now_ms: u64) -> Vec<Fired> {
        let person = self.person;
        let is_theirs = |report: Report| report.person.is_none() || report.person == person;
        let mut did = did.news(|report| is_theirs(report) && self.heard.is_news(report));
        did.dismissed.retain(|(report, _)| is_theirs(*report));
        let fired = did.remember(&mut self.memory, triggers, now_ms);
        // What fires goes by all that they did.
        did.remember(&mut self.own, &[], now_ms);
        for (_, Replied { asked, said }) in did.replied {
            self.ask(asked);
            said.into_iter().for_each(|said| self.say(said));
        }
        self.note(&fired);
        self.seen_ms = self.seen_ms.max(now_ms);
        fired
    }

    /// What fires because nothing has stopped it.
    pub(super) fn due(&mut self, triggers: &[Trigger], now_ms: u64) -> Vec<Fired> {
        let fired = triggers::due(&mut self.memory, triggers, now_ms);
        self.note(&fired);
        fired
    }

    /// A firing is an event, and theirs.
    fn note(&mut self, fired: &[Fired]) {
        fired.iter().for_each(|fired| self.own.events.record(&Trigger::event_of(&fired.trigger), fired.at_ms));
    }

    /// Takes a history over, once; says whether anything has changed.
    pub(super) fn merge(&mut self, history: History, now_ms: u64) -> bool {
        if self.was_erased(&history) {
            return false;
        }
        let History { source, until_ms, memory, portrait, .. } = history;
        let known = self.merged.get(&source);
        if known.is_some_and(|known| known.memory.is_none() || known.until_ms >= until_ms) {
            return false;
        }
        let (at_ms, before_ms) = known.map_or((now_ms, 0), |known| (known.at_ms, known.until_ms));
        let waiting = &mut self.memory.triggers;
        for begun in memory.triggers.iter().filter(|begun| begun.begun_ms > before_ms) {
            if !waiting.iter().any(|known| known.trigger == begun.trigger) {
                waiting.push(*begun);
            }
        }
        self.merged.insert(source, Merged { at_ms, until_ms, memory: Some(memory), is_own: false, portrait });
        self.keep_bounds();
        self.put_together();
        true
    }

    /// Gives a history back, for good; false where there is none of the source.
    pub(super) fn undo(&mut self, source: &str) -> bool {
        let Some(merged) = self.merged.get_mut(source).filter(|merged| !merged.is_own) else { return false };
        merged.portrait = Portrait::default();
        if let Some(memory) = merged.memory.take() {
            // Nor does anything wait for them that began there.
            self.memory.triggers.retain(|begun| begun.fired || !memory.triggers.contains(begun));
        }
        self.put_together();
        true
    }

    /// Lets go of a history of somebody who was erased, as if it had never been.
    pub(super) fn drop_source(&mut self, source: &str) {
        self.undo(source);
        self.merged.remove(source);
    }

    /// Nothing waits for them any more: somebody else does.
    pub(super) fn stop_waiting(&mut self) {
        self.memory.triggers.retain(|begun| begun.fired);
    }

    fn keep_bounds(&mut self) {
        while let Some(source) = self.oldest(Self::MOST_APART, |merged| merged.memory.is_some()) {
            if let Some(merged) = self.merged.get_mut(&source)
                && let Some(memory) = merged.memory.take()
            {
                merged.is_own = true;
                self.own.add(&memory);
                self.own_portrait.add(&std::mem::take(&mut merged.portrait));
            }
        }
        while let Some(source) = self.oldest(Self::MOST_SOURCES, |_| true) {
            self.merged.remove(&source);
        }
    }

    /// The source that was taken over first, if there are more than so many of a kind.
    fn oldest(&self, most: usize, kind: impl Fn(&Merged) -> bool) -> Option<String> {
        let of_kind = || self.merged.iter().filter(|(_, merged)| kind(merged));
        let oldest = of_kind().min_by_key(|(source, merged)| (merged.at_ms, *source)).map(|(source, _)| source.clone());
        oldest.filter(|_| of_kind().count() > most)
    }

    /// In the order of the sources, so that it does not matter which came first. Triggers wait where they wait.
    fn put_together(&mut self) {
        let triggers = std::mem::take(&mut self.memory.triggers);
        self.memory = Memory { triggers, ..self.own.clone() };
        self.merged.values().filter_map(|merged| merged.memory.as_ref()).for_each(|other| self.memory.add(other));
        self.portrait = self.own_portrait.clone();
        self.merged.values().for_each(|merged| self.portrait.add(&merged.portrait));
    }
}

/// What lies in the database, beside the moments.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) did: (u64, Memory),
    pub(super) own_portrait: Portrait,
    pub(super) merged: BTreeMap<String, Merged>,
    pub(super) heard: Heard,
    pub(super) told: Profile,
    pub(super) links: BTreeMap<String, Link>,
    pub(super) consent: Option<ConsentRecord>,
}

/// The reports that were heard last.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Heard {
    /// Marks, and when they were recorded.
    last: VecDeque<(u64, u64)>,
    /// What was recorded until then was heard or never will be: its marks may be forgotten.
    until_ms: u64,
}

impl Heard {
    /// Of whom everything until then is no news.
    pub(super) fn until(until_ms: u64) -> Self {
        Self { until_ms, ..Self::default() }
    }

    /// Marks remembered: more than come in one batch.
    const MOST: usize = 256;

    /// Whether a report is news. It is none the next time.
    fn is_news(&mut self, report: Report) -> bool {
        let Report { mark, recorded_ms, is_new, .. } = report;
        if !is_new && (recorded_ms <= self.until_ms || self.last.iter().any(|(heard, _)| *heard == mark)) {
            return false;
        }
        self.last.push_back((mark, recorded_ms));
        if self.last.len() > Self::MOST
            && let Some((_, oldest_ms)) = self.last.pop_front()
        {
            self.until_ms = self.until_ms.max(oldest_ms);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use portico_protocol::seal::Begun;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_000_000_000_000;

    fn history(source: &str, until_ms: u64, topics: &[&str]) -> History {
        let mut memory = Memory::default();
        for topic in topics {
            memory.see(Some(topic), 0, NOW);
        }
        History { source: source.to_owned(), until_ms, taken_ms: 0, memory, portrait: Portrait::default() }
    }

    fn view(topic: Option<&str>) -> PageView {
        PageView { topic: topic.map(str::to_owned), ..PageView::default() }
    }

    fn views(known: &Known) -> Vec<(&str, u32)> {
        known.memory().topics.iter().map(|(topic, views)| (topic.as_str(), *views)).collect()
    }

    #[test]
    fn a_history_is_taken_over_once_and_can_be_given_back() {
        let mut known = Known::default();
        known.see(&view(Some("cards")), 1, NOW);
        assert!(known.merge(history("visitor/1", 5, &["loans", "loans"]), NOW));
        assert!(!known.merge(history("visitor/1", 5, &["loans", "loans"]), NOW), "the same again");
        assert_eq!(views(&known), [("loans", 2), ("cards", 1)]);
        // They went on without a name, and came back.
        assert!(known.merge(history("visitor/1", 9, &["loans", "loans", "loans"]), NOW));
        assert_eq!(views(&known), [("loans", 3), ("cards", 1)]);
        known.see(&view(Some("cards")), 1, NOW);
        assert!(known.undo("visitor/1") && !known.undo("visitor/2"));
        assert_eq!(views(&known), [("cards", 2)]);
        assert!(!known.merge(history("visitor/1", 20, &["loans"]), NOW), "what was undone stays so");
    }

    #[test]
    fn the_order_does_not_matter_and_a_loop_ends() {
        let parts = [history("visitor/1", 1, &["a", "b"]), history("visitor/2", 1, &["b", "c"])];
        let together = |order: [usize; 2]| {
            let mut known = Known::default();
            for at in order {
                known.merge(parts[at].clone(), NOW);
            }
            known.memory().clone()
        };
        assert_eq!(together([0, 1]), together([1, 0]));
        let (mut one, mut other) = (Known::default(), Known::default());
        one.see(&view(Some("a")), 1, NOW);
        other.see(&view(Some("b")), 1, NOW);
        for _ in 0..3 {
            for history in one.histories("customer/one") {
                if history.source != "customer/other" {
                    other.merge(history, NOW);
                }
            }
            for history in other.histories("customer/other") {
                if history.source != "customer/one" {
                    one.merge(history, NOW);
                }
            }
        }
        assert_eq!((views(&one), views(&other)), (vec![("a", 1), ("b", 1)], vec![("a", 1), ("b", 1)]));
    }

    #[test]
    fn of_many_histories_the_oldest_stay_for_good() {
        let mut known = Known::default();
        for number in 0..40_u64 {
            known.merge(history(&format!("visitor/{number}"), 1, &["loans"]), NOW + number);
        }
        let apart = known.merged().values().filter(|merged| merged.memory.is_some()).count();
        assert_eq!((apart, views(&known)), (Known::MOST_APART, vec![("loans", 40)]));
        assert!(!known.merge(history("visitor/0", 2, &["loans"]), NOW), "taken over long ago");
        assert!(!known.undo("visitor/0") && known.undo("visitor/39"));
        assert_eq!(views(&known), [("loans", 39)]);
        for number in 40..400_u64 {
            known.merge(history(&format!("visitor/{number}"), 1, &["loans"]), NOW + number);
        }
        assert_eq!((known.merged().len(), views(&known)), (Known::MOST_SOURCES, vec![("loans", 399)]));
    }

    #[test]
    fn what_waits_for_a_visitor_waits_for_the_customer() {
        let begun = |begun_ms| Begun { trigger: Begun::mark("abandoned"), begun_ms, due_ms: NOW, fired: false };
        let with = |until_ms, begun| {
            let mut history = history("visitor/1", until_ms, &[]);
            history.memory.triggers.push(begun);
            history
        };
        let trigger = json!({ "id": "abandoned", "on": { "event": "opened" }, "unless": { "within_minutes": 10 } });
        let triggers: Vec<Trigger> = vec![serde_json::from_value(trigger).unwrap()];
        let mut known = Known::default();
        known.merge(with(5, begun(4)), NOW);
        assert_eq!(known.due(&triggers, NOW).len(), 1);
        // The same again in a later token has fired already.
        known.merge(with(6, begun(4)), NOW);
        assert_eq!(known.due(&triggers, NOW).len(), 0);
    }

    #[test]
    fn what_is_told_of_somebody_else_is_not_theirs() {
        let (person, former) = (PersonId::new([1; 16]), PersonId::new([2; 16]));
        let mut known = Known { person: Some(person), signed_out_s: 100, ..Known::default() };
        let dismissed = |person| {
            let report = Report { mark: 1, recorded_ms: NOW, is_new: true, person };
            Did { dismissed: vec![(report, "loan".to_owned())], ..Did::default() }
        };
        known.did(dismissed(Some(former)), &[], NOW);
        assert!(known.memory().dismissals.is_empty());
        known.did(dismissed(Some(person)), &[], NOW);
        assert_eq!(known.memory().dismissals.len(), 1);
        let mut erased = Known::default();
        erased.did(dismissed(Some(former)), &[], NOW);
        assert!(erased.memory().dismissals.is_empty(), "erased, and nobody since");
        assert!(known.admits(None) && known.admits(Some(101)) && !known.admits(Some(100)));
    }

    #[test]
    fn what_was_erased_does_not_come_back_by_a_device() {
        let mut known = Known { erased_ms: 100, ..Known::default() };
        let with = |until_ms, taken_ms| History { taken_ms, ..history("visitor/1", until_ms, &["loans"]) };
        assert!(!known.merge(with(100, 0), NOW), "last used before");
        assert!(!known.merge(with(200, 50), NOW), "theirs before, and used since");
        assert!(known.merge(with(200, 0), NOW), "a device that was nobody's");
        assert!(Known::default().merge(with(200, 50), NOW));
    }

    #[test]
    fn whoever_gives_back_waits_for_nothing_that_began_there() {
        let begun = |name| Begun { trigger: Begun::mark(name), begun_ms: 4, due_ms: NOW, fired: false };
        let mut known = Known::default();
        known.memory.triggers.push(begun("own"));
        let mut theirs = history("visitor/1", 5, &["loans"]);
        theirs.memory.triggers.push(begun("theirs"));
        known.merge(theirs, NOW);
        assert_eq!(known.memory().triggers.len(), 2);
        known.undo("visitor/1");
        assert_eq!(known.memory().triggers, [begun("own")]);
        known.stop_waiting();
        known.drop_source("visitor/1");
        assert!(known.memory().triggers.is_empty() && known.merged().is_empty());
    }

    #[test]
    fn a_requests_word_on_consent_goes_first_but_for_what_is_given_once() {
        let all = Consent::ALL;
        let none = Consent::default();
        let personal = Consent { personalization: true, ..none };
        let mut known = Known::default();
        assert_eq!((known.agreed(None, none), known.agreed(None, all)), (none, all));
        assert_eq!((known.agreed(Some(personal), none), known.agreed(Some(none), all)), (personal, none));
        let record = |consent| Some(ConsentRecord { at: 1, consent, version: "1".into(), by_browser: false });
        known.consent = record(all);
        assert_eq!(known.agreed(None, none), all);
        assert_eq!(known.agreed(Some(none), all), Consent { marketing: true, sharing: true, ..none });
        known.consent = record(none);
        assert_eq!((known.agreed(None, all), known.agreed(Some(personal), all)), (none, personal));
    }

    #[test]
    fn what_is_said_ends_under_every_name() {
        let said =
            |value: &str, at_ms, until_ms| Said { at_ms, attribute: "home".into(), value: value.into(), until_ms };
        let mut known = Known::default();
        known.say(said("1", 1, 50));
        let mut before = history("visitor/1", 5, &[]);
        before.portrait.say(said("2", 2, 40));
        known.merge(before, NOW);
        let home = |known: &Known| known.profile().get("home").map(|told| told["visitor"].value.clone());
        assert_eq!((home(&known), known.next_end_ms()), (Some(json!(2)), Some(40)));
        known.changes.clear();
        assert_eq!(known.expire(40), [("home".to_owned(), VISITOR.to_owned())]);
        assert_eq!((known.changes.len(), known.next_end_ms()), (1, Some(50)));
        known.expire(50);
        assert!(known.own_portrait().said.is_empty() && known.merged()["visitor/1"].portrait.said.is_empty());
        assert_eq!((home(&known), known.next_end_ms()), (None, None));
    }

    #[test]
    fn whoever_entered_an_arm_before_they_were_known_stays_in_it() {
        let mut known = Known::default();
        let mut before = history("visitor/1", 5, &["loans"]);
        before.memory.entered_ms = NOW - 5;
        known.merge(before, NOW);
        known.see(&view(None), 10 * NOW, NOW);
        assert_eq!((known.memory().entered_ms, known.own().entered_ms), (NOW - 5, NOW - 5));
    }

    #[test]
    fn a_report_is_news_once() {
        let mut heard = Heard::default();
        let again = |mark, recorded_ms| Report { mark, recorded_ms, is_new: false, person: None };
        let new = |mark, recorded_ms| Report { is_new: true, ..again(mark, recorded_ms) };
        assert!(heard.is_news(new(1, 1_000)));
        assert!(!heard.is_news(again(1, 1_000)), "its answer was lost");
        assert!(heard.is_news(again(2, 900)), "it was recorded and never handed on");
        assert!(!heard.is_news(again(2, 900)));
        assert!(heard.is_news(new(1, 1_100)), "withdrawn and reached again");
        for mark in 10..10 + Heard::MOST as u64 {
            assert!(heard.is_news(new(mark, 2_000 + mark)));
        }
        assert!(!heard.is_news(again(1, 1_000)), "its mark is forgotten, that it is old is not");
        assert!(!heard.is_news(again(3, 1_100)), "whether it was heard nobody knows: rather not twice");
        assert!(heard.is_news(again(3, 2_500)));
        assert_eq!(heard.last.len(), Heard::MOST);
    }
}
