//! What rules may speak of: a site's attributes, segments and tiers.

use super::Rule;
use crate::config::AttributeKind;
use crate::label::Label;

/// A site's attributes, segments and tiers: what a [`Rule`] is compiled against, evaluated with and printed by.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub(super) facts: Vec<Fact>,
    pub(super) segments: Vec<NamedRule>,
    pub(super) tiers: Vec<Scale>,
}

/// An attribute, in the order of slots.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) kind: AttributeKind,
    pub(super) label: Option<Label>,
}

/// A segment.
#[derive(Clone, Debug)]
pub(super) struct NamedRule {
    pub(super) id: String,
    pub(super) name: Option<Label>,
    /// Absent where it is broken.
    pub(super) rule: Option<Rule>,
    pub(super) standing: Standing,
}

/// A tier.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pub(super) id: String,
    pub(super) name: Option<Label>,
    /// The slot that names the level where it is known.
    pub(super) overridden_by: Option<usize>,
    pub(super) levels: Vec<Level>,
    pub(super) standing: Standing,
}

#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) id: String,
    /// Absent for everybody who is left.
    pub(super) rule: Option<Rule>,
}

/// Whether rules may build on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Sound,
    Broken,
}

impl Schema {
    /// The rules of segments and tiers.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        let segments = self.segments.iter().filter_map(|segment| segment.rule.as_ref());
        segments.chain(self.tiers.iter().flat_map(|tier| &tier.levels).filter_map(|level| level.rule.as_ref()))
    }

    /// Whether there is a tier.
    pub(crate) fn has_tiers(&self) -> bool {
        !self.tiers.is_empty()
    }

    /// The slot and type of an attribute.
    pub(super) fn fact(&self, name: &str) -> Option<(usize, AttributeKind)> {
        let slot = self.facts.iter().position(|fact| fact.name == name)?;
        self.facts.get(slot).map(|fact| (slot, fact.kind))
    }

    /// The place of a segment that is sound.
    pub(crate) fn segment(&self, id: &str) -> Option<usize> {
        self.segments.iter().position(|segment| segment.id == id && segment.standing == Standing::Sound)
    }
}
