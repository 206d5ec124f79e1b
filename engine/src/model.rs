//! What has been learned: per offer and stage a Bayesian logistic regression with a diagonal Gaussian posterior.
//!
//! Weights stand in levels that add up: site, group, offer, and for every channel but the site's first a departure of
//! the offer on that channel. So a new offer starts from what its group has learned, and a channel departs from the
//! common model only as its own evidence grows. With active weights i, means m and precisions q the update for an
//! answer y of weight w is, after Chapelle & Li 2011 made online:
//!
//! ```text
//! z = Σ m_i    v = Σ 1/q_i    p = σ(z)    s = w·p(1-p)    e = w(y-p)/(1+s·v)    m_i += e/q_i    q_i += s
//! ```
//!
//! A block of weights (one level of one stage) is a row over the features that the site has met, so nothing collides.
//! A weight that nobody has taught is at its prior and takes no room in what is written.

use std::collections::BTreeMap;

use crate::config::Priors;
use crate::features::Feature;
use crate::policy::{OfferPolicy, Policy};

/// Features that get a weight of their own, in the order in which they are met. A site with 40 facts of 10 values
/// has 400; whatever comes later (words that visitors make up) shares [`SHARED_FEATURES`] places.
const OWN_FEATURES: usize = 2_048;
/// Places for all features beyond [`OWN_FEATURES`].
const SHARED_FEATURES: usize = 64;
/// Rows at most: 1,000 offers and 40 groups at 2 stages on 4 channels fit. Blocks beyond it are not taught.
pub(crate) const MOST_BLOCKS: usize = 10_000;
/// Evidence below this is noise of `f32` and is dropped.
const LEAST_EVIDENCE: f64 = 1e-6;

/// The weights of one site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    dictionary: Dictionary,
    blocks: BTreeMap<u64, Row>,
    /// By offer: impressions, then responses by stage, ever. Not forgotten: caps and ramps are about all of them.
    counts: BTreeMap<u64, Vec<u64>>,
}

/// One weight: mean, and the precision gained from answers on top of the prior's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) mean: f32,
    pub(crate) evidence: f32,
}

/// Where a block stands: what it adds to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Level {
    #[default]
    Site,
    Group,
    Offer,
    Channel,
}

impl Level {
    /// The prior's precision at a place of a row of this level and stage.
    fn prior(self, priors: &Priors, stage: u8, place: usize) -> f64 {
        let precision = match (self, place) {
            (Self::Channel, 0) => priors.bias * 4.0,
            (_, 0) => priors.bias,
            (Self::Site, _) => priors.site,
            (Self::Group, _) => priors.group,
            (Self::Offer, _) => priors.offer,
            (Self::Channel, _) => priors.channel,
        };
        if stage == 0 { precision } else { precision * priors.later_stage }
    }
}

/// The weights of one block by feature place; places beyond its end are at their prior.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) stage: u8,
    pub(crate) level: Level,
    pub(crate) cells: Vec<Cell>,
}

/// Which place a feature has in every row. Place 0 belongs to the bias.
#[derive(Clone, Debug, PartialEq)]
struct Dictionary {
    places: BTreeMap<Feature, u16>,
    /// Features by place, for writing them down in the same order.
    features: Vec<Feature>,
}

impl Default for Dictionary {
    fn default() -> Self {
        let bias = crate::features::bias();
        Self { places: BTreeMap::from([(bias, 0)]), features: vec![bias] }
    }
}

impl Dictionary {
    /// The place of a feature that has been met.
    fn place(&self, feature: Feature) -> Option<usize> {
        match self.places.get(&feature) {
            Some(place) => Some(usize::from(*place)),
            None if self.features.len() >= OWN_FEATURES => Some(OWN_FEATURES + feature as usize % SHARED_FEATURES),
            None => None,
        }
    }

    /// The place of a feature, which it gets now if it has none.
    fn place_or_new(&mut self, feature: Feature) -> usize {
        match self.place(feature) {
            Some(place) => place,
            None => {
                let place = self.features.len();
                self.places.insert(feature, place as u16);
                self.features.push(feature);
                place
            }
        }
    }
}

/// A Gaussian belief about a logit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Belief {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// One block of weights: a level of one stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    key: u64,
    stage: u8,
    level: Level,
    /// Precisions of the bias and of every other place.
    priors: [f64; 2],
}

impl Block {
    pub(crate) fn site(priors: &Priors, stage: usize) -> Self {
        Self::new(priors, 0, Level::Site, stage)
    }

    pub(crate) fn group(policy: &Policy, group: usize, stage: usize) -> Self {
        let key = policy.groups.get(group).map_or(1, |group| group.key);
        Self::new(&policy.model.priors, key, Level::Group, stage)
    }

    pub(crate) fn offer(priors: &Priors, offer: &OfferPolicy, stage: usize) -> Self {
        Self::new(priors, offer.key, Level::Offer, stage)
    }

    /// An offer's departure on a channel; `channel` is the channel's name hash.
    pub(crate) fn channel(priors: &Priors, offer: &OfferPolicy, channel: u64, stage: usize) -> Self {
        Self::new(priors, offer.key ^ mix(channel), Level::Channel, stage)
    }

    /// Any block of a level, where only its prior matters.
    pub(crate) fn any(priors: &Priors, level: Level, stage: usize) -> Self {
        Self::new(priors, 1, level, stage)
    }

    fn new(priors: &Priors, key: u64, level: Level, stage: usize) -> Self {
        let (key, stage) = (mix(key ^ mix(stage as u64 + 1)), stage as u8);
        Self { key, stage, level, priors: [level.prior(priors, stage, 0), level.prior(priors, stage, 1)] }
    }

