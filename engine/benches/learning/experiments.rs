//! What is run: each experiment's streams, and what is kept of each run.

use std::iter::once;
use std::ops::Range;

use clap::ValueEnum;
use portico_engine::Arm;
use portico_engine::evaluate::{Finding, Level, Lift, Range as Rewards};

use crate::covariates::Table;
use crate::engine::{self, Changes, Choice, Deciding};
use crate::jobs;
use crate::lift::{self, Meter};
use crate::rival::{Rival, Times};
use crate::stream::{Course, LAG, Stream};
use crate::world::{Family, OFFERS};

/// Decisions after which the lift is reported.
const MARKS: [usize; 3] = [10_000, 50_000, 200_000];
/// Decisions of streams with a course of their own, unless the horizon is shorter.
const COURSE_DECISIONS: usize = 50_000;
/// Decisions of the longer streams in which something happens at half time, where the horizon reaches as far.
const LONG_COURSE_DECISIONS: usize = 200_000;
/// Offers that change at half time, of 20.
pub(crate) const CHANGED: [usize; 3] = [OFFERS / 2, OFFERS * 3 / 4, OFFERS];
/// Offers of each group that come at half time; with none of them all are there from the start.
pub(crate) const ARRIVING: [usize; 3] = [0, 1, 2];
/// A/A worlds for each seed: a frequency of false claims needs more runs than a mean.
pub(crate) const EQUAL_WORLDS: u64 = 4;
pub(crate) const HOLD_OUT: f64 = 0.1;
/// Part of the comparisons without a difference in which one may ever be claimed.
const FALSE_CLAIMS: f64 = 0.05;
/// One-sided 5 % point of the normal distribution.
const CLAIM: f64 = 1.645;

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Experiment {
    /// Nothing changes; beside Vowpal Wabbit.
    Stationary,
    /// At half time some offers or all are different.
    Change,
    /// Offers come at half time.
    Arrivals,
    /// Purchases long after clicks.
    Delayed,
    /// No offer is better than another.
    Equal,
    /// Decisions a second.
    Speed,
}

impl Experiment {
    pub(crate) const ALL: [Self; 6] =
        [Self::Stationary, Self::Change, Self::Arrivals, Self::Delayed, Self::Equal, Self::Speed];
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) table: &'a Table,
    pub(crate) families: Vec<Family>,
    pub(crate) experiments: Vec<Experiment>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) horizon: usize,
    pub(crate) threads: usize,
    pub(crate) changes: Changes,
    pub(crate) rival: Option<Rival>,
    pub(crate) setting: String,
}

/// Who learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learner {
    Ours,
    /// With [`Changes::with_forgetting`].
    OursForgetting,
    /// Counts alone, each offer for itself, forgetting as ours does where ours does.
    NaiveBayes,
    NaiveBayesForgetting,
    VowpalWabbit,
    /// The one offer that is best on average.
    WithoutContext,
}

impl Learner {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursForgetting => "ours, forgetting",
            Self::NaiveBayes => "naive Bayes",
            Self::NaiveBayesForgetting => "naive Bayes, forgetting",
            Self::VowpalWabbit => "Vowpal Wabbit",
            Self::WithoutContext => "best single offer",
        }
    }
}

/// One run of a learner over a stream.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) family: Family,
    pub(crate) course: Course,
    pub(crate) decisions: usize,
    pub(crate) seed: u64,
    pub(crate) learner: Learner,
    /// By what the experiment reports; see [`Plan::measured`].
    pub(crate) lifts: Vec<f64>,
}

/// One run in a world where no offer is better than another, and what a comparison of its arms would claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Equal {
    /// The model beats the hold-out, by one look at the end.
    pub(crate) at_the_end: bool,
    /// The same at any look, one after each refresh.
    pub(crate) ever: bool,
    /// The engine's own confidence sequence claims a difference at any of these looks.
    pub(crate) sequence: bool,
    /// The offer that the model shows the most beats its other offers, by one look at the end.
    pub(crate) favourite: bool,
    /// That offer's part of what the model shows.
    pub(crate) favourite_share: f64,
}

/// Decisions a second on one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    pub(crate) decisions: usize,
    pub(crate) ours: engine::Took,
    pub(crate) rival: Option<Times>,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) runs: Vec<Run>,
    pub(crate) equal: Vec<Equal>,
    pub(crate) speed: Option<Speed>,
}

