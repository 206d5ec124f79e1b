//! A model as bytes: exact for checkpoints, compact for the isolates that decide with it.
//!
//! `"PMD3"`, then the kind (0 exact, 1 compact), the dictionary (count, features), the blocks in the order of their keys
//! (key, stage and level, places, one bit a place that says whether it is taught, and for each taught one mean and evidence), and
//! the counts by offer key. Numbers without a fixed width are LEB128.
//!
//! A compact weight has 3 bytes instead of 8: the upper half of its mean, rounded to 8 bits of precision, and its
//! evidence in steps of an eighth of an octave. Both are far below what the posterior is sure of.

use super::{Cell, Dictionary, Level, MOST_BLOCKS, Model, OWN_FEATURES, Row, SHARED_FEATURES};

/// Format and version.
const MAGIC: [u8; 4] = *b"PMD3";
const EXACT: u8 = 0;
const COMPACT: u8 = 1;
/// Counts of one offer: impressions and 8 stages.
const MOST_COUNTS: usize = 9;

/// Why an encoded model was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a model, or one of another version.
    #[error("not a model of this version")]
    Version,
    /// It ends in the middle of something.
    #[error("the model ends too early, or goes on after its end")]
    Length,
    /// A count or a place beyond its bound, or entries out of order.
    #[error("the model is larger than it may be, or out of order")]
    Bounds,
    /// A weight that is not a finite number, or evidence below 0.
    #[error("a weight is not a finite number")]
    Weight,
}

impl Model {
    /// Everything, exactly: what was decoded encodes to the same bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.write(EXACT)
    }

    /// What is needed for deciding, in about half the bytes.
    #[must_use]
    pub fn encode_compact(&self) -> Vec<u8> {
        self.write(COMPACT)
    }

    fn write(&self, kind: u8) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(kind);
        put(&mut bytes, self.dictionary.features.len() as u64);
        for feature in &self.dictionary.features {
            bytes.extend_from_slice(&feature.to_le_bytes());
        }
        put(&mut bytes, self.blocks.len() as u64);
        for (key, row) in &self.blocks {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.push(row.stage | (row.level as u8) << 4);
            put(&mut bytes, row.cells.len() as u64);
            let is_taught = |cell: &&Cell| **cell != Cell::default();
            let bit = |(at, cell): (usize, &Cell)| u8::from(is_taught(&cell)) << at;
            bytes.extend(row.cells.chunks(8).map(|cells| cells.iter().enumerate().map(bit).sum::<u8>()));
            for cell in row.cells.iter().filter(is_taught) {
                if kind == EXACT {
                    bytes.extend_from_slice(&cell.mean.to_le_bytes());
                    bytes.extend_from_slice(&cell.evidence.to_le_bytes());
                } else {
                    bytes.extend_from_slice(&upper_half(cell.mean).to_le_bytes());
                    bytes.push(octaves(cell.evidence));
                }
            }
        }
        put(&mut bytes, self.counts.len() as u64);
        for (offer, counts) in &self.counts {
            bytes.extend_from_slice(&offer.to_le_bytes());
            put(&mut bytes, counts.len() as u64);
            counts.iter().for_each(|count| put(&mut bytes, *count));
        }
        bytes
    }

    /// Reads what [`Model::encode`] or [`Model::encode_compact`] wrote.
    ///
    /// # Errors
    /// See [`DecodeError`]. Memory stays within the model's bounds whatever the bytes say.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes.strip_prefix(&MAGIC).ok_or(DecodeError::Version)?);
        let [kind] = reader.take()?;
        if kind != EXACT && kind != COMPACT {
            return Err(DecodeError::Version);
        }
        let mut dictionary = Dictionary::default();
        let features = reader.number(OWN_FEATURES)?;
        for place in 0..features {
            let feature = u32::from_le_bytes(reader.take()?);
            if dictionary.place_or_new(feature) != place {
                return Err(DecodeError::Bounds);
            }
        }
        let places = if features >= OWN_FEATURES { OWN_FEATURES + SHARED_FEATURES } else { features };
        let mut model = Self { dictionary, ..Self::default() };
        let steps: [f32; 256] = core::array::from_fn(|octaves| evidence_of(octaves as u8));
        let mut before = None;
        for _ in 0..reader.number(MOST_BLOCKS)? {
            let key = u64::from_le_bytes(reader.take()?);
            if before.replace(key).is_some_and(|before| before >= key) {
                return Err(DecodeError::Bounds);
            }
            let [stage_and_level] = reader.take()?;
            let stage = stage_and_level & 0x0f;
            let level = match stage_and_level >> 4 {
                0 => Level::Site,
                1 => Level::Group,
                2 => Level::Offer,
                3 => Level::Channel,
                _ => return Err(DecodeError::Bounds),
            };
            let cells = reader.number(places)?;
            let taught = reader.slice(cells.div_ceil(8))?;
            let mut row = Row { stage, level, cells: vec![Cell::default(); cells] };
            for (place, cell) in row.cells.iter_mut().enumerate() {
                if taught.get(place / 8).is_some_and(|bits| bits >> (place % 8) & 1 == 1) {
                    *cell = if kind == EXACT { reader.cell()? } else { reader.compact_cell(&steps)? };
                }
            }
            model.blocks.insert(key, row);
        }
        let mut before = None;
        for _ in 0..reader.number(MOST_BLOCKS)? {
            let offer = u64::from_le_bytes(reader.take()?);
            if before.replace(offer).is_some_and(|before| before >= offer) {
                return Err(DecodeError::Bounds);
            }
            let mut counts = Vec::new();
            for _ in 0..reader.number(MOST_COUNTS)? {
                counts.push(reader.long()?);
            }
            model.counts.insert(offer, counts);
        }
        if reader.0.is_empty() { Ok(model) } else { Err(DecodeError::Length) }
    }
}

