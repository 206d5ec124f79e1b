//! What a simulation saw, and the table that is printed of it.

use std::collections::BTreeMap;
use std::fmt;

use portico_engine::Arm;

use super::world::KINDS;

/// Decisions in a line of the table.
const LINE: usize = 1_000;

/// What one visit showed. Values are expectations under the visitor's true tastes, so that luck with clicks does not
/// blur the figures.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) kind: usize,
    pub(super) arm: Arm,
    /// The offer that stood first.
    pub(super) first: String,
    /// The offer that should have.
    pub(super) best: String,
    pub(super) clicked: bool,
    /// Value of what was shown, of what the control group would have seen, and of the best possible.
    pub(super) shown: f64,
    pub(super) control: f64,
    pub(super) possible: f64,
}

/// All that a run saw, in the order of its visits' ends.
#[derive(Clone, Debug, Default)]
pub struct Report {
    seen: Vec<Seen>,
    /// Events that the edge has acknowledged, each counted once.
    pub acknowledged: u64,
}

/// How a kind of people was served in the last quarter of a run.
#[derive(Clone, Debug)]
pub struct Served {
    /// The kind's name.
    pub kind: &'static str,
    /// The offer that stood first most often in the model's arm.
    pub leader: String,
    /// Its share of these visits.
    pub share: f64,
    /// The offer that is truly best for most of them.
    pub best: String,
}

impl Report {
    pub(super) fn add(&mut self, seen: Seen) {
        self.seen.push(seen);
    }

    pub(super) fn headline(&self) -> String {
        let from = self.seen.len().saturating_sub(LINE);
        match share_of_lift(&self.seen[from..]) {
            Some(share) => format!("{:.0} % of the possible lift", share * 100.0),
            None => String::new(),
        }
    }

    /// Share of the possible lift over the control group that the model's arm got in the last quarter.
    #[must_use]
    pub fn late_share_of_lift(&self) -> Option<f64> {
        share_of_lift(&self.seen[self.seen.len() * 3 / 4..])
    }

    /// Click rate on the first offer by arm, over the second half of the run.
    #[must_use]
    pub fn late_click_rate(&self, arm: Arm) -> f64 {
        click_rate(&self.seen[self.seen.len() / 2..], arm)
    }

    /// How each kind was served in the last quarter.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        let late = &self.seen[self.seen.len() * 3 / 4..];
        let most = |count: BTreeMap<&str, usize>| {
            let of = count.values().sum::<usize>().max(1);
            let (offer, times) = count.into_iter().max_by_key(|(_, times)| *times).unwrap_or(("none", 0));
            (offer.to_owned(), times as f64 / of as f64)
        };
        let serve = |(at, kind): (usize, &super::world::Kind)| {
            let (mut first, mut best) = (BTreeMap::new(), BTreeMap::new());
            for seen in late.iter().filter(|seen| seen.kind == at && seen.arm == Arm::Model) {
                *first.entry(seen.first.as_str()).or_insert(0) += 1;
                *best.entry(seen.best.as_str()).or_insert(0) += 1;
            }
            let ((leader, share), (best, _)) = (most(first), most(best));
            Served { kind: kind.name, leader, share, best }
        };
        KINDS.iter().enumerate().map(serve).collect()
    }
}

fn share_of_lift(seen: &[Seen]) -> Option<f64> {
    let learned = || seen.iter().filter(|seen| seen.arm == Arm::Model);
    let gained: f64 = learned().map(|seen| seen.shown - seen.control).sum();
    let possible: f64 = learned().map(|seen| seen.possible - seen.control).sum();
    (possible > 0.0).then(|| gained / possible)
}

fn click_rate(seen: &[Seen], arm: Arm) -> f64 {
    let of = seen.iter().filter(|seen| seen.arm == arm);
    let (clicks, visits) =
        of.fold((0_u32, 0_u32), |(clicks, visits), seen| (clicks + u32::from(seen.clicked), visits + 1));
    f64::from(clicks) / f64::from(visits.max(1))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>18}  {:>22}  {:>13}  {:>13}",
            "decisions", "share of possible lift", "model clicks", "control clicks"
        )?;
        for (line, seen) in self.seen.chunks(LINE).enumerate() {
            let from = line * LINE;
            let share = share_of_lift(seen).map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0));
            writeln!(
                f,
                "{:>18}  {share:>22}  {:>11.1} %  {:>11.1} %",
                format!("{}–{}", from + 1, from + seen.len()),
                click_rate(seen, Arm::Model) * 100.0,
                click_rate(seen, Arm::Control) * 100.0,
            )?;
        }
        writeln!(f, "\n{:>18}  {:<20} {:>5}  truly best", "who", "offer that leads", "share")?;
        for served in self.served() {
            let Served { kind, leader, share, best } = served;
            writeln!(f, "{kind:>18}  {leader:<20} {:>3.0} %  {best}", share * 100.0)?;
        }
        writeln!(f, "\n{} events acknowledged", self.acknowledged)
    }
}
