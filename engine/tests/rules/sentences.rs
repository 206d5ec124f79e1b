//! Rules in words.

use std::collections::BTreeMap;

use portico_engine::Language;

use super::*;

#[test]
fn rules_read_as_sentences() {
    let (schema, _) = schema_of(&bank());
    let adult = json!({"attr": "age", "op": "ge", "value": 18});
    let long = json!({"attr": "tenure_years", "op": "gt", "value": 5});
    let cards = json!({"attr": "topic", "op": "in", "value": ["cards", "loans"]});
    let visits = json!({"events": "page:mortgages", "within_days": 7, "op": "ge", "value": 3});
    let rules = [
        adult.clone(),
        json!({"all": [adult, {"not": {"holds": "overdraft"}}, cards]}),
        json!({"any": [{"not": {"known": "age"}}, adult]}),
        json!({"all": [adult, {"any": [cards, {"all": [long, visits]}]}]}),
        json!({"at_least": 2, "of": [long, {"holds": "current_account"}, {"any": [adult, {"segment": "students"}]}]}),
        json!({"not": {"any": [adult, {"all": [cards, long]}]}}),
        json!({"any": [{"all": [long, cards]}, long]}),
        json!({"not": {"not": {"not": adult}}}),
        json!({"all": [{"any": [adult]}, {"not": {"all": [visits]}}]}),
        json!({"not": {"at_least": 2, "of": [adult, cards, long]}}),
        json!({"all": [{"tier": "value", "in": ["A", "B"]}, {"not": {"segment": "young_savers"}}]}),
        json!({"all": [
            {"attr": "customer_since", "op": "older_than_days", "value": 365},
            {"attr": "fixed_until", "op": "within_next_days", "value": 90},
            {"not": {"attr": "customer_since", "op": "after", "value": "2020-02-29"}},
        ]}),
        json!({"any": [
            {"attr": "home", "op": "within_km", "value": {"lat": 53.8, "lon": -1.55, "km": 25, "name": "Leeds"}},
            {"not": {"attr": "region", "op": "starts_with", "value": "york", "ignore_case": true}},
        ]}),
        json!({"all": [
            {"attr": "page", "op": "url_matches", "value": ["/mortgages/*", "/loans/*"]},
            {"attr": "products", "op": "contains_none", "value": ["mortgage", "loan"]},
            {"attr": "products", "op": "size_between", "value": [1, 3]},
        ]}),
        json!({"attr": "region", "op": "not_in", "value": (1..=15).map(|at| format!("r{at}")).collect::<Vec<_>>()}),
        json!({"attr": "customer_since", "op": "before", "value": 1_795_341_600_250_u64}),
    ];
    let printed = rules.map(|rule| {
        let rule = Rule::compile(&rule, &schema).unwrap_or_else(|error| panic!("{rule}: {error}"));
        [Language::English, Language::Chinese].map(|language| rule.sentence(&schema, language)).join("\n")
    });
    insta::assert_snapshot!(printed.join("\n\n"));
}

/// All small rules over three facts: two that read the same mean the same.
#[test]
fn a_sentence_has_one_meaning() {
    let attributes = ["a", "b", "c"].map(|name| json!({"name": name, "type": "bool", "source": "context"}));
    let (schema, _) = schema_of(&json!({"attributes": attributes}));
    let mut rules: Vec<Json> = ["a", "b", "c"].map(|name| json!({"attr": name, "op": "eq", "value": true})).into();
    let mut last = rules.clone();
    for _ in 0..2 {
        let mut next: Vec<Json> = last.iter().map(|rule| json!({"not": rule})).collect();
        for (left, right) in last.iter().flat_map(|left| last.iter().map(move |right| (left, right))) {
            next.extend([json!({"all": [left, right]}), json!({"any": [left, right]})]);
        }
        next.push(json!({"at_least": 2, "of": last.get(..3)}));
        next.push(json!({"at_least": 2, "of": last.get(last.len() - 3..)}));
        rules.extend(next.clone());
        last = next;
    }
    let facts: Vec<Vec<Value>> = (0..27)
        .map(|case| {
            [case % 3, case / 3 % 3, case / 9]
                .map(|value| [Value::Missing, Value::Bool(false), Value::Bool(true)][value].clone())
                .to_vec()
        })
        .collect();
    for language in [Language::English, Language::Chinese] {
        let mut meanings: BTreeMap<String, Vec<Truth>> = BTreeMap::new();
        for json in &rules {
            let rule = Rule::compile(json, &schema).unwrap();
            let answers: Vec<Truth> = facts
                .iter()
                .map(|facts| rule.evaluate(&EvaluationContext::new(&schema, facts, None, NOW_MS)))
                .collect();
            let sentence = rule.sentence(&schema, language);
            let meaning = meanings.entry(sentence.clone()).or_insert_with(|| answers.clone());
            assert_eq!(*meaning, answers, "{sentence} {json}");
        }
        assert!(meanings.len() > 900, "{}", meanings.len());
    }
}
