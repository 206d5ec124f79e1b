//! What a policy is worth, told from logged decisions, and whether the model earns more than the hold-out.
//!
//! Four questions, four parts:
//!
//! - *What would another policy have earned?* A log of decisions with known propensities ([`Logged`]) is weighed by the
//!   candidate's probabilities ([`Weighed`], [`Predicted`]) into [`ips`], [`snips`], [`direct`] or [`doubly_robust`].
//! - *With which probability was this offer chosen?* Control and explore know it; the model arm's is counted over repeated
//!   decisions ([`model_propensities`]).
//! - *Does the model earn more than the hold-out?* [`Lift`] may be looked at after every visitor without claiming more
//!   than its level allows; [`MeanSequence`] is the same for the mean of one arm. [`Experiment`] feeds them with
//!   visitors as answers come in.
//! - *What would a candidate configuration do, and earn, if it were live?* [`Shadow`], from explorers' answers.
//!
//! [`export`] writes the log in forms that other tools read, so that they can check the numbers.
//!
//! Deliberately absent: normal-theory confidence intervals of a fixed size. Whoever looks at a live report looks more
//! than once, and such an interval is then wrong more often than it says.

mod candidate;
mod estimate;
mod experiment;
pub mod export;
mod lift;
mod log;
mod mixture;
mod propensity;
mod sequence;
mod shadow;

pub use candidate::{CandidateError, Predicted, Weighed};
pub use estimate::{Estimate, EstimateError, WeightLimit, direct, doubly_robust, ips, snips};
pub(crate) use experiment::Setup;
pub use experiment::{Entrant, Experiment, ExperimentFigures, MeasureFigures};
pub use lift::{Finding, Lift, LiftError};
pub use log::{LogError, LogRow, Logged, RowError, read_log};
pub use propensity::{ModelPropensities, PropensityError, model_propensities};
pub use sequence::{Interval, Level, MeanSequence, OutOfRange, Range};
pub use shadow::{Compared, Shadow, ShadowFigures};
