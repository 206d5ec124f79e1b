//! Chance that can be repeated: SplitMix64 (Steele et al. 2014) as a stream, and as a hash of coordinates.
//!
//! A world's truth is a hash of (seed, decision, offer), so every learner that shows an offer at the same decision gets
//! the same answer, whatever it showed before.

/// What a number is drawn for. Draws for different purposes are independent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    World = 1,
    LaterStage,
    AfterChange,
    Visitor,
    Answer,
    LaterAnswer,
    Delay,
    Covariates,
}

/// A sequence of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64, purpose: Purpose, which: u64) -> Self {
        Self { state: mix(mix(mix(seed) ^ purpose as u64) ^ which) }
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.state = self.state.wrapping_add(GOLDEN);
        unit(mix(self.state))
    }

    /// Standard normal (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Uniform in `0..below`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        ((self.unit() * below as f64) as usize).min(below - 1)
    }

    /// `count` different numbers in `0..below`.
    pub(crate) fn choose(&mut self, count: usize, below: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..below).collect();
        for at in 0..count {
            let other = at + self.below(below - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}

/// Uniform in [0, 1), the same for the same coordinates.
pub(crate) fn point(seed: u64, purpose: Purpose, decision: usize, offer: usize) -> f64 {
    unit(mix(mix(mix(mix(seed) ^ purpose as u64) ^ decision as u64) ^ offer as u64))
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(GOLDEN);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
