//! The triggers of one visitor: what has begun, what fires, what rests.
//!
//! The same for an anonymous visitor, whose memory travels in a token, and for a customer's object. Time comes with what
//! happens; only an object can fire by itself when nothing does.

use portico_protocol::seal::{Begun, Memory};
use portico_protocol::triggers::{Absence, Trigger};
use serde::{Deserialize, Serialize};

const MINUTE_MS: u64 = 60_000;

/// A trigger that has fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fired {
    /// Its id.
    pub(crate) trigger: String,
    /// When what began it happened.
    pub(crate) begun_ms: u64,
    pub(crate) at_ms: u64,
    /// Whom to tell.
    pub(crate) webhooks: Vec<String>,
}

/// What a visitor did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Happened {
    /// The event's name, as rules and triggers name it.
    pub(crate) event: String,
    /// Whether any of them counts it.
    pub(crate) counts: bool,
}

/// Takes in what a visitor did: it is counted, and begins, stops and fires triggers.
pub(crate) fn happened(memory: &mut Memory, triggers: &[Trigger], what: &Happened, now_ms: u64) -> Vec<Fired> {
    let mut fired = due(memory, triggers, now_ms);
    if what.counts {
        memory.events.record(&what.event, now_ms);
    }
    for trigger in triggers {
        let mark = Begun::mark(&trigger.id);
        if trigger.unless.as_ref().is_some_and(|absence| stops(absence, &what.event)) {
            memory.triggers.retain(|begun| begun.trigger != mark || begun.fired);
        }
        let begins = trigger.on.event == what.event && !memory.triggers.iter().any(|begun| begun.trigger == mark);
        let name = trigger.on.event.as_str();
        let times = || memory.events.counts([name].into_iter()).within_days(name, trigger.on.within_days, now_ms);
        if !begins || times() < trigger.on.times {
            continue;
        }
        match &trigger.unless {
            None => fired.push(fire(memory, trigger, now_ms, now_ms)),
            Some(absence) => {
                let due_ms = now_ms.saturating_add(u64::from(absence.within_minutes) * MINUTE_MS);
                memory.triggers.push(Begun { trigger: mark, begun_ms: now_ms, due_ms, fired: false });
            }
        }
    }
    fired
}

/// Fires what nothing has stopped in time, and lets go of what has rested.
pub(crate) fn due(memory: &mut Memory, triggers: &[Trigger], now_ms: u64) -> Vec<Fired> {
    let over: Vec<Begun> = memory.triggers.extract_if(.., |begun| begun.due_ms <= now_ms).collect();
    let waited = over.into_iter().filter(|begun| !begun.fired);
    let of = |begun: &Begun| triggers.iter().find(|trigger| Begun::mark(&trigger.id) == begun.trigger);
    // A trigger that is configured no longer has nothing to say.
    let known: Vec<(Begun, &Trigger)> = waited.filter_map(|begun| Some((begun, of(&begun)?))).collect();
    known.into_iter().map(|(begun, trigger)| fire(memory, trigger, begun.begun_ms, now_ms)).collect()
}

/// When something fires or has rested, whatever happens; nothing where nothing has begun.
pub(crate) fn next_due_ms(memory: &Memory) -> Option<u64> {
    memory.triggers.iter().filter(|begun| !begun.fired).map(|begun| begun.due_ms).min()
}

/// Whether an event may begin a trigger or stop it: by its name, or because the trigger has begun and anything stops it.
pub(crate) fn concerns(memory: &Memory, trigger: &Trigger, event: &str) -> bool {
    let mark = Begun::mark(&trigger.id);
    trigger.counted().any(|counted| counted == event)
        || memory.triggers.iter().any(|begun| begun.trigger == mark && !begun.fired)
}

fn stops(absence: &Absence, event: &str) -> bool {
    absence.events.is_empty() || absence.events.iter().any(|stops| stops == event)
}

