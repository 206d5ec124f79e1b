//! What the engine's benchmark decides: a site, its visitors and a model that has been taught. Natively under criterion,
//! and inside workerd.

use portico_engine::config::Config;
use portico_engine::{
    Arm, Ask, Decision, Facts, Learner, Model, Observation, Place, PlacementTrace, Policy, Predictor, Progress,
    Question, Seed, Source, Step, decide, explain,
};
use serde_json::{Value, json};

/// Attributes with ten values each: a decision has so many active features.
const ATTRIBUTES: usize = 40;
const VALUES: usize = 10;
const NOW_MS: u64 = 1_790_000_000_000;

/// A site with so many offers in groups of 25, a rule on every other offer and on every group.
fn site(offers: usize) -> Policy {
    let attributes: Vec<Value> = (0..ATTRIBUTES)
        .map(|at| match at % 2 {
            0 => json!({ "name": format!("number{at}"), "type": "number", "source": "context",
                         "bins": (1..VALUES).map(|edge| edge as f64).collect::<Vec<_>>() }),
            _ => json!({ "name": format!("word{at}"), "type": "text", "source": "context" }),
        })
        .collect();
    let groups: Vec<Value> = (0..offers.div_ceil(25))
        .map(|at| json!({ "id": format!("group{at}"), "rule": { "attr": "number0", "op": "ge", "value": -1 } }))
        .collect();
    let offers: Vec<Value> = (0..offers)
        .map(|at| {
            let mut offer = json!({ "id": format!("offer{at}"), "group": format!("group{}", at / 25),
                "values": { "revenue": { "click": 1.0, "applied": 20.0 }, "cost": { "click": -0.1 } } });
            if at % 2 == 0 {
                offer["rule"] = json!({ "any": [
                    { "attr": "word1", "op": "in", "value": ["word3", "word5", "word7", "word9", "word1"] },
                    { "all": [{ "attr": "number2", "op": "lt", "value": 9 }, { "not": { "attr": "word3", "op": "eq", "value": "word99" } }] },
                ] });
            }
            offer
        })
        .collect();
    let config = json!({
        "attributes": attributes, "groups": groups, "offers": offers,
        "stages": [{ "id": "click" }, { "id": "applied", "prior_rate": 0.1 }],
        "kpis": [{ "id": "revenue", "weight": 1.0 }, { "id": "cost", "weight": 1.0 }],
        "placements": [{ "id": "hero" }, { "id": "list", "count": 3 }, { "id": "side", "count": 2 }],
        "arms": { "control": 0.0, "explore": 0.0, "period_days": 28 },
        "contact": [{ "per": "offer", "most": 5, "within_days": 7 }],
    });
    let (policy, errors) = Policy::compile(&serde_json::from_value::<Config>(config).unwrap());
    assert_eq!(errors, []);
    policy
}

/// Visitor number `n`.
fn visitor(n: usize) -> Facts {
    let mut facts = Facts::default();
    for at in 0..ATTRIBUTES {
        // A different value for each visitor, well mixed.
        let value = (n.wrapping_mul(2_654_435_761).wrapping_add(at * 40_503) >> 7) % VALUES;
        match at % 2 {
            0 => facts.insert(Source::Context, format!("number{at}"), value),
            _ => facts.insert(Source::Context, format!("word{at}"), format!("word{value}")),
        }
    }
    facts
}

fn rows(policy: &Policy, offers: usize, count: usize) -> Vec<Observation> {
    (0..count)
        .flat_map(|n| {
            let seen = Observation {
                showing: n as u64,
                offer: format!("offer{}", n % offers),
                placement: "hero".into(),
                rank: 1,
                channel: "web".into(),
                arm: Arm::Model,
                features: policy.features(&policy.slots(&visitor(n))),
                promised: vec![0.02, 0.1],
                compared: None,
                entrant: None,
                step: Step::Impression,
                before: Progress::default(),
                impression: None,
                since_ms: None,
                place: Place { shard: 0, seq: 2 * n as u64 + 1 },
                at_ms: NOW_MS + n as u64,
            };
            let clicked = Observation {
                step: Step::Stage(0),
                before: Progress { seen: true, reached: 0 },
                since_ms: Some(seen.at_ms),
                place: Place { shard: 0, seq: 2 * n as u64 + 2 },
                ..seen.clone()
            };
            let clicks = n % 30 == 0;
            [Some(seen), clicks.then_some(clicked)].into_iter().flatten()
        })
        .collect()
}

/// A site of some size, ready to be measured.
pub(crate) struct Subject {
    policy: Policy,
    predictor: Predictor,
    /// The taught snapshot as isolates fetch it.
    pub(crate) compact: Vec<u8>,
    visitors: Vec<Facts>,
    learner: Learner,
    /// Answers to be folded.
    pub(crate) rows: Vec<Observation>,
    asked: usize,
}

impl Subject {
    pub(crate) fn new(offers: usize) -> Self {
        let policy = site(offers);
        let mut learner = Learner::default();
        rows(&policy, offers, offers * 30).iter().for_each(|row| learner.fold(&policy, row));
        Self {
            predictor: Predictor::new(&policy, learner.model.clone()),
            compact: learner.model.encode_compact(),
            visitors: (0..256).map(visitor).collect(),
            rows: rows(&policy, offers, 2_000),
            policy,
            learner,
            asked: 0,
        }
    }

    fn ask<T>(&mut self, act: impl FnOnce(&Policy, &Predictor, &Question<'_>) -> T) -> T {
        self.asked += 1;
        let asks = ["hero", "list", "side"].map(|placement| Ask { placement, count: None });
        let question = Question {
            facts: &self.visitors[self.asked % self.visitors.len()],
            sticky: "somebody",
            channel: "web",
            dismissals: &[],
            seen: &[],
            placements: &asks,
            now_ms: NOW_MS,
            seed: Seed(self.asked as u64),
            site_key: &[7; 16],
        };
        act(&self.policy, &self.predictor, &question)
    }

    /// One decision of three placements.
    pub(crate) fn decide(&mut self) -> Decision {
        self.ask(decide)
    }

    /// The same with its full trace.
    pub(crate) fn explain(&mut self) -> (Decision, Vec<PlacementTrace>) {
        self.ask(explain)
    }

    /// What an isolate does with a snapshot that it has fetched.
    pub(crate) fn lay_out(&self) -> Predictor {
        Predictor::new(&self.policy, Model::decode(&self.compact).unwrap())
    }

    /// Folds all rows once.
    pub(crate) fn fold(&mut self) {
        self.rows.iter().for_each(|row| self.learner.fold(&self.policy, row));
    }
}
