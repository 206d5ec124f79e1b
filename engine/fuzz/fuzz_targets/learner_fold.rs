//! Any rows into a learner: folded without a panic, and what comes of them is written as it reads.
//!
//! `cargo +nightly fuzz run learner_fold fuzz/corpus/learner_fold fuzz/seeds/learner_fold` in `engine`. The input is
//! a list of rows in postcard's form.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portico_engine::config::Config;
use portico_engine::{Learner, Observation, Policy, Predictor};
use serde_json::{from_value, json};

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let config = json!({
        "attributes": [{ "name": "topic", "type": "text", "source": "context" }],
        "stages": [{ "id": "click" }, { "id": "applied" }],
        "kpis": [{ "id": "revenue", "weight": 1.0 }],
        "groups": [{ "id": "all" }],
        "offers": [{ "id": "a", "group": "all" }, { "id": "b", "group": "all" }],
        "placements": [{ "id": "hero" }],
        "channels": ["web", "kiosk"],
        "model": { "half_life_days": 1.0, "change_keeps": 0.1 },
    });
    let (policy, errors) = Policy::compile(&from_value::<Config>(config).unwrap());
    assert!(errors.is_empty());
    policy
});

fuzz_target!(|input: &[u8]| {
    let Ok(rows) = postcard::from_bytes::<Vec<Observation>>(input) else { return };
    let mut learner = Learner::default();
    rows.iter().for_each(|row| learner.fold(&POLICY, row));
    let written = learner.encode();
    let read = Learner::decode(&written).expect("what was written is read");
    assert_eq!(read.encode(), written);
    let _ = Predictor::new(&POLICY, read.model);
});