#[derive(Debug)]
struct Job {
    family: Family,
    course: Course,
    decisions: usize,
    seed: u64,
    learner: Learner,
}

impl Plan<'_> {
    /// The marks up to the horizon; the horizon itself where it is none of them.
    pub(crate) fn marks(&self) -> Vec<usize> {
        let mut marks: Vec<usize> = MARKS.into_iter().filter(|mark| *mark <= self.horizon).collect();
        if marks.last() != Some(&self.horizon) {
            marks.push(self.horizon);
        }
        marks
    }

    /// The lengths of the streams of this course, in decisions.
    pub(crate) fn lengths(&self, course: Course) -> Vec<usize> {
        let short = self.horizon.min(COURSE_DECISIONS);
        match course {
            Course::Stationary => vec![self.horizon],
            Course::Change(_) | Course::Arrivals(_) if self.horizon >= LONG_COURSE_DECISIONS => {
                vec![short, LONG_COURSE_DECISIONS]
            }
            _ => vec![short],
        }
    }

    /// The ranges of decisions whose lift is kept.
    fn measured(&self, course: Course, end: usize) -> Vec<Range<usize>> {
        match course {
            Course::Stationary => lift::ranges(&self.marks()),
            Course::Change(_) => once(end - end / 4..end).collect(),
            Course::Arrivals(_) => once(end / 2..end / 2 + end / 10).collect(),
            _ => lift::ranges(&[end]),
        }
    }

    fn jobs(&self) -> Vec<Job> {
        use Learner::{NaiveBayes, NaiveBayesForgetting, Ours, OursForgetting, VowpalWabbit, WithoutContext};
        let mut kinds: Vec<(Course, Learner)> = Vec::new();
        for experiment in &self.experiments {
            match experiment {
                Experiment::Stationary => {
                    kinds.extend([WithoutContext, Ours, NaiveBayes].map(|learner| (Course::Stationary, learner)));
                    kinds.extend(self.rival.is_some().then_some((Course::Stationary, VowpalWabbit)));
                }
                Experiment::Change => kinds.extend(CHANGED.into_iter().flat_map(|offers| {
                    [Ours, OursForgetting, NaiveBayesForgetting].map(|learner| (Course::Change(offers), learner))
                })),
                Experiment::Arrivals => kinds.extend(
                    ARRIVING
                        .into_iter()
                        .flat_map(|of_each| [Ours, NaiveBayes].map(|learner| (Course::Arrivals(of_each), learner))),
                ),
                Experiment::Delayed => kinds.extend(
                    [Course::Delayed, Course::DelayedKnownAtOnce, Course::DelayedAsOneStage]
                        .map(|course| (course, Ours)),
                ),
                Experiment::Equal | Experiment::Speed => {}
            }
        }
        let mut jobs = Vec::new();
        for (course, learner) in kinds {
            for decisions in self.lengths(course) {
                let seeds = self.seeds.iter().flat_map(|seed| self.families.iter().map(|family| (*seed, *family)));
                jobs.extend(seeds.map(|(seed, family)| Job { family, course, decisions, seed, learner }));
            }
        }
        jobs
    }

    fn play(&self, job: &Job) -> Result<Run, String> {
        let Job { family, course, decisions, seed, learner } = *job;
        let stream = Stream::new(self.table, family, course, seed, decisions);
        let mut meter = Meter::new(&self.measured(course, decisions));
        let lifts = match learner {
            Learner::Ours | Learner::OursForgetting | Learner::NaiveBayes | Learner::NaiveBayesForgetting => {
                let forgetting = matches!(learner, Learner::OursForgetting | Learner::NaiveBayesForgetting);
                let counts = matches!(learner, Learner::NaiveBayes | Learner::NaiveBayesForgetting);
                let deciding = if counts { Deciding::Fallback } else { Deciding::Model };
                let changes = self.changes.with_forgetting(forgetting);
                engine::run(&stream, &changes, deciding, |choice| meter.chose(&stream, choice.decision, choice.offer))?;
                meter.lifts()
            }
            Learner::VowpalWabbit => {
                let rival = self.rival.as_ref().ok_or("there is no Vowpal Wabbit")?;
                let played = rival.play_one(&stream, &self.setting)?;
                let choices = played.choices.iter().enumerate();
                choices.for_each(|(decision, offer)| meter.chose(&stream, decision, usize::from(*offer)));
                meter.lifts()
            }
            Learner::WithoutContext => vec![lift::without_context(&stream)],
        };
        Ok(Run { family, course, decisions, seed, learner, lifts })
    }

    fn play_equal(&self, seed: u64) -> Result<Equal, String> {
        let decisions = self.horizon.min(COURSE_DECISIONS);
        let stream = Stream::new(self.table, Family::Additive, Course::Equal, seed, decisions);
        let changes = self.changes.with_forgetting(false).with_hold_out(HOLD_OUT);
        let mut model = [Rate::default(); OFFERS];
        let mut hold_out = Rate::default();
        let (mut ever, mut sequence) = (false, false);
        let settings = Rewards::new(0.0, 1.0).zip(Level::new(FALSE_CLAIMS)).ok_or("the level is no probability")?;
        let mut own = Lift::new(1.0 - HOLD_OUT, settings.0, settings.1).map_err(|error| error.to_string())?;
        let mut refused = None;
        engine::run(&stream, &changes, Deciding::Model, |choice: Choice| {
            if choice.by_model { &mut model[choice.offer] } else { &mut hold_out }.count(choice.answered);
            // Every decision of these streams is a visitor's only one.
            let arm = if choice.by_model { Arm::Model } else { Arm::Control };
            refused = refused.or(own.observe(arm, f64::from(u8::from(choice.answered))).err());
            if (choice.decision + 1).is_multiple_of(LAG) {
                sequence |= own.finding() != Finding::Open;
                ever |= Rate::sum(&model).beats(hold_out);
            }
        })?;
        if let Some(error) = refused {
            return Err(error.to_string());
        }
        let all = Rate::sum(&model);
        let favourite =
            model.iter().copied().max_by(|left, right| left.shown.total_cmp(&right.shown)).unwrap_or_default();
        let others = Rate { shown: all.shown - favourite.shown, answered: all.answered - favourite.answered };
        Ok(Equal {
            at_the_end: all.beats(hold_out),
            ever,
            sequence,
            favourite: favourite.beats(others),
            favourite_share: favourite.shown / all.shown,
        })
    }

    fn time(&self) -> Result<Speed, String> {
        let decisions = self.horizon.min(20_000);
        let seed = self.seeds.first().copied().unwrap_or(1);
        let stream = Stream::new(self.table, Family::Additive, Course::Stationary, seed, decisions);
        let ours = engine::run(&stream, &self.changes, Deciding::Model, |_| {})?;
        let played = self.rival.as_ref().map(|rival| rival.play_one(&stream, &self.setting)).transpose()?;
        Ok(Speed { decisions, ours, rival: played.map(|played| played.times) })
    }
}

