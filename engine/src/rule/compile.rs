//! From JSON to a tree over slots, with the place of whatever is wrong.

use std::fmt::Display;

use serde_json::{Map, Value as Json};

use super::compare::{SetTest, Test};
use super::limits::{DEPTH, EVENT_DAYS, EVENT_NAME_BYTES, NODES};
use super::operand::{self, Comparison, Wrong, shown};
use super::schema::{Schema, Standing};
use super::text::Case;
use super::{Leaf, Node, Rule, RuleError};
use crate::config::AttributeKind;

/// The set attribute that `holds` looks into.
const PRODUCTS: &str = "products";

/// What each kind of rule is recognised by, and all that may stand in it.
const SHAPES: [&[&str]; 10] = [
    &["all"],
    &["any"],
    &["at_least", "of"],
    &["not"],
    &["known"],
    &["holds"],
    &["segment"],
    &["tier", "in"],
    &["events", "within_days", "op", "value"],
    &["attr", "op", "value", "ignore_case"],
];

impl Rule {
    /// Checks a rule against what a site knows of its visitors and compiles it.
    ///
    /// # Errors
    /// The first thing wrong, with its place: an unknown attribute, segment, tier or operator, a value of the wrong type,
    /// a shape that is no rule, or one beyond the bounds (12 levels, 200 conditions, lists of 200, texts of 256 bytes).
    pub fn compile(rule: &Json, schema: &Schema) -> Result<Self, RuleError> {
        Compiler { schema, nodes: 0, depth: 0, path: Vec::new() }.node(rule).map(Self)
    }
}

struct Compiler<'a> {
    schema: &'a Schema,
    nodes: usize,
    depth: usize,
    path: Vec<String>,
}

type Object = Map<String, Json>;

