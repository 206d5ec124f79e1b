//! Chance that can be repeated: a counter-based generator and keyed hashes.
//!
//! Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): every draw is a function
//! of (seed, stream, index), so no draw depends on how many were taken before it. Streams are named by what is
//! drawn, which keeps one offer's draw the same when another offer is added.

use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;

/// The seed of one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed that belongs to a decision: a keyed hash of its id, so that nobody without the site's key can choose it.
    #[must_use]
    pub fn of_decision(site_key: &[u8; 16], decision: &str) -> Self {
        Self(keyed_hash(site_key, &[b"decision", decision.as_bytes()]))
    }

    /// Uniform in (0, 1): never 0, so that its logarithm is finite.
    pub(crate) fn uniform(self, stream: u64, index: u32) -> f64 {
        open_unit(self.block(stream, index), 0)
    }

    /// Standard normal (Box and Muller 1958).
    pub(crate) fn normal(self, stream: u64, index: u32) -> f64 {
        let block = self.block(stream, index);
        let radius = libm::sqrt(-2.0 * libm::log(open_unit(block, 0)));
        radius * libm::cos(core::f64::consts::TAU * open_unit(block, 2))
    }

    fn block(self, stream: u64, index: u32) -> [u32; 4] {
        philox([stream as u32, (stream >> 32) as u32, index, 0], [self.0 as u32, (self.0 >> 32) as u32])
    }
}

/// 53 bits of a block, centred in their cell.
fn open_unit(block: [u32; 4], at: usize) -> f64 {
    let high = u64::from(block.get(at).copied().unwrap_or(0));
    let low = u64::from(block.get(at + 1).copied().unwrap_or(0));
    let bits = (high << 21) | (low >> 11);
    (bits as f64 + 0.5) / (1_u64 << 53) as f64
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [c0, c1, c2, c3] = counter;
        let first = u64::from(c0) * 0xD251_1F53;
        let second = u64::from(c2) * 0xCD9E_8D57;
        counter =
            [(second >> 32) as u32 ^ c1 ^ key[0], second as u32, (first >> 32) as u32 ^ c3 ^ key[1], first as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// SipHash-1-3 of parts that cannot run into each other.
#[must_use]
pub fn keyed_hash(key: &[u8; 16], parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish()
}

/// A hash for names that need no secret: features, offers, groups.
pub(crate) fn name_hash(parts: &[&[u8]]) -> u64 {
    keyed_hash(b"portico/features", parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_answers() {
        // Random123's known-answer file, philox4x32-10.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([0xffff_ffff; 4], [0xffff_ffff; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let seed = Seed(7);
        let draws: Vec<f64> = (0..20_000).map(|index| seed.normal(1, index)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }

    #[test]
    fn hashed_parts_do_not_run_together() {
        assert_ne!(name_hash(&[b"ab", b"c"]), name_hash(&[b"a", b"bc"]));
    }
}