/// Answers among showings.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    shown: f64,
    answered: f64,
}

impl Rate {
    fn count(&mut self, answered: bool) {
        self.shown += 1.0;
        self.answered += f64::from(u8::from(answered));
    }

    fn sum(rates: &[Self]) -> Self {
        rates.iter().fold(Self::default(), |sum, rate| Self {
            shown: sum.shown + rate.shown,
            answered: sum.answered + rate.answered,
        })
    }

    /// Whether a two-proportion z-test at 5 %, one-sided, says so.
    fn beats(self, other: Self) -> bool {
        let pooled = (self.answered + other.answered) / (self.shown + other.shown);
        let error = (pooled * (1.0 - pooled) * (1.0 / self.shown + 1.0 / other.shown)).sqrt();
        self.answered / self.shown - other.answered / other.shown > CLAIM * error
    }
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan<'_>) -> Result<Results, String> {
    let runs = jobs::all("learning", plan.threads, &plan.jobs(), |job| plan.play(job))?;
    let mut results = Results { runs, ..Results::default() };
    if plan.experiments.contains(&Experiment::Equal) {
        let worlds: Vec<u64> =
            plan.seeds.iter().flat_map(|seed| (0..EQUAL_WORLDS).map(move |at| seed * EQUAL_WORLDS + at)).collect();
        results.equal = jobs::all("A/A worlds", plan.threads, &worlds, |seed| plan.play_equal(*seed))?;
    }
    if plan.experiments.contains(&Experiment::Speed) {
        results.speed = jobs::all("speed", 1, &[()], |()| plan.time())?.pop();
    }
    Ok(results)
}
