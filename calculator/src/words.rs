//! The calculator's words, by language (`calculator/words/*.ftl`).

include!(concat!(env!("OUT_DIR"), "/words.rs"));
