//! The decision part of a site's configuration, as written: offers in a group tree, rules, placements, goals, arms, model.
//!
//! This is the wire form; [`crate::Policy::compile`] turns a valid one into what [`crate::decide()`] runs on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::label::Label;

/// All that decides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Config {
    /// The facts that rules and models may use.
    pub attributes: Vec<Attribute>,
    /// Pairs of facts whose combination matters to the models beyond what each of them says: `[["age", "topic"]]`. Every
    /// combination of their bins is a fact of its own, which has to be learned apart, so a pair costs learning time unless
    /// it is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crosses: Vec<[String; 2]>,
    /// Rules with a name, for use in other rules.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// What visitors are worth, in levels.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Attributes that follow from others, such as what a customer is worth: worked out when what is stored of a customer
    /// changes, and every night.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed: Vec<Computed>,
    /// Stages after the impression, in order; the first must be `click`.
    pub stages: Vec<Stage>,
    /// Goals weighed against each other.
    pub kpis: Vec<Kpi>,
    /// The group tree.
    pub groups: Vec<Group>,
    /// The offers, in the order that the control group sees.
    pub offers: Vec<Offer>,
    /// The slots that can be filled.
    pub placements: Vec<Placement>,
    /// The channels on which it decides. The first is the one that the others are compared with: what is learned there
    /// holds everywhere until another channel's answers say otherwise.
    #[serde(default = "web")]
    pub channels: Vec<String>,
    /// How often visitors are spoken to.
    #[serde(default)]
    pub contact: Vec<ContactRule>,
    /// Whether the placements of one page show at most one offer of each group.
    #[serde(default)]
    pub distinct_groups: bool,
    /// Small questions, of which a visitor is asked at most one at a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<DripQuestion>,
    /// Shares of visitors by arm.
    #[serde(default)]
    pub arms: Arms,
    /// How the models learn.
    #[serde(default)]
    pub model: Model,
}

/// One fact about a visitor or a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name in rules and in requests.
    pub name: String,
    /// Its type; a value of another type counts as missing.
    #[serde(rename = "type")]
    pub kind: AttributeKind,
    /// Inner edges of the bins into which a number falls for the models, ascending.
    #[serde(default)]
    pub bins: Vec<f64>,
    /// Words that a text or a set is known to take: reports name them. Others may come all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Which source may give it; a fact from another source is not believed.
    pub source: Source,
    /// Whether the models use it (rules always may).
    #[serde(default = "yes")]
    pub learn: bool,
    /// What people call it; its name with spaces for underscores when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
}

fn yes() -> bool {
    true
}

/// Types of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// One of few words.
    Text,
    /// A finite number.
    Number,
    /// Yes or no.
    Bool,
    /// Several words, such as the products held.
    Set,
    /// A moment: ISO 8601 date or date-time (UTC without an offset), or milliseconds since 1970. Not a feature: the
    /// models see only whether it is known.
    Date,
    /// A place: `{"lat":51.5,"lon":-0.12}` in degrees. Not a feature either.
    Point,
}

/// Where facts come from. Facts from `behaviour`, `profile` and `identity` need the visitor's consent to personalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The page and the request.
    Context,
    /// What the visitor did before.
    Behaviour,
    /// What is stored about the customer.
    Profile,
    /// What the site's server vouches for.
    Identity,
}

/// A rule with a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Its id in rules: `{"segment":"students"}`.
    pub id: String,
    /// What people call it; its id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// Who is in it. It may use other segments and tiers, but not itself by any detour.
    pub rule: serde_json::Value,
}

/// A scale such as customer value or potential: the first level whose rule holds is the visitor's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tier {
    /// Its id in rules: `{"tier":"value","in":["A","B"]}`.
    pub id: String,
    /// What people call it; its id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// A text attribute from `profile` or `identity` that, where it names a level, is believed instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden_by: Option<String>,
    /// The levels, best first.
    pub levels: Vec<TierLevel>,
}

/// One level of a scale.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TierLevel {
    /// Its id, such as `A`.
    pub id: String,
    /// Who is on it, unless on a better one; everybody when absent, which only the last level may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<serde_json::Value>,
}

