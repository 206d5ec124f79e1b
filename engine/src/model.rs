//! What has been learned: per offer and stage a Bayesian logistic regression with a diagonal Gaussian posterior.
//!
//! Weights stand in levels (site, group, offer) that add up, so that a new offer starts from what its group has
//! learned. They live in one flat hashed table; a slot nobody has taught is at its prior. With active weights i,
//! means m and precisions q the update for an answer y of weight w is, after Chapelle & Li 2011 made online:
//!
//! ```text
//! z = Σ m_i    v = Σ 1/q_i    p = σ(z)    s = w·p(1-p)    e = w(y-p)/(1+s·v)    m_i += e/q_i    q_i += s
//! ```

use crate::features::Feature;
use crate::policy::{OfferPolicy, Policy};

/// Slots in the table: 1,000 offers in 40 groups with 60 taught bins and 2 stages fill it to about nine tenths.
const TABLE_BITS: u32 = 17;
const TABLE_SIZE: usize = 1 << TABLE_BITS;
/// First bytes of an encoded model: its format and version.
const MAGIC: [u8; 4] = *b"PMD1";
/// Evidence below this is noise of `f32` and is dropped.
const LEAST_EVIDENCE: f32 = 1e-6;

/// How far a weight may stand from its parent level before anything is known, as a precision (1/variance).
const SITE_PRECISION: f64 = 8.0;
const GROUP_PRECISION: f64 = 8.0;
const OFFER_PRECISION: f64 = 6.0;
/// The always-on weight of a level: base rates differ more than the effects of single facts.
const BIAS_PRECISION: f64 = 1.5;
/// Later stages see few answers: a narrow prior keeps their sampling noise from drowning the rest.
const LATER_STAGE_FACTOR: f64 = 4.0;

/// The weights of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    mean: Vec<f32>,
    /// Precision gained from answers, on top of the prior's.
    evidence: Vec<f32>,
}

impl Default for Model {
    fn default() -> Self {
        Self { mean: vec![0.0; TABLE_SIZE], evidence: vec![0.0; TABLE_SIZE] }
    }
}

/// A Gaussian belief about a logit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Belief {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

impl core::ops::Add for Belief {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { mean: self.mean + other.mean, variance: self.variance + other.variance }
    }
}

/// One block of weights: a level of one stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    key: u64,
    precision: f64,
    bias_precision: f64,
}

impl Block {
    pub(crate) fn site(stage: usize) -> Self {
        Self::new(0, stage, SITE_PRECISION)
    }

    pub(crate) fn group(policy: &Policy, group: usize, stage: usize) -> Self {
        Self::new(policy.groups.get(group).map_or(1, |group| group.key), stage, GROUP_PRECISION)
    }

    pub(crate) fn offer(offer: &OfferPolicy, stage: usize) -> Self {
        Self::new(offer.key, stage, OFFER_PRECISION)
    }

    fn new(key: u64, stage: usize, precision: f64) -> Self {
        let narrow = if stage == 0 { 1.0 } else { LATER_STAGE_FACTOR };
        let key = mix(key ^ mix(stage as u64 + 1));
        Self { key, precision: precision * narrow, bias_precision: BIAS_PRECISION * narrow }
    }

    fn slot(self, feature: Feature) -> usize {
        (mix(self.key ^ u64::from(feature)) >> (64 - TABLE_BITS)) as usize
    }