impl Compiler<'_> {
    fn node(&mut self, json: &Json) -> Result<Node, RuleError> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(self.error(format!("more than {NODES} conditions in one rule")));
        }
        if self.depth >= DEPTH {
            return Err(self.error(format!("nested deeper than {DEPTH} levels")));
        }
        let Json::Object(object) = json else {
            return Err(self.error("a rule is an object such as {\"attr\":\"age\",\"op\":\"ge\",\"value\":18}"));
        };
        let shape = SHAPES.iter().find(|shape| shape.first().is_some_and(|head| object.contains_key(*head)));
        let Some((head, value)) = shape.and_then(|shape| object.get_key_value(*shape.first()?)) else {
            let heads: Vec<&str> = SHAPES.iter().filter_map(|shape| shape.first().copied()).collect();
            return Err(self.error(format!("a rule has one of {}", heads.join(", "))));
        };
        if let Some(extra) = object.keys().find(|key| shape.is_none_or(|shape| !shape.contains(&key.as_str()))) {
            return Err(self.error(format!("{} has no meaning beside `{head}`", shown(&Json::from(extra.as_str())))));
        }
        self.depth += 1;
        let node = match head.as_str() {
            "all" => {
                let of = self.children(head, value)?;
                Node::AtLeast { needed: of.len(), of }
            }
            "any" => Node::AtLeast { needed: 1, of: self.children(head, value)? },
            "at_least" => self.at_least(value, object)?,
            "not" => Node::Not(Box::new(self.at(head, |here| here.node(value))?)),
            "known" => Node::Leaf(Leaf::Known { slot: self.attribute(head, value)?.0 }),
            "holds" => Node::Leaf(self.holds(value)?),
            "segment" => Node::Leaf(self.segment(value)?),
            "tier" => Node::Leaf(self.tier(value, object)?),
            "events" => Node::Leaf(self.events(value, object)?),
            _ => self.comparison(value, object)?,
        };
        self.depth -= 1;
        Ok(node)
    }

    fn children(&mut self, name: &str, json: &Json) -> Result<Vec<Node>, RuleError> {
        self.at(name, |here| match json {
            Json::Array(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .map(|(index, item)| here.at(&index.to_string(), |here| here.node(item)))
                .collect(),
            Json::Array(_) => Err(here.error("an empty list says nothing")),
            _ => Err(here.error("a list of rules is needed here")),
        })
    }

    fn at_least(&mut self, needed: &Json, object: &Object) -> Result<Node, RuleError> {
        let of = self.children("of", self.field(object, "of")?)?;
        let needed = needed.as_u64().and_then(|needed| usize::try_from(needed).ok());
        match needed.filter(|needed| (1..=of.len()).contains(needed)) {
            Some(needed) => Ok(Node::AtLeast { needed, of }),
            None => Err(self.error_in("at_least", format!("a whole number from 1 to {} is needed", of.len()))),
        }
    }

    fn holds(&self, product: &Json) -> Result<Leaf, RuleError> {
        let slot = self.schema.fact(PRODUCTS).filter(|(_, kind)| *kind == AttributeKind::Set).map(|(slot, _)| slot);
        let missing = || self.error_in("holds", format!("there must be an attribute `{PRODUCTS}` that is a set"));
        let slot = slot.ok_or_else(missing)?;
        let product = operand::word(product, "naming a product").map_err(|wrong| self.wrong_in("holds", wrong))?;
        Ok(Leaf::Fact { slot, test: Test::Set(SetTest::Holds(product)) })
    }

    fn segment(&self, id: &Json) -> Result<Leaf, RuleError> {
        let mut segments = self.schema.segments.iter().enumerate();
        match segments.find(|(_, segment)| id.as_str() == Some(&segment.id)) {
            Some((at, segment)) if segment.standing == Standing::Sound => Ok(Leaf::Segment(at)),
            Some(_) => Err(self.error_in("segment", format!("the segment {} is off because it is broken", shown(id)))),
            None => Err(self.error_in("segment", format!("there is no segment {}", shown(id)))),
        }
    }

    fn tier(&self, id: &Json, object: &Object) -> Result<Leaf, RuleError> {
        let (tier, scale) = match self.schema.tiers.iter().enumerate().find(|(_, tier)| id.as_str() == Some(&tier.id)) {
            Some((at, scale)) if scale.standing == Standing::Sound => (at, scale),
            Some(_) => {
                return Err(self.error_in("tier", format!("the tier {} is off because it is broken", shown(id))));
            }
            None => return Err(self.error_in("tier", format!("there is no tier {}", shown(id)))),
        };
        let wanted = operand::list(self.field(object, "in")?).map_err(|wrong| self.wrong_in("in", wrong))?;
        let levels = wanted.iter().try_fold(0, |levels, wanted| {
            let level = scale.levels.iter().position(|level| level.id == *wanted);
            let none = || self.error_in("in", format!("the tier `{}` has no level `{wanted}`", scale.id));
            level.map(|level| levels | (1 << level)).ok_or_else(none)
        })?;
        Ok(Leaf::Tier { tier, levels })
    }

    fn events(&self, name: &Json, object: &Object) -> Result<Leaf, RuleError> {
        let fits = |name: &&str| (1..=EVENT_NAME_BYTES).contains(&name.len());
        let Some(name) = name.as_str().filter(fits) else {
            let detail = format!("an event's name is a text of 1 to {EVENT_NAME_BYTES} bytes");
            return Err(self.error_in("events", detail));
        };
        let within_days = operand::days(self.field(object, "within_days")?, EVENT_DAYS.into())
            .map_err(|wrong| self.wrong_in("within_days", wrong))?;
        let (op, value) = (self.op(object)?, self.field(object, "value")?);
        let bound = operand::bound(op, value).unwrap_or_else(|| Err(operand::no_such(AttributeKind::Number, op)));
        let bound = bound.map_err(|wrong| self.wrong_of("a count", wrong))?;
        Ok(Leaf::Events { name: name.to_owned(), within_days: u32::try_from(within_days).unwrap_or(EVENT_DAYS), bound })
    }

    fn comparison(&self, name: &Json, object: &Object) -> Result<Node, RuleError> {
        let (slot, kind) = self.attribute("attr", name)?;
        let (op, value) = (self.op(object)?, self.field(object, "value")?);
        let case = match object.get("ignore_case") {
            None | Some(Json::Bool(false)) => Case::Exact,
            Some(Json::Bool(true)) if kind == AttributeKind::Text => Case::Ignored,
            Some(Json::Bool(true)) => return Err(self.error_in("ignore_case", "only a text has capitals")),
            Some(_) => return Err(self.error_in("ignore_case", "true or false is needed here")),
        };
        let comparison = operand::comparison(kind, op, value, case)
            .map_err(|wrong| self.wrong_of(&format!("`{}`", name.as_str().unwrap_or_default()), wrong))?;
        let leaf = |test| Node::Leaf(Leaf::Fact { slot, test });
        Ok(match comparison {
            Comparison::Holds(test) => leaf(test),
            Comparison::HoldsNot(test) => Node::Not(Box::new(leaf(test))),
        })
    }

    fn attribute(&self, field: &str, name: &Json) -> Result<(usize, AttributeKind), RuleError> {
        let found = name.as_str().and_then(|name| self.schema.fact(name));
        found.ok_or_else(|| self.error_in(field, format!("there is no attribute {}", shown(name))))
    }

    fn field<'j>(&self, object: &'j Object, name: &str) -> Result<&'j Json, RuleError> {
        object.get(name).ok_or_else(|| self.error(format!("`{name}` is missing")))
    }

    fn op<'j>(&self, object: &'j Object) -> Result<&'j str, RuleError> {
        let op = self.field(object, "op")?.as_str();
        op.ok_or_else(|| self.error_in("op", "an operator's name is needed here"))
    }

    /// Goes one step down; the path is left where it was only if nothing is wrong there.
    fn at<T>(&mut self, part: &str, go: impl FnOnce(&mut Self) -> Result<T, RuleError>) -> Result<T, RuleError> {
        self.path.push(part.to_owned());
        let found = go(self)?;
        self.path.pop();
        Ok(found)
    }

    /// What is wrong with the operator or the value of what is compared.
    fn wrong_of(&self, what: &str, wrong: Wrong) -> RuleError {
        match wrong {
            Wrong::Operator(detail) => self.error(format!("{what} is {detail}")),
            Wrong::Value(detail) => self.error_in("value", detail),
        }
    }

    fn wrong_in(&self, field: &str, wrong: Wrong) -> RuleError {
        let (Wrong::Operator(detail) | Wrong::Value(detail)) = wrong;
        self.error_in(field, detail)
    }

    /// Names the field in words; the place is the condition's, which a person sees as one thing.
    fn error_in(&self, field: &str, detail: impl Display) -> RuleError {
        self.error(format!("`{field}`: {detail}"))
    }

    fn error(&self, detail: impl Into<String>) -> RuleError {
        let pointer = self.path.iter().fold(String::new(), |pointer, part| pointer + "/" + part);
        RuleError { pointer, detail: detail.into() }
    }
}
