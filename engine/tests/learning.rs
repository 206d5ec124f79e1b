//! What answers teach, through the public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

mod case;

use std::collections::BTreeMap;

use case::{Case, answer, config, impression, policy_of, shown};
use portico_engine::evaluate::{Compared, Entrant};
use portico_engine::{
    Arm, DecodeError, Facts, Learner, Model, Observation, Place, Policy, Predictor, Progress, Source, Step, decide,
    explain,
};
use proptest::prelude::*;
use serde_json::json;

/// What the models in `written/` say of a click on the saver, to [`Case`]'s visitor.
const WRITTEN_RATE: f64 = 0.1095;

#[test]
fn answers_teach_who_wants_what() {
    let policy = policy_of(config());
    let mut learner = Learner::default();
    for seq in 0..1_200 {
        let (topic, offer) =
            [("savings", "saver"), ("savings", "loan"), ("loans", "saver"), ("loans", "loan")][seq % 4];
        let wanted = (topic == "savings") == (offer == "saver");
        answer(&policy, &mut learner, topic, offer, wanted && seq % 3 == 0, seq as u64);
    }
    let predictor = Predictor::new(&policy, learner.model.clone());
    for (topic, best) in [("savings", "saver"), ("loans", "loan")] {
        let mut wins = 0;
        for seed in 0..100 {
            // Some visitor of the model's arm.
            let mut case = Case::new(
                &(0..)
                    .map(|at: u32| at.to_string())
                    .find(|sticky| {
                        let case = Case::new(sticky);
                        case.ask(&["hero"], |question| decide(&policy, &predictor, question)).arm == Arm::Model
                    })
                    .unwrap(),
            );
            case.seed = seed;
            case.facts.insert(Source::Context, "topic", topic);
            let decision = case.ask(&["hero"], |question| decide(&policy, &predictor, question));
            wins += u32::from(shown(&decision) == [best]);
        }
        assert!(wins > 80, "{best} led {wins} of 100 decisions on {topic}");
    }
    let counts = &learner.tally.offers["saver"][&Arm::Model];
    assert_eq!((counts.impressions, counts.stages["click"]), (600, 100));
    assert_eq!(learner.tally.curve.iter().map(|stretch| stretch.arms[&Arm::Model].clicks).sum::<u64>(), 200);
}

/// Rows of showings on two channels whose applications come hours later, as a ledger would record them.
fn slow_rows(policy: &Policy, count: u64) -> Vec<Observation> {
    let mut rows: Vec<Observation> = Vec::new();
    for showing in 0..count {
        let (topic, offer) =
            (["savings", "loans", "cards"][showing as usize % 3], ["saver", "loan"][showing as usize % 2]);
        let mut seen = impression(policy, topic, offer, showing);
        seen.channel = if showing % 4 == 0 { "kiosk" } else { "web" }.into();
        seen.at_ms += showing * 60_000;
        rows.push(seen.clone());
        if showing % 5 == 0 {
            let clicked = Observation {
                step: Step::Stage(0),
                before: seen.before.after(seen.step),
                since_ms: Some(seen.at_ms),
                at_ms: seen.at_ms + 8_000,
                ..seen.clone()
            };
            rows.push(clicked.clone());
            if showing % 15 == 0 {
                rows.push(Observation {
                    step: Step::Stage(1),
                    before: clicked.before.after(clicked.step),
                    since_ms: Some(clicked.at_ms),
                    at_ms: clicked.at_ms + 1_800_000,
                    ..clicked
                });
            }
        }
    }
    rows.sort_by_key(|row| (row.at_ms, row.showing));
    rows.iter_mut().zip(1..).for_each(|(row, seq)| row.place.seq = seq);
    rows
}

