//! Each operator on facts that satisfy it, that do not, and that are missing.

use Truth::{False, True, Unknown};

use super::*;

/// One rule on several values of one fact.
fn check<const N: usize>(attribute: &str, op: &str, value: Json, expect: [(Json, Truth); N]) {
    check_rule(&json!({"attr": attribute, "op": op, "value": value}), attribute, expect);
}

fn check_rule<const N: usize>(rule: &Json, attribute: &str, expect: [(Json, Truth); N]) {
    for (fact, truth) in expect {
        assert_eq!(answer(&bank(), rule, &json!({attribute: fact}), None), truth, "{rule} on {fact}");
    }
    assert_eq!(answer(&bank(), rule, &json!({}), None), Unknown, "{rule} on nothing");
}

#[test]
fn numbers() {
    let on = |op, value, expect: [Truth; 3]| {
        let [low, same, high] = expect;
        check("age", op, value, [(json!(17), low), (json!(18), same), (json!(18.5), high), (json!("18"), Unknown)]);
    };
    on("eq", json!(18), [False, True, False]);
    on("ne", json!(18), [True, False, True]);
    on("lt", json!(18), [True, False, False]);
    on("le", json!(18), [True, True, False]);
    on("gt", json!(18), [False, False, True]);
    on("ge", json!(18), [False, True, True]);
    on("between", json!([18, 18.5]), [False, True, True]);
    on("between", json!([18, 18]), [False, True, False]);
}

#[test]
fn texts() {
    let loans = || json!("Car loans");
    check("topic", "eq", json!("Car loans"), [(loans(), True), (json!("car loans"), False), (json!(7), Unknown)]);
    check("topic", "ne", json!("Car loans"), [(loans(), False), (json!("cards"), True), (json!(7), Unknown)]);
    check("topic", "in", json!(["cards", "Car loans"]), [(loans(), True), (json!("car"), False)]);
    check("topic", "not_in", json!(["cards", "Car loans"]), [(loans(), False), (json!("car"), True)]);
    check("topic", "contains", json!("loan"), [(loans(), True), (json!("cards"), False)]);
    check("topic", "contains", json!(["x", "loan"]), [(loans(), True), (json!("cards"), False)]);
    check("topic", "starts_with", json!("Car"), [(loans(), True), (json!("a Car"), False)]);
    check("topic", "ends_with", json!("loans"), [(loans(), True), (json!("loans!"), False)]);
    check("topic", "matches", json!("C?r *"), [(loans(), True), (json!("Cards"), False)]);
    // Longer than a fact may be: not known rather than expensive.
    check("topic", "contains", json!("a"), [(json!("a".repeat(2_048)), True), (json!("a".repeat(2_049)), Unknown)]);
}

#[test]
fn texts_in_any_case() {
    let on = |op, value: Json, expect| {
        let rule = json!({"attr": "topic", "op": op, "value": value, "ignore_case": true});
        check_rule(&rule, "topic", [(json!("Kfz-ÜBERSICHT"), expect)]);
    };
    on("eq", json!("KFZ-Übersicht"), True);
    on("ne", json!("KFZ-Übersicht"), False);
    on("in", json!(["x", "kfz-übersicht"]), True);
    on("not_in", json!(["x", "kfz-übersich"]), True);
    on("contains", json!("üb"), True);
    on("starts_with", json!("KFZ"), True);
    on("ends_with", json!("sicht"), True);
    on("matches", json!("k*ü*t"), True);
}

#[test]
fn web_addresses() {
    let page = || json!("https://www.meridian.example/Mortgages/fix?utm=1#top");
    check("page", "url_matches", json!("/Mortgages/*"), [(page(), True), (json!("/loans"), False)]);
    check("page", "url_matches", json!(["*.meridian.example/loans/*", "/Mortgages/*"]), [(page(), True)]);
    // A path alone does not say on which host it is.
    check("page", "url_matches", json!("*.meridian.example/loans"), [(page(), False), (json!("/loans"), Unknown)]);
    let rule = json!({"attr": "page", "op": "url_matches", "value": "/mortgages/*", "ignore_case": true});
    check_rule(&rule, "page", [(page(), True)]);
}

#[test]
fn booleans() {
    check("staff", "eq", json!(true), [(json!(true), True), (json!(false), False), (json!("true"), Unknown)]);
    check("staff", "ne", json!(true), [(json!(true), False), (json!(false), True)]);
}

#[test]
fn sets() {
    let two = || json!(["saver", "card"]);
    check(
        "products",
        "overlaps",
        json!(["loan", "card"]),
        [(two(), True), (json!(["cards"]), False), (json!([]), False)],
    );
    check("products", "contains_all", json!(["card", "saver"]), [(two(), True), (json!(["card"]), False)]);
    check("products", "contains_none", json!(["loan", "card"]), [(two(), False), (json!([]), True)]);
    check("products", "size_ge", json!(2), [(two(), True), (json!(["card", "card"]), False)]);
    check("products", "size_eq", json!(0), [(two(), False), (json!([]), True)]);
    check("products", "size_between", json!([1, 2]), [(two(), True), (json!([]), False)]);
    check_rule(&json!({"holds": "card"}), "products", [(two(), True), (json!(["saver"]), False)]);
}

