//! What is true in a simulated world: the probability with which each visitor answers each offer.
//!
//! Four families, because a learner that suits one kind of truth may fail on another. In all of them offers of a group
//! resemble each other, some offers are more popular than others, and some visitors answer more readily to anything. The
//! parts are scaled to the same spread in every family, so that families differ in shape and not in difficulty.

use clap::ValueEnum;

use crate::chance::{Chance, Purpose};
use crate::covariates::{Kind, Table};

pub(crate) const OFFERS: usize = 20;
pub(crate) const GROUPS: usize = 4;
/// Mean probability of a valued answer over visitors and offers.
pub(crate) const BASE_RATE: f64 = 0.015;

/// Standard deviations of the logit: how visitors differ in what they like, how offers differ in popularity, and how
/// visitors differ in answering at all.
const SPREAD_TASTE: f64 = 0.8;
const SPREAD_POPULARITY: f64 = 0.45;
const SPREAD_READINESS: f64 = 0.3;
/// A later stage is decided more by the offer's terms than by taste.
const SPREAD_LATER_STAGE: f64 = 0.4;
/// Part of an offer's taste that it shares with its group, as a part of the variance.
const SHARED: f64 = 0.5;

/// Kinds of truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Family {
    /// The logit is a sum of one weight for each bin.
    Additive,
    /// Answers follow rules over two or three attributes.
    Rules,
    /// Each offer has a customer whom it suits; the logit falls with the distance from them.
    Prototypes,
    /// A few segments with strong favourites, among many attributes that say nothing.
    Segments,
}

impl Family {
    pub(crate) const ALL: [Self; 4] = [Self::Additive, Self::Rules, Self::Prototypes, Self::Segments];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Additive => "additive",
            Self::Rules => "rules",
            Self::Prototypes => "prototypes",
            Self::Segments => "segments",
        }
    }
}

/// Probabilities by row of the table and offer.
#[derive(Debug)]
pub(crate) struct World {
    p: Vec<[f32; OFFERS]>,
}

/// The group of an offer.
pub(crate) fn group_of(offer: usize) -> usize {
    offer * GROUPS / OFFERS
}

impl World {
    /// A world of a family; its mean probability is the base rate.
    pub(crate) fn draw(family: Family, table: &Table, seed: u64) -> Self {
        Self::calibrated(&drawn(family, table, seed, Purpose::World), BASE_RATE, |_, _| 1.0)
    }

    /// What becomes of that world when some offers' taste and popularity are drawn anew.
    pub(crate) fn draw_changed(family: Family, table: &Table, seed: u64, offers: usize) -> Self {
        let mut logits = drawn(family, table, seed, Purpose::World);
        let anew = drawn(family, table, seed, Purpose::AfterChange);
        let which = Chance::new(seed, Purpose::AfterChange, u64::MAX).choose(offers, OFFERS);
        for (logits, anew) in logits.iter_mut().zip(&anew) {
            which.iter().for_each(|offer| logits[*offer] = anew[*offer]);
        }
        Self::calibrated(&logits, BASE_RATE, |_, _| 1.0)
    }

    /// A click and, given the click, a purchase at `later_rate` on average; both together have the base rate.
    pub(crate) fn draw_two_stages(family: Family, table: &Table, seed: u64, later_rate: f64) -> (Self, Self) {
        let later = &mut Chance::new(seed, Purpose::LaterStage, family as u64);
        let later = Self::calibrated(&logits(family, table, later, SPREAD_LATER_STAGE), later_rate, |_, _| 1.0);
        let first = drawn(family, table, seed, Purpose::World);
        (Self::calibrated(&first, BASE_RATE, |row, offer| later.p(row, offer)), later)
    }

    /// A world in which no offer is better than another for anybody.
    pub(crate) fn draw_equal(table: &Table, seed: u64) -> Self {
        let mut chance = Chance::new(seed, Purpose::World, u64::MAX);
        let readiness = scaled(additive(table, &weights(table, &mut chance, 1.0)), SPREAD_READINESS);
        let logits: Vec<_> = readiness.into_iter().map(|logit| [logit; OFFERS]).collect();
        Self::calibrated(&logits, BASE_RATE, |_, _| 1.0)
    }

