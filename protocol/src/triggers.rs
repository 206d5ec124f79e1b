//! What follows from what visitors do, or stop doing: triggers, and the webhooks that they call.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::{EVENT_NAME_BYTES, NAME_BYTES, TRIGGERS, URL_BYTES, WEBHOOKS};
use crate::problem::FieldError;

/// Minutes that an absence, and the rest after a firing, may last at most: 30 days.
const MOST_MINUTES: u32 = 30 * 24 * 60;
/// Days within which occurrences are counted at most, as by rules.
const MOST_DAYS: u32 = 90;

/// Fires when something happened to a visitor, or when something did not happen after it.
///
/// Firing is an event of its own, `trigger:<id>`, which rules count like any other: an offer whose rule asks for it is the
/// visitor's from their next decision on. Beside that it calls webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trigger {
    /// Its id: letters, digits, `-` and `_`.
    pub id: String,
    /// What begins it.
    pub on: Occurrence,
    /// What must not happen then; without it the trigger fires at once.
    #[serde(default)]
    pub unless: Option<Absence>,
    /// Minutes after a firing in which it does not begin again for the same visitor; a day where absent.
    #[serde(default = "a_day")]
    pub rest_minutes: u32,
    /// Webhooks to call, by id.
    #[serde(default)]
    pub webhooks: Vec<String>,
}

fn a_day() -> u32 {
    24 * 60
}

/// An event, as rules name it, that happened so often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Occurrence {
    /// The event.
    pub event: String,
    /// How often within the days, 1 where absent.
    #[serde(default = "once")]
    pub times: u32,
    /// Days, the current one included; 1 where absent.
    #[serde(default = "once")]
    pub within_days: u32,
}

fn once() -> u32 {
    1
}

/// Something that does not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Absence {
    /// The events, any of which is enough to stop the trigger. None named is none at all: whatever the visitor does stops it.
    #[serde(default)]
    pub events: Vec<String>,
    /// For how many minutes.
    pub within_minutes: u32,
}

/// Where triggers report to: a server that takes CloudEvents, signed as Standard Webhooks are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its id: letters, digits, `-` and `_`.
    pub id: String,
    /// Where it is posted to: absolute http(s).
    pub url: String,
}

/// `GET /v1/webhooks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhooksState {
    /// The configured webhooks.
    pub webhooks: Vec<WebhookState>,
    /// Messages that were given up, the oldest first, at most 100; `POST /v1/webhooks/dead/{id}` sends one again.
    pub dead: Vec<DeadLetter>,
}

/// One webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookState {
    /// Its id.
    pub id: String,
    /// Where it is posted to.
    pub url: String,
    /// With which the receiver checks signatures: `whsec_` and 32 bytes in base64.
    pub secret: String,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// Messages that the receiver has taken.
    pub delivered: u64,
}

/// A message that was given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// The message's id: the CloudEvent's.
    pub id: String,
    /// Its webhook.
    pub webhook: String,
    /// When it happened, in milliseconds since 1970.
    pub at: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// What came back last.
    pub error: String,
}

