//! Learning: answers, in the order in which they were recorded, folded into the model and into counts.
//!
//! Only an offer whose impression came back is an example. A stage that is reached counts at once as a "yes" to that
//! stage and opens the next one. How a "no" is given depends on how long answers take, see [`Delays`]: within a minute,
//! it is given with the opening and taken back by a "yes"; otherwise in parts as the showing ages. Nothing waits for a
//! window to close, and the same rows in the same order give the same model: time comes from the rows alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Arm;
use crate::evaluate::{Compared, Entrant, Experiment, Shadow};
use crate::features::{Feature, examination};
use crate::frequencies::{Associations, Frequencies};
use crate::model::{Block, DecodeError, Model};
use crate::policy::{OfferPolicy, Policy};
use crate::quality::Quality;
use crate::random::name_hash;
use crate::tally::Tally;

mod change;
mod delay;

pub use change::Change;
use change::{Changed, Watch};
use delay::{Delays, Open, Waiting};

/// Evidence is faded in steps of this part of the half-life: finer would cost a pass over the weights for nothing.
const FADE_STEP: f64 = 1.0 / 256.0;

/// One recorded answer to a shown offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What its decision and offer have in common with its other answers: a hash of both.
    pub showing: u64,
    /// The offer.
    pub offer: String,
    /// Where it stood.
    pub placement: String,
    /// Its rank there, 1 for the first.
    pub rank: u32,
    /// The channel on which it was offered.
    pub channel: String,
    /// Who chose it.
    pub arm: Arm,
    /// The decision's features.
    pub features: Vec<Feature>,
    /// The probabilities by stage that it was chosen with, where the model chose; see [`crate::Chosen`].
    pub promised: Vec<f32>,
    /// What a candidate in shadow would have put there, where there is one and the offer stood first.
    pub compared: Option<Compared>,
    /// To whom it was shown, for the comparison of the arms; none where that was not noted.
    pub entrant: Option<Entrant>,
    /// What happened.
    pub step: Step,
    /// What had been recorded of this showing before.
    pub before: Progress,
    /// Where the impression was recorded, for the curve; absent when none was.
    pub impression: Option<Place>,
    /// When the step before was recorded, in milliseconds since 1970; absent when there was none.
    pub since_ms: Option<u64>,
    /// Where this row stands in the record.
    pub place: Place,
    /// When it was recorded, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What happened to a shown offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It was seen.
    Impression,
    /// It was put away.
    Dismissal,
    /// A stage was reached, by its index in the configuration.
    Stage(u8),
    /// A stage that had been reported does not hold after all, and with it none that comes later.
    Withdrawal(u8),
}

/// How far a showing had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The impression was recorded.
    pub seen: bool,
    /// Stages reached, counting those implied by a later one.
    pub reached: u8,
}

/// A row's place in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The ledger's shard.
    pub shard: u16,
    /// The row's number in it, from 1.
    pub seq: u64,
}

/// The learner of one site: the model, the counts, and what is still open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learner {
    /// The weights.
    pub model: Model,
    /// The counts.
    pub tally: Tally,
    /// How good the predictions are.
    pub quality: Quality,
    /// How a candidate configuration compares.
    pub shadow: Shadow,
    /// What the model brings, against the hold-out.
    pub experiment: Experiment,
    frequencies: Frequencies,
    state: State,
}

/// What a checkpoint holds beside model and counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// Newest time of any row, in milliseconds since 1970: the learner's clock. It never goes back.
    now_ms: u64,
    /// Up to when evidence has been faded, by stage, in milliseconds since 1970.
    faded_to_ms: Vec<u64>,
    delays: Delays,
    waiting: Waiting,
    watch: Watch,
}

/// What an example of one showing is made of, at any of its stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Example {
    offer: String,
    /// Name hash of the channel.
    channel: u64,
    /// The decision's features.
    features: Vec<Feature>,
    /// Where and how prominently it stood.
    examination: Feature,
}