#[test]
fn a_checkpoint_loses_nothing() {
    let mut config = config();
    config["channels"] = json!(["web", "kiosk"]);
    config["model"] = json!({ "half_life_days": 1.0, "change_keeps": 0.1 });
    let policy = policy_of(config);
    let rows = slow_rows(&policy, 400);
    let mut whole = Learner::default();
    rows.iter().for_each(|row| whole.fold(&policy, row));
    for stop in [0, 1, rows.len() / 3, rows.len() - 1] {
        let (before, after) = rows.split_at(stop);
        let mut learner = Learner::default();
        before.iter().for_each(|row| learner.fold(&policy, row));
        let mut resumed = Learner::decode(&learner.encode()).unwrap();
        assert_eq!(resumed, learner);
        after.iter().for_each(|row| resumed.fold(&policy, row));
        assert_eq!(resumed.encode(), whole.encode(), "stopped after {stop} rows");
    }
}

/// The same rows in the same order, numbered as one shard or as sixteen would number them.
#[test]
fn shards_do_not_change_the_model() {
    let policy = policy_of(config());
    let rows = slow_rows(&policy, 400);
    let fold = |shards: u64| {
        let (mut learner, mut seqs) = (Learner::default(), BTreeMap::new());
        for row in &rows {
            let shard = (row.showing % shards) as u16;
            let seq = seqs.entry(shard).and_modify(|seq| *seq += 1).or_insert(1_u64);
            learner.fold(&policy, &Observation { place: Place { shard, seq: *seq }, ..row.clone() });
        }
        learner.model.encode()
    };
    assert_eq!(fold(16), fold(1));
}

