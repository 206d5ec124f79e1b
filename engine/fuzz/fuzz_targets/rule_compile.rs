//! Any JSON as a rule, and any as facts: compiled, answered and printed without a panic.
//!
//! `cargo +nightly fuzz run rule_compile` in `engine`. The input is a rule and, after a line break, the facts.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portico_engine::config::{Attribute, Segment, Tier};
use portico_engine::{EvaluationContext, EventCounts, Language, Rule, Schema, Truth, Value};
use serde_json::{Value as Json, from_value, json};

static BANK: LazyLock<(Vec<Attribute>, Schema)> = LazyLock::new(|| {
    let attribute = |name: &str, kind: &str| json!({"name": name, "type": kind, "source": "profile"});
    let attributes = json!([
        attribute("age", "number"),
        attribute("topic", "text"),
        attribute("staff", "bool"),
        attribute("products", "set"),
        attribute("since", "date"),
        attribute("home", "point"),
    ]);
    let segments = json!([{"id": "adults", "rule": {"attr": "age", "op": "ge", "value": 18}}]);
    let tiers = json!([{"id": "value", "overridden_by": "topic", "levels": [
        {"id": "A", "rule": {"attr": "products", "op": "size_ge", "value": 3}},
        {"id": "B", "rule": {"segment": "adults"}},
    ]}]);
    let attributes: Vec<Attribute> = from_value(attributes).unwrap();
    let segments: Vec<Segment> = from_value(segments).unwrap();
    let (schema, errors) = Schema::compile(&attributes, &segments, &from_value::<Vec<Tier>>(tiers).unwrap());
    assert!(errors.is_empty());
    (attributes, schema)
});

fuzz_target!(|input: &str| {
    let (rule, facts) = input.split_once('\n').unwrap_or((input, "{}"));
    let (Ok(rule), Ok(facts)) = (serde_json::from_str::<Json>(rule), serde_json::from_str::<Json>(facts)) else {
        return;
    };
    let (attributes, schema) = &*BANK;
    let Ok(rule) = Rule::compile(&rule, schema) else { return };
    let read = |attribute: &Attribute| {
        facts.get(&attribute.name).map_or(Value::Missing, |fact| Value::from_json(attribute.kind, fact))
    };
    let slots: Vec<Value> = attributes.iter().map(read).collect();
    let events = facts.get("events").and_then(|events| from_value::<EventCounts>(events.clone()).ok());
    let now_ms = facts.get("now_ms").and_then(Json::as_u64).unwrap_or(u64::MAX);
    let context = EvaluationContext::new(schema, &slots, events.as_ref(), now_ms);
    assert_eq!(rule.evaluate(&context) == Truth::Unknown, !rule.missing(&context).is_empty());
    assert!(rule.sentence(schema, Language::English).ends_with('.'));
    assert!(rule.sentence(schema, Language::Chinese).ends_with('。'));
});