/// An attribute that is the sum of what others come to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Computed {
    /// The attribute that takes the sum: a number with the source `profile`.
    pub attribute: String,
    /// The terms; those of which nothing is known do not count, and without any that is known neither is the sum.
    pub terms: Vec<Term>,
}

/// One of `attr`, `holds` and `offers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Term {
    /// A number with the source `profile`, times the factor. It may be one that is computed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attr: Option<String>,
    /// A product: the factor where it is held (stands in the set attribute `products`), 0 where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    /// What the model expects of showing each offer once that the customer may have, times the factor.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub offers: bool,
    /// The factor, 1 when absent.
    #[serde(default = "one")]
    pub times: f64,
}

/// A stage of the funnel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// Its name in events.
    pub id: String,
    /// Rate expected before anything is known, as a probability given the stage before; 0.02 when absent.
    #[serde(default)]
    pub prior_rate: Option<f64>,
    /// Days after which an answer counts half, for this stage; the model's when absent.
    #[serde(default)]
    pub half_life_days: Option<f64>,
}

/// A goal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kpi {
    /// Its name in offers' values.
    pub id: String,
    /// Its weight in the score.
    pub weight: f64,
    /// Its weight for visitors in some segments: the first that the visitor is known to be in counts.
    #[serde(default)]
    pub in_segments: Vec<SegmentWeight>,
}

/// What a goal weighs in a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SegmentWeight {
    /// The segment's id.
    pub segment: String,
    /// The goal's weight there.
    pub weight: f64,
}

/// A node of the group tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// The group above it, if any.
    #[serde(default)]
    pub parent: Option<String>,
    /// Who is eligible for anything in it, ANDed with the groups above.
    #[serde(default)]
    pub rule: Option<serde_json::Value>,
}

/// Something that can be offered (RTD's choice).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Its id.
    pub id: String,
    /// The group it belongs to.
    pub group: String,
    /// Who is eligible, ANDed with its groups' rules.
    #[serde(default)]
    pub rule: Option<serde_json::Value>,
    /// What reaching a stage is worth, by KPI and stage; costs are negative.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, f64>>,
    /// A marketer's factor on the score.
    #[serde(default = "one")]
    pub lever: f64,
    /// First moment at which it may be shown, in milliseconds since 1970.
    #[serde(default)]
    pub starts_at: Option<u64>,
    /// First moment at which it may no longer be shown, in milliseconds since 1970.
    #[serde(default)]
    pub ends_at: Option<u64>,
    /// Channels on which it may be offered; all when empty.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Days during which a visitor who dismissed it is spared.
    #[serde(default = "month")]
    pub rest_after_dismiss_days: u32,
    /// The product it sells: whoever holds it (has it in the set attribute `products`) is spared.
    #[serde(default)]
    pub product: Option<String>,
    /// How often it may be shown or taken up in all.
    #[serde(default)]
    pub cap: Option<Cap>,
    /// A slow start, until it has proved itself.
    #[serde(default)]
    pub ramp: Option<Ramp>,
    /// Rates expected of it by stage, where they differ from the stages' own: a marketer's estimate that answers correct.
    #[serde(default)]
    pub prior_rates: BTreeMap<String, f64>,
    /// A message that must reach everybody it is meant for: stands first wherever it is eligible, in the configured order.
    #[serde(default)]
    pub mandatory: bool,
}

/// A limit on how often an offer comes to something, over all visitors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cap {
    /// `impression` or the id of a stage.
    pub of: String,
    /// The offer ends when so many have been counted; a few more may come before the count has travelled.
    pub most: u64,
}

/// A slow start: the share of decisions in which a new offer takes part grows with its first answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ramp {
    /// Share of decisions before any answer, above 0 and at most 1.
    pub start: f64,
    /// Responses at the first stage after which it takes part in all.
    pub responses: u64,
}

/// At most so many impressions in so many days. Each rule stands for itself; the strictest decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContactRule {
    /// What is counted together.
    pub per: ContactScope,
    /// Impressions at most.
    pub most: u32,
    /// Days over which they are counted; parts of a day make a pause between two impressions.
    pub within_days: f64,
}

