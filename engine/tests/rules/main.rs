//! What holds of rules, through the public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

mod definitions;
mod laws;
mod operators;
mod reference;
mod refusals;
mod sentences;

use portico_engine::config::{Attribute, Segment, Tier};
use portico_engine::{EvaluationContext, EventCounts, Rule, Schema, Truth, Value};
use serde_json::{Value as Json, json};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// 2026-11-22T10:00:00Z.
const NOW_MS: u64 = 20_779 * DAY_MS + 10 * 60 * 60 * 1000;

/// The bank of the reference.
fn bank() -> Json {
    json!({
        "attributes": [
            {"name": "age", "type": "number", "source": "identity", "label": {"en": "age", "zh": "年龄"}},
            {"name": "topic", "type": "text", "source": "context", "label": {"en": "topic", "zh": "主题"}},
            {"name": "page", "type": "text", "source": "context", "label": {"en": "page", "zh": "页面"}},
            {"name": "region", "type": "text", "source": "identity", "label": {"en": "region", "zh": "地区"}},
            {"name": "staff", "type": "bool", "source": "identity", "label": {"en": "staff member", "zh": "员工"}},
            {"name": "products", "type": "set", "source": "identity", "label": {"en": "products", "zh": "产品"}},
            {"name": "customer_since", "type": "date", "source": "identity", "label": {"zh": "开户日期", "en": "customer since"}},
            {"name": "fixed_until", "type": "date", "source": "profile", "label": {"en": "end of the fixed rate", "zh": "固定利率到期日"}},
            {"name": "home", "type": "point", "source": "profile", "label": {"en": "home", "zh": "住址"}},
            {"name": "tenure_years", "type": "number", "source": "identity"},
            {"name": "agreed_value", "type": "text", "source": "profile"},
        ],
        "segments": [
            {"id": "students", "name": {"en": "Students", "zh": "学生"},
             "rule": {"all": [{"attr": "age", "op": "lt", "value": 26}, {"holds": "student_account"}]}},
            {"id": "young_savers", "rule": {"all": [{"segment": "students"}, {"holds": "saver"}]}},
        ],
        "tiers": [
            {"id": "value", "name": {"en": "value", "zh": "价值"}, "overridden_by": "agreed_value", "levels": [
                {"id": "A", "rule": {"attr": "products", "op": "size_ge", "value": 3}},
                {"id": "B", "rule": {"attr": "tenure_years", "op": "ge", "value": 5}},
                {"id": "C"},
            ]},
            {"id": "potential", "levels": [{"id": "high", "rule": {"segment": "students"}}]},
        ],
    })
}

/// The schema of a configuration's part, and the errors as `pointer: detail`.
fn schema_of(config: &Json) -> (Schema, Vec<String>) {
    fn list<T: serde::de::DeserializeOwned>(config: &Json, name: &str) -> Vec<T> {
        config.get(name).map_or(Vec::new(), |list| serde_json::from_value(list.clone()).unwrap())
    }
    let attributes: Vec<Attribute> = list(config, "attributes");
    let (segments, tiers): (Vec<Segment>, Vec<Tier>) = (list(config, "segments"), list(config, "tiers"));
    let (schema, errors) = Schema::compile(&attributes, &segments, &tiers);
    (schema, errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect())
}

/// Facts in slot order from an object, read as a request's are.
fn facts_of(config: &Json, facts: &Json) -> Vec<Value> {
    let attributes: Vec<Attribute> = serde_json::from_value(config["attributes"].clone()).unwrap();
    let read = |attribute: &Attribute| {
        facts.get(&attribute.name).map_or(Value::Missing, |fact| Value::from_json(attribute.kind, fact))
    };
    attributes.iter().map(read).collect()
}

fn answer(config: &Json, rule: &Json, facts: &Json, events: Option<&EventCounts>) -> Truth {
    let (schema, errors) = schema_of(config);
    assert_eq!(errors, [""; 0]);
    let rule = Rule::compile(rule, &schema).unwrap_or_else(|error| panic!("{rule}: {error}"));
    rule.evaluate(&EvaluationContext::new(&schema, &facts_of(config, facts), events, NOW_MS))
}
