//! Compiling the segments and tiers of a site.
//!
//! They may build on one another, so each is compiled as if all were sound; then circles, chains that are too long and
//! whatever builds on something broken are switched off and named.

use std::collections::BTreeSet;

use super::limits::{DEFINITION_CHAIN, SEGMENTS, TIER_LEVELS, TIERS};
use super::schema::{Fact, Level, NamedRule, Scale, Schema, Standing};
use super::{Definition, Rule};
use crate::config::{Attribute, AttributeKind, Segment, Source, Tier};
use crate::policy::ConfigError;

impl Schema {
    /// Compiles segments and tiers over attributes, in the order of the facts that rules are evaluated with, and lists
    /// everything that is wrong with them. What is wrong is off; no rule that uses it compiles.
    #[must_use]
    pub fn compile(attributes: &[Attribute], segments: &[Segment], tiers: &[Tier]) -> (Self, Vec<ConfigError>) {
        let mut build = Build::default();
        build.bounded("/segments", "segments", segments.len(), SEGMENTS);
        build.bounded("/tiers", "tiers", tiers.len(), TIERS);
        let (segments, tiers) = (segments.get(..SEGMENTS).unwrap_or(segments), tiers.get(..TIERS).unwrap_or(tiers));
        let mut schema = Self {
            facts: attributes.iter().map(Fact::named).collect(),
            segments: segments.iter().map(NamedRule::named).collect(),
            tiers: tiers.iter().map(|tier| Scale::named(tier, attributes)).collect(),
        };
        for (index, segment) in segments.iter().enumerate() {
            let pointer = format!("/segments/{index}/rule");
            let rule = build.rule(&pointer, &segment.rule, &schema);
            build.uses.push(Uses::of(pointer, rule.iter()));
            if rule.is_none() {
                build.broken.insert(index);
            }
            if let Some(named) = schema.segments.get_mut(index) {
                named.rule = rule;
            }
        }
        for (index, tier) in tiers.iter().enumerate() {
            let before = build.errors.len();
            let rules = build.tier(index, tier, attributes, &schema);
            build.uses.push(Uses::of(format!("/tiers/{index}"), rules.iter().flatten()));
            if build.errors.len() > before {
                build.broken.insert(segments.len() + index);
            }
            if let Some(scale) = schema.tiers.get_mut(index) {
                scale.levels.iter_mut().zip(rules).for_each(|(level, rule)| level.rule = rule);
            }
        }
        build.switch_off(&mut schema);
        (schema, build.errors)
    }

    fn describe(&self, definition: Definition) -> String {
        let named = match definition {
            Definition::Segment(at) => self.segments.get(at).map(|segment| format!("segment `{}`", segment.id)),
            Definition::Tier(at) => self.tiers.get(at).map(|tier| format!("tier `{}`", tier.id)),
        };
        named.unwrap_or_default()
    }

    /// Segments and tiers in one row.
    fn definition(&self, at: usize) -> Definition {
        at.checked_sub(self.segments.len()).map_or(Definition::Segment(at), Definition::Tier)
    }

    fn index(&self, definition: Definition) -> usize {
        match definition {
            Definition::Segment(at) => at,
            Definition::Tier(at) => self.segments.len() + at,
        }
    }
}

impl Fact {
    fn named(attribute: &Attribute) -> Self {
        Self { name: attribute.name.clone(), kind: attribute.kind, label: attribute.label.clone() }
    }
}

impl NamedRule {
    fn named(segment: &Segment) -> Self {
        Self { id: segment.id.clone(), name: segment.name.clone(), rule: None, standing: Standing::Sound }
    }
}

impl Scale {
    fn named(tier: &Tier, attributes: &[Attribute]) -> Self {
        let slot = |name: &String| attributes.iter().position(|attribute| may_override(attribute, name));
        let levels = tier.levels.iter().take(TIER_LEVELS);
        Self {
            id: tier.id.clone(),
            name: tier.name.clone(),
            overridden_by: tier.overridden_by.as_ref().and_then(slot),
            levels: levels.map(|level| Level { id: level.id.clone(), rule: None }).collect(),
            standing: Standing::Sound,
        }
    }
}

/// A page must not promote its visitor: only what is stored or vouched for overrides a tier.
fn may_override(attribute: &Attribute, name: &str) -> bool {
    attribute.name == name
        && attribute.kind == AttributeKind::Text
        && matches!(attribute.source, Source::Profile | Source::Identity)
}

/// What one definition builds on.
struct Uses {
    pointer: String,
    definitions: Vec<Definition>,
}

impl Uses {
    fn of<'r>(pointer: String, rules: impl Iterator<Item = &'r Rule>) -> Self {
        Self { pointer, definitions: rules.flat_map(Rule::definitions).collect() }
    }
}

#[derive(Default)]
struct Build {
    errors: Vec<ConfigError>,
    /// Segments, then tiers.
    uses: Vec<Uses>,
    /// Those of them that are off.
    broken: BTreeSet<usize>,
}

impl Build {
    fn error(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.errors.push(ConfigError { pointer: pointer.into(), detail: detail.into() });
    }

    fn bounded(&mut self, pointer: &str, what: &str, count: usize, most: usize) {
        if count > most {
            self.error(pointer, format!("at most {most} {what}; the rest is off"));
        }
    }

