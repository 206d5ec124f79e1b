//! What the engine's benchmark decides: a site, its visitors and a model that has been taught. Natively under criterion,
//! and inside workerd.

use portico_engine::config::Config;
use portico_engine::{
    Arm, Ask, Decision, Facts, Learner, Model, Observation, Place, PlacementTrace, Policy, Predictor, Progress,
    Question, Seed, Source, Step, decide, explain,
};

use crate::world;

const NOW_MS: u64 = 1_790_000_000_000;

fn site(offers: usize) -> Policy {
    let (policy, errors) = Policy::compile(&serde_json::from_value::<Config>(world::decisions(offers)).unwrap());
    assert_eq!(errors, []);
    policy
}

/// Visitor number `n`.
fn visitor(n: usize) -> Facts {
    let mut facts = Facts::default();
    facts.extend(Source::Context, world::facts(n).into_iter().collect());
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
