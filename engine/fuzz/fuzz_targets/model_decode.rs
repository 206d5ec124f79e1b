//! Any bytes as a model: refused or read, and what is read is written as it reads.
//!
//! `cargo +nightly fuzz run model_decode fuzz/corpus/model_decode tests/written` in `engine`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portico_engine::Model;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = Model::decode(bytes) {
        let written = model.encode();
        assert_eq!(Model::decode(&written).map(|model| model.encode()).ok(), Some(written));
    }
});
