//! What has been learned: per offer and stage a Bayesian logistic regression with a diagonal Gaussian posterior.
//!
//! Weights stand in levels that add up: site, group, offer, and for every channel but the site's first a departure of
//! the offer on that channel. So a new offer starts from what its group has learned, and a channel departs from the
//! common model only as its own evidence grows.
//!
//! Many facts hold for nearly everybody, and a diagonal posterior that gave each of them a full weight would learn the
//! same thing many times over: its steps would be too long and its variances too wide, by about the number of such facts.
//! So each fact is centred within its block: with f the share of the block's evidence in which it was active, it enters
//! as x − f. What all visitors have in common is then learned once, by the bias, and centred facts are nearly
//! uncorrelated with it, which is what a diagonal posterior assumes. With z = 1 − f for an active fact (z = 1 for the
//! bias), prior precision q and evidence E, an answer y of weight w is folded by an implicit (proximal) step:
//!
//! ```text
//! g_i = z_i/(q_i + z_i·E_i)    v = Σ z_i·g_i    η' = η + v·w·(y - σ(η'))    s = w·σ(η')·σ(-η')
//! m_i += g_i·w·(y - σ(η'))     m_0 -= Σ f_i·(step of m_i)                   E_i += s
//! ```
//!
//! The step goes to the mode of the posterior along the gains, after Kulis & Bartlett 2010, and the evidence is the
//! curvature there, as in Laplace's approximation; the diagonal posterior is that of Chapelle & Li 2011. A step is taken
//! back by the same formulas read backwards, exactly if nothing came in between.
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
/// Evidence that a block needs before a fact that was always active in it counts as common: some three answers at usual
/// rates.
const COMMON_AFTER: f64 = 0.1;

/// Steps towards a posterior's mode; the last ones change nothing that `f32` can hold.
const STEPS_TO_MODE: usize = 8;

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

impl Cell {
    /// How the weight at a place answers to a step in its block, whose evidence in all is `all`.
    pub(crate) fn gain(self, prior: f64, place: usize, all: f32) -> Gain {
        let evidence = f64::from(self.evidence);
        let share = if place == 0 { 0.0 } else { (evidence / (f64::from(all) + COMMON_AFTER)).min(1.0) };
        let contrast = 1.0 - share;
        Gain { share, contrast, precision: prior + contrast * evidence }
    }
}

/// A centred weight: see the formulas above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gain {
    /// f: share of the block's evidence in which the fact was active.
    share: f64,
    /// z = 1 - f.
    contrast: f64,
    /// q + z·E.
    precision: f64,
}

impl Gain {
    /// g: what a unit of force moves the weight.
    fn mobility(self) -> f64 {
        self.contrast / self.precision
    }

    /// z·g: what the weight adds to the variance of the logit while its fact is active.
    pub(crate) fn variance(self) -> f64 {
        self.contrast * self.mobility()
    }
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

impl Belief {
    /// The logit at which the posterior is highest after an answer y of weight w: the root of
    /// η − m − v·w·(y − σ(η)). That rises, is convex below 0 and concave above, so Newton's method goes straight to it
    /// from the point between its bounds that is nearest to 0.
    fn mode(self, y: f64, w: f64) -> f64 {
        let pull = self.variance * w;
        let mut logit = 0.0_f64.max(self.mean - pull * (1.0 - y)).min(self.mean + pull * y);
        for _ in 0..STEPS_TO_MODE {
            let p = sigmoid(logit);
            logit -= (logit - self.mean - pull * (y - p)) / (1.0 + pull * p * (1.0 - p));
        }
        logit
    }
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

    /// The evidence of all answers to the block: its bias was active in each.
    fn evidence(&self) -> f32 {
        self.cell(0).evidence
    }

    /// Moves the weights at some places by a force, the block's average visitor staying where it was.
    fn shift(&mut self, block: &Block, places: &[usize], force: f64) {
        let all = self.evidence();
        let mut common = 0.0;
        for place in places {
            if let Some(cell) = self.cells.get_mut(*place) {
                let gain = cell.gain(block.prior(*place), *place, all);
                let step = gain.mobility() * force;
                cell.mean += step as f32;
                common += gain.share * step;
            }
        }
        if let Some(bias) = self.cells.first_mut() {
            bias.mean -= common as f32;
        }
    }

    /// Adds evidence at some places, or takes it away.
    fn weigh(&mut self, places: &[usize], evidence: f64) {
        for place in places {
            if let Some(cell) = self.cells.get_mut(*place) {
                cell.evidence = (f64::from(cell.evidence) + evidence).max(0.0) as f32;
            }
        }
    }

