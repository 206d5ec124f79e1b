//! A model laid out for deciding: for every feature one row over all offers, levels already added up.
//!
//! A decision has some 40 active features and asks for all offers at once, so it adds 40 short rows of neighbouring
//! numbers, which compilers turn into vector instructions. Every offer's sum is taken in the order of the features
//! whatever the vector width, so native and WebAssembly agree to the bit.

use std::collections::BTreeMap;

use crate::features::Feature;
use crate::model::{Belief, Block, Cell, Level, Model};
use crate::policy::Policy;

/// A model and a policy, compiled together. Immutable; made anew when either changes.
#[derive(Clone, Debug)]
pub struct Predictor {
    model: Model,
    /// By stage, without any channel's departures.
    common: Vec<Sheet>,
    /// By channel, then stage, where a channel has been taught to differ.
    channels: BTreeMap<u64, Vec<Sheet>>,
}

/// One stage's weights by feature place, then offer.
#[derive(Clone, Debug)]
struct Sheet {
    offers: usize,
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// What a feature that was never met adds to each offer's variance.
    unmet: f32,
}

/// What is believed of every offer at one stage, by the offer's index in the policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beliefs {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Beliefs {
    pub(crate) fn of(&self, offer: usize) -> Belief {
        let at = |numbers: &[f32]| numbers.get(offer).copied().map_or(0.0, f64::from);
        Belief { mean: at(&self.mean), variance: at(&self.variance) }
    }
}

impl Predictor {
    /// Lays a model out for a policy's offers.
    #[must_use]
    pub fn new(policy: &Policy, model: Model) -> Self {
        let common = (0..policy.stages.len()).map(|stage| Sheet::common(policy, &model, stage)).collect::<Vec<_>>();
        let mut channels = BTreeMap::new();
        for channel in policy.departing_channels() {
            let taught = |stage| {
                policy
                    .offers
                    .iter()
                    .any(|offer| model.row(Block::channel(&policy.model.priors, offer, channel, stage)).is_some())
            };
            if (0..policy.stages.len()).any(taught) {
                let depart = |(stage, sheet): (usize, &Sheet)| sheet.departing(policy, &model, channel, stage);
                channels.insert(channel, common.iter().enumerate().map(depart).collect());
            }
        }
        Self { model, common, channels }
    }

    /// The model itself.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is believed of all offers at each of the first stages, for a visitor with these features.
    pub(crate) fn beliefs(&self, channel: u64, stages: usize, features: &[Feature]) -> Vec<Beliefs> {
        let sheets = self.channels.get(&channel).unwrap_or(&self.common);
        let places: Vec<Option<usize>> = features.iter().map(|feature| self.model.place(*feature)).collect();
        let sum = |stage: usize| sheets.get(stage).map_or_else(Beliefs::default, |sheet| sheet.sum(&places));
        (0..stages).map(sum).collect()
    }
}

impl Sheet {
    fn common(policy: &Policy, model: &Model, stage: usize) -> Self {
        let (offers, places) = (policy.offers.len(), model.places());
        let site = Taught::new(model, Block::site(&policy.model.priors, stage));
        let group = |group| Taught::new(model, Block::group(policy, group, stage));
        let groups: Vec<Taught<'_>> = (0..policy.groups.len()).map(group).collect();
        // An offer without a group is broken and never eligible.
        let own = policy
            .offers
            .iter()
            .map(|offer| (offer.group, Taught::new(model, Block::offer(&policy.model.priors, offer, stage))));
        let own: Vec<(usize, Taught<'_>)> = own.collect();
        let (mut mean, mut variance) = (Vec::with_capacity(places * offers), Vec::with_capacity(places * offers));
        let mut above = vec![(0.0, 0.0); groups.len()];
        for place in 0..places {
            let site = site.at(place);
            for (above, group) in above.iter_mut().zip(&groups) {
                let group = group.at(place);
                *above = (site.0 + group.0, site.1 + group.1);
            }
            for (group, offer) in &own {
                let above = above.get(*group).copied().unwrap_or_default();
                let offer = offer.at(place);
                mean.push(above.0 + offer.0);
                variance.push(above.1 + offer.1);
            }
        }
        let priors = &policy.model.priors;
        let unmet = [Level::Site, Level::Group, Level::Offer].map(|level| Block::any(priors, level, stage));
        let unmet = unmet.iter().map(|block| (1.0 / block.prior(1)) as f32).sum();
        Self { offers, mean, variance, unmet }
    }

    /// The same with what a channel has been taught to differ.
    fn departing(&self, policy: &Policy, model: &Model, channel: u64, stage: usize) -> Self {
        let mut sheet = self.clone();
        let taught = |offer| Taught::new(model, Block::channel(&policy.model.priors, offer, channel, stage));
        let departures: Vec<Taught<'_>> = policy.offers.iter().map(taught).collect();
        let width = self.offers.max(1);
        let rows = sheet.mean.chunks_mut(width).zip(sheet.variance.chunks_mut(width));
        for (place, (means, variances)) in rows.enumerate() {
            for ((mean, variance), departure) in means.iter_mut().zip(variances).zip(&departures) {
                let departure = departure.at(place);
                *mean += departure.0;
                *variance += departure.1;
            }
        }
        sheet.unmet += departures.first().map_or(0.0, |departure| departure.at(usize::MAX).1);
        sheet
    }

    /// The hot loop: in WebAssembly with its vector instructions, natively with whatever the target has.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
    fn sum(&self, places: &[Option<usize>]) -> Beliefs {
        let mut sum = Beliefs { mean: vec![0.0; self.offers], variance: vec![0.0; self.offers] };
        let mut unmet = 0.0;
        for place in places {
            let range = place.map(|place| place * self.offers..(place + 1) * self.offers);
            match range.and_then(|range| Some((self.mean.get(range.clone())?, self.variance.get(range)?))) {
                Some((mean, variance)) => {
                    add(&mut sum.mean, mean);
                    add(&mut sum.variance, variance);
                }
                None => unmet += self.unmet,
            }
        }
        sum.variance.iter_mut().for_each(|variance| *variance += unmet);
        sum
    }
}

/// One block's part of the logit, place by place.
struct Taught<'a> {
    cells: &'a [Cell],
    all: f32,
    block: Block,
}

impl<'a> Taught<'a> {
    fn new(model: &'a Model, block: Block) -> Self {
        let cells: &[Cell] = model.row(block).map_or(&[], |row| &row.cells);
        Self { cells, all: cells.first().map_or(0.0, |bias| bias.evidence), block }
    }

    /// Mean and variance.
    fn at(&self, place: usize) -> (f32, f32) {
        let cell = self.cells.get(place).copied().unwrap_or_default();
        (cell.mean, cell.gain(self.block.prior(place), place, self.all).variance() as f32)
    }
}

#[inline]
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn add(into: &mut [f32], row: &[f32]) {
    for (into, number) in into.iter_mut().zip(row) {
        *into += number;
    }
}
