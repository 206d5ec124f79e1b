//! Bounds on rules and on the facts they look at, each with its reason.

/// Levels of a rule: nobody could read a deeper one as a sentence.
pub(crate) const DEPTH: usize = 12;
/// Conditions in one rule: a decision evaluates every rule.
pub(crate) const NODES: usize = 200;
/// Values in one list: they are compared one after another.
pub(crate) const LIST_ITEMS: usize = 200;
/// Bytes of one text in a rule: a pattern costs at most its length for every letter of the fact.
pub(crate) const TEXT_BYTES: usize = 256;
/// Days in a date's distance: a century.
pub(crate) const DAYS: u64 = 36_500;
/// Half the way around the earth: no place is farther.
pub(crate) const KM: f64 = 20_038.0;

/// Bytes of a text fact, as long as the longest address; a longer one counts as missing. With `TEXT_BYTES` this
/// bounds the work that a page can cause by what it sends.
pub(crate) const FACT_TEXT_BYTES: usize = 2_048;
/// Words of a set fact; a larger set counts as missing.
pub(crate) const FACT_SET_ITEMS: usize = 256;

/// Segments of a site: each is a cell in every decision.
pub(crate) const SEGMENTS: usize = 200;
/// Tiers of a site; value and potential are two.
pub(crate) const TIERS: usize = 8;
/// Levels of one tier: they are bits of one word.
pub(crate) const TIER_LEVELS: usize = 16;
/// Segments and tiers that build on one another, as a chain: it bounds the stack of an evaluation to
/// `DEFINITION_CHAIN × DEPTH` frames.
pub(crate) const DEFINITION_CHAIN: usize = 8;

/// Days of history that events are counted for, the current one included.
pub(crate) const EVENT_DAYS: u32 = 90;
/// Names of events counted for one visitor.
pub(crate) const EVENT_NAMES: usize = 32;
/// Day buckets kept for one visitor over all names: about one kilobyte when packed.
pub(crate) const EVENT_BUCKETS: usize = 256;
/// Bytes of an event's name.
pub(crate) const EVENT_NAME_BYTES: usize = 64;