    /// The prior's precision at a place.
    pub(crate) fn prior(self, place: usize) -> f64 {
        let [bias, other] = self.priors;
        if place == 0 { bias } else { other }
    }
}

/// SplitMix64's finaliser (Steele et al. 2014).
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

pub(crate) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

impl Row {
    /// The mean at a place.
    pub(crate) fn mean(&self, place: usize) -> f64 {
        f64::from(self.cell(place).mean)
    }

    fn cell(&self, place: usize) -> Cell {
        self.cells.get(place).copied().unwrap_or_default()
    }

    fn cell_mut(&mut self, place: usize) -> Option<&mut Cell> {
        if place >= self.cells.len() {
            self.cells.resize(place + 1, Cell::default());
        }
        self.cells.get_mut(place)
    }
}

impl Model {
    /// The belief that one block adds to the logit.
    #[cfg(test)]
    fn belief(&self, block: Block, features: &[Feature]) -> Belief {
        let row = self.row(block);
        let mut belief = Belief::default();
        for feature in features {
            let place = self.place(*feature).unwrap_or(usize::MAX);
            let cell = row.map_or(Cell::default(), |row| row.cell(place));
            belief.mean += f64::from(cell.mean);
            belief.variance += 1.0 / (block.prior(place) + f64::from(cell.evidence));
        }
        belief
    }

    /// Places that rows may have, for laying them out flat.
    pub(crate) fn places(&self) -> usize {
        let met = self.dictionary.features.len();
        if met >= OWN_FEATURES { OWN_FEATURES + SHARED_FEATURES } else { met }
    }

    /// The place of a feature that has been met.
    pub(crate) fn place(&self, feature: Feature) -> Option<usize> {
        self.dictionary.place(feature)
    }

    /// A block's weights; absent when nobody has taught it.
    pub(crate) fn row(&self, block: Block) -> Option<&Row> {
        self.blocks.get(&block.key)
    }

    /// The places of features, new ones included.
    pub(crate) fn place_all(&mut self, features: &[Feature]) -> Vec<usize> {
        features.iter().map(|feature| self.dictionary.place_or_new(*feature)).collect()
    }

    /// Folds one answer: `y` 1 or 0 with weight `w`; a negative weight takes back an earlier one. Each block comes
    /// with the places of its active features.
    pub(crate) fn update(&mut self, offset: f64, blocks: &[(Block, &[usize])], y: f64, w: f64) {
        let mut belief = Belief { mean: offset, variance: 0.0 };
        for (block, places) in blocks {
            let row = self.blocks.get(&block.key);
            for place in *places {
                let cell = row.map_or(Cell::default(), |row| row.cell(*place));
                belief.mean += f64::from(cell.mean);
                belief.variance += 1.0 / (block.prior(*place) + f64::from(cell.evidence));
            }
        }
        let p = sigmoid(belief.mean);
        let s = w * p * (1.0 - p);
        // Taking back may not overshoot: the denominator stays positive.
        let e = w * (y - p) / (1.0 + s * belief.variance).max(0.5);
        for (block, places) in blocks {
            if self.blocks.len() >= MOST_BLOCKS && !self.blocks.contains_key(&block.key) {
                continue;
            }
            let row = self.blocks.entry(block.key).or_insert_with(|| Row {
                stage: block.stage,
                level: block.level,
                cells: Vec::new(),
            });
            for place in *places {
                let prior = block.prior(*place);
                if let Some(cell) = row.cell_mut(*place) {
                    let q = prior + f64::from(cell.evidence);
                    cell.mean += (e / q) as f32;
                    cell.evidence = (f64::from(cell.evidence) + s).max(0.0) as f32;
                }
            }
        }
    }

    /// Counts an impression (0) or a response at stage s (s + 1).
    pub(crate) fn count(&mut self, offer: u64, what: usize) {
        if self.counts.len() >= MOST_BLOCKS && !self.counts.contains_key(&offer) {
            return;
        }
        let counts = self.counts.entry(offer).or_default();
        if counts.len() <= what {
            counts.resize(what + 1, 0);
        }
        if let Some(count) = counts.get_mut(what) {
            *count += 1;
        }
    }

    /// Impressions (0) or responses at stage s (s + 1) of an offer, ever.
    pub(crate) fn counted(&self, offer: u64, what: usize) -> u64 {
        self.counts.get(&offer).and_then(|counts| counts.get(what)).copied().unwrap_or(0)
    }

    /// Lets the answers to a stage count for less, by a factor between 0 and 1: with evidence E on top of the prior's
    /// precision q, a weight's posterior is the prior times a likelihood of mean m(q+E)/E; that likelihood is raised to
    /// the factor. So a weight that nobody teaches any more goes back to its prior, its mean too.
    pub(crate) fn fade(&mut self, priors: &Priors, stage: usize, factor: f64) {
        self.blocks.retain(|_, row| {
            if usize::from(row.stage) != stage {
                return true;
            }
            for (place, cell) in row.cells.iter_mut().enumerate() {
                let (q, before) = (row.level.prior(priors, row.stage, place), f64::from(cell.evidence));
                let after = before * factor;
                if after < LEAST_EVIDENCE {
                    *cell = Cell::default();
                } else {
                    let mean = f64::from(cell.mean) * factor * (q + before) / (q + after);
                    *cell = Cell { mean: mean as f32, evidence: after as f32 };
                }
            }
            let taught = row.cells.iter().rposition(|cell| *cell != Cell::default()).map_or(0, |last| last + 1);
            row.cells.truncate(taught);
            taught > 0
        });
    }
}

mod format;

pub use format::DecodeError;

#[cfg(test)]
mod tests;
