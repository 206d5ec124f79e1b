//! Plain counts beside the model: what was shown, what came of it, and how that changed as the model learned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::learn::{ByArm, Observation, Place, Step};
use crate::policy::Policy;

/// Impressions in a stretch of the curve to begin with; doubled whenever there are too many stretches.
const FIRST_WIDTH: u64 = 500;
/// Stretches kept: more than a screen can draw.
const MOST_STRETCHES: usize = 200;

/// Counts of one offer in one arm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Impressions.
    pub impressions: u64,
    /// Dismissals.
    pub dismissals: u64,
    /// Responses by stage.
    pub stages: BTreeMap<String, u64>,
}

/// A stretch of the learning curve: consecutive impressions in the record's order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurveBucket {
    /// Number of the first impression in it, counted over all arms from 0.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// Impressions and value by arm.
    pub arms: ByArm<CurvePoint>,
}

/// One arm's part of a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Impressions.
    pub impressions: u64,
    /// Clicks on these impressions.
    pub clicks: u64,
    /// Value of everything these impressions led to, in units of the weighed KPIs.
    pub value: f64,
}

/// All counts of one site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// By offer, then arm.
    pub offers: BTreeMap<String, ByArm<Counts>>,
    /// The curve, oldest stretch first.
    pub curve: Vec<CurveBucket>,
    /// For each closed stretch, the last row of each shard in it: finds the stretch of an impression again.
    ends: Vec<BTreeMap<u16, u64>>,
    last: BTreeMap<u16, u64>,
    width: u64,
    impressions: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, policy: &Policy, row: &Observation) {
        let counts = self.offers.entry(row.offer.clone()).or_default().entry(row.arm).or_default();
        match row.step {
            Step::Impression => {
                counts.impressions += 1;
                self.open_stretch();
                if let Some(stretch) = self.curve.last_mut() {
                    stretch.arms.entry(row.arm).or_default().impressions += 1;
                    stretch.to += 1;
                }
                self.impressions += 1;
            }
            Step::Dismissal => counts.dismissals += 1,
            Step::Stage(stage) => {
                for reached in row.before.reached..=stage {
                    if let Some(id) = policy.stages().nth(usize::from(reached)) {
                        *counts.stages.entry(id.to_owned()).or_default() += 1;
                    }
                }
                if let Some(point) = self.point_of(row) {
                    if row.before.reached == 0 {
                        point.clicks += 1;
                    }
                    for reached in row.before.reached..=stage {
                        point.value += policy.stage_value(&row.offer, usize::from(reached));
                    }
                }
            }
            Step::Withdrawal(stage) => {
                for reached in stage..row.before.reached {
                    let id = policy.stages().nth(usize::from(reached));
                    if let Some(count) = id.and_then(|id| counts.stages.get_mut(id)) {
                        *count = count.saturating_sub(1);
                    }
                }
                if let Some(point) = self.point_of(row) {
                    if stage == 0 && row.before.reached > 0 {
                        point.clicks = point.clicks.saturating_sub(1);
                    }
                    for reached in stage..row.before.reached {
                        point.value -= policy.stage_value(&row.offer, usize::from(reached));
                    }
                }
            }
        }
        // After the row is counted: a stretch that it opened does not end with it.
        self.last.insert(row.place.shard, row.place.seq);
    }

    /// The arm's part of the stretch in which the row's showing was seen.
    fn point_of(&mut self, row: &Observation) -> Option<&mut CurvePoint> {
        let at = self.stretch_of(row.impression.unwrap_or(row.place));
        self.curve.get_mut(at).map(|stretch| stretch.arms.entry(row.arm).or_default())
    }

    fn open_stretch(&mut self) {
        if self.width == 0 {
            self.width = FIRST_WIDTH;
        }
        if self.curve.last().is_some_and(|stretch| stretch.to - stretch.from < self.width) {
            return;
        }
        if !self.curve.is_empty() {
            self.ends.push(self.last.clone());
        }
        if self.curve.len() >= MOST_STRETCHES {
            self.merge_pairs();
        }
        self.curve.push(CurveBucket { from: self.impressions, to: self.impressions, arms: ByArm::new() });
    }

    fn merge_pairs(&mut self) {
        self.width *= 2;
        let merged = self.curve.chunks(2).map(|pair| {
            let mut sum = CurveBucket::default();
            for (at, stretch) in pair.iter().enumerate() {
                sum.from = if at == 0 { stretch.from } else { sum.from };
                sum.to = stretch.to;
                for (arm, point) in &stretch.arms {
                    let into = sum.arms.entry(*arm).or_default();
                    into.impressions += point.impressions;
                    into.clicks += point.clicks;
                    into.value += point.value;
                }
            }
            sum
        });
        self.curve = merged.collect();
        self.ends = self.ends.iter().skip(1).step_by(2).cloned().collect();
    }

    fn stretch_of(&self, place: Place) -> usize {
        self.ends.partition_point(|end| end.get(&place.shard).is_none_or(|seq| *seq < place.seq))
    }
}
