//! Decisions that must come out the same wherever the engine runs.

use std::fmt::Write as _;

use portico_engine::{Model, Predictor, decide, explain, keyed_hash};
use serde_json::json;

use super::{Arm, Case, Learner, Source, answer, config, policy_of};

/// Decisions of all arms by a model that was taught, with their traces, and hashes of what was learned. Numbers are
/// printed so that no bit of them is lost.
pub fn golden() -> String {
    let mut config = config();
    config["channels"] = json!(["web", "kiosk"]);
    config["model"] = json!({ "half_life_days": 0.001, "exploration": 0.5 });
    let policy = policy_of(config);
    let mut learner = Learner::default();
    for seq in 0..400 {
        let (topic, offer) = [("savings", "loan"), ("loans", "saver"), ("cards", "card")][seq as usize % 3];
        answer(&policy, &mut learner, topic, offer, seq % 5 == 0, seq);
    }
    let bytes = learner.encode();
    let compact = learner.model.encode_compact();
    let mut text = format!(
        "learner {:016x} of {} bytes, snapshot {:016x} of {} bytes\n",
        keyed_hash(&[0; 16], &[&bytes]),
        bytes.len(),
        keyed_hash(&[0; 16], &[&compact]),
        compact.len(),
    );
    let predictor = Predictor::new(&policy, Model::decode(&compact).unwrap());
    let mut arms = Vec::new();
    for visitor in 0..12_u64 {
        let mut case = Case::new(&format!("golden {visitor}"));
        case.seed = visitor.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        case.channel = ["web", "kiosk"][visitor as usize % 2];
        case.facts.insert(Source::Context, "topic", ["savings", "loans", "unheard of"][visitor as usize % 3]);
        case.facts.insert(Source::Identity, "age", 15 + 7 * visitor);
        case.ask(&["hero", "list", "credit"], |question| {
            let decision = decide(&policy, &predictor, question);
            let (explained, trace) = explain(&policy, &predictor, question);
            assert_eq!(explained, decision);
            arms.push(decision.arm);
            let trace = serde_json::to_string(&trace).unwrap();
            writeln!(text, "{decision:?}\n  {:016x}", keyed_hash(&[0; 16], &[trace.as_bytes()])).unwrap();
        });
    }
    assert!([Arm::Model, Arm::Explore, Arm::Control].iter().all(|arm| arms.contains(arm)), "{arms:?}");
    text
}
