//! What is no rule, where, and why in words.

use super::*;

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let (schema, _) = schema_of(&bank());
    let refuse = |rule: Json| Rule::compile(&rule, &schema).unwrap_err().to_string();
    let attr = |name: &str, op: &str, value: Json| json!({"attr": name, "op": op, "value": value});
    let found = [
        refuse(json!(3)),
        refuse(json!({})),
        refuse(json!({"all": []})),
        refuse(json!({"any": {"known": "age"}})),
        refuse(json!({"all": [attr("age", "ge", json!(18)), attr("shoe_size", "eq", json!(1))]})),
        refuse(json!({"all": [{"known": "age"}], "any": [{"known": "topic"}]})),
        refuse(json!({"known": "age", "~/": 1})),
        refuse(json!({"not": attr("age", "contains", json!("8"))})),
        refuse(attr("age", "ge", json!("18"))),
        refuse(attr("age", "between", json!([70, 18]))),
        refuse(attr("age", "between", json!([18, "x", 70]))),
        refuse(attr("topic", "ge", json!(1))),
        refuse(attr("topic", "in", json!([]))),
        refuse(attr("topic", "contains", json!(""))),
        refuse(attr("topic", "in", json!(["a", 3]))),
        refuse(attr("topic", "eq", json!("x".repeat(257)))),
        refuse(attr("topic", "in", json!(vec!["x"; 201]))),
        refuse(attr("staff", "eq", json!("yes"))),
        refuse(attr("products", "size", json!(2))),
        refuse(attr("products", "size_ge", json!("two"))),
        refuse(attr("customer_since", "on", json!("2026-11-22T10:00Z"))),
        refuse(attr("customer_since", "before", json!("22 November"))),
        refuse(attr("customer_since", "within_days", json!(0))),
        refuse(attr("customer_since", "within_days", json!(1.5))),
        refuse(attr("home", "within_km", json!({"lat": 53.8, "lon": -1.55}))),
        refuse(attr("home", "within_km", json!({"lat": 53.8, "lon": -1.55, "km": 25, "miles": 3}))),
        refuse(json!({"attr": "age", "op": "ge"})),
        refuse(json!({"attr": "age", "value": 3})),
        refuse(json!({"attr": "age", "op": "ge", "value": 3, "ignore_case": true})),
        refuse(json!({"at_least": 3, "of": [{"known": "age"}]})),
        refuse(json!({"at_least": 1})),
        refuse(json!({"holds": 7})),
        refuse(json!({"segment": "dentists"})),
        refuse(json!({"tier": "mood", "in": ["A"]})),
        refuse(json!({"tier": "value", "in": ["A", "Z"]})),
        refuse(json!({"tier": "value"})),
        refuse(json!({"events": "", "within_days": 7, "op": "ge", "value": 3})),
        refuse(json!({"events": "page:loans", "within_days": 91, "op": "ge", "value": 3})),
        refuse(json!({"events": "page:loans", "within_days": 7, "op": "in", "value": 3})),
        refuse(json!({"events": "page:loans", "within_days": 7, "op": "ge", "value": true})),
    ];
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn sizes_have_their_bounds() {
    let (schema, _) = schema_of(&bank());
    let compile = |rule: &Json| Rule::compile(rule, &schema).map_err(|error| error.detail);
    let deep = |levels| (1..levels).fold(json!({"known": "age"}), |rule, _| json!({"not": rule}));
    assert!(compile(&deep(12)).is_ok());
    assert_eq!(compile(&deep(13)), Err("nested deeper than 12 levels".into()));
    let wide = |conditions| json!({"any": vec![json!({"known": "age"}); conditions]});
    assert!(compile(&wide(199)).is_ok());
    assert_eq!(compile(&wide(200)), Err("more than 200 conditions in one rule".into()));
}

#[test]
fn holds_needs_a_set_of_products() {
    let (schema, _) = schema_of(&json!({"attributes": [{"name": "products", "type": "text", "source": "identity"}]}));
    let error = Rule::compile(&json!({"holds": "card"}), &schema).unwrap_err();
    assert_eq!(error.to_string(), ": `holds`: there must be an attribute `products` that is a set");
}
