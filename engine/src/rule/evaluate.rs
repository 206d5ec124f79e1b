//! Answering rules from facts, in three values.

use std::cell::Cell;

use super::limits::TIER_LEVELS;
use super::schema::{Scale, Schema};
use super::{Leaf, Node, Rule, Truth};
use crate::events::EventCounts;
use crate::facts::Value;

/// Everything that the rules of one decision are answered from. It remembers the answer of each segment and tier, so
/// that none is worked out twice.
#[derive(Clone, Debug)]
pub struct EvaluationContext<'a> {
    schema: &'a Schema,
    facts: &'a [Value],
    events: Option<&'a EventCounts>,
    now_ms: u64,
    segments: Vec<Cell<Option<Truth>>>,
    tiers: Vec<Cell<Option<u32>>>,
}

/// Something whose absence left a rule unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The fact in this slot.
    Fact(usize),
    /// The history of events: none may be kept.
    Events,
}

/// The bit for a visitor on no level of a tier.
const NO_LEVEL: u32 = 1 << TIER_LEVELS;

impl<'a> EvaluationContext<'a> {
    /// Facts in the order of the schema's attributes; the history of events where one may be kept; milliseconds since
    /// 1970.
    #[must_use]
    pub fn new(schema: &'a Schema, facts: &'a [Value], events: Option<&'a EventCounts>, now_ms: u64) -> Self {
        let segments = vec![Cell::new(None); schema.segments.len()];
        let tiers = vec![Cell::new(None); schema.tiers.len()];
        Self { schema, facts, events, now_ms, segments, tiers }
    }

    fn fact(&self, slot: usize) -> &'a Value {
        self.facts.get(slot).unwrap_or(&Value::Missing)
    }

    /// Whether the visitor is in a segment, by its place in the schema.
    pub(crate) fn segment(&self, at: usize) -> Truth {
        let (Some(memory), Some(segment)) = (self.segments.get(at), self.schema.segments.get(at)) else {
            return Truth::Unknown;
        };
        memory.get().unwrap_or_else(|| {
            let answer = segment.rule.as_ref().map_or(Truth::Unknown, |rule| rule.evaluate(self));
            memory.set(Some(answer));
            answer
        })
    }

    /// The levels that a visitor may be on as far as is known, as bits.
    fn possible_levels(&self, at: usize) -> u32 {
        let (Some(memory), Some(scale)) = (self.tiers.get(at), self.schema.tiers.get(at)) else {
            return u32::MAX;
        };
        memory.get().unwrap_or_else(|| {
            let levels = self.overridden(scale).unwrap_or_else(|| self.computed(scale));
            memory.set(Some(levels));
            levels
        })
    }

    /// The level of each tier that the visitor is on, where that is known, by the tier's id.
    pub(crate) fn levels<'b>(&self, schema: &'b Schema) -> Vec<(&'b str, Option<&'b str>)> {
        let level = |(at, scale): (usize, &'b Scale)| {
            let possible = self.possible_levels(at);
            let is_it = |bit: &usize| *bit < TIER_LEVELS && possible == 1 << bit;
            let level = (0..scale.levels.len()).find(is_it).and_then(|bit| scale.levels.get(bit));
            (scale.id.as_str(), level.map(|level| level.id.as_str()))
        };
        schema.tiers.iter().enumerate().map(level).collect()
    }

    fn overridden(&self, scale: &Scale) -> Option<u32> {
        let Value::Text(named) = self.fact(scale.overridden_by?) else { return None };
        scale.levels.iter().position(|level| level.id == *named).map(|level| 1 << level)
    }

    fn computed(&self, scale: &Scale) -> u32 {
        let mut possible = 0;
        for (bit, level) in scale.levels.iter().enumerate().take(TIER_LEVELS) {
            match level.rule.as_ref().map_or(Truth::True, |rule| rule.evaluate(self)) {
                Truth::True => return possible | (1 << bit),
                Truth::Unknown => possible |= 1 << bit,
                Truth::False => {}
            }
        }
        possible | NO_LEVEL
    }
}

impl Rule {
    /// Answers the rule.
    #[must_use]
    pub fn evaluate(&self, context: &EvaluationContext<'_>) -> Truth {
        self.0.evaluate(context)
    }

    /// What is missing for an answer, each once; empty exactly where the answer is not unknown. A web address without
    /// the host that is asked for is named too.
    #[must_use]
    pub fn missing(&self, context: &EvaluationContext<'_>) -> Vec<Missing> {
        let mut found = Vec::new();
        self.0.missing(context, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Node {
    fn evaluate(&self, context: &EvaluationContext<'_>) -> Truth {
        match self {
            Self::AtLeast { needed, of } => {
                let (mut held, mut open, mut left) = (0, 0, of.len());
                for child in of {
                    // Settled either way: the rest cannot change it.
                    if held >= *needed || held + open + left < *needed {
                        break;
                    }
                    left -= 1;
                    match child.evaluate(context) {
                        Truth::True => held += 1,
                        Truth::Unknown => open += 1,
                        Truth::False => {}
                    }
                }
                if held >= *needed {
                    Truth::True
                } else if held + open + left >= *needed {
                    Truth::Unknown
                } else {
                    Truth::False
                }
            }
            Self::Not(child) => child.evaluate(context).negate(),
            Self::Leaf(leaf) => leaf.evaluate(context),
        }
    }

    fn missing(&self, context: &EvaluationContext<'_>, found: &mut Vec<Missing>) {
        if self.evaluate(context) != Truth::Unknown {
            return;
        }
        match self {
            Self::AtLeast { of, .. } => of.iter().for_each(|child| child.missing(context, found)),
            Self::Not(child) => child.missing(context, found),
            Self::Leaf(leaf) => leaf.missing(context, found),
        }
    }
}

impl Leaf {
    fn evaluate(&self, context: &EvaluationContext<'_>) -> Truth {
        match self {
            Self::Known { slot } => Truth::of(*context.fact(*slot) != Value::Missing),
            Self::Fact { slot, test } => test.evaluate(context.fact(*slot), context.now_ms),
            Self::Events { name, within_days, bound } => context.events.map_or(Truth::Unknown, |events| {
                Truth::of(bound.holds(events.within_days(name, *within_days, context.now_ms).into()))
            }),
            Self::Segment(at) => context.segment(*at),
            Self::Tier { tier, levels } => match context.possible_levels(*tier) {
                possible if possible & !levels == 0 => Truth::True,
                possible if possible & levels == 0 => Truth::False,
                _ => Truth::Unknown,
            },
        }
    }

    /// What leaves it unknown, given that something does.
    fn missing(&self, context: &EvaluationContext<'_>, found: &mut Vec<Missing>) {
        match self {
            Self::Known { .. } => {}
            Self::Fact { slot, .. } => found.push(Missing::Fact(*slot)),
            Self::Events { .. } => found.push(Missing::Events),
            Self::Segment(at) => {
                let rule = context.schema.segments.get(*at).and_then(|segment| segment.rule.as_ref());
                rule.into_iter().for_each(|rule| rule.0.missing(context, found));
            }
            Self::Tier { tier, .. } => {
                let levels = context.schema.tiers.get(*tier).into_iter().flat_map(|scale| &scale.levels);
                for rule in levels.map_while(|level| level.rule.as_ref()) {
                    rule.0.missing(context, found);
                    if rule.evaluate(context) == Truth::True {
                        break;
                    }
                }
            }
        }
    }
}
