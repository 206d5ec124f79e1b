//! The decision: which offers this visitor should see, and what their answers teach.
//!
//! Pure: no clock, no IO, no platform, no global state. `now` and `seed` are arguments, so that the same
//! question gets the same answer, byte for byte, natively and in WebAssembly.

pub mod config;
mod trace;

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
