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

    /// Two standard normals, by inversion: unlike a transform of both draws together, it costs no logarithm nor cosine for
    /// five draws of six.
    pub(crate) fn normals(self, stream: u64, index: u32) -> [f64; 2] {
        let block = self.block(stream, index);
        [normal_quantile(open_unit(block, 0)), normal_quantile(open_unit(block, 2))]
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

/// The standard normal's quantile at p in (0, 1), to about 16 digits: algorithm AS 241, PPND16 (Wichura 1988).
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(&CENTRE, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = libm::sqrt(-libm::log(tail));
    let z = if r <= 5.0 { ratio(&SHOULDER, r - 1.6) } else { ratio(&TAIL, r - 5.0) };
    if q < 0.0 { -z } else { z }
}

/// Two polynomials of the seventh degree, one above the other, from the highest power down.
fn ratio([above, below]: &[[f64; 8]; 2], r: f64) -> f64 {
    let value = |powers: &[f64; 8]| powers.iter().fold(0.0, |sum, power| sum * r + power);
    value(above) / value(below)
}

#[rustfmt::skip]
#[expect(clippy::excessive_precision, reason = "digits as they were published")]
const CENTRE: [[f64; 8]; 2] = [
    [2.509_080_928_730_122_7e3, 3.343_057_558_358_812_8e4, 6.726_577_092_700_87e4, 4.592_195_393_154_987e4,
     1.373_169_376_550_946e4, 1.971_590_950_306_551_3e3, 1.331_416_678_917_843_8e2, 3.387_132_872_796_366_5],
    [5.226_495_278_852_854e3, 2.872_908_573_572_194_3e4, 3.930_789_580_009_271e4, 2.121_379_430_158_659_7e4,
     5.394_196_021_424_751e3, 6.871_870_074_920_579e2, 4.231_333_070_160_091e1, 1.0],
];
#[rustfmt::skip]
#[expect(clippy::excessive_precision, reason = "digits as they were published")]
const SHOULDER: [[f64; 8]; 2] = [
    [7.745_450_142_783_414e-4, 2.272_384_498_926_918_4e-2, 2.417_807_251_774_506e-1, 1.270_458_252_452_368_4,
     3.647_848_324_763_204_5, 5.769_497_221_460_691, 4.630_337_846_156_546, 1.423_437_110_749_683_5],
    [1.050_750_071_644_416_9e-9, 5.475_938_084_995_345e-4, 1.519_866_656_361_645_7e-2, 1.481_039_764_274_800_8e-1,
     6.897_673_349_851e-1, 1.676_384_830_183_803_8, 2.053_191_626_637_758_8, 1.0],
];
#[rustfmt::skip]
const TAIL: [[f64; 8]; 2] = [
    [2.010_334_399_292_288_1e-7, 2.711_555_568_743_487_6e-5, 1.242_660_947_388_078_4e-3, 2.653_218_952_657_612_4e-2,
     2.965_605_718_285_048_7e-1, 1.784_826_539_917_291_3, 5.463_784_911_164_114, 6.657_904_643_501_103],
    [2.044_263_103_389_939_8e-15, 1.421_511_758_316_446e-7, 1.846_318_317_510_054_8e-5, 7.868_691_311_456_133e-4,
     1.487_536_129_085_061_5e-2, 1.369_298_809_227_358e-1, 5.998_322_065_558_879e-1, 1.0],
];

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
    parts.iter().for_each(|part| write_part(&mut hasher, &[part]));
    hasher.finish()
}

/// The key of hashes of names that need no secret: features, offers, groups.
const NAMES: &[u8; 16] = b"portico/features";

pub(crate) fn name_hash(parts: &[&[u8]]) -> u64 {
    keyed_hash(NAMES, parts)
}

/// The beginning of a [`name_hash`] that is needed again and again.
#[derive(Clone, Debug)]
pub(crate) struct NamePrefix(SipHasher13);

impl NamePrefix {
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        let mut hasher = SipHasher13::new_with_key(NAMES);
        parts.iter().for_each(|part| write_part(&mut hasher, &[part]));
        Self(hasher)
    }

    /// The hash with one more part, which is given in pieces.
    pub(crate) fn hash(&self, pieces: &[&[u8]]) -> u64 {
        let mut hasher = self.0;
        write_part(&mut hasher, pieces);
        hasher.finish()
    }
}

fn write_part(hasher: &mut SipHasher13, pieces: &[&[u8]]) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    hasher.write(&(length as u64).to_le_bytes());
    pieces.iter().for_each(|piece| hasher.write(piece));
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
        let draws: Vec<f64> = (0..10_000).flat_map(|index| seed.normals(1, index)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }

    #[test]
    fn quantiles_are_those_of_the_published_algorithm() {
        // Wichura's test values, and points known from tables.
        let check = |p, expect: f64| {
            let z = normal_quantile(p);
            assert!((z - expect).abs() < 1e-14 * expect.abs().max(1.0), "{p}: {z}, not {expect}");
        };
        check(0.25, -0.674_489_750_196_081_7);
        check(0.001, -3.090_232_306_167_813_5);
        check(1e-20, -9.262_340_089_798_408);
        check(0.5, 0.0);
        check(0.975, 1.959_963_984_540_054_2);
    }

    #[test]
    fn hashed_parts_do_not_run_together() {
        assert_ne!(name_hash(&[b"ab", b"c"]), name_hash(&[b"a", b"bc"]));
        assert_eq!(NamePrefix::new(&[b"ab"]).hash(&[b"c", b"de"]), name_hash(&[b"ab", b"cde"]));
    }
}
