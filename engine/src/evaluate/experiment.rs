//! The model against the hold-out, while answers come in: visitors are counted, each once, with what they did in a window
//! after they came in.
//!
//! A visitor comes in with the first decision of a period of [`crate::config::Arms`] and is settled when their window is
//! over; what they do later teaches the model and enters no comparison. So each is one observation, independent of the
//! others, and [`Lift`] may be looked at at any time. Who never sees an offer is not counted: they bring nothing in
//! either arm, and [`Lift`]'s evidence does not depend on them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lift::{Finding, Lift};
use super::sequence::{Interval, Level, MeanSequence, Range};
use crate::Arm;
use crate::learn::{ByArm, Observation, Step};
use crate::policy::Policy;

/// How often any of the findings of one experiment may ever be wrong.
const LEVEL: f64 = 0.05;
/// The same of the split: who is told that visitors are lost looks for a mistake, so it is told rarely.
const SPLIT_LEVEL: f64 = 0.01;
/// Visitors whose window is open. Where there are more, only every second is counted from there on, by their hash.
const MOST_OPEN: usize = 65_536;

/// A visitor in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrant {
    /// A hash of who they are, the same for all that they do.
    pub id: u64,
    /// When their first decision of the period was made, in milliseconds since 1970.
    pub entered_ms: u64,
}

/// The comparison of the arms. What serde writes is a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Experiment(Option<Running>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Running {
    setup: Setup,
    /// Who came in before does not count.
    since_ms: u64,
    /// By the end of their window, then id.
    open: BTreeMap<(u64, u64), Open>,
    /// Of 2^thinned visitors one is counted.
    thinned: u32,
    settled: Settled,
}

/// The visitors whose window is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settled {
    visitors: ByArm<u64>,
    /// 1 for a visitor of the model's arm, 0 for one of the hold-out.
    split: MeanSequence,
    /// Value where there is any, then the stages in order.
    measures: Vec<Measure>,
}

/// What makes two comparisons different.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setup {
    control: f64,
    explore: f64,
    window_ms: u64,
    stages: Vec<String>,
    /// Of the value of a visitor; none where nothing has any.
    value: Option<Range>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measure {
    /// The stage, by its index; none for the value.
    stage: Option<usize>,
    lift: Lift,
    totals: ByArm<f64>,
}

/// What a visitor has done so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    arm: Arm,
    /// Showings that reached each stage.
    reached: Vec<u16>,
    value: f64,
}

/// What an experiment has shown so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentFigures {
    /// When it began, in milliseconds since 1970: with the first answer after the shares, the stages or the window were
    /// changed.
    pub since_ms: u64,
    /// How long after they came in visitors are watched.
    pub window_ms: u64,
    /// Visitors whose window is still open.
    pub waiting: u64,
    /// Of so many visitors one is counted; 1 unless there are more than can be watched at once.
    pub one_of: u64,
    /// Visitors counted, by arm.
    pub visitors: ByArm<u64>,
    /// Share of the model's arm of model and hold-out: as configured.
    pub model_share: f64,
    /// Where that share lies by the visitors counted, with 99 % certainty at all looks together. A configured share outside
    /// means that visitors of one arm are lost on the way (a *sample ratio mismatch*), and no finding can be trusted.
    pub model_share_counted: Interval,
    /// What is compared. All findings together are right with 95 % certainty, at all looks together.
    pub measures: Vec<MeasureFigures>,
}

/// One figure that is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureFigures {
    /// The stage: the share of visitors who reached it. None is the mean value of a visitor, in units of the weighed KPIs;
    /// it counts up to that of the dearest offer.
    pub stage: Option<String>,
    /// Mean over the visitors of each arm that has any.
    pub means: ByArm<f64>,
    /// The model's mean minus the hold-out's; none before there is a visitor of each.
    pub difference: Option<f64>,
    /// Where the true difference lies.
    pub interval: Interval,
    /// What may be claimed.
    pub finding: Finding,
}

impl Experiment {
    /// Takes a row in; `now_ms` is the learner's clock, which never goes back.
    pub(crate) fn fold(&mut self, policy: &Policy, row: &Observation, now_ms: u64) {
        if !self.0.as_ref().is_some_and(|running| running.setup.allows(&policy.experiment)) {
            self.0 = Running::begin(&policy.experiment, now_ms);
        }
        let Some(running) = self.0.as_mut() else { return };
        running.settle(now_ms);
        running.count(policy, row, now_ms);
    }