    fn rule(&mut self, pointer: &str, rule: &serde_json::Value, schema: &Schema) -> Option<Rule> {
        Rule::compile(rule, schema)
            .map_err(|error| self.error(format!("{pointer}{}", error.pointer), error.detail))
            .ok()
    }

    fn tier(&mut self, index: usize, tier: &Tier, attributes: &[Attribute], schema: &Schema) -> Vec<Option<Rule>> {
        let at = format!("/tiers/{index}");
        if tier.levels.is_empty() {
            self.error(format!("{at}/levels"), "a tier has at least one level");
        }
        self.bounded(&format!("{at}/levels"), "levels", tier.levels.len(), TIER_LEVELS);
        if let Some(name) = &tier.overridden_by
            && !attributes.iter().any(|attribute| may_override(attribute, name))
        {
            let detail = format!("`{name}` is no text attribute from `profile` or `identity`");
            self.error(format!("{at}/overridden_by"), detail);
        }
        let mut rules = Vec::with_capacity(tier.levels.len());
        for (level, of) in tier.levels.iter().take(TIER_LEVELS).enumerate() {
            let at = format!("{at}/levels/{level}");
            if tier.levels.iter().take(level).any(|other| other.id == of.id) {
                self.error(format!("{at}/id"), format!("`{}` stands twice", of.id));
            }
            if of.rule.is_none() && level + 1 < tier.levels.len() {
                self.error(&at, "only the last level goes without a rule: nobody would reach those after it");
            }
            rules.push(of.rule.as_ref().and_then(|rule| self.rule(&format!("{at}/rule"), rule, schema)));
        }
        rules
    }

    /// Finds what cannot be evaluated, says why, and takes it out of the schema's sound ones.
    fn switch_off(&mut self, schema: &mut Schema) {
        let heights = self.heights(schema);
        let height = |at: usize| heights.get(at).copied().flatten();
        let in_circles = self.circles(schema, |at| height(at).is_none());
        self.broken.extend(&in_circles);

        // Bottom up, so that what is broken is known before what builds on it.
        let mut order: Vec<usize> = (0..self.uses.len()).filter(|at| !self.broken.contains(at)).collect();
        order.sort_by_key(|at| height(*at).unwrap_or(usize::MAX));
        for at in order {
            let Some(of) = self.uses.get(at) else { continue };
            let off = |other: &&Definition| {
                let other = schema.index(**other);
                height(other).is_none() || self.broken.contains(&other)
            };
            let detail = match of.definitions.iter().find(off) {
                Some(other) => format!("it builds on the {}, which is broken", schema.describe(*other)),
                None if height(at).is_some_and(|height| height > DEFINITION_CHAIN) => {
                    format!("segments and tiers build on one another over more than {DEFINITION_CHAIN} levels")
                }
                None => continue,
            };
            let pointer = of.pointer.clone();
            self.error(pointer, detail);
            self.broken.insert(at);
        }
        for at in &self.broken {
            let standing = match schema.definition(*at) {
                Definition::Segment(at) => schema.segments.get_mut(at).map(|segment| &mut segment.standing),
                Definition::Tier(at) => schema.tiers.get_mut(at).map(|tier| &mut tier.standing),
            };
            standing.into_iter().for_each(|standing| *standing = Standing::Broken);
        }
    }

    /// How many definitions stand on one another up to each, itself included; none where a circle is below.
    fn heights(&self, schema: &Schema) -> Vec<Option<usize>> {
        let mut heights: Vec<Option<usize>> = vec![None; self.uses.len()];
        loop {
            let mut settled = false;
            for (at, of) in self.uses.iter().enumerate() {
                let below = of.definitions.iter().try_fold(0, |most: usize, other| {
                    heights.get(schema.index(*other)).copied().flatten().map(|height| most.max(height))
                });
                if let (Some(below), Some(height @ None)) = (below, heights.get_mut(at)) {
                    *height = Some(below + 1);
                    settled = true;
                }
            }
            if !settled {
                return heights;
            }
        }
    }

    /// Names every circle once, at its first member, and gives all that are in one.
    fn circles(&mut self, schema: &Schema, unsettled: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut named = Vec::new();
        for from in (0..self.uses.len()).filter(|at| unsettled(*at)) {
            let circle = self.circle(schema, from, &unsettled);
            let new = circle.iter().all(|at| !found.contains(at));
            if let Some(first) = circle.iter().min().filter(|_| new) {
                let names = circle.iter().chain(circle.first()).map(|at| schema.describe(schema.definition(*at)));
                named.push((*first, names.collect::<Vec<_>>().join(" → ")));
            }
            found.extend(circle);
        }
        for (at, names) in named {
            let pointer = self.uses.get(at).map_or(String::new(), |of| of.pointer.clone());
            self.error(pointer, format!("it goes round in a circle: {names}"));
        }
        found
    }

    /// Follows what is unsettled from one definition until it comes round, and gives the circle.
    fn circle(&self, schema: &Schema, from: usize, unsettled: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut path = vec![from];
        while let Some(of) = path.last().and_then(|at| self.uses.get(*at)) {
            let mut below = of.definitions.iter().map(|other| schema.index(*other));
            let Some(next) = below.find(|next| unsettled(*next)) else { break };
            if let Some(began) = path.iter().position(|at| *at == next) {
                return path.split_off(began);
            }
            path.push(next);
        }
        Vec::new()
    }
}
