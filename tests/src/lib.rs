//! What the whole-system tests stand on: an edge on a scratch folder with the demo's sites, and a real browser.
//!
//! `cargo xtask test` builds everything and says in the environment where it is.

mod browser;
mod world;

pub use browser::{Browser, Look};
pub use world::{Answer, World};
