use std::collections::BTreeMap;

use portico_engine::config::Config;
use portico_engine::evaluate::{ModelPropensities, PropensityError, model_propensities};
use portico_engine::{Arm, Ask, Facts, Filled, Model, Policy, Predictor, Question, Seed, decide};
use serde_json::{Value, json};

fn policy(arms: Value) -> Policy {
    let offer = |id: &str, click: f64| json!({ "id": id, "group": "all", "values": { "revenue": { "click": click } } });
    let config: Config = serde_json::from_value(json!({
        "attributes": [],
        "stages": [{ "id": "click", "prior_rate": 0.05 }],
        "kpis": [{ "id": "revenue", "weight": 1.0 }],
        "groups": [{ "id": "all" }, { "id": "none" }],
        "offers": [offer("card", 1.1), offer("loan", 1.0), offer("saver", 0.9)],
        "placements": [{ "id": "hero" }, { "id": "side" }, { "id": "foot" }, { "id": "attic" },
            { "id": "empty", "groups": ["none"] }],
        "arms": arms,
        "model": { "exploration": 1.0 },
    }))
    .unwrap();
    let (policy, errors) = Policy::compile(&config);
    assert_eq!(errors, []);
    policy
}

const MODEL: fn() -> Value = || json!({ "control": 0.0, "explore": 0.0, "period_days": 7 });

fn ask<T>(placements: &[&str], seed: u64, act: impl FnOnce(&Question<'_>) -> T) -> T {
    let asks: Vec<_> = placements.iter().map(|placement| Ask { placement, count: None }).collect();
    act(&Question {
        facts: &Facts::default(),
        sticky: "a",
        channel: "web",
        dismissals: &[],
        seen: &[],
        placements: &asks,
        now_ms: 1_000_000,
        seed: Seed(seed),
        site_key: &[9; 16],
    })
}

fn of(placements: &[&str], placement: &str, draws: u32) -> Result<ModelPropensities, PropensityError> {
    let policy = policy(MODEL());
    ask(placements, 7, |question| {
        model_propensities(&policy, &Predictor::new(&policy, Model::default()), question, placement, draws)
    })
}

/// How often each offer comes first in the last placement over decisions with seeds of their own.
fn counted(placements: &[&str]) -> BTreeMap<String, f64> {
    const DECISIONS: u32 = 8_000;
    let policy = policy(MODEL());
    let predictor = Predictor::new(&policy, Model::default());
    let mut counts = BTreeMap::new();
    for seed in 0..DECISIONS {
        let decision = ask(placements, u64::from(seed), |question| decide(&policy, &predictor, question));
        let Some(Filled::Offers(offers)) = decision.placements.last() else { panic!("nothing was eligible") };
        *counts.entry(offers[0].offer.clone()).or_insert(0.0) += 1.0 / f64::from(DECISIONS);
    }
    counts
}

#[test]
fn counted_probabilities_are_those_of_many_decisions() {
    for placements in [["hero"].as_slice(), ["hero", "side"].as_slice()] {
        let estimated = of(placements, placements[placements.len() - 1], 8_000).unwrap();
        let counted = counted(placements);
        assert_eq!(estimated.offers.len(), 3);
        let sum: f64 = estimated.offers.values().sum::<f64>() + estimated.nothing;
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        for (offer, probability) in &estimated.offers {
            // Five standard deviations of the difference of two counted shares.
            assert!((probability - counted[offer]).abs() < 0.04, "{offer}: {probability}, counted {}", counted[offer]);
        }
    }
    let hero = of(&["hero"], "hero", 8_000).unwrap().offers;
    assert!(hero["card"] > hero["loan"] && hero["loan"] > hero["saver"], "{hero:?}");
}

#[test]
fn the_same_question_gets_the_same_probabilities_whatever_is_asked_for_behind_it() {
    assert_eq!(of(&["hero"], "hero", 50), of(&["hero"], "hero", 50));
    assert_eq!(of(&["hero", "side", "foot"], "hero", 50), of(&["hero"], "hero", 50));
}

#[test]
fn no_eligible_offer_has_probability_nothing() {
    let one = of(&["hero"], "hero", 1).unwrap();
    let mut probabilities: Vec<f64> = one.offers.into_values().collect();
    probabilities.sort_by(f64::total_cmp);
    assert_eq!(probabilities, [0.25, 0.25, 0.5]);
}

#[test]
fn what_cannot_be_counted_is_said() {
    assert_eq!(of(&["hero"], "hero", 0), Err(PropensityError::NoDraws));
    assert_eq!(of(&["hero"], "side", 10), Err(PropensityError::UnknownPlacement));
    assert_eq!(of(&["cellar"], "cellar", 10), Err(PropensityError::UnknownPlacement));
    assert_eq!(of(&["empty"], "empty", 10), Err(PropensityError::NothingEligible));
    // Three offers fill the first three slots.
    assert_eq!(of(&["hero", "side", "foot", "attic"], "attic", 10), Err(PropensityError::NothingEligible));
    for (arms, arm) in [
        (json!({ "control": 1.0, "explore": 0.0, "period_days": 7 }), Arm::Control),
        (json!({ "control": 0.0, "explore": 1.0, "period_days": 7 }), Arm::Explore),
    ] {
        let policy = policy(arms);
        let answer = ask(&["hero"], 7, |question| {
            model_propensities(&policy, &Predictor::new(&policy, Model::default()), question, "hero", 10)
        });
        assert_eq!(answer, Err(PropensityError::NotTheModel(arm)));
    }
}
