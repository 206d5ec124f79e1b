//! What a visitor is asked, through the public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

mod case;

use case::{Case, config, impression, policy_of, untaught};
use portico_engine::config::Config;
use portico_engine::{Asked, Learner, Place, Policy, Predictor, Progress, Reply, Source, Step, inquire};
use serde_json::{Value, json};

const DAY_MS: u64 = 86_400_000;

fn asking(questions: Value) -> Value {
    let mut config = config();
    let attributes = config["attributes"].as_array_mut().unwrap();
    for (name, words) in [("home", ["owns", "rents"]), ("pet", ["cat", "dog"])] {
        attributes.push(json!({ "name": name, "type": "text", "source": "profile", "words": words }));
    }
    config["questions"] = questions;
    config
}

fn both() -> Value {
    json!([
        { "id": "pet", "attribute": "pet", "answers": ["cat", "dog"] },
        { "id": "home", "attribute": "home", "answers": ["owns", "rents"] },
    ])
}

/// Who owns takes loans, who rents saves; pets say nothing.
fn taught(policy: &Policy) -> Predictor {
    let mut learner = Learner::default();
    for showing in 0..4_000_u64 {
        let bit = |at: u32| showing >> at & 1 == 1;
        let (owns, loan) = (bit(0), bit(2));
        let mut case = Case::new("anybody");
        case.facts.insert(Source::Profile, "home", if owns { "owns" } else { "rents" });
        case.facts.insert(Source::Profile, "pet", if bit(1) { "cat" } else { "dog" });
        let mut row = impression(policy, "savings", if loan { "loan" } else { "saver" }, showing);
        row.features = policy.features(&policy.slots(&case.facts));
        row.place = Place { shard: 0, seq: showing * 2 + 1 };
        learner.fold(policy, &row);
        if owns == loan && showing % 5 != 0 {
            (row.impression, row.since_ms) = (Some(row.place), Some(row.at_ms));
            row.before = Progress::default().after(Step::Impression);
            (row.step, row.place.seq) = (Step::Stage(0), showing * 2 + 2);
            learner.fold(policy, &row);
        }
    }
    Predictor::new(policy, learner.model)
}

fn asked(question: &str, at_ms: u64, reply: Reply) -> Asked {
    Asked { question: Asked::mark(question), at_ms, reply }
}

/// What is asked, and whether it is put for the first time.
fn ask(case: &Case, policy: &Policy, predictor: &Predictor, before: &[Asked]) -> Option<(String, bool)> {
    case.ask(&["hero"], |question| {
        inquire(policy, predictor, question, before).map(|inquiry| (inquiry.id.to_owned(), inquiry.is_new))
    })
}

#[test]
fn the_answer_that_changes_most_is_asked_for() {
    let policy = policy_of(asking(both()));
    let (case, taught) = (Case::new("somebody"), taught(&policy));
    let of = |predictor: &Predictor| {
        case.ask(&["hero"], |question| {
            inquire(&policy, predictor, question, &[]).map(|inquiry| (inquiry.id.to_owned(), inquiry.gain))
        })
    };
    let (first, gain) = of(&untaught(&policy)).unwrap();
    assert_eq!((first.as_str(), gain), ("pet", Some(0.0)), "nothing is learned: the first of equals");
    let (best, gain) = of(&taught).unwrap();
    assert!(best == "home" && gain.unwrap() > 0.3, "{best} {gain:?}");
    // Whoever weighs the other one much more has their way as long as its answer changes anything.
    let mut questions = both();
    questions[0]["priority"] = json!(0.001);
    assert_eq!(ask(&case, &policy_of(asking(questions)), &taught, &[]), Some(("home".into(), true)));
}

#[test]
fn what_is_known_is_not_asked_and_rules_say_who_may_be() {
    let policy = policy_of(asking(both()));
    let mut case = Case::new("somebody");
    case.facts.insert(Source::Profile, "pet", "cat");
    assert_eq!(ask(&case, &policy, &untaught(&policy), &[]), Some(("home".into(), true)));
    case.facts.insert(Source::Profile, "home", "owns");
    assert_eq!(ask(&case, &policy, &untaught(&policy), &[]), None);

    let mut questions = both();
    questions[0]["rule"] = json!({ "attr": "age", "op": "ge", "value": 40 });
    questions[1]["rule"] = json!({ "attr": "topic", "op": "eq", "value": "loans" });
    let policy = policy_of(asking(questions));
    assert_eq!(ask(&Case::new("somebody"), &policy, &untaught(&policy), &[]), None, "30 years old, on savings");
}

