//! The whole system: real workerd on a scratch folder, real Chromium. Run by `cargo xtask test`.

mod access;
mod decisions;
mod events;
mod faults;
mod golden;
mod learning;
mod pages;
mod shadow;
mod sites;
