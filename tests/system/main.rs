//! The whole system: real workerd on a scratch folder, real Chromium. Run by `cargo xtask test`.

mod access;
mod bad_edge;
mod counts;
mod decisions;
mod doctor;
mod events;
mod experiment;
mod exports;
mod faults;
mod golden;
mod identity;
mod journeys;
mod learning;
mod outcomes;
mod package;
mod pages;
mod privacy;
mod profile;
mod reading;
mod servers;
mod shadow;
mod sites;
mod situations;
mod triggers;