    /// What it has shown at a time; nothing where the configuration leaves the model or the hold-out without visitors.
    #[must_use]
    pub fn figures(&self, now_ms: u64) -> Option<ExperimentFigures> {
        let Running { setup, since_ms, open, thinned, settled } = self.0.as_ref()?;
        let mut settled = settled.clone();
        let due = open.range(..=(now_ms, u64::MAX)).map(|(_, open)| settled.add(open, setup.value)).count();
        Some(ExperimentFigures {
            since_ms: *since_ms,
            window_ms: setup.window_ms,
            waiting: (open.len() - due) as u64,
            one_of: 1 << thinned,
            model_share: setup.model_share(),
            model_share_counted: settled.split.interval(),
            measures: settled.measures.iter().map(|measure| settled.figures(measure, &setup.stages)).collect(),
            visitors: settled.visitors,
        })
    }
}

impl Setup {
    /// The comparison that a policy asks for.
    pub(crate) fn of(policy: &Policy) -> Self {
        Self {
            control: policy.arms.control,
            explore: policy.arms.explore,
            window_ms: u64::from(policy.arms.window_minutes) * 60_000,
            stages: policy.stages().map(str::to_owned).collect(),
            value: policy.range_of_value(),
        }
    }

    /// Whether what was begun with these settings may go on with those: values may become smaller.
    fn allows(&self, other: &Self) -> bool {
        let value = match (self.value, other.value) {
            (Some(ours), Some(theirs)) => ours.low() <= theirs.low() && ours.high() >= theirs.high(),
            (ours, None) => ours.is_none(),
            (None, Some(_)) => false,
        };
        let of_visitors = |setup: &Self| (setup.control, setup.explore, setup.window_ms);
        value && of_visitors(self) == of_visitors(other) && self.stages == other.stages
    }

    fn model_share(&self) -> f64 {
        1.0 - self.control / (1.0 - self.explore)
    }
}

impl Running {
    /// Nothing where one of the two arms has no visitors.
    fn begin(setup: &Setup, now_ms: u64) -> Option<Self> {
        let model_share = Some(setup.model_share()).filter(|share| *share > 0.0 && *share < 1.0)?;
        let stages = (0..setup.stages.len()).map(|stage| Some((Some(stage), Range::new(0.0, 1.0)?)));
        let compared: Vec<(Option<usize>, Range)> =
            setup.value.map(|range| Some((None, range))).into_iter().chain(stages).collect::<Option<_>>()?;
        let level = Level::new(LEVEL / compared.len().max(1) as f64)?;
        let measure = |(stage, range)| {
            let lift = Lift::new(model_share, range, level).ok()?;
            Some(Measure { stage, lift, totals: ByArm::new() })
        };
        Some(Self {
            since_ms: now_ms,
            open: BTreeMap::new(),
            thinned: 0,
            settled: Settled {
                visitors: ByArm::new(),
                split: MeanSequence::new(Range::new(0.0, 1.0)?, Level::new(SPLIT_LEVEL)?),
                measures: compared.into_iter().map(measure).collect::<Option<_>>()?,
            },
            setup: setup.clone(),
        })
    }

    /// Counts the visitors whose window is over.
    fn settle(&mut self, now_ms: u64) {
        while let Some(entry) = self.open.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            self.settled.add(&entry.remove(), self.setup.value);
        }
    }

    /// Notes what a visitor did while their window is open.
    fn count(&mut self, policy: &Policy, row: &Observation, now_ms: u64) {
        let Some(Entrant { id, entered_ms }) = row.entrant else { return };
        let ends_ms = entered_ms.saturating_add(self.setup.window_ms);
        // Who comes from the future would stay for ever.
        let counts = entered_ms >= self.since_ms && entered_ms <= now_ms && ends_ms > now_ms;
        if !counts || id & ((1 << self.thinned) - 1) != 0 {
            return;
        }
        // What is reached before the impression has come counts with it.
        let (reached, showings) = match row.step {
            Step::Impression if !row.before.seen => (0..row.before.reached, 1),
            Step::Stage(stage) if row.before.seen => (row.before.reached..stage.saturating_add(1), 1),
            Step::Withdrawal(stage) if row.before.seen => (stage..row.before.reached, -1),
            _ => return,
        };
        if row.step == Step::Impression {
            let stages = self.setup.stages.len();
            self.open.entry((ends_ms, id)).or_insert_with(|| Open::new(row.arm, stages));
        }
        // An arm is for the period; who changed it was decided for by an edge that knew other shares.
        if let Some(open) = self.open.get_mut(&(ends_ms, id)).filter(|open| open.arm == row.arm) {
            reached.for_each(|stage| open.reach(policy, row, stage, showings));
        }
        while self.open.len() > MOST_OPEN && self.thinned < u64::BITS - 1 {
            self.thinned += 1;
            let kept = (1 << self.thinned) - 1;
            self.open.retain(|(_, id), _| id & kept == 0);
        }
    }
}

