//! The golden decisions, for comparing their bytes natively and inside workerd.

#[path = "../../../engine/tests/case/mod.rs"]
mod case;

use wasm_bindgen::prelude::wasm_bindgen;

/// The text of all golden decisions, see `engine/tests/case/golden.rs`.
#[wasm_bindgen]
#[must_use]
pub fn golden() -> String {
    case::golden::golden()
}
