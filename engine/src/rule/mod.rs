//! Rules: who is eligible, as a typed predicate tree with three-valued logic (Kleene).
//!
//! A rule is JSON; `docs/rules.md` is its reference, and a test compares the two. It is checked and compiled once against
//! a [`Schema`] to attribute slots; evaluating it allocates nothing. A missing fact makes a comparison unknown, and learning
//! one never turns an answer into its opposite, save where the rule asks about absence itself (`known`, a tier that
//! is overridden).
//!
//! Absent on purpose: regular expressions (a page chooses the text they run on), arithmetic between facts (it
//! belongs where the facts are made), and any state.

mod compare;
mod compile;
mod definitions;
mod evaluate;
pub(crate) mod limits;
mod operand;
mod schema;
mod sentence;
mod text;

pub use evaluate::{EvaluationContext, Missing};
pub use schema::Schema;

use compare::{Bound, Test};

/// What is wrong with a rule and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct RuleError {
    /// JSON pointer to the condition inside the rule, or to the list that is wrong.
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

/// A compiled rule. It belongs to the [`Schema`] it was compiled against: another one gives its slots another meaning.
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
    Leaf(Leaf),
}

#[derive(Clone, Debug, PartialEq)]
enum Leaf {
    Known {
        slot: usize,
    },
    Fact {
        slot: usize,
        test: Test,
    },
    /// How often an event happened in the last days.
    Events {
        name: String,
        within_days: u32,
        bound: Bound,
    },
    /// An index into the schema's segments.
    Segment(usize),
    /// An index into the schema's tiers, and the wanted levels as bits.
    Tier {
        tier: usize,
        levels: u32,
    },
}

/// What a rule builds on besides facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Definition {
    Segment(usize),
    Tier(usize),
}

impl Rule {
    /// The segments and tiers that it names.
    fn definitions(&self) -> impl Iterator<Item = Definition> {
        self.leaves().into_iter().filter_map(|leaf| match leaf {
            Leaf::Segment(at) => Some(Definition::Segment(*at)),
            Leaf::Tier { tier, .. } => Some(Definition::Tier(*tier)),
            Leaf::Known { .. } | Leaf::Fact { .. } | Leaf::Events { .. } => None,
        })
    }

    /// The events that it counts.
    pub(crate) fn events(&self) -> impl Iterator<Item = &str> {
        self.leaves().into_iter().filter_map(|leaf| match leaf {
            Leaf::Events { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    fn leaves(&self) -> Vec<&Leaf> {
        let (mut found, mut open) = (Vec::new(), vec![&self.0]);
        while let Some(node) = open.pop() {
            match node {
                Node::AtLeast { of, .. } => open.extend(of),
                Node::Not(child) => open.push(child),
                Node::Leaf(leaf) => found.push(leaf),
            }
        }
        found
    }
}