/// Whose impressions a contact rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactScope {
    /// Each offer's own.
    Offer,
    /// All of an offer's group, groups below it included.
    Group,
    /// All offers together.
    Site,
}

fn one() -> f64 {
    1.0
}

fn month() -> u32 {
    30
}

/// A slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Placement {
    /// Its id on the pages.
    pub id: String,
    /// Offers shown at most.
    #[serde(default = "single")]
    pub count: u32,
    /// Groups whose offers may stand here, with the groups below them; all when empty.
    #[serde(default)]
    pub groups: Vec<String>,
}

fn single() -> u32 {
    1
}

fn web() -> Vec<String> {
    vec!["web".to_owned()]
}

/// A question that is answered with one tap, and whose answer is a fact from then on ("drip irrigation": one at a time, never
/// the same one twice). What it says is the site's to configure, beside what its offers say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DripQuestion {
    /// Its id.
    pub id: String,
    /// The attribute that takes the answer; its source is `profile`. Nobody is asked for what is known.
    pub attribute: String,
    /// The answers to choose from, each of the attribute's type.
    pub answers: Vec<serde_json::Value>,
    /// Who may be asked; everybody when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<serde_json::Value>,
    /// Factor on what its answer is expected to bring.
    #[serde(default = "one")]
    pub priority: f64,
    /// Days for which it rests once it was declined, or answered with something that holds no longer.
    #[serde(default = "quarter")]
    pub rest_days: u32,
}

fn quarter() -> u32 {
    90
}

/// Shares of visitors; the rest goes to the model.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Arms {
    /// Share of the hold-out, 0 to 1.
    pub control: f64,
    /// Share of the explorers, 0 to 1.
    pub explore: f64,
    /// Days for which a visitor stays in an arm.
    pub period_days: u32,
    /// Minutes after their first decision of a period in which what a visitor does counts for the comparison of the arms
    /// (the conversion window): not longer than a period.
    pub window_minutes: u32,
}

impl Default for Arms {
    fn default() -> Self {
        Self { control: 0.1, explore: 0.05, period_days: 28, window_minutes: 24 * 60 }
    }
}

/// How the models learn.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// Days after which an observation counts half; none: never forget.
    pub half_life_days: Option<f64>,
    /// Part of its evidence that the model keeps, 0 to 1, when answers fall to about half of what it promised, to all offers
    /// or to one: then what was learned of them no longer holds, and forgetting by age alone takes long. None: it is not
    /// looked for. A site whose answers fall as a whole at times, at weekends say, does better without.
    pub change_keeps: Option<f64>,
    /// Width of the sampling: 0 is greedy, 1 is full Thompson sampling. 0.2 is best on the learning benchmark (1.5 % of the
    /// showings answered, tastes that differ by a factor of two); strong tastes and many answers repay 0.5.
    pub exploration: f64,
    /// What is believed of weights before any answer.
    pub priors: Priors,
}

/// How far weights may stand from the level above before anything is known, as precisions (1 / variance of the logit).
/// The defaults come from the learning benchmark; a site needs other ones only if its world is very different.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Priors {
    /// A fact's effect on all offers.
    pub site: f64,
    /// A fact's effect on a group's offers.
    pub group: f64,
    /// A fact's effect on one offer.
    pub offer: f64,
    /// A fact's effect on an offer on one channel: it has to bring evidence to differ from the others.
    pub channel: f64,
    /// The always-on weight of a level: base rates differ more than the effects of single facts.
    pub bias: f64,
    /// Factor on all of them at later stages, which see few answers: a narrow prior keeps their sampling noise from drowning
    /// the rest.
    pub later_stage: f64,
}

impl Default for Priors {
    fn default() -> Self {
        Self { site: 8.0, group: 8.0, offer: 6.0, channel: 16.0, bias: 1.5, later_stage: 4.0 }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self { half_life_days: Some(30.0), change_keeps: None, exploration: 0.2, priors: Priors::default() }
    }
}