    /// The probability that a visitor answers an offer.
    pub(crate) fn p(&self, row: usize, offer: usize) -> f64 {
        f64::from(self.p[row][offer])
    }

    fn calibrated(logits: &[[f64; OFFERS]], rate: f64, weight: impl Fn(usize, usize) -> f64) -> Self {
        let (mut low, mut high) = (-20.0, 20.0);
        let at = |shift: f64, row: usize, offer: usize| 1.0 / (1.0 + (-(logits[row][offer] + shift)).exp());
        let mean = |shift: f64| {
            let sum: f64 = (0..logits.len())
                .map(|row| (0..OFFERS).map(|offer| at(shift, row, offer) * weight(row, offer)).sum::<f64>())
                .sum();
            sum / (logits.len() * OFFERS) as f64
        };
        for _ in 0..30 {
            let middle = (low + high) / 2.0;
            if mean(middle) < rate { low = middle } else { high = middle }
        }
        let p = (0..logits.len()).map(|row| std::array::from_fn(|offer| at(low, row, offer) as f32)).collect();
        Self { p }
    }
}

fn drawn(family: Family, table: &Table, seed: u64, purpose: Purpose) -> Vec<[f64; OFFERS]> {
    logits(family, table, &mut Chance::new(seed, purpose, family as u64), SPREAD_TASTE)
}

/// Taste, popularity and readiness together.
fn logits(family: Family, table: &Table, chance: &mut Chance, spread: f64) -> Vec<[f64; OFFERS]> {
    let taste = match family {
        Family::Additive => tastes_additive(table, chance),
        Family::Rules => tastes_rules(table, chance),
        Family::Prototypes => tastes_prototypes(table, chance),
        Family::Segments => tastes_segments(table, chance),
    };
    let taste = taste.map(|column| scaled(column, spread));
    let popularity: [f64; OFFERS] = std::array::from_fn(|_| SPREAD_POPULARITY * chance.normal());
    let readiness = scaled(additive(table, &weights(table, chance, 1.0)), SPREAD_READINESS);
    (0..table.bins.len())
        .map(|row| std::array::from_fn(|offer| taste[offer][row] + popularity[offer] + readiness[row]))
        .collect()
}

/// Moved to mean 0 and stretched to a standard deviation.
fn scaled(column: Vec<f64>, spread: f64) -> Vec<f64> {
    let count = column.len() as f64;
    let mean = column.iter().sum::<f64>() / count;
    let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let factor = if variance > 0.0 { spread / variance.sqrt() } else { 0.0 };
    column.into_iter().map(|x| (x - mean) * factor).collect()
}

type Tastes = [Vec<f64>; OFFERS];

/// What an offer has of its own added to what its group has.
fn with_groups(groups: &[Vec<f64>], own: Tastes) -> Tastes {
    let mut offer = 0;
    own.map(|own| {
        let group = scaled(groups[group_of(offer)].clone(), SHARED.sqrt());
        offer += 1;
        scaled(own, (1.0 - SHARED).sqrt()).iter().zip(group).map(|(own, group)| own + group).collect()
    })
}

type Weights = Vec<Vec<f64>>;

/// A weight for each bin; an attribute matters with the given probability.
fn weights(table: &Table, chance: &mut Chance, relevant: f64) -> Weights {
    let of = |bins: usize, chance: &mut Chance| {
        let strength = if chance.unit() < relevant { -(1.0 - chance.unit()).ln() } else { 0.0 };
        (0..bins).map(|_| strength * chance.normal()).collect()
    };
    table.attributes.iter().map(|attribute| of(attribute.bins(), chance)).collect()
}

fn additive(table: &Table, weights: &Weights) -> Vec<f64> {
    let logit = |row: &Vec<u8>| row.iter().zip(weights).map(|(bin, weights)| weights[usize::from(*bin)]).sum();
    table.bins.iter().map(logit).collect()
}

fn tastes_additive(table: &Table, chance: &mut Chance) -> Tastes {
    let groups: Vec<_> = (0..GROUPS).map(|_| additive(table, &weights(table, chance, 0.5))).collect();
    with_groups(&groups, std::array::from_fn(|_| additive(table, &weights(table, chance, 0.5))))
}

