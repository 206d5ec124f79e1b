//! The same public before the engine alone, without an edge: many runs in seconds, so that luck cannot hide a fault.

use fastrand::Rng;
use portico_engine::config::Config;
use portico_engine::{
    Arm, Ask, Facts, Filled, Learner, Observation, Place, Policy, Predictor, Progress, Question, Seed, Source, Step,
    decide,
};

use super::judge::Judge;
use super::report::Report;
use super::world::Visit;

/// Visits at most between a visit and the first decision that knows of it.
const LAG: u64 = 100;
/// Time between two visits.
const VISIT_MS: u64 = 8;
const START_MS: u64 = 1_790_000_000_000;
const SITE_KEY: [u8; 16] = *b"the rehearsal!!!";

fn rehearse(decisions: &Config, seed: u64, visits: u64) -> Report {
    let (policy, errors) = Policy::compile(decisions);
    assert_eq!(errors, []);
    let judge = Judge::new(decisions).unwrap();
    let mut rng = Rng::with_seed(seed);
    let mut learner = Learner::default();
    let mut predictor = Predictor::new(&policy, learner.model.clone());
    let mut record = Vec::new();
    let mut report = Report::default();
    for number in 0..visits {
        if number % LAG == 0 {
            record.drain(..).for_each(|row| learner.fold(&policy, &row));
            predictor = Predictor::new(&policy, learner.model.clone());
        }
        let visit = Visit::draw(&mut rng, number);
        let now_ms = START_MS + number * VISIT_MS;
        let (facts, sticky) = (facts(&visit), format!("{seed} {number}"));
        let question = Question {
            facts: &facts,
            sticky: &sticky,
            channel: "web",
            dismissals: &[],
            seen: &[],
            placements: &[Ask { placement: visit.placement, count: None }],
            now_ms,
            seed: Seed::of_decision(&SITE_KEY, &sticky),
            site_key: &SITE_KEY,
        };
        let decision = decide(&policy, &predictor, &question);
        let Some(Filled::Offers(offers)) = decision.placements.first() else {
            panic!("nothing for {visit:?}");
        };
        let shown: Vec<&str> = offers.iter().map(|offer| offer.offer.as_str()).collect();
        let reached = visit.react(&shown);
        for ((rank, offer), reached) in (1_u32..).zip(offers).zip(&reached) {
            let mut before = Progress::default();
            for step in [Step::Impression, Step::Stage(0), Step::Stage(1)].into_iter().take(usize::from(*reached) + 1) {
                // Each visit has room for 64 rows in the record.
                let place = |step: u64| Place { shard: 0, seq: number * 64 + u64::from(rank) * 3 + step };
                record.push(Observation {
                    showing: number * 64 + u64::from(rank),
                    offer: offer.offer.clone(),
                    placement: visit.placement.to_owned(),
                    rank,
                    channel: "web".to_owned(),
                    arm: decision.arm,
                    features: decision.features.clone(),
                    promised: offer.promised.clone(),
                    compared: None,
                    entrant: None,
                    step,
                    before,
                    impression: Some(place(0)),
                    since_ms: before.seen.then_some(now_ms),
                    place: place(u64::from(before.seen) + u64::from(before.reached)),
                    at_ms: now_ms,
                });
                before = before.after(step);
            }
        }
        report.add(judge.judge(&visit, decision.arm, &shown, &reached, now_ms).unwrap());
    }
    report
}

/// What the edge would know of the visitor.
fn facts(visit: &Visit) -> Facts {
    let mut facts = Facts::default();
    for (name, value) in [
        ("topic", visit.topic),
        ("device", "desktop"),
        ("language", "en"),
        ("referrer", "none"),
        ("publisher", if visit.on_partner { "roadbook" } else { "none" }),
    ] {
        facts.insert(Source::Context, name, value);
    }
    facts.insert(Source::Context, "hour", 8);
    if visit.consents {
        facts.insert(Source::Behaviour, "visits", 1);
        facts.insert(Source::Behaviour, "interest", visit.topic);
        if let Some((_, attributes)) = &visit.customer {
            facts.extend(Source::Identity, attributes.clone().into_iter().collect());
        }
    }
    facts
}

#[test]
fn whoever_comes_first_each_kind_is_found_out() {
    let text = crate::publish::CONFIGURATION;
    let site: serde_json::Value = serde_json::from_str(text).unwrap();
    let decisions: Config = serde_json::from_value(site["decisions"].clone()).unwrap();
    for seed in 1..=8 {
        let report = rehearse(&decisions, seed, 20_000);
        // Those whom the bank knows: each comes some 1,000 times in the last quarter.
        for served in report.served().into_iter().filter(|served| served.kind.starts_with("like ")) {
            assert_eq!(served.leader, served.best, "seed {seed}, {}:\n{report}", served.kind);
        }
        let share = report.late_share_of_lift().unwrap();
        assert!(share > 0.7, "seed {seed}: only {share:.2} of the possible lift:\n{report}");
        let (model, control) = (report.late_click_rate(Arm::Model), report.late_click_rate(Arm::Control));
        assert!(model > control * 2.0, "seed {seed}: model {model:.3}, control {control:.3}");
    }
}
