//! What holds of every decision, through the public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

mod case;

use std::collections::BTreeMap;

use case::{Case, answer, config, policy_of, shown, untaught};
use portico_engine::config::Config;
use portico_engine::{
    Arm, Dismissal, Exclusion, Facts, Filled, Learner, Policy, Predictor, Seen, Source, decide, explain,
};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn each_exclusion_says_why() {
    let policy = policy_of(config());
    let case = Case::new("a");
    assert_eq!(case.exclusion(&policy, "saver"), None);
    assert_eq!(case.exclusion(&policy, "kiosk"), Some(Exclusion::Channel));
    assert_eq!(case.exclusion(&policy, "past"), Some(Exclusion::Dates));

    let mut young = Case::new("a");
    young.facts.insert(Source::Identity, "age", 17);
    assert_eq!(young.exclusion(&policy, "loan"), Some(Exclusion::Rule { of: "group:credit".into() }));

    // A fact from a source that may not give it is not believed.
    let mut claims = Case::new("a");
    claims.facts = Facts::default();
    claims.facts.insert(Source::Context, "age", 40);
    let unknown = Exclusion::Unknown { of: "group:credit".into(), missing: vec!["age".into()] };
    assert_eq!(claims.exclusion(&policy, "loan"), Some(unknown));

    let mut holder = Case::new("a");
    holder.facts.insert(Source::Identity, "products", json!(["card"]));
    assert_eq!(holder.exclusion(&policy, "card"), Some(Exclusion::Rule { of: "offer:card".into() }));

    let mut tired = Case::new("a");
    tired.dismissals.push(Dismissal { offer: "saver".into(), at_ms: 0 });
    assert_eq!(tired.exclusion(&policy, "saver"), Some(Exclusion::Dismissed));
    tired.now_ms = 31 * 86_400_000;
    assert_eq!(tired.exclusion(&policy, "saver"), None);
}

#[test]
fn what_is_broken_is_off_and_named_and_the_rest_decides() {
    let mut config = config();
    config["groups"][1]["rule"] = json!({ "attr": "shoe_size", "op": "ge", "value": 40 });
    config["offers"][0]["values"]["revenue"]["married"] = json!(3.0);
    let (policy, errors) = Policy::compile(&serde_json::from_value::<Config>(config).unwrap());
    let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/groups/1/rule", "/offers/0/values/revenue/married"]);
    let case = Case::new("a");
    assert!(matches!(case.exclusion(&policy, "loan"), Some(Exclusion::Broken { .. })));
    assert!(matches!(case.exclusion(&policy, "saver"), Some(Exclusion::Broken { .. })));
    assert_eq!(
        case.ask(&["hero"], |question| decide(&policy, &untaught(&policy), question)).placements,
        [Filled::NothingEligible]
    );
}

#[test]
fn what_somebody_holds_is_not_sold_to_them() {
    let mut config = config();
    config["offers"][0]["product"] = json!("card");
    let policy = policy_of(config);
    let mut case = Case::new("a");
    assert_eq!(case.exclusion(&policy, "saver"), None);
    case.facts.insert(Source::Identity, "products", json!(["card"]));
    assert_eq!(case.exclusion(&policy, "saver"), Some(Exclusion::Holds { product: "card".into() }));
}

#[test]
fn contact_rules_count_what_was_seen_lately() {
    let check = |per: &str, seen: &[(&str, u64)], expect: [bool; 3]| {
        let mut config = config();
        config["contact"] = json!([{ "per": per, "most": 2, "within_days": 1.0 }]);
        let policy = policy_of(config);
        let mut case = Case::new("a");
        case.now_ms = 10 * 86_400_000;
        let ago = |hours: u64| case.now_ms - hours * 3_600_000;
        case.seen = seen.iter().map(|(offer, hours)| Seen { offer: Seen::mark(offer), at_ms: ago(*hours) }).collect();
        let out = ["saver", "loan", "card"].map(|offer| case.exclusion(&policy, offer).is_some());
        assert_eq!(out, expect, "{per} {seen:?}");
    };
    check("offer", &[("loan", 1), ("loan", 23)], [false, true, false]);
    check("offer", &[("loan", 1), ("loan", 25)], [false, false, false]);
    check("offer", &[("loan", 1), ("card", 2)], [false, false, false]);
    check("group", &[("loan", 1), ("card", 2)], [true, true, true]);
    check("group", &[("saver", 1), ("saver", 2)], [true, true, true]);
    check("site", &[("gone", 1), ("gone", 2)], [true, true, true]);
    check("site", &[("loan", 1)], [false, false, false]);
}

