//! What the whole-system tests stand on: an edge on a scratch folder with the demo's sites, a real browser, and the
//! engine alone inside workerd.
//!
//! `cargo xtask test` builds everything and says in the environment where it is.

mod bank;
mod browser;
mod figures;
mod inside;
mod world;

pub use bank::{accept_all, log_in, offer_in};
pub use browser::{Browser, Look};
pub use figures::Figures;
pub use inside::Inside;
pub use world::{Answer, World};