impl Learner {
    /// Folds one row. Rows of offers or stages that the policy does not know are counted and teach nothing.
    pub fn fold(&mut self, policy: &Policy, row: &Observation) {
        self.advance(policy, row.at_ms);
        self.tally.count(policy, row);
        self.compare(policy, row);
        self.experiment.fold(policy, row, self.state.now_ms);
        let Some(offer) = known(policy, &row.offer) else {
            return;
        };
        let example = Example {
            offer: row.offer.clone(),
            channel: name_hash(&[row.channel.as_bytes()]),
            features: row.features.clone(),
            examination: examination(&row.placement, row.rank),
        };
        match row.step {
            Step::Impression => {
                if !row.before.seen {
                    self.count(policy, offer, row, 0);
                    self.promise(row, 0);
                    self.watch(policy, offer, row, false);
                    if row.before.reached == 0 {
                        self.open(policy, row, example, 0);
                    }
                }
            }
            Step::Dismissal => {}
            Step::Stage(stage) if usize::from(stage) < policy.stages.len() => {
                if row.before.reached == 0 {
                    self.watch(policy, offer, row, true);
                }
                for reached in row.before.reached..=stage {
                    self.count(policy, offer, row, usize::from(reached) + 1);
                    if let Some(promise) = row.promised.get(usize::from(reached)) {
                        self.quality.reach(usize::from(reached), *promise, row.at_ms);
                    }
                    self.promise(row, usize::from(reached) + 1);
                    // Open was the stage that came next: after the impression, or after the last stage reached.
                    if reached == row.before.reached && (row.before.seen || reached > 0) {
                        self.close(policy, row, &example, usize::from(reached));
                    }
                    self.teach(policy, &example, usize::from(reached), 1.0, 1.0);
                }
                if stage >= row.before.reached {
                    self.open(policy, row, example, usize::from(stage) + 1);
                }
            }
            // A stage of an older configuration.
            Step::Stage(_) => {}
            Step::Withdrawal(stage) => self.withdraw(policy, offer, row, &example, usize::from(stage)),
        }
    }

    /// Takes back what the reached stages have taught, from this one on. What is left is a "no" to it: whoever withdraws
    /// it knows that it will not be reached.
    fn withdraw(&mut self, policy: &Policy, offer: &OfferPolicy, row: &Observation, example: &Example, stage: usize) {
        let reached = usize::from(row.before.reached).min(policy.stages.len());
        if stage >= reached {
            return;
        }
        // Open was the stage after the last one reached.
        let given = self.state.waiting.remove(row.showing).map_or(1.0, |open| open.given);
        if given > 0.0 {
            self.teach(policy, example, reached, 0.0, -given);
        }
        for stage in (stage..reached).rev() {
            self.model.uncount(offer.key, stage + 1);
            let places = self.model.place_all(&row.features);
            self.frequencies.uncount(policy, offer.key, stage + 1, &places, row.at_ms);
            if let Some(promise) = row.promised.get(stage) {
                self.quality.unreach(stage, *promise, row.at_ms);
            }
            self.teach(policy, example, stage, 1.0, -1.0);
        }
        if row.before.seen || stage > 0 {
            self.teach(policy, example, stage, 0.0, 1.0);
        }
    }

    /// Moves the clock: evidence fades, and what has been open for long enough is more of a "no". Rows do it by
    /// themselves; between rows nothing depends on it.
    fn advance(&mut self, policy: &Policy, now_ms: u64) {
        self.state.now_ms = self.state.now_ms.max(now_ms);
        self.fade(policy);
        while let Some((showing, open)) = self.state.waiting.due(self.state.now_ms) {
            self.age(policy, showing, open);
        }
    }

    /// Tells the shadow what was seen and what it has earned.
    fn compare(&mut self, policy: &Policy, row: &Observation) {
        let Some(compared) = &row.compared else { return };
        let earned = |stages: u8| (0..stages).map(|stage| policy.stage_value(&row.offer, usize::from(stage))).sum();
        let before = earned(row.before.reached);
        match row.step {
            Step::Impression if !row.before.seen => self.shadow.seen(policy, row.arm, compared, before),
            // What is earned before it is seen counts when it is.
            Step::Stage(stage) if row.before.seen && stage >= row.before.reached => {
                self.shadow.earned(row.arm, compared, before, earned(stage.saturating_add(1)));
            }
            Step::Withdrawal(stage) if row.before.seen && stage < row.before.reached => {
                self.shadow.earned(row.arm, compared, before, earned(stage));
            }
            _ => {}
        }
    }

