//! How often events happened to a visitor, by name and UTC day.
//!
//! Counts by day, not moments: a rule asks for windows of whole days, and a day's bucket costs the same for one event as
//! for a thousand. Everything is bounded ([`EventCounts::record`]); what falls out first is what is oldest, so that
//! beyond the bounds a count is a lower bound for long windows and exact for short ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::random::name_hash;
use crate::rule::limits::{EVENT_BUCKETS, EVENT_DAYS, EVENT_NAME_BYTES, EVENT_NAMES};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

type Days = BTreeMap<u32, u32>;

/// A visitor's event counts: for each name, how often on which day (days since 1970, UTC).
///
/// At most 32 names, 90 days back from the newest, 256 day buckets in all; as JSON `{"page:loans":{"20414":2}}`.
/// Whatever is read is brought within these bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Days>", into = "BTreeMap<String, Days>")]
pub struct EventCounts {
    by_name: BTreeMap<String, Days>,
}

impl EventCounts {
    /// Counts one event at a moment of the server's clock, in milliseconds since 1970. A name longer than 64 bytes, or
    /// an empty one, is not counted.
    pub fn record(&mut self, name: &str, at_ms: u64) {
        let Ok(day) = u32::try_from(at_ms / DAY_MS) else { return };
        if name_fits(name) {
            let count = self.by_name.entry(name.to_owned()).or_default().entry(day).or_default();
            *count = count.saturating_add(1);
            self.keep_bounds();
        }
    }

    /// How often an event happened in the last `days` days, the current one included and none after it.
    #[must_use]
    pub fn within_days(&self, name: &str, days: u32, now_ms: u64) -> u32 {
        let today = u32::try_from(now_ms / DAY_MS).unwrap_or(u32::MAX);
        let Some(days) = days.checked_sub(1) else { return 0 };
        let window = today.saturating_sub(days)..=today;
        let counts = self.by_name.get(name).into_iter().flat_map(|by_day| by_day.range(window.clone()));
        counts.fold(0, |sum: u32, (_, count)| sum.saturating_add(*count))
    }

    /// Takes over another copy of the same history, the larger count of each day: doing so twice changes nothing.
    pub fn join_copy(&mut self, other: &Self) {
        self.combine(other, u32::max);
    }

    /// Adds a history that shares no event with this one, such as that of another device.
    pub fn add_other(&mut self, other: &Self) {
        self.combine(other, u32::saturating_add);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u32, u32) -> u32) {
        for (name, days) in &other.by_name {
            let mine = self.by_name.entry(name.clone()).or_default();
            for (day, count) in days {
                let sum = mine.entry(*day).or_default();
                *sum = with(*sum, *count);
            }
        }
        self.keep_bounds();
    }

    fn keep_bounds(&mut self) {
        let newest = self.by_name.values().filter_map(|days| days.keys().next_back()).max().copied().unwrap_or(0);
        let oldest = newest.saturating_sub(EVENT_DAYS - 1);
        for days in self.by_name.values_mut() {
            days.retain(|day, count| *day >= oldest && *count > 0);
        }
        self.by_name.retain(|name, days| !days.is_empty() && name_fits(name));

        let mut names: Vec<(u32, &str)> =
            self.by_name.iter().filter_map(|(name, days)| Some((*days.keys().next_back()?, name.as_str()))).collect();
        names.sort_unstable();
        let stale: Vec<String> =
            names.iter().take(names.len().saturating_sub(EVENT_NAMES)).map(|(_, name)| (*name).to_owned()).collect();
        stale.iter().for_each(|name| drop(self.by_name.remove(name)));

        let mut buckets: Vec<(u32, &str)> =
            self.by_name.iter().flat_map(|(name, days)| days.keys().map(move |day| (*day, name.as_str()))).collect();
        buckets.sort_unstable();
        let excess = buckets.len().saturating_sub(EVENT_BUCKETS);
        let stale: Vec<(u32, String)> =
            buckets.into_iter().take(excess).map(|(day, name)| (day, name.to_owned())).collect();
        for (day, name) in stale {
            if let Some(days) = self.by_name.get_mut(&name) {
                days.remove(&day);
            }
        }
        self.by_name.retain(|_, days| !days.is_empty());
    }
}

/// The same in little room, for what travels with a visitor: hashes of names instead of names.
///
/// At most 64 pairs of event and day, the newest: at some ten bytes each they fit into a visitor's token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMarks(Vec<Marked>);

/// How often something happened on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marked {
    /// Half of the name's hash.
    event: u32,
    day: u32,
    times: u32,
}

impl EventMarks {
    const MOST: usize = 64;

    /// Counts one event at a moment of the server's clock, in milliseconds since 1970.
    pub fn record(&mut self, name: &str, at_ms: u64) {
        let (event, day) = (mark(name), u32::try_from(at_ms / DAY_MS).unwrap_or(u32::MAX));
        match self.0.iter_mut().find(|marked| (marked.event, marked.day) == (event, day)) {
            Some(marked) => marked.times = marked.times.saturating_add(1),
            None => self.0.push(Marked { event, day, times: 1 }),
        }
        self.keep_bounds();
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        for more in &other.0 {
            match self.0.iter_mut().find(|marked| (marked.event, marked.day) == (more.event, more.day)) {
                Some(marked) => marked.times = marked.times.saturating_add(more.times),
                None => self.0.push(*more),
            }
        }
        self.keep_bounds();
    }

    fn keep_bounds(&mut self) {
        self.0.sort_unstable_by_key(|marked| (marked.day, marked.event));
        self.0.drain(..self.0.len().saturating_sub(Self::MOST));
        let newest = self.0.last().map_or(0, |marked| marked.day);
        self.0.retain(|marked| newest - marked.day < EVENT_DAYS);
    }

