//! The stream that every learner meets: who comes, what may be shown, and how each would answer.

use crate::chance::{Chance, Purpose, point};
use crate::covariates::Table;
use crate::world::{Family, OFFERS, World, group_of};

/// The model that decides is refreshed every so many decisions: what came since has been recorded and not yet taught.
pub(crate) const LAG: usize = 2_500;

/// Probability of a purchase given a click, where there are two stages.
const PURCHASE_RATE: f64 = 0.25;
/// Mean delays in decisions.
const CLICK_DELAY: f64 = 20.0;
const PURCHASE_DELAY: f64 = 4_000.0;

/// A course of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Nothing changes.
    Stationary,
    /// At half time so many offers are liked by others than before.
    Change(usize),
    /// So many offers of each group come at half time.
    Arrivals(usize),
    /// Clicks soon, purchases late; only a purchase is worth anything.
    Delayed,
    /// The same clicks and purchases, known at once.
    DelayedKnownAtOnce,
    /// The same purchases, known at once and without the clicks between.
    DelayedAsOneStage,
    /// No offer is better than another.
    Equal,
}

/// Decisions to come, with their truth.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    pub(crate) table: &'a Table,
    pub(crate) course: Course,
    pub(crate) seed: u64,
    pub(crate) decisions: usize,
    world: World,
    after_change: Option<World>,
    later_stage: Option<World>,
}

/// How a visitor answers an offer that is shown, in decisions from the showing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// When the first stage is reached.
    pub(crate) first: Option<f64>,
    /// When the second stage is reached, where there is one.
    pub(crate) second: Option<f64>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(table: &'a Table, family: Family, course: Course, seed: u64, decisions: usize) -> Self {
        let (world, later_stage) = match course {
            Course::Delayed | Course::DelayedKnownAtOnce | Course::DelayedAsOneStage => {
                let (world, later) = World::draw_two_stages(family, table, seed, PURCHASE_RATE);
                (world, Some(later))
            }
            Course::Equal => (World::draw_equal(table, seed), None),
            _ => (World::draw(family, table, seed), None),
        };
        let after_change = match course {
            Course::Change(offers) => Some(World::draw_changed(family, table, seed, offers)),
            _ => None,
        };
        Self { table, course, seed, decisions, world, after_change, later_stage }
    }

    /// The row of the visitor who comes.
    pub(crate) fn visitor(&self, decision: usize) -> usize {
        let rows = self.table.rows.len();
        ((point(self.seed, Purpose::Visitor, decision, 0) * rows as f64) as usize).min(rows - 1)
    }

    /// The decision before which an offer does not exist.
    pub(crate) fn starts_at(&self, offer: usize) -> usize {
        match self.course {
            Course::Arrivals(of_each) if group_of(offer) != group_of((offer + of_each) % OFFERS) => self.decisions / 2,
            _ => 0,
        }
    }

    /// Whether there is a second stage that the learner knows of.
    pub(crate) fn has_second_stage(&self) -> bool {
        matches!(self.course, Course::Delayed | Course::DelayedKnownAtOnce)
    }

    /// The expected value of showing an offer.
    pub(crate) fn value(&self, decision: usize, offer: usize) -> f64 {
        let row = self.visitor(decision);
        let later = self.later_stage.as_ref().map_or(1.0, |later| later.p(row, offer));
        self.world_at(decision).p(row, offer) * later
    }

    /// What happens when an offer is shown.
    pub(crate) fn answer(&self, decision: usize, offer: usize) -> Answer {
        let row = self.visitor(decision);
        let first = point(self.seed, Purpose::Answer, decision, offer) < self.world_at(decision).p(row, offer);
        let Some(later) = &self.later_stage else {
            return Answer { first: first.then_some(0.0), second: None };
        };
        let second = first && point(self.seed, Purpose::LaterAnswer, decision, offer) < later.p(row, offer);
        let mut chance = Chance::new(self.seed, Purpose::Delay, (decision * OFFERS + offer) as u64);
        let mut delay = |mean: f64| -mean * (1.0 - chance.unit()).ln();
        let (click, purchase) = (delay(CLICK_DELAY), delay(PURCHASE_DELAY));
        match self.course {
            Course::Delayed => Answer { first: first.then_some(click), second: second.then_some(click + purchase) },
            Course::DelayedAsOneStage => Answer { first: second.then_some(0.0), second: None },
            _ => Answer { first: first.then_some(0.0), second: second.then_some(0.0) },
        }
    }

    fn world_at(&self, decision: usize) -> &World {
        self.after_change.as_ref().filter(|_| decision >= self.decisions / 2).unwrap_or(&self.world)
    }
}