#[test]
fn a_mandatory_message_stands_first_in_every_arm_and_is_not_held_back() {
    let mut config = config();
    config["offers"][2]["mandatory"] = json!(true);
    config["contact"] = json!([{ "per": "site", "most": 1, "within_days": 7.0 }]);
    let policy = policy_of(config);
    for visitor in 0..50 {
        let mut case = Case::new(&visitor.to_string());
        case.seed = visitor;
        let decision = case.ask(&["list"], |question| decide(&policy, &untaught(&policy), question));
        assert_eq!(shown(&decision)[0], "card", "{:?}", decision.arm);
        case.seen = vec![Seen { offer: Seen::mark("loan"), at_ms: case.now_ms }];
        let decision = case.ask(&["list"], |question| decide(&policy, &untaught(&policy), question));
        assert_eq!(shown(&decision), ["card"]);
    }
}

/// Two messages and room for one in the first placement: the second message stands in the next.
#[test]
fn a_message_without_room_in_one_placement_stands_in_the_next() {
    let mut config = config();
    config["offers"][0]["mandatory"] = json!(true);
    config["offers"][1]["mandatory"] = json!(true);
    config["placements"] =
        json!([{ "id": "hero" }, { "id": "list", "count": 2 }, { "id": "credit", "groups": ["credit"] }]);
    let policy = policy_of(config);
    for visitor in 0..50 {
        let case = Case::new(&visitor.to_string());
        let decision = case.ask(&["hero", "list", "credit"], |question| decide(&policy, &untaught(&policy), question));
        assert_eq!(shown(&decision), ["saver", "loan", "card"], "{:?}", decision.arm);
    }
}

#[test]
fn one_offer_of_each_group_where_that_is_wanted() {
    let mut config = config();
    config["distinct_groups"] = json!(true);
    let policy = policy_of(config);
    for visitor in 0..50 {
        let case = Case::new(&visitor.to_string());
        let decision = case.ask(&["hero", "list"], |question| decide(&policy, &untaught(&policy), question));
        let offers = shown(&decision);
        assert_eq!(offers.len(), 2, "{offers:?}");
        assert!(offers.contains(&"saver"), "{offers:?}");
    }
}

/// The list could take the only offer that the last placement may show: it leaves it there whatever the draw.
#[test]
fn a_page_is_filled_as_a_whole() {
    let mut config = config();
    config["placements"] = json!([{ "id": "list", "count": 2 }, { "id": "credit", "groups": ["credit"] }]);
    config["offers"][1]["rule"] = json!({ "holds": "nothing" });
    config["arms"] = json!({ "control": 0.0, "explore": 0.0, "period_days": 7 });
    config["offers"].as_array_mut().unwrap().push(json!({ "id": "travel", "group": "all" }));
    let policy = policy_of(config);
    for seed in 0..50 {
        let mut case = Case::new("a");
        case.seed = seed;
        let decision = case.ask(&["list", "credit"], |question| decide(&policy, &untaught(&policy), question));
        let Filled::Offers(credit) = &decision.placements[1] else { panic!("the last placement stays empty") };
        assert_eq!(credit[0].offer, "card");
        assert_eq!(shown(&decision).len(), 3);
    }
}

#[test]
fn goals_weigh_what_they_weigh_for_the_visitor() {
    let mut config = config();
    config["segments"] = json!([
        { "id": "young", "rule": { "attr": "age", "op": "lt", "value": 40 } },
        { "id": "savers", "rule": { "attr": "topic", "op": "eq", "value": "savings" } },
    ]);
    config["kpis"][0]["in_segments"] =
        json!([{ "segment": "young", "weight": 3.0 }, { "segment": "savers", "weight": 9.0 }]);
    let policy = policy_of(config);
    let score = |case: &Case| {
        let (_, trace) = case.ask(&["list"], |question| explain(&policy, &untaught(&policy), question));
        trace[0].offers.iter().find(|entry| entry.offer == "saver").unwrap().score.unwrap()
    };
    let young = score(&Case::new("a"));
    let mut case = Case::new("a");
    case.facts.insert(Source::Identity, "age", 50);
    assert!((score(&case) / young - 3.0).abs() < 1e-9, "the second segment's weight counts where the first does not");
    // Whether somebody without an age is young is unknown: not known to be in it.
    case.facts = Facts::default();
    assert!((young / score(&case) - 3.0).abs() < 1e-9);
}

