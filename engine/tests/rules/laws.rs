//! What holds of every rule.

use portico_engine::Language;
use proptest::prelude::*;

use super::*;

/// Without an override, which asks whether a fact is there at all.
fn lawful_bank() -> Json {
    let mut bank = bank();
    bank["tiers"][0].as_object_mut().unwrap().remove("overridden_by");
    bank
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just("saver".to_owned()), Just("student_account".to_owned()), "[abAB*?/.]{0,6}", any::<String>()]
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(word(), 1..4)
}

fn date() -> impl Strategy<Value = Json> {
    prop_oneof![
        (2026..2027_u32, 10..13_u32, 1..29_u32)
            .prop_map(|(year, month, day)| json!(format!("{year}-{month}-{day:02}"))),
        (-1_000_000..1_000_000_000_000_i64).prop_map(|shift| json!(NOW_MS as i64 - shift)),
    ]
}

fn point() -> impl Strategy<Value = Json> {
    (-90.0..90.0_f64, -180.0..180.0_f64).prop_map(|(lat, lon)| json!({"lat": lat, "lon": lon}))
}

fn order() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["eq", "ne", "lt", "le", "gt", "ge"])
}

fn attr(name: &str, op: &str, value: impl Into<Json>) -> Json {
    json!({"attr": name, "op": op, "value": value.into()})
}

/// A condition that compiles and does not ask about absence.
fn leaf() -> impl Strategy<Value = Json> {
    let text = prop::sample::select(vec!["eq", "ne", "contains", "starts_with", "ends_with", "matches"]);
    let set = prop::sample::select(vec!["overlaps", "contains_all", "contains_none"]);
    let days = prop::sample::select(vec!["within_days", "older_than_days", "within_next_days"]);
    prop_oneof![
        (order(), -3..40_i32).prop_map(|(op, value)| attr("age", op, value)),
        (text, "[abAB*?]{1,4}", any::<bool>())
            .prop_map(|(op, value, fold)| json!({"attr": "topic", "op": op, "value": value, "ignore_case": fold})),
        (prop::sample::select(vec!["in", "not_in"]), words()).prop_map(|(op, value)| attr("topic", op, value)),
        "[ab*/.]{1,6}".prop_map(|value| attr("page", "url_matches", value)),
        any::<bool>().prop_map(|value| attr("staff", "eq", value)),
        (set, words()).prop_map(|(op, value)| attr("products", op, value)),
        (order(), 0..4_u32).prop_map(|(op, value)| attr("products", &format!("size_{op}"), value)),
        (prop::sample::select(vec!["before", "after"]), date()).prop_map(|(op, value)| attr(
            "customer_since",
            op,
            value
        )),
        (days, 1..100_u32).prop_map(|(op, value)| attr("fixed_until", op, value)),
        (point(), 1.0..20_000.0_f64).prop_map(|(point, km)| attr(
            "home",
            "within_km",
            json!({"lat": point["lat"], "lon": point["lon"], "km": km})
        )),
        Just(json!({"holds": "saver"})),
        prop::sample::select(vec!["students", "young_savers"]).prop_map(|id| json!({"segment": id})),
        prop::sample::subsequence(vec!["A", "B", "C"], 1..=3).prop_map(|levels| json!({"tier": "value", "in": levels})),
        (order(), 1..9_u32, 0..4_u32)
            .prop_map(|(op, days, value)| json!({"events": "x", "within_days": days, "op": op, "value": value})),
    ]
}

fn rule() -> impl Strategy<Value = Json> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 1..5);
        prop_oneof![
            some().prop_map(|of| json!({"all": of})),
            some().prop_map(|of| json!({"any": of})),
            inner.clone().prop_map(|rule| json!({"not": rule})),
            (some(), any::<prop::sample::Index>())
                .prop_map(|(of, needed)| json!({"at_least": needed.index(of.len()) + 1, "of": of})),
        ]
    })
}

fn facts() -> impl Strategy<Value = Json> {
    let text = || prop_oneof![word(), "[ab/.]{0,8}"];
    let products = prop::collection::vec(word(), 0..4);
    (0..45_u32, text(), text(), any::<bool>(), products, date(), date(), point(), 0..9_u32).prop_map(
        |(age, topic, page, staff, products, customer_since, fixed_until, home, tenure_years)| {
            json!({
                "age": age, "topic": topic, "page": page, "staff": staff, "products": products, "home": home,
                "customer_since": customer_since, "fixed_until": fixed_until, "tenure_years": tenure_years,
            })
        },
    )
}

fn events() -> impl Strategy<Value = EventCounts> {
    prop::collection::vec(0..12_u64, 0..8).prop_map(|days| {
        let mut counts = EventCounts::default();
        days.iter().for_each(|ago| counts.record("x", NOW_MS - ago * DAY_MS));
        counts
    })
}

