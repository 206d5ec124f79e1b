//! A rule as one readable sentence.
//!
//! What is printed is the compiled rule, so that the sentence says what runs. Conditions of one level are joined by one
//! word only, and what is nested stands in brackets, round and square by turns: there is one way to read it.

mod chinese;
mod english;

use super::compare::{Bound, Test};
use super::schema::Schema;
use super::{Leaf, Node, Rule};
use crate::label::{Label, Language, spoken};

/// Values of a list that are written out; the rest is counted.
const LISTED: usize = 12;

impl Rule {
    /// The rule in words, with attributes, segments and tiers by their labels.
    #[must_use]
    pub fn sentence(&self, schema: &Schema, language: Language) -> String {
        let printer = Printer { schema, language };
        let clause = printer.node(&self.0, Polarity::Holds, 0);
        capitalised(&clause, language) + printer.pick(".", "。")
    }
}

/// A capital at the beginning, inside brackets too; Chinese has none.
fn capitalised(clause: &str, language: Language) -> String {
    let at = clause.find(|letter| !matches!(letter, '(' | '[')).unwrap_or(0);
    let (before, rest) = clause.split_at_checked(at).unwrap_or(("", clause));
    let mut letters = rest.chars();
    match (language, letters.next()) {
        (Language::English, Some(first)) => format!("{before}{}{}", first.to_uppercase(), letters.as_str()),
        _ => clause.to_owned(),
    }
}

/// Whether a condition is stated or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Polarity {
    Holds,
    HoldsNot,
}

impl Polarity {
    fn turned(self) -> Self {
        match self {
            Self::Holds => Self::HoldsNot,
            Self::HoldsNot => Self::Holds,
        }
    }

    fn pick<T>(self, holds: T, holds_not: T) -> T {
        match self {
            Self::Holds => holds,
            Self::HoldsNot => holds_not,
        }
    }
}

/// One condition with its names looked up; its denial is said in its verb.
enum Clause<'a> {
    Known(String),
    Fact(String, &'a Test),
    Events { name: &'a str, within_days: u32, bound: Bound },
    Segment(String),
    Tier(String, Vec<&'a str>),
}

struct Printer<'a> {
    schema: &'a Schema,
    language: Language,
}

impl<'a> Printer<'a> {
    fn pick<T>(&self, english: T, chinese: T) -> T {
        match self.language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    fn node(&self, node: &'a Node, polarity: Polarity, depth: usize) -> String {
        match node {
            Node::Not(child) => self.node(child, polarity.turned(), depth),
            Node::Leaf(leaf) => {
                let clause = self.clause(leaf);
                self.pick(english::clause as fn(&Clause<'_>, Polarity) -> String, chinese::clause)(&clause, polarity)
            }
            Node::AtLeast { of, .. } if of.len() == 1 => {
                of.iter().map(|child| self.node(child, polarity, depth)).collect()
            }
            Node::AtLeast { needed, of } => {
                let parts = |depth, with: &str| {
                    let parts: Vec<String> =
                        of.iter().map(|child| self.nested(child, Polarity::Holds, depth)).collect();
                    self.joined(&parts, with)
                };
                match (*needed, polarity) {
                    (1, Polarity::Holds) => parts(depth, self.pick(", or ", "，或")),
                    (needed, Polarity::Holds) if needed == of.len() => parts(depth, self.pick(", and ", "，且")),
                    (needed, Polarity::Holds) => {
                        let parts = self.bracket(parts(depth + 1, self.pick("; ", "；")), depth);
                        self.pick(format!("at least {needed} of {parts}"), format!("至少满足其中 {needed} 项{parts}"))
                    }
                    (_, Polarity::HoldsNot) => {
                        let inner = self.bracket(self.node(node, Polarity::Holds, depth + 1), depth);
                        self.pick("it is not so that ", "并非").to_owned() + &inner
                    }
                }
            }
        }
    }

    fn joined(&self, parts: &[String], with: &str) -> String {
        let space = |part: &str| {
            let latin = part.starts_with(|first: char| first.is_ascii_alphanumeric()) && !with.ends_with('；');
            if latin && self.language == Language::Chinese { " " } else { "" }
        };
        let mut joined = String::new();
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                joined = joined + with + space(part);
            }
            joined += part;
        }
        joined
    }

    /// A part of a longer clause: in brackets, unless it is a single condition.
    fn nested(&self, node: &'a Node, polarity: Polarity, depth: usize) -> String {
        match node {
            Node::Leaf(_) => self.node(node, polarity, depth),
            Node::Not(child) => self.nested(child, polarity.turned(), depth),
            Node::AtLeast { of, .. } if of.len() == 1 => {
                of.iter().map(|child| self.nested(child, polarity, depth)).collect()
            }
            Node::AtLeast { .. } => self.bracket(self.node(node, polarity, depth + 1), depth),
        }
    }

    fn bracket(&self, inner: String, depth: usize) -> String {
        let (open, close) = match (self.language, depth % 2) {
            (Language::English, 0) => ("(", ")"),
            (Language::English, _) => ("[", "]"),
            (Language::Chinese, 0) => ("（", "）"),
            (Language::Chinese, _) => ("［", "］"),
        };
        open.to_owned() + &inner + close
    }

    fn clause(&self, leaf: &'a Leaf) -> Clause<'a> {
        let say = |label: Option<&Label>, name: &str| spoken(label, name, self.language);
        let fact = |slot: usize| {
            let fact = self.schema.facts.get(slot);
            fact.map_or(String::new(), |fact| say(fact.label.as_ref(), &fact.name))
        };
        match leaf {
            Leaf::Known { slot } => Clause::Known(fact(*slot)),
            Leaf::Fact { slot, test } => Clause::Fact(fact(*slot), test),
            Leaf::Events { name, within_days, bound } => {
                Clause::Events { name, within_days: *within_days, bound: *bound }
            }
            Leaf::Segment(at) => {
                let segment = self.schema.segments.get(*at);
                Clause::Segment(segment.map_or(String::new(), |segment| say(segment.name.as_ref(), &segment.id)))
            }
            Leaf::Tier { tier, levels } => {
                let scale = self.schema.tiers.get(*tier);
                let named = scale.into_iter().flat_map(|scale| scale.levels.iter().enumerate());
                let wanted = named.filter(|(bit, _)| levels & (1 << bit) != 0).map(|(_, level)| level.id.as_str());
                Clause::Tier(scale.map_or(String::new(), |scale| say(scale.name.as_ref(), &scale.id)), wanted.collect())
            }
        }
    }
}