    /// Fades the row's answers by a factor: see [`Model::fade`].
    fn fade(&mut self, priors: &Priors, factor: f64) {
        let all = self.evidence();
        let (mut before, mut after) = (0.0, 0.0);
        for (place, cell) in self.cells.iter_mut().enumerate() {
            let prior = self.level.prior(priors, self.stage, place);
            let gain = cell.gain(prior, place, all);
            let evidence = f64::from(cell.evidence) * factor;
            if evidence < LEAST_EVIDENCE {
                before += gain.share * f64::from(cell.mean);
                *cell = Cell::default();
                continue;
            }
            cell.evidence = evidence as f32;
            if place > 0 {
                before += gain.share * f64::from(cell.mean);
                let kept = factor * gain.precision / (prior + gain.contrast * evidence);
                cell.mean = (f64::from(cell.mean) * kept) as f32;
                after += gain.share * f64::from(cell.mean);
            }
        }
        // What goes back to the prior is the average visitor's logit, not the bias by itself.
        let prior = self.level.prior(priors, self.stage, 0);
        if let Some(bias) = self.cells.first_mut().filter(|bias| bias.evidence > 0.0) {
            let kept = factor * (prior + f64::from(all)) / (prior + f64::from(bias.evidence));
            bias.mean = ((f64::from(bias.mean) + before) * kept - after) as f32;
        }
        let taught = self.cells.iter().rposition(|cell| *cell != Cell::default()).map_or(0, |last| last + 1);
        self.cells.truncate(taught);
    }

    fn cell(&self, place: usize) -> Cell {
        self.cells.get(place).copied().unwrap_or_default()
    }

    /// Makes the row reach to all of some places.
    fn make_room(&mut self, places: &[usize]) {
        let reach = places.iter().max().map_or(0, |last| last + 1);
        if reach > self.cells.len() {
            self.cells.resize(reach, Cell::default());
        }
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
            belief.variance += cell.gain(block.prior(place), place, row.map_or(0.0, Row::evidence)).variance();
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

    /// The features that have been met, by place.
    pub(crate) fn features(&self) -> impl Iterator<Item = &Feature> {
        self.dictionary.features.iter()
    }

    /// The same places and counts, untaught.
    pub(crate) fn without_weights(&self) -> Self {
        Self { dictionary: self.dictionary.clone(), blocks: BTreeMap::new(), counts: self.counts.clone() }
    }

    /// Whether every weight is a finite number.
    pub(crate) fn is_finite(&self) -> bool {
        let finite = |cell: &Cell| cell.mean.is_finite() && cell.evidence.is_finite();
        self.blocks.values().all(|row| row.cells.iter().all(finite))
    }

    /// Says what the weights of a block are.
    pub(crate) fn set_row(&mut self, block: Block, cells: Vec<Cell>) {
        self.blocks.insert(block.key, Row { stage: block.stage, level: block.level, cells });
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
        let takes_back = w < 0.0;
        let mut belief = Belief { mean: offset, variance: 0.0 };
        for (block, places) in blocks {
            let row = self.blocks.get(&block.key);
            let all = row.map_or(0.0, Row::evidence);
            for place in *places {
                let cell = row.map_or(Cell::default(), |row| row.cell(*place));
                belief.mean += f64::from(cell.mean);
                belief.variance += cell.gain(block.prior(*place), *place, all).variance();
            }
        }
        // A step that is taken back ended where the weights are now.
        let p = sigmoid(if takes_back { belief.mean } else { belief.mode(y, w) });
        let (force, evidence) = (w * (y - p), w * p * (1.0 - p));
        for (block, places) in blocks {
            if self.blocks.len() >= MOST_BLOCKS && !self.blocks.contains_key(&block.key) {
                continue;
            }
            let row = self.blocks.entry(block.key).or_insert_with(|| Row {
                stage: block.stage,
                level: block.level,
                cells: Vec::new(),
            });
            if takes_back {
                row.weigh(places, evidence);
                row.shift(block, places, force);
            } else {
                row.make_room(places);
                row.shift(block, places, force);
                row.weigh(places, evidence);
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

    /// Takes a count back.
    pub(crate) fn uncount(&mut self, offer: u64, what: usize) {
        if let Some(count) = self.counts.get_mut(&offer).and_then(|counts| counts.get_mut(what)) {
            *count = count.saturating_sub(1);
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
            row.fade(priors, factor);
            !row.cells.is_empty()
        });
    }

    /// The same for one block.
    pub(crate) fn fade_block(&mut self, priors: &Priors, block: Block, factor: f64) {
        if let Some(row) = self.blocks.get_mut(&block.key) {
            row.fade(priors, factor);
            if row.cells.is_empty() {
                self.blocks.remove(&block.key);
            }
        }
    }
}

mod format;

pub use format::DecodeError;

#[cfg(test)]
mod tests;
