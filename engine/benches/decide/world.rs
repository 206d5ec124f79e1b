//! The site that benchmarks decide for, and its visitors: those of the engine's, and by HTTP those of the edge's.

use serde_json::{Map, Value, json};

/// Attributes with ten values each: a decision has so many active features.
const ATTRIBUTES: usize = 40;
const VALUES: usize = 10;

/// A site with so many offers in groups of 25, a rule on every other offer and on every group.
pub(crate) fn decisions(offers: usize) -> Value {
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
    json!({
        "attributes": attributes, "groups": groups, "offers": offers,
        "stages": [{ "id": "click" }, { "id": "applied", "prior_rate": 0.1 }],
        "kpis": [{ "id": "revenue", "weight": 1.0 }, { "id": "cost", "weight": 1.0 }],
        "placements": [{ "id": "hero" }, { "id": "list", "count": 3 }, { "id": "side", "count": 2 }],
        "arms": { "control": 0.0, "explore": 0.0, "period_days": 28 },
        "contact": [{ "per": "offer", "most": 5, "within_days": 7 }],
    })
}

/// What is known of visitor number `n`.
pub(crate) fn facts(n: usize) -> Map<String, Value> {
    (0..ATTRIBUTES)
        .map(|at| {
            // A different value for each visitor, well mixed.
            let value = (n.wrapping_mul(2_654_435_761).wrapping_add(at * 40_503) >> 7) % VALUES;
            match at % 2 {
                0 => (format!("number{at}"), value.into()),
                _ => (format!("word{at}"), format!("word{value}").into()),
            }
        })
        .collect()
}