impl Settled {
    fn add(&mut self, visitor: &Open, value: Option<Range>) {
        let arm = visitor.arm;
        *self.visitors.entry(arm).or_default() += 1;
        if arm != Arm::Explore {
            // 0 and 1 are in the range.
            let _ = self.split.observe(f64::from(u8::from(arm == Arm::Model)));
        }
        for measure in &mut self.measures {
            let reward = match (measure.stage, value) {
                (Some(stage), _) => f64::from(u8::from(visitor.reached.get(stage).is_some_and(|times| *times > 0))),
                (None, Some(range)) => visitor.value.clamp(range.low(), range.high()),
                (None, None) => 0.0,
            };
            *measure.totals.entry(arm).or_default() += reward;
            // Explorers are compared with nobody; every other reward is in the range.
            let _ = measure.lift.observe(arm, reward);
        }
    }

    fn figures(&self, measure: &Measure, stages: &[String]) -> MeasureFigures {
        let mean = |arm: &Arm| {
            let visitors = self.visitors.get(arm).copied().filter(|visitors| *visitors > 0)?;
            Some(measure.totals.get(arm).copied().unwrap_or(0.0) / visitors as f64)
        };
        MeasureFigures {
            stage: measure.stage.and_then(|stage| stages.get(stage).cloned()),
            means: self.visitors.keys().filter_map(|arm| Some((*arm, mean(arm)?))).collect(),
            difference: mean(&Arm::Model).zip(mean(&Arm::Control)).map(|(model, control)| model - control),
            interval: measure.lift.interval(),
            finding: measure.lift.finding(),
        }
    }
}

impl Open {
    fn new(arm: Arm, stages: usize) -> Self {
        Self { arm, reached: vec![0; stages], value: 0.0 }
    }

    fn reach(&mut self, policy: &Policy, row: &Observation, stage: u8, showings: i16) {
        let stage = usize::from(stage);
        if let Some(reached) = self.reached.get_mut(stage) {
            *reached = reached.saturating_add_signed(showings);
            self.value += f64::from(showings) * policy.stage_value(&row.offer, stage);
        }
    }
}