/// Everything that is wrong with a site's triggers and webhooks.
pub(crate) fn errors(triggers: &[Trigger], webhooks: &[Webhook]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut add = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
    if triggers.len() > TRIGGERS {
        add("/triggers".into(), format!("{} triggers; at most {TRIGGERS} are allowed", triggers.len()));
    }
    if webhooks.len() > WEBHOOKS {
        add("/webhooks".into(), format!("{} webhooks; at most {WEBHOOKS} are allowed", webhooks.len()));
    }
    let mut ids = BTreeSet::new();
    for (at, webhook) in webhooks.iter().enumerate() {
        if !is_id(&webhook.id) {
            add(format!("/webhooks/{at}/id"), "an id has letters, digits, - and _, at most 64".into());
        } else if !ids.insert(&webhook.id) {
            add(format!("/webhooks/{at}/id"), format!("`{}` is taken", webhook.id));
        }
        if !crate::site::is_http(&webhook.url) {
            let detail = format!("the address is absolute http(s), at most {URL_BYTES} bytes");
            add(format!("/webhooks/{at}/url"), detail);
        }
    }
    let mut names = BTreeSet::new();
    for (at, trigger) in triggers.iter().enumerate() {
        let place = |part: &str| format!("/triggers/{at}/{part}");
        if !is_id(&trigger.id) {
            add(place("id"), "an id has letters, digits, - and _, at most 64".into());
        } else if !names.insert(&trigger.id) {
            add(place("id"), format!("`{}` is taken", trigger.id));
        }
        let Occurrence { event, times, within_days } = &trigger.on;
        if !is_event(event) {
            add(place("on/event"), format!("an event's name has 1 to {EVENT_NAME_BYTES} bytes"));
        }
        if *event == trigger.event() {
            add(place("on/event"), "a trigger cannot begin itself".into());
        }
        if !(1..=1_000).contains(times) {
            add(place("on/times"), format!("{times} is not between 1 and 1000"));
        }
        if !(1..=MOST_DAYS).contains(within_days) {
            add(place("on/within_days"), format!("{within_days} is not between 1 and {MOST_DAYS}"));
        }
        if trigger.rest_minutes > MOST_MINUTES {
            add(place("rest_minutes"), format!("{} is more than {MOST_MINUTES}", trigger.rest_minutes));
        }
        if let Some(Absence { events, within_minutes }) = &trigger.unless {
            if !(1..=MOST_MINUTES).contains(within_minutes) {
                let detail = format!("{within_minutes} is not between 1 and {MOST_MINUTES}");
                add(place("unless/within_minutes"), detail);
            }
            if events.len() > 16 || !events.iter().all(|event| is_event(event)) {
                let detail = format!("at most 16 events, each with a name of 1 to {EVENT_NAME_BYTES} bytes");
                add(place("unless/events"), detail);
            }
        }
        for (index, webhook) in trigger.webhooks.iter().enumerate() {
            if !ids.contains(webhook) {
                add(place(&format!("webhooks/{index}")), format!("there is no webhook `{webhook:.64}`"));
            }
        }
    }
    errors
}

impl Trigger {
    /// The event that its firing is.
    #[must_use]
    pub fn event(&self) -> String {
        Self::event_of(&self.id)
    }

    /// The same by the trigger's id.
    #[must_use]
    pub fn event_of(trigger: &str) -> String {
        format!("trigger:{trigger}")
    }

    /// The events that must be remembered for it.
    pub fn counted(&self) -> impl Iterator<Item = &str> {
        let absent = self.unless.iter().flat_map(|absence| &absence.events);
        std::iter::once(&self.on.event).chain(absent).map(String::as_str)
    }
}

fn is_id(id: &str) -> bool {
    (1..=64.min(NAME_BYTES)).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_event(event: &str) -> bool {
    (1..=EVENT_NAME_BYTES).contains(&event.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wrong(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut config = json!({
            "triggers": [{
                "id": "abandoned", "on": { "event": "application_opened" },
                "unless": { "events": ["stage:applied"], "within_minutes": 10 }, "webhooks": ["crm"],
            }],
            "webhooks": [{ "id": "crm", "url": "https://crm.example.com/portico" }],
        });
        change(&mut config);
        let triggers: Vec<Trigger> = serde_json::from_value(config["triggers"].take()).unwrap();
        let webhooks: Vec<Webhook> = serde_json::from_value(config["webhooks"].take()).unwrap();
        errors(&triggers, &webhooks).into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert_eq!(wrong(|_| {}), Vec::<String>::new());
        let check = |pointer: &str, value: Value| {
            let found = wrong(|config| *config.pointer_mut(pointer).unwrap() = value.clone());
            assert_eq!(found, [pointer], "{value}");
        };
        check("/triggers/0/id", json!("a b"));
        check("/triggers/0/on/event", json!(""));
        check("/triggers/0/on/event", json!("trigger:abandoned"));
        check("/triggers/0/unless/within_minutes", json!(0));
        check("/triggers/0/unless/events", json!([""]));
        check("/triggers/0/webhooks/0", json!("erp"));
        check("/webhooks/0/url", json!("ftp://crm.example.com"));
        let both = wrong(|config| {
            let trigger = config["triggers"][0].clone();
            config["triggers"].as_array_mut().unwrap().push(trigger);
            config["triggers"][0]["rest_minutes"] = json!(u32::MAX);
            config["triggers"][0]["on"]["times"] = json!(0);
            config["triggers"][0]["on"]["within_days"] = json!(91);
        });
        let expect =
            ["/triggers/0/on/times", "/triggers/0/on/within_days", "/triggers/0/rest_minutes", "/triggers/1/id"];
        assert_eq!(both, expect);
    }
}