#[test]
fn an_offer_ends_at_its_cap_and_begins_by_its_ramp() {
    let mut config = config();
    config["offers"][0]["cap"] = json!({ "of": "click", "most": 3 });
    config["offers"][1]["ramp"] = json!({ "start": 0.2, "responses": 10 });
    let policy = policy_of(config);
    let part_of_loan = |learner: &Learner| {
        let predictor = Predictor::new(&policy, learner.model.clone());
        let takes_part = |seed: &u64| {
            let mut case = Case::new("a");
            case.seed = *seed;
            let (_, trace) = case.ask(&["list"], |question| explain(&policy, &predictor, question));
            let loan = trace[0].offers.iter().find(|entry| entry.offer == "loan").unwrap();
            assert!(matches!(loan.excluded, None | Some(Exclusion::Ramp)), "{loan:?}");
            loan.excluded.is_none()
        };
        (0..1_000).filter(takes_part).count()
    };
    let mut learner = Learner::default();
    assert!((150..250).contains(&part_of_loan(&learner)));
    (0..5).for_each(|seq| answer(&policy, &mut learner, "savings", "loan", true, seq));
    assert!((550..650).contains(&part_of_loan(&learner)));
    (5..10).for_each(|seq| answer(&policy, &mut learner, "savings", "loan", true, seq));
    assert_eq!(part_of_loan(&learner), 1_000);

    let capped = |learner: &Learner| {
        let predictor = Predictor::new(&policy, learner.model.clone());
        let (_, trace) = Case::new("a").ask(&["list"], |question| explain(&policy, &predictor, question));
        trace[0].offers.iter().any(|entry| entry.offer == "saver" && entry.excluded == Some(Exclusion::Cap))
    };
    (10..12).for_each(|seq| answer(&policy, &mut learner, "savings", "saver", true, seq));
    assert!(!capped(&learner));
    answer(&policy, &mut learner, "savings", "saver", true, 12);
    assert!(capped(&learner));
}

#[test]
fn what_does_not_fit_together_is_named() {
    let check = |change: fn(&mut serde_json::Value), pointer: &str| {
        let mut config = config();
        change(&mut config);
        let (_, errors) = Policy::compile(&serde_json::from_value::<Config>(config).unwrap());
        assert!(errors.iter().any(|error| error.pointer == pointer), "{pointer}: {errors:?}");
    };
    check(|config| config["contact"] = json!([{ "per": "site", "most": 0, "within_days": 1.0 }]), "/contact/0/most");
    check(
        |config| config["contact"] = json!([{ "per": "site", "most": 1, "within_days": 0.0 }]),
        "/contact/0/within_days",
    );
    check(|config| config["channels"] = json!([]), "/channels");
    check(|config| config["channels"] = json!(["web", "a", "b", "c", "d"]), "/channels");
    check(|config| config["offers"][0]["channels"] = json!(["pigeon"]), "/offers/0/channels");
    check(|config| config["offers"][0]["cap"] = json!({ "of": "married", "most": 1 }), "/offers/0/cap/of");
    check(|config| config["offers"][0]["ramp"] = json!({ "start": 0.0, "responses": 1 }), "/offers/0/ramp/start");
    check(|config| config["offers"][0]["prior_rates"] = json!({ "click": 1.0 }), "/offers/0/prior_rates/click");
    check(|config| config["stages"][0]["half_life_days"] = json!(0.0), "/stages/0/half_life_days");
    check(|config| config["model"] = json!({ "change_keeps": 1.5 }), "/model/change_keeps");
    check(|config| config["crosses"] = json!([["topic", "shoe_size"]]), "/crosses/0/1");
    check(|config| config["crosses"] = json!([["topic", "topic"]]), "/crosses/0");
    check(|config| config["attributes"][0]["words"] = json!(["word"].repeat(201)), "/attributes/0/words");
    check(|config| config["crosses"] = json!([["topic", "age"], ["age", "topic"]]), "/crosses/1");
    check(|config| config["crosses"] = json!([["topic", "age"]].repeat(17)), "/crosses");
    check(
        |config| {
            config["attributes"][2]["name"] = json!("holdings");
            config["offers"][2]["rule"] = json!({ "known": "age" });
            config["offers"][0]["product"] = json!("card");
        },
        "/offers/0/product",
    );
}

