//! Segments and tiers.

use Truth::{False, True, Unknown};
use portico_engine::config::Config;
use portico_engine::{Ask, Exclusion, Facts, Missing, Model, Policy, Predictor, Question, Seed, Source, explain};

use super::*;

#[test]
fn segments_are_rules_with_a_name() {
    let check = |id: &str, facts: Json, expect| {
        assert_eq!(answer(&bank(), &json!({"segment": id}), &facts, None), expect, "{id} {facts}");
    };
    check("students", json!({"age": 20, "products": ["student_account"]}), True);
    check("students", json!({"age": 40}), False);
    check("students", json!({"age": 20}), Unknown);
    check("young_savers", json!({"age": 20, "products": ["student_account", "saver"]}), True);
    check("young_savers", json!({"age": 20, "products": ["student_account"]}), False);
}

#[test]
fn the_first_tier_that_matches_wins() {
    let check = |levels: &[&str], facts: Json, expect| {
        assert_eq!(
            answer(&bank(), &json!({"tier": "value", "in": levels}), &facts, None),
            expect,
            "{levels:?} {facts}"
        );
    };
    check(&["A"], json!({"products": ["a", "b", "c"], "tenure_years": 9}), True);
    check(&["B"], json!({"products": ["a", "b", "c"], "tenure_years": 9}), False);
    check(&["B"], json!({"products": [], "tenure_years": 9}), True);
    check(&["C"], json!({"products": [], "tenure_years": 1}), True);
    // As far as is known, A or B.
    let known = || json!({"tenure_years": 9});
    check(&["A"], known(), Unknown);
    check(&["B"], known(), Unknown);
    check(&["A", "B"], known(), True);
    check(&["C"], known(), False);
    // On no level at all.
    let none = json!({"tier": "potential", "in": ["high"]});
    assert_eq!(answer(&bank(), &none, &json!({"age": 50}), None), False);
    // What was agreed is believed instead, where it names a level.
    check(&["A"], json!({"agreed_value": "A", "products": [], "tenure_years": 1}), True);
    check(&["C"], json!({"agreed_value": "A", "products": [], "tenure_years": 1}), False);
    check(&["C"], json!({"agreed_value": "gold", "products": [], "tenure_years": 1}), True);
}

#[test]
fn what_is_missing_is_found_behind_names() {
    let config = bank();
    let (schema, _) = schema_of(&config);
    let missing = |rule: Json, facts: Json| {
        let rule = Rule::compile(&rule, &schema).unwrap();
        rule.missing(&EvaluationContext::new(&schema, &facts_of(&config, &facts), None, NOW_MS))
    };
    let (age, products, tenure) = (Missing::Fact(0), Missing::Fact(5), Missing::Fact(9));
    assert_eq!(missing(json!({"segment": "young_savers"}), json!({})), [age, products]);
    assert_eq!(missing(json!({"segment": "young_savers"}), json!({"age": 50})), []);
    assert_eq!(missing(json!({"tier": "value", "in": ["A"]}), json!({})), [products, tenure]);
    assert_eq!(missing(json!({"tier": "value", "in": ["A"]}), json!({"tenure_years": 9})), [products]);
    let visits = json!({"events": "page:loans", "within_days": 7, "op": "ge", "value": 1});
    assert_eq!(missing(json!({"all": [visits, {"holds": "saver"}]}), json!({})), [products, Missing::Events]);
    assert_eq!(missing(json!({"any": [visits, {"holds": "saver"}]}), json!({"products": ["saver"]})), []);
}

#[test]
fn a_segment_is_worked_out_once() {
    // Each of eight levels asks a hundred times for the one below: without memory this would never end.
    let mut segments = vec![json!({"id": "s0", "rule": {"known": "age"}})];
    for level in 1..8 {
        let below = json!({"segment": format!("s{}", level - 1)});
        segments.push(json!({"id": format!("s{level}"), "rule": {"all": vec![below; 100]}}));
    }
    let mut config = bank();
    config["segments"] = json!(segments);
    config["tiers"] = json!([]);
    assert_eq!(answer(&config, &json!({"segment": "s7"}), &json!({"age": 3}), None), True);
    assert_eq!(answer(&config, &json!({"segment": "s7"}), &json!({}), None), False);
}

/// Replaces segments and tiers and lists the errors.
fn errors(segments: Json, tiers: Json) -> Vec<String> {
    let mut config = bank();
    (config["segments"], config["tiers"]) = (segments, tiers);
    schema_of(&config).1
}