    /// Counts that an offer was seen (0) or has reached stage s (s + 1).
    fn count(&mut self, policy: &Policy, offer: &OfferPolicy, row: &Observation, what: usize) {
        self.model.count(offer.key, what);
        let places = self.model.place_all(&row.features);
        self.frequencies.count(policy, offer.key, what, &places, row.at_ms);
    }

    /// Which facts go with reaching a stage of an offer, by counts alone; `None` for what the policy does not know.
    #[must_use]
    pub fn associations(&self, policy: &Policy, offer: &str, stage: usize) -> Option<Associations> {
        let offer = known(policy, offer).filter(|_| stage < policy.stages.len())?;
        Some(self.frequencies.associations(&self.model, offer, stage))
    }

    /// What there is to decide with: the model, or where a weight of it is no finite number the [`Learner::fallback`].
    #[must_use]
    pub fn usable_model(&self, policy: &Policy) -> Cow<'_, Model> {
        if self.model.is_finite() { Cow::Borrowed(&self.model) } else { Cow::Owned(self.fallback(policy)) }
    }

    /// A model out of counts alone, by naive Bayes: each fact for itself and each offer for itself.
    #[must_use]
    pub fn fallback(&self, policy: &Policy) -> Model {
        self.frequencies.model(policy, &self.model)
    }

    /// Notes with which probability a stage was to be reached.
    fn promise(&mut self, row: &Observation, stage: usize) {
        if let Some(promise) = row.promised.get(stage) {
            self.quality.open(stage, *promise, row.at_ms);
        }
    }

    /// Looks for a change of the world, and where one is found forgets most of what was learned before it: of everything, or
    /// of the one offer whose answers have fallen.
    fn watch(&mut self, policy: &Policy, offer: &OfferPolicy, row: &Observation, answered: bool) {
        let (Some(keep), Some(promise)) = (policy.model.change_keeps, row.promised.first()) else {
            return;
        };
        let priors = &policy.model.priors;
        match self.state.watch.sees((offer.key, &offer.id), f64::from(*promise), answered, self.state.now_ms) {
            Some(Changed::Everything) => {
                (0..policy.stages.len()).for_each(|stage| self.model.fade(priors, stage, keep));
            }
            Some(Changed::Offer) => {
                for stage in 0..policy.stages.len() {
                    self.model.fade_block(priors, Block::offer(priors, offer, stage), keep);
                    for channel in policy.departing_channels() {
                        self.model.fade_block(priors, Block::channel(priors, offer, channel, stage), keep);
                    }
                }
            }
            None => {}
        }
    }

    /// Where the world was found changed: the latest, oldest first.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        self.state.watch.found()
    }

    /// A stage can be reached from here on.
    fn open(&mut self, policy: &Policy, row: &Observation, example: Example, stage: usize) {
        if stage >= policy.stages.len() {
            return;
        }
        let Some(patience_ms) = self.state.delays.patience_ms(stage) else {
            self.teach(policy, &example, stage, 0.0, 1.0);
            return;
        };
        let open = Open::new(example, stage, self.state.now_ms, patience_ms);
        if let Some(crowded_out) = self.state.waiting.insert(row.showing, open) {
            self.settle(policy, &crowded_out);
        }
    }

    /// A stage that was open has been reached: whatever "no" was given for it is taken back.
    fn close(&mut self, policy: &Policy, row: &Observation, example: &Example, stage: usize) {
        if let Some(since_ms) = row.since_ms {
            self.state.delays.learn(stage, row.at_ms.saturating_sub(since_ms));
        }
        // Who waits no longer has been given the whole "no".
        let given = self.state.waiting.remove(row.showing).map_or(1.0, |open| open.given);
        if given > 0.0 {
            self.teach(policy, example, stage, 0.0, -given);
        }
    }

    /// Gives the next part of a "no".
    fn age(&mut self, policy: &Policy, showing: u64, mut open: Open) {
        let part = open.next_part();
        if part > 0.0 {
            self.teach(policy, &open.example, open.stage, 0.0, part);
        }
        if !open.is_over() {
            self.state.waiting.insert(showing, open);
        }
    }

    /// Gives all that is left of a "no".
    fn settle(&mut self, policy: &Policy, open: &Open) {
        self.teach(policy, &open.example, open.stage, 0.0, 1.0 - open.given);
    }

    fn teach(&mut self, policy: &Policy, example: &Example, stage: usize, y: f64, w: f64) {
        let (Some(offer), Some(of)) = (known(policy, &example.offer), policy.stages.get(stage)) else {
            return;
        };
        let mut places = self.model.place_all(&example.features);
        let facts = places.len();
        places.extend(self.model.place_all(&[example.examination]));
        let own = places.get(..facts).unwrap_or_default();
        let mut blocks: Vec<(Block, &[usize])> = vec![
            // A good position is not a good offer: examination is taught at the site's level only.
            (Block::site(&policy.model.priors, stage), &places),
            (Block::group(policy, offer.group, stage), own),
            (Block::offer(&policy.model.priors, offer, stage), own),
        ];
        if policy.departing_channels().any(|channel| channel == example.channel) {
            blocks.push((Block::channel(&policy.model.priors, offer, example.channel, stage), own));
        }
        self.model.update(offer.offset(stage, of), &blocks, y, w);
    }

    fn fade(&mut self, policy: &Policy) {
        let now_ms = self.state.now_ms;
        self.state.faded_to_ms.resize(policy.stages.len(), 0);
        for (stage, (of, faded_to_ms)) in policy.stages.iter().zip(&mut self.state.faded_to_ms).enumerate() {
            let Some(half_life_ms) = of.half_life_ms else {
                continue;
            };
            if *faded_to_ms == 0 {
                *faded_to_ms = now_ms;
            }
            let parts = now_ms.saturating_sub(*faded_to_ms) as f64 / half_life_ms;
            if parts >= FADE_STEP {
                self.model.fade(&policy.model.priors, stage, libm::exp2(-parts));
                *faded_to_ms = now_ms;
            }
        }
    }

    /// Everything, exactly: folding on after [`Learner::decode`] gives the same bytes as folding on without it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Plain data always serializes. Not JSON, whose reader may miss a number by its last bit.
        let state = postcard::to_stdvec(&(
            (&self.tally, &self.quality, &self.shadow, &self.frequencies, &self.state),
            &self.experiment,
        ))
        .unwrap_or_default();
        let mut bytes = (state.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&state);
        bytes.extend_from_slice(&self.model.encode());
        bytes
    }

    /// Reads what [`Learner::encode`] wrote.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or(DecodeError::Length)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| DecodeError::Length)?;
        let (state, model) = rest.split_at_checked(length).ok_or(DecodeError::Length)?;
        let ((tally, quality, shadow, frequencies, state), later) =
            postcard::take_from_bytes(state).map_err(|_| DecodeError::Version)?;
        // Learners of before there were experiments wrote nothing after it.
        let experiment = match later {
            [] => Experiment::default(),
            later => postcard::from_bytes(later).map_err(|_| DecodeError::Version)?,
        };
        Ok(Self { model: Model::decode(model)?, tally, quality, shadow, experiment, frequencies, state })
    }
}

fn known<'a>(policy: &'a Policy, offer: &str) -> Option<&'a OfferPolicy> {
    policy.offer(offer).filter(|offer| offer.group < policy.groups.len())
}

impl Progress {
    /// How far a showing has come after a step.
    #[must_use]
    pub fn after(self, step: Step) -> Self {
        match step {
            Step::Impression => Self { seen: true, ..self },
            Step::Dismissal => self,
            Step::Stage(stage) => Self { reached: self.reached.max(stage.saturating_add(1)), ..self },
            Step::Withdrawal(stage) => Self { reached: self.reached.min(stage), ..self },
        }
    }
}

/// Counts by arm, in a form that can be written and read.
pub type ByArm<T> = BTreeMap<Arm, T>;
