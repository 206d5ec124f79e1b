//! Learning: answers, in the order in which they were recorded, folded into the model and into counts.
//!
//! An impression counts at once as an answer "no" to the first stage; a stage reached takes that back, says
//! "yes", and opens the next stage with a "no". So nothing waits for a window to close, and the same rows in the
//! same order give the same model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Arm;
use crate::decide::with_examination;
use crate::features::Feature;
use crate::model::{Block, Model};
use crate::policy::Policy;
use crate::tally::Tally;

/// Evidence is faded in steps of this part of the half-life: finer would cost a pass over the table for nothing.
const FADE_STEP: f64 = 1.0 / 256.0;

/// One recorded answer to a shown offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The offer.
    pub offer: String,
    /// Where it stood.
    pub placement: String,
    /// Its rank there, 1 for the first.
    pub rank: u32,
    /// Who chose it.
    pub arm: Arm,
    /// The decision's features.
    pub features: Vec<Feature>,
    /// What happened.
    pub step: Step,
    /// What had been recorded of this showing before.
    pub before: Progress,
    /// When the impression was recorded, for the curve; absent when none was.
    pub impression: Option<Place>,
    /// Where this row stands in the record.
    pub place: Place,
    /// When it was recorded, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What happened to a shown offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It was seen.
    Impression,
    /// It was put away.
    Dismissal,
    /// A stage was reached, by its index in the configuration.
    Stage(u8),
}

/// How far a showing had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The impression was recorded.
    pub seen: bool,
    /// Stages reached, counting those implied by a later one.
    pub reached: u8,
}

/// A row's place in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The ledger's shard.
    pub shard: u16,
    /// The row's number in it, from 1.
    pub seq: u64,
}

/// The learner of one site: the model, the counts, and how far forgetting has come.
#[derive(Clone, Debug, Default)]
pub struct Learner {
    /// The weights.
    pub model: Model,
    /// The counts.
    pub tally: Tally,
    faded_to_ms: u64,
}

impl Learner {
    /// A learner continued from a checkpoint.
    #[must_use]
    pub fn resume(model: Model, tally: Tally, faded_to_ms: u64) -> Self {
        Self { model, tally, faded_to_ms }
    }

    /// Up to when evidence has been faded, in milliseconds since 1970; part of a checkpoint.
    #[must_use]
    pub fn faded_to_ms(&self) -> u64 {
        self.faded_to_ms
    }

    /// Folds one row. Rows of offers or stages that the policy does not know are counted and teach nothing.
    pub fn fold(&mut self, policy: &Policy, row: &Observation) {
        self.fade(policy, row.at_ms);
        self.tally.count(policy, row);
        let Some(offer) = policy.offer(&row.offer).filter(|offer| offer.group < policy.groups.len()) else {
            return;
        };
        let site = with_examination(&row.features, &row.placement, row.rank);
        let mut teach = |stage: usize, y: f64, w: f64| {
            if let Some(of) = policy.stages.get(stage) {
                let blocks: [(Block, &[Feature]); 3] = [
                    (Block::site(stage), &site),
                    (Block::group(policy, offer.group, stage), &row.features),
                    (Block::offer(offer, stage), &row.features),
                ];
                self.model.update(of.offset, &blocks, y, w);
            }
        };
        match row.step {
            Step::Impression => {
                if !row.before.seen && row.before.reached == 0 {
                    teach(0, 0.0, 1.0);
                }
            }
            Step::Dismissal => {}
            Step::Stage(stage) => {
                for reached in row.before.reached..=stage {
                    // A "no" was given for the stage that came next: after the impression, or after the last stage reached.
                    let open = reached == row.before.reached && (row.before.seen || reached > 0);
                    if open {
                        teach(usize::from(reached), 0.0, -1.0);
                    }
                    teach(usize::from(reached), 1.0, 1.0);
                }
                if stage >= row.before.reached {
                    teach(usize::from(stage) + 1, 0.0, 1.0);
                }
            }
        }
    }

    fn fade(&mut self, policy: &Policy, now_ms: u64) {
        let Some(half_life_days) = policy.model.half_life_days else {
            return;
        };
        let half_life_ms = half_life_days * 86_400_000.0;
        if self.faded_to_ms == 0 {
            self.faded_to_ms = now_ms;
        }
        let parts = now_ms.saturating_sub(self.faded_to_ms) as f64 / half_life_ms;
        if parts >= FADE_STEP {
            self.model.fade(libm::exp2(-parts));
            self.faded_to_ms = now_ms;
        }
    }
}

impl Progress {
    /// How far a showing has come after a step.
    #[must_use]
    pub fn after(self, step: Step) -> Self {
        match step {
            Step::Impression => Self { seen: true, ..self },
            Step::Dismissal => self,
            Step::Stage(stage) => Self { reached: self.reached.max(stage.saturating_add(1)), ..self },
        }
    }
}

/// Counts by arm, in a form that can be written and read.
pub type ByArm<T> = BTreeMap<Arm, T>;
