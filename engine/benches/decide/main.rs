//! How fast the engine decides, lays out a snapshot, and learns. `cargo xtask bench engine`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark fails by panicking and says what it finds"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portico_engine::config::Config;
use portico_engine::{
    Arm, Ask, Facts, Learner, Model, Observation, Place, Policy, Predictor, Progress, Question, Seed, Source, Step,
    decide, explain,
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

fn taught(policy: &Policy, offers: usize) -> Model {
    let mut learner = Learner::default();
    rows(policy, offers, offers * 30).iter().for_each(|row| learner.fold(policy, row));
    learner.model
}

fn engine(criterion: &mut Criterion) {
    let asks = ["hero", "list", "side"].map(|placement| Ask { placement, count: None });
    for offers in [100, 1_000] {
        let policy = site(offers);
        let model = taught(&policy, offers);
        let compact = model.encode_compact();
        let predictor = Predictor::new(&policy, model);
        let visitors: Vec<Facts> = (0..256).map(visitor).collect();
        let question = |n: usize| Question {
            facts: &visitors[n % visitors.len()],
            sticky: "somebody",
            channel: "web",
            dismissals: &[],
            seen: &[],
            placements: &asks,
            now_ms: NOW_MS,
            seed: Seed(n as u64),
            site_key: &[7; 16],
        };
        let mut group = criterion.benchmark_group("engine");
        let mut n = 0;
        group.bench_function(BenchmarkId::new("decide 3 placements", offers), |bencher| {
            bencher.iter(|| {
                n += 1;
                black_box(decide(&policy, &predictor, &question(n)))
            });
        });
        group.bench_function(BenchmarkId::new("explain 3 placements", offers), |bencher| {
            bencher.iter(|| black_box(explain(&policy, &predictor, &question(1))));
        });
        group.bench_function(BenchmarkId::new("decode and lay out a snapshot", offers), |bencher| {
            bencher.iter(|| black_box(Predictor::new(&policy, Model::decode(black_box(&compact)).unwrap())));
        });
        let rows = rows(&policy, offers, 2_000);
        group.throughput(Throughput::Elements(rows.len() as u64));
        let mut learner = Learner::default();
        learner.model = Model::decode(&compact).unwrap();
        group.bench_function(BenchmarkId::new("fold", offers), |bencher| {
            bencher.iter(|| rows.iter().for_each(|row| learner.fold(&policy, row)));
        });
        group.finish();
        println!("snapshot of {offers} offers: {} bytes", compact.len());
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
