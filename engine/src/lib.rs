//! The decision: which offers this visitor should see, and what their answers teach.
//!
//! Pure: no clock, no IO, no platform, no global state. `now` and `seed` are arguments, so that the same
//! question gets the same answer, byte for byte, natively and in WebAssembly.

mod allocate;
mod computed;
pub mod config;
mod date;
mod decay;
mod decide;
mod eligibility;
pub mod evaluate;
mod events;
mod explain;
mod facts;
mod features;
mod frequencies;
mod geo;
mod inquiry;
mod label;
mod learn;
mod model;
mod policy;
mod predictor;
mod quality;
mod random;
mod reasons;
mod rule;
mod tally;
mod trace;

pub use config::Source;
pub use date::moment_ms;
pub use decide::{Ask, Chosen, Decision, Dismissal, Filled, Question, Seen, decide, decide_as, explain};
pub use events::{EventCounts, EventMarks};
pub use facts::{Facts, Value};
pub use features::Feature;
pub use frequencies::{Association, Associations};
pub use geo::Point;
pub use inquiry::{Asked, Inquiry, Reply, inquire};
pub use label::{Label, Language};
pub use learn::{ByArm, Change, Learner, Observation, Place, Progress, Step};
pub use model::{DecodeError, Model};
pub use policy::{ConfigError, FactError, Policy};
pub use predictor::Predictor;
pub use quality::{Calibration, Quality, StageQuality};
pub use random::{Seed, keyed_hash};
pub use reasons::Reason;
pub use rule::{EvaluationContext, Missing, Rule, RuleError, Schema, Truth};
pub use tally::{Counts, CurveBucket, CurvePoint, Tally};
pub use trace::{Driver, Exclusion, OfferTrace, PlacementTrace, StageTrace};

use serde::{Deserialize, Serialize};

/// Who chose: for comparing a learned choice with none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The learned model with Thompson sampling.
    Model,
    /// Uniform over the eligible, for unbiased evaluation.
    Explore,
    /// The hold-out: the configured order.
    Control,
}