/// JSON that looks like rules and is mostly none.
fn junk() -> impl Strategy<Value = Json> {
    let keys = vec![
        "all",
        "any",
        "at_least",
        "of",
        "not",
        "known",
        "holds",
        "segment",
        "tier",
        "in",
        "events",
        "within_days",
        "op",
        "value",
        "attr",
        "ignore_case",
        "lat",
        "lon",
        "km",
        "name",
    ];
    let words = vec![
        "age",
        "topic",
        "page",
        "products",
        "customer_since",
        "home",
        "students",
        "value",
        "A",
        "eq",
        "between",
        "in",
        "size_ge",
        "on",
        "within_days",
        "within_km",
        "matches",
        "url_matches",
        "2026-11-22",
        "9999-12-31",
        "",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        prop::sample::select(words).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map(prop::sample::select(keys.clone()), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// What Kleene's logic says of "at least so many": the answer that every way of filling in the unknown ones agrees on.
fn brute_force(needed: usize, of: &[Option<bool>]) -> Truth {
    let open: Vec<usize> = (0..of.len()).filter(|at| of[*at].is_none()).collect();
    let ways = (0..1_u32 << open.len()).map(|way| {
        let filled = |at: usize| open.iter().position(|open| *open == at).is_some_and(|bit| way & (1 << bit) != 0);
        (0..of.len()).filter(|at| of[*at].unwrap_or_else(|| filled(*at))).count() >= needed
    });
    let ways: Vec<bool> = ways.collect();
    match (ways.contains(&true), ways.contains(&false)) {
        (true, false) => Truth::True,
        (false, true) => Truth::False,
        _ => Truth::Unknown,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_panics(rule in junk(), facts in junk()) {
        let config = bank();
        let (schema, _) = schema_of(&config);
        if let Ok(rule) = Rule::compile(&rule, &schema) {
            let facts = facts_of(&config, &facts);
            let context = EvaluationContext::new(&schema, &facts, None, u64::MAX);
            prop_assert_eq!(rule.evaluate(&context) == Truth::Unknown, !rule.missing(&context).is_empty());
            prop_assert!(rule.sentence(&schema, Language::Chinese).ends_with('。'));
        }
    }

    /// Learning a fact never turns an answer into its opposite: unknown only ever becomes settled.
    #[test]
    fn knowing_more_never_contradicts(rule in rule(), facts in facts(), events in events(), kept: u16) {
        let config = lawful_bank();
        let (schema, _) = schema_of(&config);
        let rule = Rule::compile(&rule, &schema).unwrap();
        let all = facts_of(&config, &facts);
        let some: Vec<Value> = all
            .iter()
            .enumerate()
            .map(|(at, fact)| if kept & (1 << at) == 0 { Value::Missing } else { fact.clone() })
            .collect();
        let history = (kept >> 15 == 1).then_some(&events);
        let less = EvaluationContext::new(&schema, &some, history, NOW_MS);
        let (before, missing) = (rule.evaluate(&less), rule.missing(&less));
        let after = rule.evaluate(&EvaluationContext::new(&schema, &all, Some(&events), NOW_MS));
        prop_assert!(before == Truth::Unknown || before == after, "{before:?} became {after:?}");
        prop_assert_eq!(before == Truth::Unknown, !missing.is_empty());
    }

    #[test]
    fn denying_twice_says_the_same(json in rule(), facts in facts(), events in events()) {
        let config = bank();
        let (schema, _) = schema_of(&config);
        let facts = facts_of(&config, &facts);
        let context = EvaluationContext::new(&schema, &facts, Some(&events), NOW_MS);
        let rule = Rule::compile(&json, &schema).unwrap();
        // Two levels more may be two too many.
        if let Ok(twice) = Rule::compile(&json!({"not": {"not": json}}), &schema) {
            prop_assert_eq!(twice.evaluate(&context), rule.evaluate(&context));
            prop_assert_eq!(twice.missing(&context), rule.missing(&context));
            prop_assert_eq!(twice.sentence(&schema, Language::English), rule.sentence(&schema, Language::English));
        }
    }

    #[test]
    fn at_least_is_what_every_way_agrees_on(of in prop::collection::vec(any::<Option<bool>>(), 1..9), needed: prop::sample::Index) {
        let needed = needed.index(of.len()) + 1;
        let name = |at: usize| format!("fact{at}");
        let attributes: Vec<Json> =
            (0..of.len()).map(|at| json!({"name": name(at), "type": "bool", "source": "context"})).collect();
        let children: Vec<Json> = (0..of.len()).map(|at| attr(&name(at), "eq", true)).collect();
        let facts: serde_json::Map<String, Json> =
            of.iter().enumerate().map(|(at, fact)| (name(at), json!(fact))).collect();
        let found = answer(
            &json!({"attributes": attributes}),
            &json!({"at_least": needed, "of": children}),
            &Json::Object(facts),
            None,
        );
        prop_assert_eq!(found, brute_force(needed, &of));
    }
}
