//! The engine inside workerd, without the edge around it: the golden decisions, and the engine's benchmark.

#[path = "../../../engine/tests/case/mod.rs"]
mod case;
#[path = "../../../engine/benches/decide/subject.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "shared with the native benchmark")]
mod subject;
#[path = "../../../engine/benches/decide/world.rs"]
mod world;

use std::hint::black_box;

use wasm_bindgen::prelude::wasm_bindgen;

use subject::Subject;

/// The text of all golden decisions, see `engine/tests/case/golden.rs`.
#[wasm_bindgen]
#[must_use]
pub fn golden() -> String {
    case::golden::golden()
}

/// What the engine's benchmark measures, see `engine/benches/decide/subject.rs`.
#[wasm_bindgen]
pub struct Benchmark(Subject);

#[wasm_bindgen]
impl Benchmark {
    /// A site with so many offers, taught.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(offers: usize) -> Self {
        Self(Subject::new(offers))
    }

    /// Does something so many times. Folding once is folding [`Benchmark::answers`] answers.
    pub fn run(&mut self, what: &str, times: usize) {
        match what {
            "decide" => (0..times).for_each(|_| drop(black_box(self.0.decide()))),
            "explain" => (0..times).for_each(|_| drop(black_box(self.0.explain()))),
            "lay_out" => (0..times).for_each(|_| drop(black_box(self.0.lay_out()))),
            "fold" => (0..times).for_each(|_| self.0.fold()),
            _ => wasm_bindgen::throw_str("the benchmark has nothing of this name"),
        }
    }

    /// Answers folded in one round.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.0.rows.len()
    }
}
