//! A small site and its visitors, for tests.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail by panicking, helpers of tests too"
)]

pub mod golden;

use portico_engine::config::Config;
use portico_engine::{
    Arm, Ask, Decision, Dismissal, Exclusion, Facts, Filled, Learner, Model, Observation, Place, Policy, Predictor,
    Progress, Question, Seed, Seen, Source, Step, explain,
};
use serde_json::json;

/// Nothing learned yet.
pub fn untaught(policy: &Policy) -> Predictor {
    Predictor::new(policy, Model::default())
}

pub fn config() -> serde_json::Value {
    json!({
        "attributes": [
            { "name": "topic", "type": "text", "source": "context" },
            { "name": "age", "type": "number", "source": "identity", "bins": [25.0, 60.0] },
            { "name": "products", "type": "set", "source": "identity" },
        ],
        "stages": [{ "id": "click", "prior_rate": 0.05 }, { "id": "applied", "prior_rate": 0.2 }],
        "kpis": [{ "id": "revenue", "weight": 1.0 }],
        "groups": [
            { "id": "all" },
            { "id": "credit", "parent": "all", "rule": { "attr": "age", "op": "ge", "value": 18 } },
        ],
        "offers": [
            { "id": "saver", "group": "all", "values": { "revenue": { "click": 1.0, "applied": 5.0 } } },
            { "id": "loan", "group": "credit", "values": { "revenue": { "click": 1.0, "applied": 5.0 } } },
            { "id": "card", "group": "credit", "rule": { "not": { "holds": "card" } },
              "values": { "revenue": { "click": 1.0, "applied": 5.0 } } },
            { "id": "kiosk", "group": "all", "channels": ["kiosk"] },
            { "id": "past", "group": "all", "ends_at": 1000 },
        ],
        "placements": [{ "id": "hero" }, { "id": "list", "count": 3 }, { "id": "credit", "groups": ["credit"] }],
        "channels": ["web", "kiosk"],
        "arms": { "control": 0.2, "explore": 0.3, "period_days": 7 },
    })
}

pub fn policy_of(config: serde_json::Value) -> Policy {
    let (policy, errors) = Policy::compile(&serde_json::from_value::<Config>(config).unwrap());
    assert_eq!(errors, []);
    policy
}

pub struct Case {
    pub facts: Facts,
    pub sticky: String,
    pub channel: &'static str,
    pub dismissals: Vec<Dismissal>,
    pub seen: Vec<Seen>,
    pub now_ms: u64,
    pub seed: u64,
}

impl Case {
    pub fn new(sticky: &str) -> Self {
        let mut facts = Facts::default();
        facts.insert(Source::Context, "topic", "savings");
        facts.insert(Source::Identity, "age", 30);
        facts.insert(Source::Identity, "products", json!([]));
        Self {
            facts,
            sticky: sticky.into(),
            channel: "web",
            dismissals: vec![],
            seen: vec![],
            now_ms: 1_000_000,
            seed: 1,
        }
    }

    pub fn ask<T>(&self, placements: &[&str], act: impl FnOnce(&Question<'_>) -> T) -> T {
        let asks: Vec<_> = placements.iter().map(|placement| Ask { placement, count: None }).collect();
        act(&Question {
            facts: &self.facts,
            sticky: &self.sticky,
            channel: self.channel,
            dismissals: &self.dismissals,
            seen: &self.seen,
            placements: &asks,
            now_ms: self.now_ms,
            seed: Seed(self.seed),
            site_key: &[9; 16],
        })
    }

    pub fn exclusion(&self, policy: &Policy, offer: &str) -> Option<Exclusion> {
        let (_, trace) = self.ask(&["list"], |question| explain(policy, &untaught(policy), question));
        trace[0].offers.iter().find(|entry| entry.offer == offer).and_then(|entry| entry.excluded.clone())
    }
}

pub fn shown(decision: &Decision) -> Vec<&str> {
    let offers = decision.placements.iter().flat_map(|filled| match filled {
        Filled::Offers(offers) => offers.as_slice(),
        Filled::UnknownPlacement | Filled::NothingEligible => &[],
    });
    offers.map(|chosen| chosen.offer.as_str()).collect()
}

/// An impression on a topic's page at the beginning of the record.
pub fn impression(policy: &Policy, topic: &str, offer: &str, showing: u64) -> Observation {
    let mut facts = Facts::default();
    facts.insert(Source::Context, "topic", topic);
    Observation {
        showing,
        offer: offer.into(),
        placement: "hero".into(),
        rank: 1,
        channel: "web".into(),
        arm: Arm::Model,
        features: policy.features(&policy.slots(&facts)),
        promised: vec![0.02, 0.1],
        compared: None,
        entrant: None,
        step: Step::Impression,
        before: Progress::default(),
        impression: None,
        since_ms: None,
        place: Place { shard: 0, seq: 1 },
        at_ms: 1_000_000,
    }
}

/// A showing on a topic's page, and its click.
pub fn answer(policy: &Policy, learner: &mut Learner, topic: &str, offer: &str, clicks: bool, seq: u64) {
    let mut row = impression(policy, topic, offer, seq);
    (row.place.seq, row.at_ms) = (seq * 2 + 1, row.at_ms + seq);
    learner.fold(policy, &row);
    if clicks {
        (row.impression, row.since_ms) = (Some(row.place), Some(row.at_ms));
        row.before = row.before.after(Step::Impression);
        (row.step, row.place.seq) = (Step::Stage(0), seq * 2 + 2);
        learner.fold(policy, &row);
    }
}