/// The sum of the effects of four rules, each over two or three attributes.
fn ruled(table: &Table, chance: &mut Chance) -> Vec<f64> {
    let mut logits = vec![0.0; table.bins.len()];
    for _ in 0..4 {
        let size = 2 + chance.below(2);
        let conditions: Vec<(usize, Vec<bool>)> = chance
            .choose(size, table.attributes.len())
            .into_iter()
            .map(|at| (at, half_of_the_visitors(table, at, chance)))
            .collect();
        let effect = if chance.unit() < 0.7 { 1.0 } else { -1.0 } * (0.5 + chance.unit());
        for (logit, row) in logits.iter_mut().zip(&table.bins) {
            if conditions.iter().all(|(at, holds)| holds[usize::from(row[*at])]) {
                *logit += effect;
            }
        }
    }
    logits
}

/// Bins of an attribute that together hold about half of the visitors: a side of a number, a set of words.
fn half_of_the_visitors(table: &Table, at: usize, chance: &mut Chance) -> Vec<bool> {
    let attribute = &table.attributes[at];
    let mut order: Vec<usize> = match attribute.kind {
        Kind::Number(_) => (0..attribute.bins()).collect(),
        Kind::Words(_) => chance.choose(attribute.bins(), attribute.bins()),
    };
    if chance.unit() < 0.5 {
        order.reverse();
    }
    let mut counts = vec![0_usize; attribute.bins()];
    for row in &table.bins {
        counts[usize::from(row[at])] += 1;
    }
    let (mut holds, mut sum) = (vec![false; attribute.bins()], 0);
    for bin in order {
        // The bin that crosses the middle is in when more than half of it is before the middle.
        if 2 * sum + counts[bin] > table.bins.len() && sum > 0 {
            break;
        }
        holds[bin] = true;
        sum += counts[bin];
    }
    holds
}

fn tastes_rules(table: &Table, chance: &mut Chance) -> Tastes {
    let groups: Vec<_> = (0..GROUPS).map(|_| ruled(table, chance)).collect();
    with_groups(&groups, std::array::from_fn(|_| ruled(table, chance)))
}

/// Minus the squared distance from a visitor in a third of the attributes.
fn near(table: &Table, chance: &mut Chance) -> Vec<f64> {
    let prototype = &table.bins[chance.below(table.bins.len())];
    let attributes = chance.choose(table.attributes.len().div_ceil(3), table.attributes.len());
    let distance = |row: &Vec<u8>| {
        attributes
            .iter()
            .map(|at| match table.attributes[*at].kind {
                Kind::Number(_) => {
                    let steps = f64::from(row[*at].abs_diff(prototype[*at]));
                    (steps / (table.attributes[*at].bins() - 1).max(1) as f64).powi(2)
                }
                Kind::Words(_) => f64::from(u8::from(row[*at] != prototype[*at])),
            })
            .sum::<f64>()
    };
    // Close matters, far is all the same.
    table.bins.iter().map(|row| (-distance(row)).exp()).collect()
}

fn tastes_prototypes(table: &Table, chance: &mut Chance) -> Tastes {
    let groups: Vec<_> = (0..GROUPS).map(|_| near(table, chance)).collect();
    with_groups(&groups, std::array::from_fn(|_| near(table, chance)))
}

/// A strong effect in two segments out of eight.
fn favoured(segments: &[usize], chance: &mut Chance) -> Vec<f64> {
    let mut effects = [0.0; 8];
    for segment in chance.choose(2, effects.len()) {
        effects[segment] = 1.0 + 0.5 * chance.unit();
    }
    segments.iter().map(|segment| effects[*segment]).collect()
}

fn tastes_segments(table: &Table, chance: &mut Chance) -> Tastes {
    let sides: Vec<(usize, Vec<bool>)> = chance
        .choose(3, table.attributes.len())
        .into_iter()
        .map(|at| (at, half_of_the_visitors(table, at, chance)))
        .collect();
    let segment = |row: &Vec<u8>| {
        sides.iter().fold(0, |segment, (at, side)| 2 * segment + usize::from(side[usize::from(row[*at])]))
    };
    let segments: Vec<usize> = table.bins.iter().map(segment).collect();
    let groups: Vec<_> = (0..GROUPS).map(|_| favoured(&segments, chance)).collect();
    with_groups(&groups, std::array::from_fn(|_| favoured(&segments, chance)))
}
