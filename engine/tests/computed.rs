//! What customers are worth, through the public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

mod case;

use case::{config, policy_of, untaught};
use portico_engine::config::Config;
use portico_engine::{Facts, Policy, Source};
use serde_json::{Value, json};

/// Most valuable, most growable, below zero and those between, by what they bring and could bring.
fn valued() -> Value {
    let mut config = config();
    let attributes = config["attributes"].as_array_mut().unwrap();
    for name in ["revenue", "cost", "actual", "potential"] {
        attributes.push(json!({ "name": name, "type": "number", "source": "profile", "learn": false }));
    }
    attributes.push(json!({ "name": "standing", "type": "text", "source": "profile", "learn": false }));
    attributes[2]["source"] = json!("profile");
    config["computed"] = json!([
        { "attribute": "actual", "terms": [{ "attr": "revenue" }, { "attr": "cost", "times": -2 }, { "holds": "card", "times": 40 }] },
        { "attribute": "potential", "terms": [{ "attr": "actual", "times": 0.5 }, { "offers": true, "times": 100 }] },
    ]);
    config["tiers"] = json!([{ "id": "value", "overridden_by": "standing", "levels": [
        { "id": "most-valuable", "rule": { "attr": "actual", "op": "ge", "value": 100 } },
        { "id": "below-zero", "rule": { "attr": "actual", "op": "lt", "value": 0 } },
        { "id": "most-growable", "rule": { "attr": "potential", "op": "ge", "value": 60 } },
        { "id": "migrator" },
    ] }]);
    config
}

fn facts(profile: Value) -> Facts {
    let mut facts = Facts::default();
    facts.extend(Source::Profile, serde_json::from_value(profile).unwrap());
    facts
}

#[test]
fn worth_is_the_sum_of_what_is_known() {
    let policy = policy_of(valued());
    let of = |profile: Value| policy.compute(&untaught(&policy), &facts(profile), 1_000_000);
    assert_eq!(of(json!({ "revenue": 100, "cost": 10, "products": ["card"] }))[0], ("actual", Some(120.0)));
    assert_eq!(of(json!({ "cost": 10 }))[0], ("actual", Some(-20.0)));
    assert_eq!(of(json!({ "products": [] }))[0], ("actual", Some(0.0)));
    assert_eq!(of(json!({ "revenue": "much" }))[0], ("actual", None));
    // A saver alone may be offered to whose age is not known: 5 % click (1), 20 % of them apply (5).
    let (name, potential) = of(json!({ "revenue": 40 }))[1];
    assert!(name == "potential" && (potential.unwrap() - 30.0).abs() < 1e-9, "{potential:?}");
}

#[test]
fn levels_follow_and_can_be_overridden() {
    let policy = policy_of(valued());
    let check = |actual: Option<i32>, potential: i32, standing: &str, expect: Option<&str>| {
        let mut profile = json!({ "potential": potential, "standing": standing });
        if let Some(actual) = actual {
            profile["actual"] = json!(actual);
        }
        assert_eq!(policy.levels(&facts(profile), 1_000_000), [("value", expect)], "{actual:?} {potential} {standing}");
    };
    check(Some(200), 0, "", Some("most-valuable"));
    check(Some(-5), 100, "", Some("below-zero"));
    check(Some(5), 100, "", Some("most-growable"));
    check(Some(5), 10, "", Some("migrator"));
    check(Some(-5), 10, "most-valuable", Some("most-valuable"));
    check(Some(5), 10, "king", Some("migrator"));
    check(None, 10, "", None);
    assert!(policy.values_customers() && !policy_of(config()).values_customers());
}

#[test]
fn what_is_wrong_with_a_sum_is_named() {
    let check = |at: &str, change: Value, pointer: &str| {
        let mut config = valued();
        *config.pointer_mut(at).unwrap() = change.clone();
        let config: Config = serde_json::from_value(config).unwrap();
        let errors = Policy::compile(&config).1;
        assert!(errors.iter().any(|error| error.pointer == pointer), "{at} {change}: {errors:?}");
    };
    check("/computed/0/attribute", json!("topic"), "/computed/0/attribute");
    check("/computed/1/attribute", json!("actual"), "/computed/1/attribute");
    check("/computed/0/terms", json!([]), "/computed/0/terms");
    check("/computed/0/terms/0", json!({ "attr": "none" }), "/computed/0/terms/0/attr");
    check("/computed/0/terms/0", json!({ "attr": "potential" }), "/computed/0/terms/0/attr");
    check("/computed/1/terms/0", json!({ "attr": "potential" }), "/computed/1/terms/0/attr");
    check("/computed/0/terms/0", json!({ "attr": "cost", "offers": true }), "/computed/0/terms/0");
    check("/computed/0/terms/0", json!({}), "/computed/0/terms/0");
}