#[test]
fn goals_and_stages_that_mean_nothing_are_refused() {
    let mut weightless = config();
    weightless["kpis"][0].as_object_mut().unwrap().remove("weight");
    let unread = serde_json::from_value::<Config>(weightless).unwrap_err();
    assert!(unread.to_string().contains("missing field `weight`"), "{unread}");

    // Stages follow each other as they are listed, so a circle could only be one that comes again.
    let mut circle = config();
    let first = circle["stages"][0].clone();
    circle["stages"].as_array_mut().unwrap().push(first);
    let (policy, errors) = Policy::compile(&serde_json::from_value::<Config>(circle).unwrap());
    assert!(errors.iter().any(|error| error.pointer.starts_with("/stages/")), "{errors:?}");
    Case::new("a").ask(&["hero"], |question| decide(&policy, &untaught(&policy), question));

    // JSON has no such numbers; whoever makes a configuration otherwise may.
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut config: Config = serde_json::from_value(config()).unwrap();
        config.kpis[0].weight = number;
        config.offers[0].lever = number;
        config.model.priors.offer = number;
        config.arms.control = number;
        let (policy, errors) = Policy::compile(&config);
        let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        for pointer in ["/kpis/0/weight", "/offers/0/lever", "/model/priors/offer", "/arms/control"] {
            assert!(pointers.contains(&pointer), "{number} at {pointer}: {pointers:?}");
        }
        Case::new("a").ask(&["hero"], |question| decide(&policy, &untaught(&policy), question));
    }
}

#[test]
fn a_circle_of_groups_is_refused() {
    let mut config = config();
    config["groups"][0]["parent"] = json!("credit");
    let (_, errors) = Policy::compile(&serde_json::from_value::<Config>(config).unwrap());
    assert!(errors.iter().any(|error| error.pointer == "/groups/0/parent"), "{errors:?}");
}

#[test]
fn arms_have_their_shares_and_keep_their_visitors() {
    let policy = policy_of(config());
    let mut arms = BTreeMap::new();
    for visitor in 0..4_000 {
        let mut case = Case::new(&visitor.to_string());
        let decide = |case: &Case| case.ask(&["hero"], |question| decide(&policy, &untaught(&policy), question));
        let decision = decide(&case);
        *arms.entry(decision.arm).or_insert(0_u32) += 1;
        case.seed = 99;
        assert_eq!(decide(&case).arm, decision.arm);
    }
    for (arm, share) in [(Arm::Control, 0.2), (Arm::Explore, 0.3), (Arm::Model, 0.5)] {
        let seen = f64::from(arms[&arm]) / 4_000.0;
        assert!((seen - share).abs() < 0.025, "{arm:?}: {seen}");
    }
}

#[test]
fn control_follows_the_configured_order_and_explore_is_uniform() {
    let mut only = config();
    only["arms"] = json!({ "control": 1.0, "explore": 0.0, "period_days": 7 });
    let policy = policy_of(only.clone());
    let decision = Case::new("a").ask(&["list"], |question| decide(&policy, &untaught(&policy), question));
    assert_eq!(shown(&decision), ["saver", "loan", "card"]);

    only["arms"] = json!({ "control": 0.0, "explore": 1.0, "period_days": 7 });
    let policy = policy_of(only);
    let mut first = BTreeMap::new();
    for seed in 0..3_000 {
        let mut case = Case::new("a");
        case.seed = seed;
        let decision = case.ask(&["hero"], |question| decide(&policy, &untaught(&policy), question));
        let Filled::Offers(offers) = &decision.placements[0] else { panic!("nothing was eligible") };
        assert_eq!(offers[0].propensity, Some(1.0 / 3.0));
        *first.entry(offers[0].offer.clone()).or_insert(0_u32) += 1;
    }
    assert!(first.values().all(|times| (900..1_100).contains(times)), "{first:?}");
}

/// The same questions have had these answers since the format was fixed: whatever changes them changes every replay. A
/// test of the whole system asks for the same text inside workerd.
#[test]
fn the_golden_decisions_stand() {
    insta::assert_snapshot!(case::golden::golden());
}

proptest! {
    #[test]
    fn a_decision_is_a_function_of_its_question(sticky in "[a-z]{1,8}", seed: u64, age in 0..100_u32, topic in "[a-z]{0,5}") {
        let policy = policy_of(config());
        let mut case = Case::new(&sticky);
        case.seed = seed;
        case.facts.insert(Source::Identity, "age", age);
        case.facts.insert(Source::Context, "topic", topic);
        let placements = ["hero", "credit", "attic", "list"];
        let run = || case.ask(&placements, |question| decide(&policy, &untaught(&policy), question));
        let decision = run();
        prop_assert_eq!(&run(), &decision);
        // Asking why changes nothing.
        let (explained, _) = case.ask(&placements, |question| explain(&policy, &untaught(&policy), question));
        prop_assert_eq!(&explained, &decision);
        let mut offers = shown(&decision);
        let count = offers.len();
        offers.sort_unstable();
        offers.dedup();
        prop_assert_eq!(offers.len(), count, "an offer stands twice");
        prop_assert!(age >= 18 || offers.iter().all(|offer| *offer == "saver"));
        prop_assert_eq!(&decision.placements[2], &Filled::UnknownPlacement);
    }
}
