//! `docs/rules.md` says what the engine does: every row of its tables is compiled, answered without facts and printed.

use portico_engine::Language;

use super::*;

#[test]
fn the_reference_is_right() {
    let (schema, errors) = schema_of(&bank());
    assert_eq!(errors, [""; 0]);
    let facts = facts_of(&bank(), &json!({}));
    let mut rows = 0;
    for line in include_str!("../../../docs/rules.md").lines().filter(|line| line.starts_with("| `{")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [rule, meaning, _, _, _] = cells.as_slice() else { panic!("five cells: {line}") };
        let compiled: Json =
            serde_json::from_str(rule.trim_matches('`')).unwrap_or_else(|error| panic!("{line}: {error}"));
        let compiled = Rule::compile(&compiled, &schema).unwrap_or_else(|error| panic!("{line}: {error}"));
        let without = match compiled.evaluate(&EvaluationContext::new(&schema, &facts, None, NOW_MS)) {
            Truth::True => "yes",
            Truth::False => "no",
            Truth::Unknown => "unknown",
        };
        let [english, chinese] =
            [Language::English, Language::Chinese].map(|language| compiled.sentence(&schema, language));
        assert_eq!(line, format!("| {rule} | {meaning} | {without} | {english} | {chinese} |"));
        rows += 1;
    }
    assert!(rows > 40, "{rows} rows");
}
