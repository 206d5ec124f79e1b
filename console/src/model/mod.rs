//! What the console knows, without a browser: plain types and functions, tested natively.

pub(crate) mod chart;
pub(crate) mod curve;
pub(crate) mod feed;
pub(crate) mod format;
pub(crate) mod link;
pub(crate) mod offers;
pub(crate) mod plot;
pub(crate) mod route;
pub(crate) mod stats;
pub(crate) mod trace;