    /// Forgets the older half; false where nothing is left.
    pub fn forget_half(&mut self) -> bool {
        self.0.drain(..self.0.len().div_ceil(2));
        !self.0.is_empty()
    }

    /// The counts of events whose names are known.
    #[must_use]
    pub fn counts<'a>(&self, names: impl Iterator<Item = &'a str>) -> EventCounts {
        let of = |name: &str| {
            let event = mark(name);
            let days: Days =
                self.0.iter().filter(|marked| marked.event == event).map(|marked| (marked.day, marked.times)).collect();
            (name.to_owned(), days)
        };
        names.map(of).collect::<BTreeMap<String, Days>>().into()
    }
}

fn mark(name: &str) -> u32 {
    name_hash(&[b"event", name.as_bytes()]) as u32
}

fn name_fits(name: &str) -> bool {
    (1..=EVENT_NAME_BYTES).contains(&name.len())
}

impl From<BTreeMap<String, Days>> for EventCounts {
    fn from(by_name: BTreeMap<String, Days>) -> Self {
        let mut counts = Self { by_name };
        counts.keep_bounds();
        counts
    }
}

impl From<EventCounts> for BTreeMap<String, Days> {
    fn from(counts: EventCounts) -> Self {
        counts.by_name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buckets(counts: &EventCounts) -> usize {
        counts.by_name.values().map(BTreeMap::len).sum()
    }

    #[test]
    fn a_window_ends_today() {
        let mut counts = EventCounts::default();
        for day in [10, 13, 13, 16, 17] {
            counts.record("page:loans", day * DAY_MS + 5);
        }
        let check =
            |days, today, expect| assert_eq!(counts.within_days("page:loans", days, today * DAY_MS), expect, "{days}");
        check(1, 16, 1);
        check(4, 16, 3);
        check(7, 16, 4);
        check(90, 17, 5);
        check(0, 16, 0);
        assert_eq!(counts.within_days("page:cards", 90, 17 * DAY_MS), 0);
    }

    #[test]
    fn the_newest_stay_when_there_are_too_many() {
        let mut counts = EventCounts::default();
        for name in 0..40_u64 {
            counts.record(&format!("name:{name:02}"), (1_000 + name) * DAY_MS);
        }
        assert_eq!(counts.by_name.len(), EVENT_NAMES);
        assert_eq!(counts.within_days("name:07", 90, 1_040 * DAY_MS), 0);
        assert_eq!(counts.within_days("name:08", 90, 1_040 * DAY_MS), 1);

        let full: BTreeMap<String, Days> =
            (0..10).map(|name| (format!("name:{name}"), (1_000..1_090).map(|day| (day, 1)).collect())).collect();
        let counts = EventCounts::from(full);
        assert_eq!(buckets(&counts), EVENT_BUCKETS);
        assert_eq!(counts.within_days("name:0", 25, 1_089 * DAY_MS), 25);
        counts.by_name.keys().for_each(|name| assert!(counts.within_days(name, 90, 1_089 * DAY_MS) < 27));
    }

    #[test]
    fn marks_give_the_counts_of_known_names() {
        let mut marks = EventMarks::default();
        for (name, day) in [("page:loans", 10), ("page:loans", 12), ("page:loans", 12), ("calculator", 12)] {
            marks.record(name, day * DAY_MS + 7);
        }
        let counts = marks.counts(["page:loans", "page:cards"].into_iter());
        let within = |name, days| counts.within_days(name, days, 12 * DAY_MS);
        assert_eq!((within("page:loans", 1), within("page:loans", 3), within("page:cards", 90)), (2, 3, 0));
        assert_eq!(within("calculator", 1), 0, "nobody asked for it");
        // The newest stay, and nothing older than can be asked for.
        (0..100_u64).for_each(|day| marks.record("visit", (1_000 + day) * DAY_MS));
        assert_eq!(marks.0.len(), EventMarks::MOST);
        assert_eq!(marks.counts(["visit"].into_iter()).within_days("visit", 90, 1_099 * DAY_MS), 64);
        marks.record("visit", 1_200 * DAY_MS);
        assert_eq!(marks.0.len(), 1);
        marks.record("visit", u64::MAX);
        marks.record("visit", 0);
        assert_eq!(marks.0.len(), 1);
    }

    fn any_counts() -> impl Strategy<Value = EventCounts> {
        let days = prop::collection::btree_map(20_000..20_120_u32, 0..4_u32, 0..20);
        prop::collection::btree_map("[a-c]{0,2}|[a-z]{60,70}", days, 0..40).prop_map(EventCounts::from)
    }

    proptest! {
        #[test]
        fn bounds_always_hold_and_survive_writing(mut left in any_counts(), right in any_counts()) {
            left.add_other(&right);
            prop_assert!(left.by_name.len() <= EVENT_NAMES && buckets(&left) <= EVENT_BUCKETS);
            let text = serde_json::to_string(&left).unwrap();
            prop_assert_eq!(serde_json::from_str::<EventCounts>(&text).unwrap(), left);
        }

        #[test]
        fn joining_copies_is_safe_to_repeat_and_has_no_order(left in any_counts(), right in any_counts()) {
            let mut joined = left.clone();
            joined.join_copy(&right);
            let mut again = joined.clone();
            again.join_copy(&right);
            prop_assert_eq!(&again, &joined);
            let mut other = right;
            other.join_copy(&left);
            prop_assert_eq!(&other, &joined);
        }
    }
}
