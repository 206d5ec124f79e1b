//! The list of decisions: new ones come in on top unless it is held still for reading.

use std::sync::Arc;

use portico_protocol::report::DecisionSample;

/// Decisions kept for links that were opened or copied; the report brings far fewer at a time.
const KEPT: usize = 400;
/// Rows shown.
const SHOWN: usize = 60;

/// The decisions seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    /// Newest first.
    seen: Vec<Arc<DecisionSample>>,
    /// The newest one shown while the list is held.
    held_at: Option<String>,
}

impl Feed {
    /// Takes in a report's sample.
    pub(crate) fn accept(&mut self, samples: &[DecisionSample]) {
        let fresh: Vec<_> =
            samples.iter().filter(|s| self.find(&s.decision).is_none()).cloned().map(Arc::new).collect();
        self.seen.splice(0..0, fresh);
        self.seen.sort_by_key(|sample| std::cmp::Reverse(sample.at));
        self.seen.truncate(KEPT);
    }

    /// Holds the list as it is, or lets it go on.
    pub(crate) fn hold(&mut self, hold: Hold) {
        self.held_at = match (hold, self.held_at.take()) {
            (Hold::Still, None) => self.seen.first().map(|s| s.decision.clone()),
            (Hold::Still, held) => held,
            (Hold::Running, _) => None,
        };
    }

    /// The decisions to show, newest first.
    pub(crate) fn shown(&self) -> Vec<Arc<DecisionSample>> {
        self.seen.iter().skip(self.waiting()).take(SHOWN).cloned().collect()
    }

    /// How many came in since the list was held.
    pub(crate) fn waiting(&self) -> usize {
        self.held_at.as_ref().and_then(|id| self.seen.iter().position(|s| &s.decision == id)).unwrap_or(0)
    }

    /// A decision by its id.
    pub(crate) fn find(&self, decision: &str) -> Option<Arc<DecisionSample>> {
        self.seen.iter().find(|s| s.decision == decision).cloned()
    }
}

/// Whether the list moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// New decisions come in on top.
    Running,
    /// It stays as it is.
    Still,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: u64) -> DecisionSample {
        DecisionSample {
            decision: id.to_string(),
            at: id,
            channel: "web".to_owned(),
            customer: false,
            config: 1,
            model: 1,
            placements: Vec::new(),
            shadow: Vec::new(),
        }
    }

    fn shown(feed: &Feed) -> Vec<String> {
        feed.shown().iter().map(|s| s.decision.clone()).collect()
    }

    #[test]
    fn newest_first_and_each_once() {
        let mut feed = Feed::default();
        feed.accept(&[sample(2), sample(1)]);
        feed.accept(&[sample(4), sample(2), sample(3)]);
        assert_eq!(shown(&feed), ["4", "3", "2", "1"]);
    }

    #[test]
    fn a_held_list_does_not_move() {
        let mut feed = Feed::default();
        feed.accept(&[sample(1)]);
        feed.hold(Hold::Still);
        feed.accept(&[sample(3), sample(2)]);
        feed.hold(Hold::Still);
        assert_eq!((shown(&feed), feed.waiting()), (vec!["1".to_owned()], 2));
        assert!(feed.find("3").is_some());
        feed.hold(Hold::Running);
        assert_eq!((shown(&feed).len(), feed.waiting()), (3, 0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut feed = Feed::default();
        for i in 0..50 {
            feed.accept(&(0..20).map(|j| sample(i * 20 + j)).collect::<Vec<_>>());
        }
        assert_eq!((feed.seen.len(), feed.shown().len()), (KEPT, SHOWN));
        assert_eq!(shown(&feed).first().map(String::as_str), Some("999"));
    }

    #[test]
    fn holding_an_empty_list_lets_the_first_ones_in() {
        let mut feed = Feed::default();
        feed.hold(Hold::Still);
        feed.accept(&[sample(1)]);
        assert_eq!(shown(&feed), ["1"]);
    }
}