#[test]
fn dates() {
    let date = |op, value, expect: &[(&str, Truth)]| {
        for (fact, truth) in expect {
            check("customer_since", op, json!(value), [(json!(fact), *truth)]);
        }
    };
    let (before, day, after) = ("2020-05-09T23:59:59.999Z", "2020-05-10", "2020-05-11T00:00+00:00");
    date("before", "2020-05-10", &[(before, True), (day, False), (after, False), ("May 2020", Unknown)]);
    date("on", "2020-05-10", &[(before, False), (day, True), ("2020-05-10T23:59:59Z", True), (after, False)]);
    date("after", "2020-05-10", &[(before, False), (day, False), ("2020-05-10T23:59:59Z", False), (after, True)]);
    // With a time, a moment is compared and no day.
    date("after", "2020-05-10T12:00Z", &[("2020-05-10T12:00Z", False), ("2020-05-10T14:00:00.001+02:00", True)]);
    date("before", "2020-05-10T12:00Z", &[("2020-05-10T12:00Z", False), ("2020-05-10T11:59Z", True)]);
    check("customer_since", "before", json!(0), [(json!(-1), True), (json!(0), False)]);
}

#[test]
fn distances_in_time_are_from_now() {
    let days = |op, value, expect: &[(&str, Truth)]| {
        for (fact, truth) in expect {
            check("fixed_until", op, json!(value), [(json!(fact), *truth)]);
        }
    };
    let (week_ago, more) = ("2026-11-15T10:00Z", "2026-11-15T09:59:59Z");
    let (week_ahead, later) = ("2026-11-29T10:00Z", "2026-11-29T10:00:01Z");
    let now = "2026-11-22T10:00Z";
    days("within_days", 7, &[(week_ago, True), (more, False), (now, True), (week_ahead, False)]);
    days("older_than_days", 7, &[(week_ago, False), (more, True), (now, False), (week_ahead, False)]);
    days("within_next_days", 7, &[(week_ahead, True), (later, False), (now, True), (week_ago, False)]);
}

#[test]
fn places() {
    let leeds = json!({"lat": 53.8, "lon": -1.55, "km": 25});
    let (bradford, york) = (json!({"lat": 53.79, "lon": -1.75}), json!({"lat": 53.96, "lon": -1.08}));
    let nowhere = json!({"lat": 153, "lon": 0});
    check("home", "within_km", leeds, [(bradford, True), (york, False), (nowhere, Unknown), (json!("Leeds"), Unknown)]);
}

#[test]
fn known_is_settled_also_when_nothing_is() {
    let check = |rule: Json, facts: Json, expect| assert_eq!(answer(&bank(), &rule, &facts, None), expect, "{rule}");
    check(json!({"known": "age"}), json!({"age": 3}), True);
    check(json!({"known": "age"}), json!({}), False);
    check(json!({"known": "age"}), json!({"age": "three"}), False);
    check(json!({"not": {"known": "products"}}), json!({}), True);
}

#[test]
fn events_are_zero_where_nothing_happened_and_unknown_where_nothing_may_be_kept() {
    let check = |events: Option<&EventCounts>, days: u32, op: &str, value: Json, expect| {
        let rule = json!({"events": "page:mortgages", "within_days": days, "op": op, "value": value});
        assert_eq!(answer(&bank(), &rule, &json!({}), events), expect, "{rule}");
    };
    let mut seen = EventCounts::default();
    [0, 0, 6, 7].iter().for_each(|ago| seen.record("page:mortgages", NOW_MS - ago * DAY_MS));
    seen.record("page:loans", NOW_MS);
    check(Some(&seen), 1, "eq", json!(2), True);
    check(Some(&seen), 7, "ge", json!(3), True);
    check(Some(&seen), 7, "gt", json!(3), False);
    check(Some(&seen), 8, "between", json!([4, 9]), True);
    check(Some(&EventCounts::default()), 7, "ge", json!(1), False);
    check(Some(&EventCounts::default()), 7, "eq", json!(0), True);
    check(None, 7, "eq", json!(0), Unknown);
}

#[test]
fn logic_in_three_values() {
    let check = |rule: Json, facts: Json, expect| assert_eq!(answer(&bank(), &rule, &facts, None), expect, "{rule}");
    let adult = json!({"attr": "age", "op": "ge", "value": 18});
    let cards = json!({"attr": "topic", "op": "eq", "value": "cards"});
    check(json!({"not": adult}), json!({}), Unknown);
    check(json!({"any": [adult, cards]}), json!({"topic": "cards"}), True);
    check(json!({"any": [adult, cards]}), json!({"topic": "loans"}), Unknown);
    check(json!({"all": [adult, cards]}), json!({"topic": "loans"}), False);
    check(json!({"all": [adult, cards]}), json!({"topic": "cards"}), Unknown);
    check(json!({"at_least": 2, "of": [adult, cards, {"known": "age"}]}), json!({"topic": "cards"}), Unknown);
    check(json!({"at_least": 2, "of": [adult, cards, {"known": "age"}]}), json!({"topic": "loans"}), False);
}