impl Policy {
    /// Between which bounds the value of one offer lies, from nothing to everything that it can bring; none where no offer
    /// has any value.
    fn range_of_value(&self) -> Option<Range> {
        let most = |sign: f64| self.offers.iter().map(|offer| offer.most_worth(sign)).fold(0.0, f64::max);
        // 0 and not −0, which is written as other bytes.
        Range::new(0.0 - most(-1.0), most(1.0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::learn::{Learner, Place, Progress};
    use crate::random::Seed;

    const MINUTE_MS: u64 = 60_000;

    /// Two offers, worth 1 and 10 by click, and 100 and 5 more by purchase.
    fn config() -> Value {
        let offer = |id: &str, click: f64, buy: f64| json!({ "id": id, "group": "all", "values": { "value": { "click": click, "buy": buy } } });
        json!({
            "attributes": [], "stages": [{ "id": "click" }, { "id": "buy" }], "kpis": [{ "id": "value", "weight": 1.0 }],
            "groups": [{ "id": "all" }], "offers": [offer("a", 1.0, 100.0), offer("b", 10.0, 5.0)], "placements": [],
            "arms": { "control": 0.4, "explore": 0.2, "period_days": 7, "window_minutes": 10 },
        })
    }

    fn policy(config: Value) -> Policy {
        let (policy, errors) = Policy::compile(&serde_json::from_value(config).unwrap());
        assert!(errors.is_empty(), "{errors:?}");
        policy
    }

    fn row(id: u64, arm: Arm, entered_ms: u64, at_ms: u64, step: Step) -> Observation {
        let reached = match step {
            Step::Impression | Step::Dismissal => 0,
            Step::Stage(stage) => stage,
            Step::Withdrawal(stage) => stage + 1,
        };
        Observation {
            showing: id,
            offer: "a".into(),
            placement: "hero".into(),
            rank: 1,
            channel: "web".into(),
            arm,
            features: Vec::new(),
            promised: Vec::new(),
            compared: None,
            entrant: Some(Entrant { id, entered_ms }),
            step,
            before: Progress { seen: step != Step::Impression, reached },
            impression: None,
            since_ms: None,
            place: Place { shard: 0, seq: 1 },
            at_ms,
        }
    }

    /// Folds rows in order, after one that begins the experiment at 0.
    fn folded(policy: &Policy, rows: &[Observation]) -> Learner {
        let mut learner = Learner::default();
        learner.fold(policy, &row(0, Arm::Explore, 0, 0, Step::Dismissal));
        rows.iter().for_each(|row| learner.fold(policy, row));
        learner
    }

    fn means(figures: &ExperimentFigures, stage: Option<&str>) -> ByArm<f64> {
        figures.measures.iter().find(|measure| measure.stage.as_deref() == stage).unwrap().means.clone()
    }

    #[test]
    fn a_visitor_counts_once_with_what_they_did_in_their_window() {
        let policy = policy(config());
        let (model, control, end) = (Arm::Model, Arm::Control, 11 * MINUTE_MS);
        let rows = [
            row(1, model, 0, 1, Step::Impression),
            row(1, model, 0, 2, Step::Stage(0)),
            row(1, model, 0, 3, Step::Stage(1)),
            // Another showing, clicked too.
            row(1, model, 0, 4, Step::Impression),
            row(1, model, 0, 5, Step::Stage(0)),
            row(2, model, 0, 6, Step::Impression),
            row(2, model, 0, 7, Step::Stage(0)),
            row(2, model, 0, 8, Step::Withdrawal(0)),
            row(3, control, 0, 9, Step::Impression),
            row(4, control, 9 * MINUTE_MS, 9 * MINUTE_MS, Step::Impression),
            // Too late for 1 to 3, whose windows are over, and in time for 4; 4 cannot change arms.
            row(3, control, 0, end, Step::Stage(0)),
            row(3, control, 0, end, Step::Impression),
            row(4, control, 9 * MINUTE_MS, end, Step::Stage(0)),
            row(4, model, 9 * MINUTE_MS, end, Step::Stage(1)),
            // From before the beginning, from the future, and one who is counted when the last has been.
            row(5, control, end + 1, end, Step::Impression),
            row(6, Arm::Explore, end, end, Step::Impression),
        ];
        let figures = folded(&policy, &rows).experiment.figures(0).unwrap();
        assert_eq!((figures.visitors.get(&model), figures.visitors.get(&control)), (Some(&2), Some(&1)));
        assert_eq!(figures.waiting, 2);
        assert_eq!(means(&figures, Some("click")), ByArm::from([(model, 0.5), (control, 0.0)]));
        // 1 + 100 + 1: more than the dearest offer brings.
        assert_eq!(means(&figures, None), ByArm::from([(model, 50.5), (control, 0.0)]));
        let later = [&rows[..], &[row(7, model, 30 * MINUTE_MS, 30 * MINUTE_MS, Step::Impression)]].concat();
        let figures = folded(&policy, &later).experiment.figures(0).unwrap();
        assert_eq!(figures.visitors, ByArm::from([(model, 2), (control, 2), (Arm::Explore, 1)]));
        assert_eq!(means(&figures, Some("click")), ByArm::from([(model, 0.5), (control, 0.5), (Arm::Explore, 0.0)]));
        assert_eq!(means(&figures, Some("buy")).get(&control), Some(&0.0));
        // Who looks later needs no further row, and changes nothing.
        let learner = folded(&policy, &rows);
        let written = learner.encode();
        let looked_at = learner.experiment.figures(30 * MINUTE_MS).unwrap();
        assert_eq!((looked_at.visitors, looked_at.waiting), (figures.visitors, 0));
        assert_eq!(learner.encode(), written);
    }

    /// Visitors of whom a part clicks, in the shares of the configuration but for those of the hold-out who are lost; looked
    /// at after each hundred.
    fn runs(seed: u64, visitors: u64, model_rate: f64, lost: f64) -> (ExperimentFigures, bool) {
        let policy = policy(config());
        let mut learner = folded(&policy, &[]);
        let mut found = false;
        for id in 1..=visitors {
            let at_ms = id * MINUTE_MS / 4;
            let draw = |what| Seed(seed).uniform(what, u32::try_from(id).unwrap());
            let (arm, rate) = match draw(1) {
                point if point < 0.4 => (Arm::Control, 0.1),
                point if point < 0.6 => (Arm::Explore, 0.5),
                _ => (Arm::Model, model_rate),
            };
            if arm == Arm::Control && draw(2) < lost {
                continue;
            }
            learner.fold(&policy, &row(id, arm, at_ms, at_ms, Step::Impression));
            if draw(3) < rate {
                learner.fold(&policy, &row(id, arm, at_ms, at_ms, Step::Stage(0)));
            }
            if id % 100 == 0 {
                let figures = learner.experiment.figures(0).unwrap();
                found |= figures.measures.iter().any(|measure| measure.finding != Finding::Open);
            }
        }
        (learner.experiment.figures(0).unwrap(), found)
    }

    #[test]
    fn a_difference_is_found_and_none_is_claimed_where_there_is_none() {
        let (figures, found) = runs(1, 6_000, 0.2, 0.0);
        assert!(found);
        let click = figures.measures.iter().find(|measure| measure.stage.as_deref() == Some("click")).unwrap();
        assert_eq!(click.finding, Finding::ModelBetter);
        assert!(click.interval.lower > 0.0 && click.interval.lower < 0.1 && click.interval.upper > 0.1, "{click:?}");
        assert!(click.difference.is_some_and(|difference| (difference - 0.1).abs() < 0.03), "{click:?}");
        let claims = (0..100).filter(|seed| runs(*seed, 2_000, 0.1, 0.0).1).count();
        assert!(claims <= 5, "{claims} of 100");
    }

    #[test]
    fn lost_visitors_of_an_arm_are_noticed() {
        let holds = |figures: &ExperimentFigures| {
            let Interval { lower, upper } = figures.model_share_counted;
            (lower..=upper).contains(&figures.model_share)
        };
        let (figures, _) = runs(1, 6_000, 0.1, 0.0);
        assert!(holds(&figures) && figures.model_share == 0.5, "{figures:?}");
        let (figures, _) = runs(1, 6_000, 0.1, 0.3);
        assert!(!holds(&figures), "{figures:?}");
    }

    #[test]
    fn other_shares_begin_anew_and_smaller_values_do_not() {
        let seen = [row(1, Arm::Model, 1, 1, Step::Impression)];
        let mut learner = folded(&policy(config()), &seen);
        let mut changed = config();
        changed["offers"][0]["values"]["value"]["buy"] = json!(50.0);
        learner.fold(&policy(changed.clone()), &row(2, Arm::Control, 1, 2, Step::Impression));
        assert_eq!(learner.experiment.figures(0).map(|figures| (figures.waiting, figures.since_ms)), Some((2, 0)));
        changed["offers"][0]["values"]["value"]["buy"] = json!(500.0);
        learner.fold(&policy(changed.clone()), &row(3, Arm::Control, 3, 3, Step::Impression));
        assert_eq!(learner.experiment.figures(0).map(|figures| (figures.waiting, figures.since_ms)), Some((1, 3)));
        // Who came in before the shares were changed is of other arms.
        changed["arms"]["control"] = json!(0.1);
        learner.fold(&policy(changed.clone()), &row(3, Arm::Model, 3, 4, Step::Stage(0)));
        assert_eq!(learner.experiment.figures(0).map(|figures| (figures.waiting, figures.since_ms)), Some((0, 4)));
        changed["arms"]["control"] = json!(0.0);
        learner.fold(&policy(changed), &row(4, Arm::Model, 5, 5, Step::Impression));
        assert_eq!(learner.experiment.figures(0), None);
    }

    #[test]
    fn of_too_many_visitors_a_part_is_watched() {
        let policy = policy(config());
        let mut learner = folded(&policy, &[]);
        for id in 0..=MOST_OPEN as u64 {
            learner.fold(&policy, &row(id, Arm::Model, 1, 1, Step::Impression));
        }
        let figures = learner.experiment.figures(0).unwrap();
        assert_eq!((figures.one_of, figures.waiting), (2, MOST_OPEN as u64 / 2 + 1));
        learner.fold(&policy, &row(MOST_OPEN as u64 + 1, Arm::Model, 1, 1, Step::Impression));
        assert_eq!(learner.experiment.figures(0).unwrap(), figures, "an odd one is not watched");
    }

    #[test]
    fn a_learner_written_before_there_were_experiments_reads() {
        let learner = folded(&policy(config()), &[row(1, Arm::Model, 1, 1, Step::Impression)]);
        let bytes = learner.encode();
        assert_eq!(Learner::decode(&bytes).as_ref(), Ok(&learner));
        let mut without = learner;
        without.experiment = Experiment::default();
        // The state ends with the byte that says that there is no experiment.
        let mut before = without.encode();
        let length = u64::from_le_bytes(before[..8].try_into().unwrap()) - 1;
        assert_eq!(before.remove(8 + length as usize), 0);
        before[..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(Learner::decode(&before), Ok(without));
    }
}