fn fire(memory: &mut Memory, trigger: &Trigger, begun_ms: u64, now_ms: u64) -> Fired {
    let rests_ms = u64::from(trigger.rest_minutes) * MINUTE_MS;
    if rests_ms > 0 {
        let trigger = Begun::mark(&trigger.id);
        memory.triggers.push(Begun { trigger, begun_ms, due_ms: now_ms.saturating_add(rests_ms), fired: true });
    }
    memory.events.record(&trigger.event(), now_ms);
    Fired { trigger: trigger.id.clone(), begun_ms, at_ms: now_ms, webhooks: trigger.webhooks.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trigger(times: u32, unless: Option<&[&str]>) -> Vec<Trigger> {
        let unless = unless.map(|events| json!({ "events": events, "within_minutes": 10 }));
        let trigger = json!({ "id": "abandoned", "on": { "event": "opened", "times": times }, "unless": unless, "rest_minutes": 60 });
        vec![serde_json::from_value(trigger).unwrap()]
    }

    /// What fires, in minutes, when events come at minutes.
    fn fires(triggers: &[Trigger], events: &[(u64, &str)], until: u64) -> Vec<u64> {
        let mut memory = Memory::default();
        let mut fired = Vec::new();
        for minute in 1_000..=1_000 + until {
            let now_ms = minute * MINUTE_MS;
            fired.extend(due(&mut memory, triggers, now_ms));
            for (_, event) in events.iter().filter(|(at, _)| at + 1_000 == minute) {
                let what = Happened { event: (*event).to_owned(), counts: true };
                fired.extend(happened(&mut memory, triggers, &what, now_ms));
            }
        }
        fired.into_iter().map(|fired| fired.at_ms / MINUTE_MS - 1_000).collect()
    }

    #[test]
    fn what_happens_fires_at_once_and_rests() {
        assert_eq!(
            fires(&trigger(1, None), &[(1, "opened"), (2, "opened"), (60, "opened"), (61, "opened")], 70),
            [1, 61]
        );
        assert_eq!(fires(&trigger(3, None), &[(1, "opened"), (2, "closed"), (3, "opened"), (4, "opened")], 70), [4]);
    }

    #[test]
    fn an_absence_fires_when_its_time_is_over() {
        let unless = trigger(1, Some(&["applied"]));
        assert_eq!(fires(&unless, &[(1, "opened"), (5, "page")], 30), [11]);
        assert_eq!(fires(&unless, &[(1, "opened"), (5, "applied")], 30), [0_u64; 0]);
        assert_eq!(fires(&unless, &[(1, "opened"), (5, "applied"), (6, "opened")], 30), [16]);
        assert_eq!(fires(&unless, &[(1, "opened"), (11, "applied")], 30), [11], "a word too late");
        assert_eq!(fires(&unless, &[(1, "opened"), (8, "opened")], 30), [11], "the first one counts");
        // Nothing at all: whatever they do, and each time anew.
        let silence = trigger(1, Some(&[]));
        assert_eq!(fires(&silence, &[(1, "opened"), (5, "page")], 30), [0_u64; 0]);
        assert_eq!(fires(&silence, &[(1, "opened"), (8, "opened")], 30), [18]);
    }

    #[test]
    fn a_firing_is_counted_and_a_forgotten_trigger_says_nothing() {
        let triggers = trigger(1, Some(&["applied"]));
        let mut memory = Memory::default();
        happened(&mut memory, &triggers, &Happened { event: "opened".into(), counts: true }, 1_000_000);
        assert_eq!(next_due_ms(&memory), Some(1_600_000));
        assert!(concerns(&memory, &triggers[0], "page"));
        let mut forgotten = memory.clone();
        assert_eq!(due(&mut forgotten, &[], 2_000_000), []);
        let fired = due(&mut memory, &triggers, 2_000_000);
        assert_eq!(fired.len(), 1);
        assert_eq!((fired[0].begun_ms, fired[0].at_ms), (1_000_000, 2_000_000));
        let count = |memory: &Memory| {
            memory.events.counts(["trigger:abandoned"].into_iter()).within_days("trigger:abandoned", 1, 2_000_000)
        };
        assert_eq!((count(&memory), count(&forgotten)), (1, 0));
        assert_eq!(next_due_ms(&memory), None);
        assert!(!concerns(&memory, &triggers[0], "page"));
    }
}