/// Rows as they may come from a record whose configuration, clock or sender was another.
fn any_row() -> impl Strategy<Value = Observation> {
    let features = prop::collection::vec(any::<u32>(), 0..40);
    let promised = prop::collection::vec(any::<f32>(), 0..4);
    let step = prop_oneof![
        Just(Step::Impression),
        Just(Step::Dismissal),
        (0_u8..3).prop_map(Step::Stage),
        any::<u8>().prop_map(Step::Stage),
        (0_u8..4).prop_map(Step::Withdrawal)
    ];
    let offer = prop::sample::select(vec!["saver", "loan", "card", "kiosk", "nobody's"]);
    let arm = prop::sample::select(vec![Arm::Model, Arm::Explore, Arm::Control]);
    let channel = prop::sample::select(vec!["web", "kiosk", "fax"]);
    let at_ms = prop_oneof![0..10_000_000_u64, Just(u64::MAX), any::<u64>()];
    let compared = prop::option::of((0_u64..3, any::<bool>(), any::<bool>(), any::<Option<f64>>()));
    let compared = compared.prop_map(|compared| {
        compared.map(|(candidate, by_candidate, by_live, by_chance)| Compared {
            candidate,
            by_candidate,
            by_live,
            by_chance,
        })
    });
    let entrant = prop::option::of((any::<u64>(), prop_oneof![Just(0_u64), 0..10_000_000_u64, any::<u64>()]));
    let entrant = entrant.prop_map(|entrant| entrant.map(|(id, entered_ms)| Entrant { id, entered_ms }));
    let rest = (any::<bool>(), 0_u8..5, any::<Option<u64>>(), 0_u64..50, any::<u16>(), any::<u64>());
    (features, promised, (compared, arm, entrant), step, offer, channel, at_ms, rest).prop_map(
        |(
            features,
            promised,
            (compared, arm, entrant),
            step,
            offer,
            channel,
            at_ms,
            (seen, reached, since_ms, showing, shard, seq),
        )| {
            Observation {
                showing,
                offer: offer.into(),
                placement: "hero".into(),
                rank: 1,
                channel: channel.into(),
                arm,
                features,
                promised,
                compared,
                entrant,
                step,
                before: Progress { seen, reached },
                impression: seen.then_some(Place { shard, seq }),
                since_ms,
                place: Place { shard, seq },
                at_ms,
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_folded_is_read_back_and_decides(rows in prop::collection::vec(any_row(), 0..60)) {
        let mut config = config();
        config["channels"] = json!(["web", "kiosk"]);
        config["model"] = json!({ "half_life_days": 1.0, "change_keeps": 0.1 });
        let policy = policy_of(config);
        let mut learner = Learner::default();
        rows.iter().for_each(|row| learner.fold(&policy, row));
        prop_assert_eq!(Learner::decode(&learner.encode()), Ok(learner.clone()));
        let compact = Model::decode(&learner.model.encode_compact()).unwrap();
        for model in [learner.model.clone(), compact] {
            let predictor = Predictor::new(&policy, model);
            let (_, trace) = Case::new("a").ask(&["list"], |question| explain(&policy, &predictor, question));
            for stage in trace[0].offers.iter().flat_map(|entry| &entry.stages) {
                prop_assert!((0.0..=1.0).contains(&stage.mean) && (0.0..=1.0).contains(&stage.sampled), "{:?}", stage);
                prop_assert!(stage.deviation.is_finite() && stage.deviation > 0.0, "{:?}", stage);
            }
        }
    }
}

/// Only who reads about savings and is young, or neither, clicks: no single fact says anything.
#[test]
fn a_pair_of_facts_is_learned_where_it_is_configured() {
    let rates = |crosses: serde_json::Value| {
        let mut config = config();
        config["crosses"] = crosses;
        let policy = policy_of(config);
        let mut learner = Learner::default();
        let facts = |topic: &str, age: u32| {
            let mut facts = Facts::default();
            facts.insert(Source::Context, "topic", topic);
            facts.insert(Source::Identity, "age", age);
            facts
        };
        let kinds = [("savings", 20, true), ("savings", 40, false), ("loans", 20, false), ("loans", 40, true)];
        for showing in 0..4_000 {
            let (topic, age, wants) = kinds[showing as usize % 4];
            let mut row = impression(&policy, topic, "saver", showing);
            row.features = policy.features(&policy.slots(&facts(topic, age)));
            row.at_ms += showing;
            learner.fold(&policy, &row);
            if wants && showing / 4 % 5 == 0 {
                (row.before, row.since_ms) = (row.before.after(row.step), Some(row.at_ms));
                row.step = Step::Stage(0);
                learner.fold(&policy, &row);
            }
        }
        let predictor = Predictor::new(&policy, learner.model);
        kinds.map(|(topic, age, _)| {
            let mut case = Case::new("a");
            case.facts = facts(topic, age);
            let (_, trace) = case.ask(&["list"], |question| explain(&policy, &predictor, question));
            trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap().stages[0].mean
        })
    };
    for rate in rates(json!([])) {
        assert!((rate - 0.1).abs() < 0.02, "without the pair all are alike: {rate}");
    }
    let [young_saver, saver, young, neither] = rates(json!([["topic", "age"]]));
    assert!(young_saver > 0.15 && neither > 0.15, "{young_saver}, {neither}");
    assert!(saver < 0.03 && young < 0.03, "{saver}, {young}");
}

/// A thousand showings with a promise of 20 % kept, then as many with it broken.
#[test]
fn broken_promises_make_it_forget_where_that_is_wanted() {
    let learn = |keeps: serde_json::Value| {
        let mut config = config();
        config["model"] = json!({ "half_life_days": null, "change_keeps": keeps });
        let policy = policy_of(config);
        let mut learner = Learner::default();
        for showing in 0..2_000 {
            let mut row = impression(&policy, "savings", "saver", showing);
            (row.promised, row.at_ms) = (vec![0.2], row.at_ms + showing);
            learner.fold(&policy, &row);
            if showing % 5 == 0 && showing < 1_000 {
                (row.before, row.since_ms) = (row.before.after(row.step), Some(row.at_ms));
                row.step = Step::Stage(0);
                learner.fold(&policy, &row);
            }
        }
        let predictor = Predictor::new(&policy, learner.model.clone());
        let mut case = Case::new("a");
        case.facts = Facts::default();
        case.facts.insert(Source::Context, "topic", "savings");
        let (_, trace) = case.ask(&["list"], |question| explain(&policy, &predictor, question));
        (learner, trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap().stages[0].clone())
    };
    let ((firm, kept), (shaken, given_up)) = (learn(json!(null)), learn(json!(0.1)));
    assert!(firm.changes().is_empty(), "nobody asked to look");
    // First it is seen by the offer's own promises, then by all, which need more evidence.
    let mut found = shaken.changes().iter().map(|change| (change.at_ms - 1_000_000, change.offer.as_deref()));
    let (Some((own, Some("saver"))), Some((all, None))) = (found.next(), found.next()) else {
        panic!("{:?}", shaken.changes());
    };
    assert!((1_050..1_110).contains(&own) && (1_110..1_300).contains(&all), "{:?}", shaken.changes());
    assert!(given_up.deviation > kept.deviation, "less is known: {given_up:?}, {kept:?}");
    assert!(given_up.mean < kept.mean * 0.7, "and what is new weighs more: {given_up:?}, {kept:?}");
}

#[test]
fn a_stage_of_an_older_configuration_teaches_nothing() {
    let policy = policy_of(config());
    let mut learner = Learner::default();
    let mut row = impression(&policy, "savings", "saver", 1);
    learner.fold(&policy, &row);
    let before = learner.model.clone();
    (row.before, row.step) = (row.before.after(row.step), Step::Stage(200));
    learner.fold(&policy, &row);
    assert_eq!(learner.model, before);
    assert_eq!(Learner::decode(&learner.encode()), Ok(learner));
}

/// Written by the first release of the format, by this test with `PORTICO_WRITE_MODELS` set; so are the fuzz target's
/// seeds. When the format changes, what reads this must go on reading it, or refuse it by its version, upon which the
/// learner is made again from the record.
#[test]
fn a_model_written_before_is_read_today() {
    let policy = policy_of(config());
    let mut learner = Learner::default();
    let rows = slow_rows(&policy, 60);
    rows.iter().for_each(|row| learner.fold(&policy, row));
    if std::env::var_os("PORTICO_WRITE_MODELS").is_some() {
        let seed = format!("{}/fuzz/seeds/learner_fold/rows.bin", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(seed, postcard::to_stdvec(&rows[..20]).unwrap()).unwrap();
    }
    for (file, today) in [("exact", learner.model.encode()), ("compact", learner.model.encode_compact())] {
        let path = format!("{}/tests/written/model-3-{file}.bin", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("PORTICO_WRITE_MODELS").is_some() {
            std::fs::write(&path, &today).unwrap();
        }
        let written = std::fs::read(&path).unwrap();
        let model = Model::decode(&written).unwrap();
        let again = if file == "exact" { model.encode() } else { model.encode_compact() };
        assert!(again == written, "{file}: what was read is not written as it was");
        let predictor = Predictor::new(&policy, model);
        let (_, trace) = Case::new("a").ask(&["list"], |question| explain(&policy, &predictor, question));
        let mean = trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap().stages[0].mean;
        assert!((mean - WRITTEN_RATE).abs() < 0.001, "{file}: {mean}");
        let mut newer = written;
        newer[3] += 1;
        assert_eq!(Model::decode(&newer), Err(DecodeError::Version), "{file}");
    }
}

#[test]
fn a_compact_model_decides_almost_as_the_exact_one() {
    let policy = policy_of(config());
    let mut learner = Learner::default();
    slow_rows(&policy, 2_000).iter().for_each(|row| learner.fold(&policy, row));
    let (exact, compact) = (learner.model.encode(), learner.model.encode_compact());
    assert!(compact.len() * 3 < exact.len() * 2, "{} of {}", compact.len(), exact.len());
    let rate = |model: Model| {
        let predictor = Predictor::new(&policy, model);
        let (_, trace) = Case::new("a").ask(&["list"], |question| explain(&policy, &predictor, question));
        let saver = trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap();
        saver.stages.iter().map(|stage| stage.mean).collect::<Vec<f64>>()
    };
    for (near, exact) in rate(Model::decode(&compact).unwrap()).iter().zip(rate(learner.model)) {
        assert!((near / exact - 1.0).abs() < 0.01, "{near} for {exact}");
    }
}

#[test]
fn a_channel_departs_only_with_evidence() {
    let mut config = config();
    config["channels"] = json!(["web", "kiosk"]);
    let policy = policy_of(config);
    let mut learner = Learner::default();
    let click_rate = |learner: &Learner, channel: &'static str| {
        let predictor = Predictor::new(&policy, learner.model.clone());
        let mut case = Case::new("a");
        case.channel = channel;
        case.facts = Facts::default();
        case.facts.insert(Source::Context, "topic", "savings");
        let (_, trace) = case.ask(&["list"], |question| explain(&policy, &predictor, question));
        trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap().stages[0].mean
    };
    let mut showing = 0;
    let mut teach = |learner: &mut Learner, channel: &str, times: u64, every: u64| {
        for at in 0..times {
            showing += 1;
            let mut row = slow_rows(&policy, 1).remove(0);
            (row.showing, row.offer, row.channel, row.at_ms) =
                (showing, "saver".into(), channel.into(), 1_000_000 + showing);
            row.place.seq = showing * 2;
            learner.fold(&policy, &row);
            if at % every == 0 {
                (row.before, row.step) = (row.before.after(row.step), Step::Stage(0));
                (row.since_ms, row.place.seq) = (Some(row.at_ms), showing * 2 + 1);
                learner.fold(&policy, &row);
            }
        }
    };
    teach(&mut learner, "web", 2_000, 5);
    let (web, kiosk) = (click_rate(&learner, "web"), click_rate(&learner, "kiosk"));
    assert!((web - 0.2).abs() < 0.03, "{web}");
    assert!((kiosk / web - 1.0).abs() < 0.05, "untaught, a channel does as the others: {kiosk} for {web}");
    teach(&mut learner, "kiosk", 1_000, 2);
    let (web, kiosk) = (click_rate(&learner, "web"), click_rate(&learner, "kiosk"));
    assert!(kiosk > 0.4 && web < 0.3, "{kiosk} on the kiosk, {web} on the web");
}

/// Ten applications that came half an hour after their clicks, so that the delay is known.
fn patient(policy: &Policy) -> Learner {
    let mut learner = Learner::default();
    for showing in 100..110 {
        answer(policy, &mut learner, "cards", "loan", true, showing);
        let mut row = impression(policy, "cards", "loan", showing);
        (row.before, row.step) = (Progress { seen: true, reached: 1 }, Step::Stage(1));
        (row.since_ms, row.at_ms) = (Some(row.at_ms), row.at_ms + 1_800_000);
        learner.fold(policy, &row);
    }
    learner
}

#[test]
fn what_takes_long_is_refused_by_and_by() {
    let policy = policy_of(config());
    let applied = |learner: &Learner| {
        let predictor = Predictor::new(&policy, learner.model.clone());
        let (_, trace) = Case::new("a").ask(&["list"], |question| explain(&policy, &predictor, question));
        trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap().stages[1].mean
    };
    let later = |mut row: Observation, minutes: u64| {
        row.at_ms += 1_800_000 + minutes * 60_000;
        row
    };
    let mut learner = patient(&policy);
    let before = applied(&learner);
    learner.fold(&policy, &later(impression(&policy, "savings", "saver", 1), 0));
    let mut clicked = later(impression(&policy, "savings", "saver", 1), 0);
    (clicked.before, clicked.step) = (Progress { seen: true, reached: 0 }, Step::Stage(0));
    learner.fold(&policy, &clicked);
    assert_eq!(applied(&learner), before, "a click that is a moment old is no refusal to apply");
    // Time passes: rows of others carry it.
    let mut last = before;
    for minutes in [10, 40, 130] {
        learner.fold(&policy, &later(impression(&policy, "savings", "nobody's", 1_000 + minutes), minutes));
        assert!(applied(&learner) < last, "after {minutes} minutes");
        last = applied(&learner);
    }
    // The application comes after all: it counts as if nothing had been held against it.
    let mut row = later(impression(&policy, "savings", "saver", 1), 150);
    (row.before, row.step) = (Progress { seen: true, reached: 1 }, Step::Stage(1));
    learner.fold(&policy, &row);
    assert!(applied(&learner) > before);
}

/// What is withdrawn leaves the model as if it had been refused from the beginning, and counts as if it had not been.
#[test]
fn a_withdrawn_application_teaches_a_refusal() {
    let policy = policy_of(config());
    let row = |step, before| Observation { step, before, ..impression(&policy, "savings", "saver", 1) };
    let (clicked, applied) = (Progress { seen: true, reached: 1 }, Progress { seen: true, reached: 2 });
    let fold = |steps: &[(Step, Progress)]| {
        let mut learner = Learner::default();
        (0..200)
            .for_each(|showing| answer(&policy, &mut learner, "savings", "saver", showing % 5 == 0, 1_000 + showing));
        steps.iter().for_each(|(step, before)| learner.fold(&policy, &row(*step, *before)));
        learner
    };
    let predicted = |learner: &Learner| {
        let predictor = Predictor::new(&policy, learner.model.clone());
        let (_, trace) = Case::new("a").ask(&["list"], |question| explain(&policy, &predictor, question));
        let entry = trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap();
        entry.stages.iter().map(|stage| stage.mean).collect::<Vec<f64>>()
    };
    let seen = (Step::Impression, Progress::default());
    let click = (Step::Stage(0), Progress { seen: true, reached: 0 });
    let refused = fold(&[seen, click]);
    let withdrawn = fold(&[seen, click, (Step::Stage(1), clicked), (Step::Withdrawal(1), applied)]);
    let kept = fold(&[seen, click, (Step::Stage(1), clicked)]);
    for ((refused, withdrawn), kept) in predicted(&refused).into_iter().zip(predicted(&withdrawn)).zip(predicted(&kept))
    {
        assert!((withdrawn / refused - 1.0).abs() < 0.02, "{withdrawn}, refused {refused}, kept {kept}");
    }
    assert_eq!(withdrawn.tally.offers, {
        let mut offers = refused.tally.offers.clone();
        offers.values_mut().flat_map(|arms| arms.values_mut()).for_each(|counts| {
            counts.stages.entry("applied".into()).or_default();
        });
        offers
    });
    let value = |learner: &Learner| {
        learner.tally.curve.iter().flat_map(|part| part.arms.values()).map(|point| point.value).sum::<f64>()
    };
    assert!((value(&withdrawn) - value(&refused)).abs() < 1e-9 && value(&kept) > value(&refused));
    // With the click goes the application, and what is reported again counts again.
    let nothing = fold(&[seen, click, (Step::Stage(1), clicked), (Step::Withdrawal(0), applied)]);
    assert!(predicted(&nothing)[0] < predicted(&refused)[0]);
    let again = fold(&[
        seen,
        click,
        (Step::Stage(1), clicked),
        (Step::Withdrawal(0), applied),
        (Step::Stage(1), Progress { seen: true, reached: 0 }),
    ]);
    for (again, kept) in predicted(&again).into_iter().zip(predicted(&kept)) {
        assert!((again / kept - 1.0).abs() < 0.05, "{again}, {kept}");
    }
    assert_eq!(value(&again), value(&kept));
    // Nothing to withdraw.
    assert_eq!(fold(&[seen, (Step::Withdrawal(1), Progress { seen: true, reached: 1 })]).model, fold(&[seen]).model);
}

/// While nobody knows how long applications take, answers never count without the refusals that belong to them.
#[test]
fn before_the_delay_is_known_a_refusal_counts_at_once() {
    let policy = policy_of(config());
    let mut learner = Learner::default();
    let mut last = 1.0;
    for showing in 1..=5 {
        answer(&policy, &mut learner, "savings", "saver", true, showing);
        let predictor = Predictor::new(&policy, learner.model.clone());
        let (_, trace) = Case::new("a").ask(&["list"], |question| explain(&policy, &predictor, question));
        let applied = trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap().stages[1].mean;
        assert!(applied < last, "after {showing} clicks: {applied}");
        last = applied;
    }
}

#[test]
fn the_same_rows_in_the_same_order_give_the_same_bytes() {
    let policy = policy_of(config());
    let fold = || {
        let mut learner = Learner::default();
        (0..300).for_each(|seq| answer(&policy, &mut learner, "savings", "saver", seq % 7 == 0, seq));
        learner
    };
    let whole = fold();
    assert_eq!(fold().model.encode(), whole.model.encode());
}
