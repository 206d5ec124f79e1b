//! The console: what the bank's people see of their site, live.
//!
//! Views ([`ui`]) are thin over plain types ([`model`]) that are tested natively; [`live`] keeps them up to date from
//! the edge. One document, no router, no inline style or script: it runs under
//! `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'`.
// One page is one type: with the server-side renderer that other crates of the workspace ask for, it is a deep one.
#![recursion_limit = "512"]

mod api;
mod console;
mod findings;
mod live;
mod model;
mod text;
mod ui;

/// Starts the console in the document's `#console` element.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen::prelude::wasm_bindgen(start))]
pub fn start() {
    ui::mount();
}
