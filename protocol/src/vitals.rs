//! What the widget costs the pages it is embedded in, as browsers record it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::FieldError;

/// Longest time that is told, in milliseconds: ten minutes.
const MOST_MS: u32 = 600_000;
/// Most bytes of one view.
const MOST_BYTES: u32 = 100_000_000;
/// Largest shift of a layout that is told: browsers sum up, so that it may be above 1.
const MOST_SHIFT: f64 = 100.0;

/// One view of a page, told when the page is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Vitals {
    /// The site's publishable key.
    pub site: String,
    /// From the moment the loader was asked for until its first question was answered, in milliseconds.
    #[serde(default)]
    pub offer_ms: Option<u32>,
    /// Bytes of our files that came over the network, headers included.
    pub bytes: u32,
    /// Time of our scripts in frames that took longer than 50 ms, in milliseconds.
    pub tasks_ms: u32,
    /// What moved in the page within half a second of an answer, as the browser's layout shift score.
    pub shift: f64,
}

impl Vitals {
    /// What is wrong with it; nothing if it is well formed.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut expect = |holds: bool, pointer: &str, detail: String| {
            if !holds {
                errors.push(FieldError { pointer: pointer.to_owned(), detail });
            }
        };
        let ms = format!("at most {MOST_MS} ms");
        expect(self.offer_ms.is_none_or(|time| time <= MOST_MS), "/offer_ms", ms.clone());
        expect(self.bytes <= MOST_BYTES, "/bytes", format!("at most {MOST_BYTES} bytes"));
        expect(self.tasks_ms <= MOST_MS, "/tasks_ms", ms);
        expect((0.0..=MOST_SHIFT).contains(&self.shift), "/shift", format!("between 0 and {MOST_SHIFT}"));
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_page_can_cost_is_refused() {
        let fine = Vitals { site: "pk".into(), offer_ms: Some(120), bytes: 6_000, tasks_ms: 0, shift: 0.01 };
        assert_eq!(fine.check(), []);
        let wrong =
            Vitals { offer_ms: Some(MOST_MS + 1), bytes: u32::MAX, tasks_ms: u32::MAX, shift: f64::NAN, ..fine };
        let pointers: Vec<String> = wrong.check().into_iter().map(|error| error.pointer).collect();
        assert_eq!(pointers, ["/offer_ms", "/bytes", "/tasks_ms", "/shift"]);
    }
}
