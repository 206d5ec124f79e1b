//! Answers that take their time: how long they take, and what is still open.
//!
//! When a stage takes minutes or days, most showings without an answer are not refusals yet. Their "no" is therefore
//! given in parts, as they grow old against the stage's learned mean delay d: after ¼, ½, 1, 2 and 4 d the weight given
//! is F(age) of an exponential delay, the last part making it whole. A "yes" that comes after all takes back what was given.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Example;

/// Ages at which a part of the "no" is given, in mean delays.
const AGES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Below this mean delay a "no" is given with the opening: what is open at any moment is too little to mislead.
const SOON_MS: f64 = 60_000.0;
/// Answers after which a stage's mean delay is believed. Before, a "no" is given with the opening: too low a rate for all
/// offers alike does less harm than answers that count without the refusals that belong to them.
const LEAST_ANSWERS: f64 = 10.0;
/// Answers of which the mean delay is made: older ones fade.
const REMEMBERED: f64 = 1_000.0;
/// Showings that may be open at a time. Beyond it the one that is due first gets the rest of its "no" at once, which a
/// late "yes" still takes back.
const MOST_OPEN: usize = 4_096;

/// The learned mean delay of each stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Delays(Vec<Delay>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Delay {
    answers: f64,
    total_ms: f64,
}

impl Delays {
    /// Whether a stage's answers take long enough for its "no" to be given in parts; if so, their mean delay.
    pub(super) fn patience_ms(&self, stage: usize) -> Option<f64> {
        let delay = self.0.get(stage).filter(|delay| delay.answers >= LEAST_ANSWERS)?;
        Some(delay.total_ms / delay.answers).filter(|mean_ms| *mean_ms >= SOON_MS)
    }

    pub(super) fn learn(&mut self, stage: usize, delay_ms: u64) {
        if self.0.len() <= stage {
            self.0.resize(stage + 1, Delay::default());
        }
        if let Some(delay) = self.0.get_mut(stage) {
            if delay.answers >= REMEMBERED {
                let keep = 1.0 - 1.0 / REMEMBERED;
                (delay.answers, delay.total_ms) = (delay.answers * keep, delay.total_ms * keep);
            }
            delay.answers += 1.0;
            delay.total_ms += delay_ms as f64;
        }
    }
}

/// One showing that waits for a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) example: Example,
    pub(super) stage: usize,
    since_ms: u64,
    /// The mean delay when it was opened.
    mean_ms: f64,
    /// Parts of the "no" given so far.
    parts: usize,
    /// Their weight.
    pub(super) given: f64,
}

impl Open {
    /// Begins to wait.
    pub(super) fn new(example: Example, stage: usize, since_ms: u64, mean_ms: f64) -> Self {
        Self { example, stage, since_ms, mean_ms, parts: 0, given: 0.0 }
    }

    fn due_ms(&self) -> u64 {
        let age = AGES.get(self.parts).copied().unwrap_or(0.0);
        self.since_ms.saturating_add((age * self.mean_ms) as u64)
    }

    /// Takes the next part: its weight.
    pub(super) fn next_part(&mut self) -> f64 {
        let age = AGES.get(self.parts).copied().unwrap_or(0.0);
        self.parts += 1;
        let whole = if self.is_over() { 1.0 } else { 1.0 - libm::exp(-age) };
        let part = (whole - self.given).max(0.0);
        self.given += part;
        part
    }

    /// Whether its whole "no" has been given.
    pub(super) fn is_over(&self) -> bool {
        self.parts >= AGES.len()
    }
}

/// The showings that wait, each for one stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, Open)>", into = "Vec<(u64, Open)>")]
pub(super) struct Waiting {
    open: BTreeMap<u64, Open>,
    /// (when the next part is due, showing)
    queue: BTreeSet<(u64, u64)>,
}

impl From<Vec<(u64, Open)>> for Waiting {
    fn from(open: Vec<(u64, Open)>) -> Self {
        let queue = open.iter().map(|(showing, open)| (open.due_ms(), *showing)).collect();
        Self { open: open.into_iter().collect(), queue }
    }
}

impl From<Waiting> for Vec<(u64, Open)> {
    fn from(waiting: Waiting) -> Self {
        waiting.open.into_iter().collect()
    }
}

impl Waiting {
    /// Takes out the showing that is due the longest.
    pub(super) fn due(&mut self, now_ms: u64) -> Option<(u64, Open)> {
        let (due_ms, showing) = *self.queue.first()?;
        if due_ms > now_ms {
            return None;
        }
        Some((showing, self.remove(showing)?))
    }

    /// Lets a showing wait. Where there is no room, the one that is due first gives way.
    pub(super) fn insert(&mut self, showing: u64, open: Open) -> Option<Open> {
        self.remove(showing);
        self.queue.insert((open.due_ms(), showing));
        self.open.insert(showing, open);
        if self.open.len() <= MOST_OPEN {
            return None;
        }
        let (_, first) = *self.queue.first()?;
        self.remove(first)
    }

    pub(super) fn remove(&mut self, showing: u64) -> Option<Open> {
        let open = self.open.remove(&showing)?;
        self.queue.remove(&(open.due_ms(), showing));
        Some(open)
    }
}
