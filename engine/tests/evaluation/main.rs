//! What holds of evaluation, through the public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

mod chance;
mod estimates;
mod exports;
mod propensities;
mod reading;
mod sequences;
mod streams;
