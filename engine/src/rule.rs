//! Rules: who is eligible, as a typed predicate tree with three-valued logic (Kleene).
//!
//! A rule is JSON: `{"all":[…]}`, `{"any":[…]}`, `{"not":…}`, `{"at_least":2,"of":[…]}`,
//! `{"attr":"age","op":"ge","value":18}`, `{"known":"age"}`, `{"holds":"overdraft"}`.
//! It is checked and compiled once to attribute slots; a missing fact makes a comparison unknown.

use serde_json::Value as Json;

use crate::config::{Attribute, AttributeKind};
use crate::facts::Value;

/// Deeper trees are refused: nobody could read them in a sentence.
const MAX_DEPTH: usize = 12;
/// Larger trees are refused: a decision evaluates every rule.
const MAX_NODES: usize = 200;
/// The set attribute that `holds` looks into.
const PRODUCTS: &str = "products";

/// What is wrong with a rule and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct RuleError {
    /// JSON pointer inside the rule.
    pub pointer: String,
    /// What is wrong, in words.
    pub detail: String,
}

/// The answer of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// A fact that would settle it is missing.
    Unknown,
}

impl Truth {
    fn of(flag: bool) -> Self {
        if flag { Self::True } else { Self::False }
    }

    fn negate(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// A compiled rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// At least `needed` of the children hold: `all`, `any` and `at_least` are the same question.
    AtLeast {
        needed: usize,
        of: Vec<Node>,
    },
    Not(Box<Node>),
    Known(usize),
    Test {
        slot: usize,
        test: Test,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Number(Order, f64),
    Is(bool),
    TextIn(Vec<String>),
    TextContains(String),
    TextStartsWith(String),
    SetOverlaps(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Rule {
    /// Checks a rule against the attributes and compiles it to their slots.
    ///
    /// # Errors
    /// The first thing wrong, with its place: unknown attribute or operator, a value of the wrong type, a shape
    /// that is no rule, or a tree too deep or too large.
    pub fn compile(rule: &Json, attributes: &[Attribute]) -> Result<Self, RuleError> {
        Compiler { attributes, nodes: 0 }.node(rule, &mut Vec::new()).map(Self)
    }

    /// Answers the rule from facts in slot order.
    #[must_use]
    pub fn evaluate(&self, facts: &[Value]) -> Truth {
        self.0.evaluate(facts)
    }

    /// The slots of facts whose absence left the rule unanswered.
    #[must_use]
    pub fn missing(&self, facts: &[Value]) -> Vec<usize> {
        let mut slots = Vec::new();
        self.0.missing(facts, &mut slots);
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

impl Node {
    fn evaluate(&self, facts: &[Value]) -> Truth {
        match self {
            Self::AtLeast { needed, of } => {
                let (mut held, mut open) = (0, 0);
                for child in of {
                    match child.evaluate(facts) {
                        Truth::True => held += 1,
                        Truth::Unknown => open += 1,
                        Truth::False => {}
                    }
                }
                if held >= *needed {
                    Truth::True
                } else if held + open >= *needed {
                    Truth::Unknown
                } else {
                    Truth::False
                }
            }
            Self::Not(child) => child.evaluate(facts).negate(),
            Self::Known(slot) => Truth::of(!matches!(facts.get(*slot), None | Some(Value::Missing))),
            Self::Test { slot, test } => facts.get(*slot).map_or(Truth::Unknown, |fact| test.evaluate(fact)),
        }
    }

    fn missing(&self, facts: &[Value], slots: &mut Vec<usize>) {
        match self {
            Self::AtLeast { of, .. } => of
                .iter()
                .filter(|child| child.evaluate(facts) == Truth::Unknown)
                .for_each(|child| child.missing(facts, slots)),
            Self::Not(child) => child.missing(facts, slots),
            Self::Known(_) => {}
            Self::Test { slot, .. } => {
                if self.evaluate(facts) == Truth::Unknown {
                    slots.push(*slot);
                }
            }
        }
    }
}

impl Test {
    fn evaluate(&self, fact: &Value) -> Truth {
        match (self, fact) {
            (Self::Number(order, bound), Value::Number(number)) => Truth::of(match order {
                Order::Eq => number == bound,
                Order::Lt => number < bound,
                Order::Le => number <= bound,
                Order::Gt => number > bound,
                Order::Ge => number >= bound,
            }),
            (Self::Is(wanted), Value::Bool(flag)) => Truth::of(flag == wanted),
            (Self::TextIn(words), Value::Text(text)) => Truth::of(words.contains(text)),
            (Self::TextContains(part), Value::Text(text)) => Truth::of(text.contains(part.as_str())),
            (Self::TextStartsWith(part), Value::Text(text)) => Truth::of(text.starts_with(part.as_str())),
            (Self::SetOverlaps(words), Value::Set(set)) => Truth::of(words.iter().any(|word| set.contains(word))),
            _ => Truth::Unknown,
        }
    }
}

struct Compiler<'a> {
    attributes: &'a [Attribute],
    nodes: usize,
}

impl Compiler<'_> {
    fn node(&mut self, json: &Json, path: &mut Vec<String>) -> Result<Node, RuleError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(error(path, format!("more than {MAX_NODES} conditions in one rule")));
        }
        if path.len() > MAX_DEPTH * 2 {
            return Err(error(path, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let Json::Object(object) = json else {
            return Err(error(path, "a rule is an object".to_owned()));
        };
        if let Some(children) = object.get("all") {
            let of = self.children(children, "all", path)?;
            return Ok(Node::AtLeast { needed: of.len(), of });
        }
        if let Some(children) = object.get("any") {
            return Ok(Node::AtLeast { needed: 1, of: self.children(children, "any", path)? });
        }
        if let Some(needed) = object.get("at_least") {
            let of = self.children(object.get("of").unwrap_or(&Json::Null), "of", path)?;
            let needed = needed.as_u64().and_then(|needed| usize::try_from(needed).ok());
            return match needed.filter(|needed| (1..=of.len()).contains(needed)) {
                Some(needed) => Ok(Node::AtLeast { needed, of }),
                None => Err(error(path, format!("at_least is a whole number from 1 to {}", of.len()))),
            };
        }
        if let Some(child) = object.get("not") {
            path.push("not".to_owned());
            let child = self.node(child, path)?;
            path.pop();
            return Ok(Node::Not(Box::new(child)));
        }
        if let Some(name) = object.get("known") {
            return Ok(Node::Known(self.attribute(name, path)?.0));
        }
        if let Some(product) = object.get("holds") {
            let (slot, kind) = self.attribute(&Json::from(PRODUCTS), path)?;
            let Some(product) = product.as_str().filter(|_| kind == AttributeKind::Set) else {
                return Err(error(
                    path,
                    "holds takes a product's name and needs a set attribute `products`".to_owned(),
                ));
            };
            return Ok(Node::Test { slot, test: Test::SetOverlaps(vec![product.to_owned()]) });
        }
        if object.contains_key("attr") {
            return self.comparison(object, path);
        }
        Err(error(path, "none of all, any, at_least, not, known, holds, attr".to_owned()))
    }

    fn children(&mut self, json: &Json, name: &str, path: &mut Vec<String>) -> Result<Vec<Node>, RuleError> {
        path.push(name.to_owned());
        let Json::Array(items) = json else {
            return Err(error(path, "a list of rules".to_owned()));
        };
        if items.is_empty() {
            return Err(error(path, "an empty list says nothing".to_owned()));
        }
        let mut nodes = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            path.push(index.to_string());
            nodes.push(self.node(item, path)?);
            path.pop();
        }
        path.pop();
        Ok(nodes)
    }

    fn attribute(&self, name: &Json, path: &[String]) -> Result<(usize, AttributeKind), RuleError> {
        let name = name.as_str().ok_or_else(|| error(path, "an attribute's name is a text".to_owned()))?;
        self.attributes
            .iter()
            .position(|attribute| attribute.name == name)
            .and_then(|slot| self.attributes.get(slot).map(|attribute| (slot, attribute.kind)))
            .ok_or_else(|| error(path, format!("unknown attribute `{name}`")))
    }

    fn comparison(&self, object: &serde_json::Map<String, Json>, path: &[String]) -> Result<Node, RuleError> {
        let (slot, kind) = self.attribute(object.get("attr").unwrap_or(&Json::Null), path)?;
        let op = object.get("op").and_then(Json::as_str).ok_or_else(|| error(path, "op is missing".to_owned()))?;
        let value = object.get("value").ok_or_else(|| error(path, "value is missing".to_owned()))?;
        let wrong = || error(path, format!("`{op}` does not go with {kind:?} and {value}"));
        let test = match (kind, op) {
            (AttributeKind::Number, "eq" | "ne" | "lt" | "le" | "gt" | "ge") => {
                let bound = value.as_f64().filter(|bound| bound.is_finite()).ok_or_else(wrong)?;
                let order = match op {
                    "lt" => Order::Lt,
                    "le" => Order::Le,
                    "gt" => Order::Gt,
                    "ge" => Order::Ge,
                    _ => Order::Eq,
                };
                Test::Number(order, bound)
            }
            (AttributeKind::Bool, "eq" | "ne") => Test::Is(value.as_bool().ok_or_else(wrong)?),
            (AttributeKind::Text, "eq" | "ne") => Test::TextIn(vec![value.as_str().ok_or_else(wrong)?.to_owned()]),
            (AttributeKind::Text, "in") => Test::TextIn(words(value).ok_or_else(wrong)?),
            (AttributeKind::Text, "contains") => Test::TextContains(value.as_str().ok_or_else(wrong)?.to_owned()),
            (AttributeKind::Text, "starts_with") => Test::TextStartsWith(value.as_str().ok_or_else(wrong)?.to_owned()),
            (AttributeKind::Set, "overlaps") => Test::SetOverlaps(words(value).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        let test = Node::Test { slot, test };
        Ok(if op == "ne" { Node::Not(Box::new(test)) } else { test })
    }
}

fn words(json: &Json) -> Option<Vec<String>> {
    let words: Vec<String> =
        json.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    (!words.is_empty()).then_some(words)
}

fn error(path: &[String], detail: String) -> RuleError {
    let pointer = path.iter().fold(String::new(), |pointer, part| pointer + "/" + part);
    RuleError { pointer, detail }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::Source;

    fn attributes() -> Vec<Attribute> {
        [
            ("age", AttributeKind::Number),
            ("topic", AttributeKind::Text),
            ("products", AttributeKind::Set),
            ("staff", AttributeKind::Bool),
        ]
        .map(|(name, kind)| Attribute { name: name.into(), kind, bins: vec![], source: Source::Context, learn: true })
        .to_vec()
    }

    fn facts(age: Option<f64>, topic: Option<&str>) -> Vec<Value> {
        vec![
            age.map_or(Value::Missing, Value::Number),
            topic.map_or(Value::Missing, |topic| Value::Text(topic.into())),
            Value::Set(vec!["card".into(), "overdraft".into()]),
            Value::Missing,
        ]
    }

    fn check(rule: Json, age: Option<f64>, expect: Truth) {
        let compiled = Rule::compile(&rule, &attributes()).unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert_eq!(compiled.evaluate(&facts(age, Some("cards"))), expect, "{rule} with age {age:?}");
    }

    #[test]
    fn rules_answer_in_three_values() {
        let adult = json!({"attr":"age","op":"ge","value":18});
        check(adult.clone(), Some(18.0), Truth::True);
        check(adult.clone(), Some(17.0), Truth::False);
        check(adult.clone(), None, Truth::Unknown);
        check(json!({"not": adult}), None, Truth::Unknown);
        check(json!({"any":[adult, {"attr":"topic","op":"eq","value":"cards"}]}), None, Truth::True);
        check(json!({"all":[adult, {"attr":"topic","op":"eq","value":"loans"}]}), None, Truth::False);
        check(json!({"at_least":2,"of":[adult, {"holds":"overdraft"}, {"known":"staff"}]}), None, Truth::Unknown);
        check(json!({"any":[{"not":{"known":"age"}}, adult]}), None, Truth::True);
        check(json!({"attr":"topic","op":"ne","value":"loans"}), None, Truth::True);
        check(json!({"attr":"topic","op":"starts_with","value":"car"}), None, Truth::True);
        check(json!({"attr":"products","op":"overlaps","value":["loan","card"]}), None, Truth::True);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let refuse = |rule: Json| Rule::compile(&rule, &attributes()).unwrap_err().to_string();
        insta::assert_snapshot!([
            refuse(json!(3)),
            refuse(json!({})),
            refuse(json!({"all":[]})),
            refuse(json!({"all":[{"attr":"age","op":"ge","value":18},{"attr":"shoe_size","op":"eq","value":1}]})),
            refuse(json!({"not":{"attr":"age","op":"contains","value":"8"}})),
            refuse(json!({"attr":"topic","op":"in","value":[]})),
            refuse(json!({"at_least":3,"of":[{"known":"age"}]})),
            refuse(json!({"holds":7})),
        ].join("\n"), @"
        : a rule is an object
        : none of all, any, at_least, not, known, holds, attr
        /all: an empty list says nothing
        /all/1: unknown attribute `shoe_size`
        /not: `contains` does not go with Number and \"8\"
        : `in` does not go with Text and []
        : at_least is a whole number from 1 to 1
        : holds takes a product's name and needs a set attribute `products`
        ");
    }

    #[test]
    fn too_deep_and_too_large_are_refused() {
        let deep = (0..50).fold(json!({"known":"age"}), |rule, _| json!({"not": rule}));
        assert!(Rule::compile(&deep, &attributes()).unwrap_err().detail.contains("deeper"));
        let large = json!({"any": vec![json!({"known":"age"}); 300]});
        assert!(Rule::compile(&large, &attributes()).unwrap_err().detail.contains("more than"));
    }

    #[test]
    fn the_missing_facts_are_named() {
        let rule = json!({"all":[{"attr":"age","op":"ge","value":18},{"attr":"topic","op":"eq","value":"cards"},{"attr":"staff","op":"eq","value":true}]});
        let rule = Rule::compile(&rule, &attributes()).unwrap();
        assert_eq!(rule.missing(&facts(None, Some("cards"))), [0, 3]);
    }

    fn any_rule() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            (any::<f64>(), prop_oneof![Just("ge"), Just("lt"), Just("eq"), Just("ne")])
                .prop_map(|(value, op)| json!({"attr":"age","op":op,"value":value})),
            Just(json!({"known":"topic"})),
            Just(json!({"attr":"topic","op":"eq","value":"cards"})),
            Just(json!({"nonsense":1})),
        ];
        leaf.prop_recursive(6, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|of| json!({"all": of})),
                prop::collection::vec(inner.clone(), 0..4).prop_map(|of| json!({"any": of})),
                inner.clone().prop_map(|rule| json!({"not": rule})),
                (0_u64..5, prop::collection::vec(inner, 0..4)).prop_map(|(n, of)| json!({"at_least": n, "of": of})),
            ]
        })
    }

    proptest! {
        /// Learning a fact never turns an answer into its opposite: unknown only ever becomes settled.
        #[test]
        fn knowing_more_never_contradicts(rule in any_rule(), age in -200.0..200.0_f64, topic in "[a-z]{0,6}") {
            // `known` asks about absence itself, so it is the one leaf that may change.
            prop_assume!(!rule.to_string().contains("known"));
            if let Ok(rule) = Rule::compile(&rule, &attributes()) {
                let before = rule.evaluate(&facts(None, None));
                let after = rule.evaluate(&facts(Some(age), Some(&topic)));
                prop_assert!(before == Truth::Unknown || before == after);
                prop_assert_eq!(before == Truth::Unknown, !rule.missing(&facts(None, None)).is_empty());
            }
        }
    }
}