/// Rounds to the nearest number that the upper 16 bits hold, ties to even. Weights stay far from the largest `f32`.
fn upper_half(number: f32) -> u16 {
    let bits = number.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// Evidence from 2^-16 to 2^15.75 in steps of an eighth of an octave; less is none.
fn octaves(evidence: f32) -> u8 {
    let steps = libm::round((libm::log2(f64::from(evidence)) + 16.0) * 8.0) + 1.0;
    steps.clamp(0.0, 255.0) as u8
}

fn evidence_of(octaves: u8) -> f32 {
    if octaves == 0 { 0.0 } else { libm::exp2((f64::from(octaves) - 1.0) / 8.0 - 16.0) as f32 }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn cell(&mut self) -> Result<Cell, DecodeError> {
        let (mean, evidence) = (f32::from_le_bytes(self.take()?), f32::from_le_bytes(self.take()?));
        if mean.is_finite() && evidence.is_finite() && evidence >= 0.0 {
            Ok(Cell { mean, evidence })
        } else {
            Err(DecodeError::Weight)
        }
    }

    fn compact_cell(&mut self, steps: &[f32; 256]) -> Result<Cell, DecodeError> {
        let [low, high, octaves] = self.take()?;
        let mean = f32::from_bits(u32::from(u16::from_le_bytes([low, high])) << 16);
        let evidence = steps.get(usize::from(octaves)).copied().unwrap_or_default();
        if mean.is_finite() { Ok(Cell { mean, evidence }) } else { Err(DecodeError::Weight) }
    }

    /// A LEB128 number up to `most`.
    fn number(&mut self, most: usize) -> Result<usize, DecodeError> {
        usize::try_from(self.long()?).ok().filter(|number| *number <= most).ok_or(DecodeError::Bounds)
    }

    /// A LEB128 number of at most 63 bits, written in as few bytes as it needs.
    fn long(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let [byte] = self.take()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(DecodeError::Bounds) } else { Ok(number) };
            }
        }
        Err(DecodeError::Bounds)
    }
}