    fn prior(self, feature_at: usize) -> f64 {
        if feature_at == 0 { self.bias_precision } else { self.precision }
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

impl Model {
    /// The belief that one block adds to the logit. `features` begin with the bias.
    pub(crate) fn belief(&self, block: Block, features: &[Feature]) -> Belief {
        let mut belief = Belief::default();
        for (at, feature) in features.iter().enumerate() {
            let slot = block.slot(*feature);
            belief.mean += f64::from(self.mean[slot]);
            belief.variance += 1.0 / (block.prior(at) + f64::from(self.evidence[slot]));
        }
        belief
    }

    /// Each feature's mean in a block, for explanations.
    pub(crate) fn means<'a>(&'a self, block: Block, features: &'a [Feature]) -> impl Iterator<Item = f64> + 'a {
        features.iter().map(move |feature| f64::from(self.mean[block.slot(*feature)]))
    }

    /// Folds one answer: `y` 1 or 0 with weight `w`; a negative weight takes back an earlier one.
    pub(crate) fn update(&mut self, offset: f64, blocks: &[(Block, &[Feature])], y: f64, w: f64) {
        let belief = blocks
            .iter()
            .fold(Belief { mean: offset, variance: 0.0 }, |sum, (block, features)| sum + self.belief(*block, features));
        let p = sigmoid(belief.mean);
        let s = w * p * (1.0 - p);
        // Taking back may not overshoot: the denominator stays positive.
        let e = w * (y - p) / (1.0 + s * belief.variance).max(0.5);
        for (block, features) in blocks {
            for (at, feature) in features.iter().enumerate() {
                let slot = block.slot(*feature);
                let q = block.prior(at) + f64::from(self.evidence[slot]);
                self.mean[slot] += (e / q) as f32;
                self.evidence[slot] = (f64::from(self.evidence[slot]) + s).max(0.0) as f32;
            }
        }
    }

    /// Lets all evidence fade by a factor between 0 and 1.
    pub(crate) fn fade(&mut self, factor: f64) {
        for (mean, evidence) in self.mean.iter_mut().zip(&mut self.evidence) {
            *evidence = (f64::from(*evidence) * factor) as f32;
            if *evidence < LEAST_EVIDENCE {
                (*mean, *evidence) = (0.0, 0.0);
            }
        }
    }

    /// The taught weights, compactly: about 10 bytes each.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut last = 0;
        for (slot, (mean, evidence)) in self.mean.iter().zip(&self.evidence).enumerate() {
            if *mean != 0.0 || *evidence != 0.0 {
                let mut gap = slot - last;
                while gap >= 0x80 {
                    bytes.push((gap & 0x7f) as u8 | 0x80);
                    gap >>= 7;
                }
                bytes.push(gap as u8);
                bytes.extend_from_slice(&mean.to_le_bytes());
                bytes.extend_from_slice(&evidence.to_le_bytes());
                last = slot;
            }
        }
        bytes
    }

    /// Reads what [`Model::encode`] wrote.
    ///
    /// # Errors
    /// Another format or version, a truncated or malformed body, a slot outside the table, or a weight that is not finite.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or(DecodeError::Version)?;
        let mut model = Self::default();
        let mut slot = 0_usize;
        while !rest.is_empty() {
            let mut gap = 0_usize;
            for shift in [0, 7, 14] {
                let (byte, tail) = rest.split_first().ok_or(DecodeError::Truncated)?;
                rest = tail;
                gap |= usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            slot += gap;
            let (mean, tail) = rest.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
            let (evidence, tail) = tail.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
            rest = tail;
            let (mean, evidence) = (f32::from_le_bytes(*mean), f32::from_le_bytes(*evidence));
            if slot >= TABLE_SIZE || !mean.is_finite() || !evidence.is_finite() || evidence < 0.0 {
                return Err(DecodeError::Weight);
            }
            model.mean[slot] = mean;
            model.evidence[slot] = evidence;
        }
        Ok(model)
    }
}

/// Why an encoded model was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a model, or one of another version.
    #[error("not a model of this version")]
    Version,
    /// It ends in the middle of a weight.
    #[error("the model ends in the middle of a weight")]
    Truncated,
    /// A weight outside the table, or one that is not a finite number.
    #[error("a weight is outside the table or not a finite number")]
    Weight,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taught(answers: &[(u32, bool)]) -> Model {
        let mut model = Model::default();
        for (feature, yes) in answers {
            let features = [0, *feature];
            model.update(-3.0, &[(Block::site(0), &features)], f64::from(u8::from(*yes)), 1.0);
        }
        model
    }

    #[test]
    fn answers_move_the_belief_towards_them_and_narrow_it() {
        let features = [0, 5];
        let prior = Model::default().belief(Block::site(0), &features);
        let yes = taught(&[(5, true); 50]).belief(Block::site(0), &features);
        let no = taught(&[(5, false); 50]).belief(Block::site(0), &features);
        assert!(yes.mean > prior.mean && no.mean < prior.mean);
        assert!(yes.variance < prior.variance && no.variance < prior.variance);
    }

    #[test]
    fn a_rate_is_found() {
        let answers: Vec<_> = (0..4000).map(|at| (5, at % 10 == 0)).collect();
        let belief = taught(&answers).belief(Block::site(0), &[0, 5]);
        let rate = sigmoid(belief.mean - 3.0);
        assert!((rate - 0.1).abs() < 0.02, "{rate}");
    }

    #[test]
    fn taking_back_a_negative_undoes_it() {
        let mut model = taught(&[(5, true), (5, false), (6, true)]);
        let before = model.clone();
        let blocks: [(Block, &[Feature]); 1] = [(Block::site(0), &[0, 5])];
        model.update(-3.0, &blocks, 0.0, 1.0);
        model.update(-3.0, &blocks, 0.0, -1.0);
        let (now, then) = (model.belief(blocks[0].0, blocks[0].1), before.belief(blocks[0].0, blocks[0].1));
        assert!((now.mean - then.mean).abs() < 0.02 && (now.variance - then.variance).abs() < 0.02);
    }

    #[test]
    fn faded_evidence_widens_the_belief() {
        let mut model = taught(&[(5, true); 50]);
        let before = model.belief(Block::site(0), &[0, 5]);
        model.fade(0.5);
        assert!(model.belief(Block::site(0), &[0, 5]).variance > before.variance);
        model.fade(1e-9);
        assert_eq!(model, Model::default());
    }

    proptest! {
        #[test]
        fn encoding_loses_nothing(answers in prop::collection::vec((any::<u32>(), any::<bool>()), 0..200)) {
            let model = taught(&answers);
            prop_assert_eq!(Model::decode(&model.encode()), Ok(model));
        }

        #[test]
        fn hostile_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
            if magic {
                bytes.splice(0..0, MAGIC);
            }
            let _ = Model::decode(&bytes);
        }

        #[test]
        fn weights_stay_finite(answers in prop::collection::vec((0_u32..4, 0..2, -1.0..3.0_f64), 0..300)) {
            let mut model = Model::default();
            for (feature, y, w) in answers {
                model.update(-3.0, &[(Block::site(0), &[0, feature])], f64::from(y), w);
            }
            prop_assert!(Model::decode(&model.encode()).is_ok());
        }
    }
}