#[test]
fn circles_are_named_and_what_builds_on_them_is_off() {
    let found = errors(
        json!([
            {"id": "a", "rule": {"any": [{"known": "age"}, {"not": {"segment": "b"}}]}},
            {"id": "b", "rule": {"tier": "t", "in": ["x"]}},
            {"id": "c", "rule": {"segment": "a"}},
            {"id": "d", "rule": {"segment": "d"}},
            {"id": "e", "rule": {"attr": "age", "op": "contains", "value": "1"}},
            {"id": "f", "rule": {"segment": "e"}},
            {"id": "g", "rule": {"known": "age"}},
        ]),
        json!([{"id": "t", "levels": [{"id": "x", "rule": {"segment": "a"}}]}]),
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_chain_has_its_length() {
    let mut segments = vec![json!({"id": "s0", "rule": {"known": "age"}})];
    segments.extend((1..10).map(|at| json!({"id": format!("s{at}"), "rule": {"segment": format!("s{}", at - 1)}})));
    insta::assert_snapshot!(errors(json!(segments), json!([])).join("\n"), @r"
    /segments/8/rule: segments and tiers build on one another over more than 8 levels
    /segments/9/rule: it builds on the segment `s8`, which is broken
    ");
}

#[test]
fn tiers_are_checked() {
    let adult = json!({"attr": "age", "op": "ge", "value": 18});
    let level = |id: &str| json!({"id": id, "rule": adult});
    let found = errors(
        json!([]),
        json!([
            {"id": "none", "levels": []},
            {"id": "open", "levels": [{"id": "A"}, level("B")]},
            {"id": "twice", "levels": [level("A"), level("A")]},
            {"id": "page", "overridden_by": "topic", "levels": [level("A")]},
            {"id": "number", "overridden_by": "age", "levels": [level("A")]},
            {"id": "broken", "levels": [{"id": "A", "rule": {"known": "shoe_size"}}]},
            {"id": "many", "levels": (0..17).map(|at| level(&at.to_string())).collect::<Vec<_>>()},
            {"id": "sound", "overridden_by": "agreed_value", "levels": [level("A")]},
            {"id": "ninth", "levels": [level("A")]},
        ]),
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn decisions_use_them_and_say_what_was_missing() {
    let mut config = bank();
    config["stages"] = json!([{"id": "click"}]);
    config["kpis"] = json!([]);
    config["groups"] = json!([{"id": "all"}]);
    config["placements"] = json!([{"id": "list", "count": 9}]);
    let offer = |id: &str, rule: Json| json!({"id": id, "group": "all", "rule": rule});
    config["offers"] = json!([
        offer("student", json!({"segment": "students"})),
        offer("gold", json!({"tier": "value", "in": ["A"]})),
        offer("mortgage", json!({"events": "page:mortgages", "within_days": 7, "op": "ge", "value": 2})),
        offer("ghost", json!({"segment": "ghosts"})),
        offer("recent", json!({"attr": "customer_since", "op": "within_days", "value": 30})),
    ]);
    let (policy, errors) = Policy::compile(&serde_json::from_value::<Config>(config).unwrap());
    assert_eq!(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/offers/3/rule"]);

    let mut facts = Facts::default();
    facts.insert(Source::Identity, "age", 20);
    facts.insert(Source::Identity, "customer_since", "2026-11-01");
    let excluded = |facts: &Facts| {
        let question = Question {
            facts,
            sticky: "a",
            channel: "web",
            dismissals: &[],
            seen: &[],
            placements: &[Ask { placement: "list", count: None }],
            now_ms: NOW_MS,
            seed: Seed(1),
            site_key: &[9; 16],
        };
        let (_, trace) = explain(&policy, &Predictor::new(&policy, Model::default()), &question);
        let why = |id| trace[0].offers.iter().find(|entry| entry.offer == id).and_then(|entry| entry.excluded.clone());
        ["student", "gold", "mortgage", "ghost", "recent"].map(why)
    };
    let unknown = |of: &str, missing: &[&str]| {
        let missing = missing.iter().map(|name| (*name).to_owned()).collect();
        Some(Exclusion::Unknown { of: format!("offer:{of}"), missing })
    };
    let [student, gold, mortgage, ghost, recent] = excluded(&facts);
    assert_eq!(student, unknown("student", &["products"]));
    assert_eq!(gold, unknown("gold", &["products", "tenure_years"]));
    assert_eq!(mortgage, unknown("mortgage", &["events"]));
    assert!(matches!(ghost, Some(Exclusion::Broken { .. })), "{ghost:?}");
    assert_eq!(recent, None);

    facts.insert(Source::Identity, "products", json!(["student_account"]));
    facts.insert(Source::Profile, "agreed_value", "A");
    let mut events = EventCounts::default();
    events.record("page:mortgages", NOW_MS);
    facts.set_events(events);
    let [student, gold, mortgage, ..] = excluded(&facts);
    assert_eq!((student, gold), (None, None));
    assert_eq!(mortgage, Some(Exclusion::Rule { of: "offer:mortgage".into() }));
}