#[test]
fn nobody_is_asked_twice_or_two_things_at_once() {
    let policy = policy_of(asking(both()));
    let predictor = untaught(&policy);
    let mut case = Case::new("somebody");
    case.now_ms = 1_000 * DAY_MS;
    let check = |before: &[Asked], expect: Option<(&str, bool)>| {
        let found = ask(&case, &policy, &predictor, before);
        assert_eq!(found.as_ref().map(|(id, is_new)| (id.as_str(), *is_new)), expect, "{before:?}");
    };
    let minute = |minutes: u64| case.now_ms - minutes * 60_000;
    let day = |days: u64| case.now_ms - days * DAY_MS;
    check(&[asked("home", minute(10), Reply::Open)], Some(("home", false)));
    check(&[asked("home", minute(10), Reply::Answered)], None);
    check(&[asked("pet", minute(10), Reply::Declined)], None);
    check(&[asked("pet", minute(31), Reply::Declined)], Some(("home", true)));
    check(&[asked("pet", minute(31), Reply::Open)], Some(("home", true)));
    check(&[asked("pet", day(8), Reply::Open)], Some(("pet", true)));
    check(&[asked("pet", day(89), Reply::Declined)], Some(("home", true)));
    check(&[asked("pet", day(91), Reply::Declined)], Some(("pet", true)));
    // A clock that went back.
    check(&[asked("pet", case.now_ms + DAY_MS, Reply::Declined)], None);
    // A question that the site no longer has.
    check(&[asked("gone", minute(1), Reply::Open)], None);
}

#[test]
fn what_is_wrong_with_a_question_is_named() {
    let check = |change: Value, pointer: &str| {
        let mut question = both()[0].clone();
        question.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(asking(json!([question]))).unwrap();
        let pointers: Vec<String> = Policy::compile(&config).1.into_iter().map(|error| error.pointer).collect();
        assert_eq!(pointers, [pointer], "{change}");
    };
    check(json!({ "attribute": "age" }), "/questions/0/attribute");
    check(json!({ "attribute": "none" }), "/questions/0/attribute");
    check(json!({ "answers": ["cat"] }), "/questions/0/answers");
    check(json!({ "answers": ["cat", 7] }), "/questions/0/answers/1");
    check(json!({ "answers": ["cat", "cat"] }), "/questions/0/answers/1");
    check(json!({ "priority": 0 }), "/questions/0/priority");
    check(json!({ "rest_days": 9_999 }), "/questions/0/rest_days");
    check(json!({ "rule": { "attr": "none", "op": "eq", "value": 1 } }), "/questions/0/rule");
    check(json!({ "id": "" }), "/questions/0");
}

#[test]
fn whoever_sees_an_offer_is_told_which_facts_spoke_for_it() {
    let policy = policy_of(asking(json!([])));
    let taught = taught(&policy);
    let why = |predictor: &Predictor, offer: &str, home: Option<&str>| -> Vec<String> {
        let mut case = Case::new("somebody");
        case.facts.insert(Source::Profile, "pet", "cat");
        if let Some(home) = home {
            case.facts.insert(Source::Profile, "home", home);
        }
        let features = policy.features(&policy.slots(&case.facts));
        let reasons = policy.reasons(predictor.model(), offer, &features);
        reasons.iter().map(|reason| reason.attribute.name.clone()).collect()
    };
    assert_eq!(why(&taught, "loan", Some("owns")).first().map(String::as_str), Some("home"));
    assert_eq!(why(&taught, "saver", Some("rents")).first().map(String::as_str), Some("home"));
    let says_home = |offer, home| why(&taught, offer, home).contains(&"home".to_owned());
    assert!(!says_home("loan", Some("rents")), "it speaks against it");
    assert!(!says_home("loan", None), "what is missing is no reason");
    assert!(!says_home("unheard-of", Some("owns")) && why(&untaught(&policy), "loan", Some("owns")).is_empty());
}
