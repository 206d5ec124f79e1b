//! A configuration compiled for deciding: names become indexes, rules become trees over slots.
//!
//! Compiling never fails as a whole. What is wrong is listed, and the offers that depend on it are off: a
//! publisher refuses a configuration with errors, and one that gets past it still decides with the rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::computed::{self, ComputedPolicy};
use crate::config::{Arms, Attribute, AttributeKind, Config, ContactRule, Model, Ramp, Source};
use crate::decide::Seen;
use crate::evaluate::Setup;
use crate::facts::{Facts, Value};
use crate::features::Bins;
use crate::inquiry::{self, QuestionPolicy};
use crate::random::name_hash;
use crate::rule::{EvaluationContext, Missing, Rule, Schema};

/// One thing wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// JSON pointer inside the configuration.
    pub pointer: String,
    /// What is wrong, in words.
    pub detail: String,
}

/// A compiled configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) attributes: Vec<Attribute>,
    /// By source, the attributes' names in order, each with its slot.
    slots_by_name: BTreeMap<Source, BTreeMap<String, usize>>,
    /// What each attribute's values are to the models.
    pub(crate) bins: Vec<Bins>,
    /// Slots of the pairs of attributes that are also looked at together.
    pub(crate) crosses: Vec<[usize; 2]>,
    schema: Schema,
    pub(crate) stages: Vec<StagePolicy>,
    pub(crate) kpis: Vec<KpiPolicy>,
    pub(crate) groups: Vec<GroupPolicy>,
    pub(crate) offers: Vec<OfferPolicy>,
    pub(crate) placements: Vec<PlacementPolicy>,
    /// Name hashes of the channels but the first.
    channels: Vec<u64>,
    first_channel: String,
    pub(crate) contact: Vec<ContactRule>,
    pub(crate) distinct_groups: bool,
    pub(crate) questions: Vec<QuestionPolicy>,
    pub(crate) computed: Vec<ComputedPolicy>,
    pub(crate) arms: Arms,
    pub(crate) experiment: Setup,
    /// Events that any rule counts.
    counted: BTreeSet<String>,
    pub(crate) model: Model,
    by_id: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct StagePolicy {
    pub(crate) id: String,
    /// Logit of the rate expected before anything is known.
    pub(crate) offset: f64,
    pub(crate) half_life_ms: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct KpiPolicy {
    pub(crate) id: String,
    pub(crate) weight: f64,
    /// Weights by segment, as an index into the schema's.
    pub(crate) in_segments: Vec<(usize, f64)>,
}

#[derive(Clone, Debug)]
pub(crate) struct GroupPolicy {
    pub(crate) id: String,
    pub(crate) key: u64,
    pub(crate) rule: Option<Rule>,
    /// This group and those above it, nearest first; empty when the tree is broken here.
    chain: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct OfferPolicy {
    pub(crate) id: String,
    pub(crate) key: u64,
    pub(crate) group: usize,
    /// The offer's group and those above it, nearest first.
    pub(crate) chain: Vec<usize>,
    pub(crate) rule: Option<Rule>,
    /// Value by KPI, then by stage.
    pub(crate) values: Vec<Vec<f64>>,
    /// Weighed value by stage, up to the last stage that has any.
    pub(crate) worth: Vec<f64>,
    pub(crate) lever: f64,
    pub(crate) starts_at: u64,
    pub(crate) ends_at: u64,
    pub(crate) channels: Vec<String>,
    pub(crate) rest_ms: u64,
    /// Slot of the set of products held, and the product that it sells.
    pub(crate) sells: Option<(usize, String)>,
    /// What is counted (as [`crate::Model`] counts it) and up to where.
    pub(crate) cap: Option<(usize, u64)>,
    pub(crate) ramp: Option<Ramp>,
    pub(crate) mandatory: bool,
    /// Logits of its own expected rates by stage.
    offsets: Vec<Option<f64>>,
    /// What is wrong with it; such an offer is never eligible.
    pub(crate) broken: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct PlacementPolicy {
    pub(crate) id: String,
    pub(crate) count: u32,
    pub(crate) offers: Vec<usize>,
}

pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Channels at most: each but the first has weights of its own.
const MOST_CHANNELS: usize = 4;
/// Pairs of facts that may be looked at together.
const MOST_CROSSES: usize = 16;
/// Words that an attribute may name.
const MOST_WORDS: usize = 200;

impl Policy {
    /// Checks and compiles a configuration, listing everything that is wrong with it.
    #[must_use]
    pub fn compile(config: &Config) -> (Self, Vec<ConfigError>) {
        let mut errors = Errors::default();
        errors.unique("attributes", config.attributes.iter().map(|attribute| &attribute.name));
        errors.unique("segments", config.segments.iter().map(|segment| &segment.id));
        errors.unique("tiers", config.tiers.iter().map(|tier| &tier.id));
        errors.unique("stages", config.stages.iter().map(|stage| &stage.id));
        errors.unique("kpis", config.kpis.iter().map(|kpi| &kpi.id));
        errors.unique("groups", config.groups.iter().map(|group| &group.id));
        errors.unique("offers", config.offers.iter().map(|offer| &offer.id));
        errors.unique("placements", config.placements.iter().map(|placement| &placement.id));

        for (index, attribute) in config.attributes.iter().enumerate() {
            let ascending = attribute.bins.windows(2).all(|pair| matches!(pair, [low, high] if low < high));
            if !ascending || attribute.bins.iter().any(|edge| !edge.is_finite()) {
                errors.add(format!("/attributes/{index}/bins"), "bin edges must be finite and ascending");
            }
            if attribute.words.len() > MOST_WORDS {
                errors.add(format!("/attributes/{index}/words"), &format!("at most {MOST_WORDS} words"));
            }
        }
        let crosses = compile_crosses(config, &mut errors);
        let (schema, wrong) = Schema::compile(&config.attributes, &config.segments, &config.tiers);
        errors.list.extend(wrong);
        let stages = compile_stages(config, &mut errors);
        let kpis = config
            .kpis
            .iter()
            .enumerate()
            .map(|(index, kpi)| {
                let weight = errors.finite(format!("/kpis/{index}/weight"), kpi.weight);
                let mut in_segments = Vec::new();
                for (at, own) in kpi.in_segments.iter().enumerate() {
                    let pointer = format!("/kpis/{index}/in_segments/{at}");
                    let weight = errors.finite(format!("{pointer}/weight"), own.weight);
                    match schema.segment(&own.segment) {
                        Some(segment) => in_segments.push((segment, weight)),
                        None => errors.add(format!("{pointer}/segment"), &format!("no segment `{}`", own.segment)),
                    }
                }
                KpiPolicy { id: kpi.id.clone(), weight, in_segments }
            })
            .collect::<Vec<_>>();
        let groups = compile_groups(config, &schema, &mut errors);
        let offers = compile_offers(config, &schema, &stages, &kpis, &groups, &mut errors);
        let placements = compile_placements(config, &groups, &offers, &mut errors);
        let questions = inquiry::compile(config, &schema, &mut errors);
        let computed = computed::compile(config, &mut errors);
        let arms = config.arms;
        for (name, share) in [("control", arms.control), ("explore", arms.explore)] {
            if !(0.0..=1.0).contains(&share) {
                errors.add(format!("/arms/{name}"), "a share is between 0 and 1");
            }
        }
        if arms.control + arms.explore > 1.0 {
            errors.add("/arms".to_owned(), "control and explore together exceed 1");
        }
        if arms.period_days == 0 {
            errors.add("/arms/period_days".to_owned(), "a period lasts at least one day");
        } else if !(1..=u64::from(arms.period_days) * (DAY_MS / 60_000)).contains(&arms.window_minutes.into()) {
            errors.add(
                "/arms/window_minutes".to_owned(),
                "a window lasts at least a minute and not longer than a period",
            );
        }
        let model = config.model;
        if !(0.0..=10.0).contains(&model.exploration) {
            errors.add("/model/exploration".to_owned(), "exploration is between 0 and 10");
        }
        if model.half_life_days.is_some_and(|days| !days.is_finite() || days <= 0.0) {
            errors.add("/model/half_life_days".to_owned(), "a half-life is positive");
        }
        if model.change_keeps.is_some_and(|part| !(0.0..=1.0).contains(&part)) {
            errors.add("/model/change_keeps".to_owned(), "a part of the evidence is between 0 and 1");
        }
        let channels = compile_channels(config, &mut errors);
        for (index, rule) in config.contact.iter().enumerate() {
            if !(rule.within_days > 0.0 && rule.within_days <= 366.0) {
                errors.add(format!("/contact/{index}/within_days"), "a number of days above 0, at most 366");
            }
            if !(1..=Seen::MOST).contains(&rule.most) {
                errors.add(format!("/contact/{index}/most"), &format!("a number from 1 to {}", Seen::MOST));
            }
        }
        let priors = model.priors;
        let precisions = [
            ("site", priors.site),
            ("group", priors.group),
            ("offer", priors.offer),
            ("channel", priors.channel),
            ("bias", priors.bias),
            ("later_stage", priors.later_stage),
        ];
        for (name, precision) in precisions {
            if !(0.01..=1e6).contains(&precision) {
                errors.add(format!("/model/priors/{name}"), "a precision is between 0.01 and 1,000,000");
            }
        }
        let by_id = offers.iter().enumerate().map(|(index, offer)| (offer.id.clone(), index)).collect();
        let attributes = config.attributes.clone();
        let mut policy = Self {
            slots_by_name: slots_by_name(&attributes),
            bins: attributes.iter().map(Bins::new).collect(),
            crosses,
            attributes,
            schema,
            stages,
            kpis,
            groups,
            offers,
            placements,
            channels,
            contact: config.contact.clone(),
            distinct_groups: config.distinct_groups,
            questions,
            computed,
            first_channel: config.channels.first().cloned().unwrap_or_default(),
            arms,
            experiment: Setup::default(),
            counted: BTreeSet::new(),
            model,
            by_id,
        };
        policy.experiment = Setup::of(&policy);
        policy.counted = policy.rules().flat_map(Rule::events).map(str::to_owned).collect();
        (policy, errors.list)
    }

    /// The facts in slot order: each attribute from the source that may give it.
    #[must_use]
    pub fn slots(&self, facts: &Facts) -> Vec<Value> {
        let mut slots = vec![Value::Missing; self.attributes.len()];
        for (source, named) in &self.slots_by_name {
            // Both are in the order of names: one pass finds what they have in common.
            let mut given = facts.of(*source).peekable();
            for (name, slot) in named {
                while given.next_if(|(fact, _)| fact.as_str() < name.as_str()).is_some() {}
                if let (Some((_, json)), Some(attribute), Some(value)) =
                    (given.next_if(|(fact, _)| *fact == name), self.attributes.get(*slot), slots.get_mut(*slot))
                {
                    *value = Value::from_json(attribute.kind, json);
                }
            }
        }
        slots
    }

    /// Checks a fact before it is stored: at a decision, one that does not fit counts as missing.
    ///
    /// # Errors
    /// When there is no such attribute, another source gives it, or the value is not of its type.
    pub fn check_fact(&self, source: Source, name: &str, value: &serde_json::Value) -> Result<(), FactError> {
        let attribute = self.attributes.iter().find(|attribute| attribute.name == name).ok_or(FactError::Unknown)?;
        if attribute.source != source {
            return Err(FactError::OtherSource(attribute.source));
        }
        match Value::from_json(attribute.kind, value) {
            Value::Missing => Err(FactError::OtherKind(attribute.kind)),
            _ => Ok(()),
        }
    }

    /// What rules are compiled against, evaluated with and printed by.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The context in which the rules of one decision are answered: `slots` as [`Policy::slots`] gives them.
    pub(crate) fn context<'a>(&'a self, slots: &'a [Value], facts: &'a Facts, now_ms: u64) -> EvaluationContext<'a> {
        EvaluationContext::new(&self.schema, slots, facts.events(), now_ms)
    }

    /// What is missing in words: an attribute's name, or `events` for the history of events.
    pub(crate) fn missing_name(&self, missing: Missing) -> Option<String> {
        match missing {
            Missing::Fact(slot) => self.attributes.get(slot).map(|attribute| attribute.name.clone()),
            Missing::Events => Some("events".to_owned()),
        }
    }

    /// Names of the attributes that a source may give.
    pub fn attributes_from(&self, source: Source) -> impl Iterator<Item = &str> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.source == source)
            .map(|attribute| attribute.name.as_str())
    }

    /// Ids of the offers in configured order, each with its group's id.
    pub fn offers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.offers.iter().map(|offer| {
            let group = self.groups.get(offer.group).map_or("", |group| group.id.as_str());
            (offer.id.as_str(), group)
        })
    }

    /// Ids of the stages in order.
    pub fn stages(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|stage| stage.id.as_str())
    }

    /// The index of a stage by its id.
    #[must_use]
    pub fn stage(&self, id: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.id == id)
    }

    /// The channel that the others are compared with.
    pub(crate) fn first_channel(&self) -> &str {
        &self.first_channel
    }

    /// Name hashes of the channels that may depart from the first.
    pub(crate) fn departing_channels(&self) -> impl Iterator<Item = u64> {
        self.channels.iter().copied()
    }

    pub(crate) fn offer(&self, id: &str) -> Option<&OfferPolicy> {
        self.offers.get(*self.by_id.get(id)?)
    }

    /// The events that rules count, in order: no others need be remembered of a visitor.
    #[must_use]
    pub fn counted_events(&self) -> &BTreeSet<String> {
        &self.counted
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        let groups = self.groups.iter().filter_map(|group| group.rule.as_ref());
        let questions = self.questions.iter().filter_map(QuestionPolicy::rule);
        let offers = self.offers.iter().filter_map(|offer| offer.rule.as_ref());
        self.schema.rules().chain(groups).chain(offers).chain(questions)
    }

    /// What reaching a stage of an offer is worth, in units of the weighed KPIs.
    #[must_use]
    pub fn stage_value(&self, offer: &str, stage: usize) -> f64 {
        self.offer(offer).and_then(|offer| offer.worth.get(stage)).copied().unwrap_or(0.0)
    }

    /// How long a visitor stays in an arm, in milliseconds; periods are counted from 1970.
    #[must_use]
    pub fn period_ms(&self) -> u64 {
        u64::from(self.arms.period_days.max(1)) * DAY_MS
    }
}

impl OfferPolicy {
    /// The most that all its stages together can bring (sign 1) or cost (sign −1), 0 or more. Never −0: which of two zeros
    /// `max` gives differs between machines.
    pub(crate) fn most_worth(&self, sign: f64) -> f64 {
        self.worth.iter().map(|worth| worth * sign).filter(|worth| *worth > 0.0).fold(0.0, |sum, worth| sum + worth)
    }

    /// Logit of the rate expected of it before anything is known.
    pub(crate) fn offset(&self, stage: usize, of: &StagePolicy) -> f64 {
        self.offsets.get(stage).copied().flatten().unwrap_or(of.offset)
    }
}

/// Why a fact is not one of the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// The configuration has no such attribute.
    #[error("there is no such attribute")]
    Unknown,
    /// The attribute's source is another.
    #[error("its source is `{}`", word(.0))]
    OtherSource(Source),
    /// The value is not of the attribute's type, or out of bounds.
    #[error("not of its type `{}`, or too long", word(.0))]
    OtherKind(AttributeKind),
}

/// The word that the configuration has for something.
fn word(of: &impl serde::Serialize) -> String {
    serde_json::to_value(of).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn slots_by_name(attributes: &[Attribute]) -> BTreeMap<Source, BTreeMap<String, usize>> {
    let mut slots: BTreeMap<Source, BTreeMap<String, usize>> = BTreeMap::new();
    for (slot, attribute) in attributes.iter().enumerate() {
        slots.entry(attribute.source).or_default().insert(attribute.name.clone(), slot);
    }
    slots
}

/// Whether an attribute says which products a customer holds.
fn is_products(attribute: &Attribute) -> bool {
    attribute.name == "products" && attribute.kind == AttributeKind::Set
}

fn compile_stages(config: &Config, errors: &mut Errors) -> Vec<StagePolicy> {
    if config.stages.first().is_none_or(|stage| stage.id != "click") {
        errors.add("/stages/0/id".to_owned(), "the first stage is `click`");
    }
    if config.stages.len() > 8 {
        errors.add("/stages".to_owned(), "at most 8 stages");
    }
    config
        .stages
        .iter()
        .take(8)
        .enumerate()
        .map(|(index, stage)| {
            let rate = stage.prior_rate.unwrap_or(0.02);
            if !(rate > 0.0 && rate < 1.0) {
                errors.add(format!("/stages/{index}/prior_rate"), "a rate is above 0 and below 1");
            }
            let rate = if rate > 0.0 && rate < 1.0 { rate } else { 0.02 };
            if stage.half_life_days.is_some_and(|days| !days.is_finite() || days <= 0.0) {
                errors.add(format!("/stages/{index}/half_life_days"), "a half-life is positive");
            }
            let half_life_days = stage.half_life_days.or(config.model.half_life_days);
            let half_life_days = half_life_days.filter(|days| days.is_finite() && *days > 0.0);
            StagePolicy {
                id: stage.id.clone(),
                offset: logit(rate),
                half_life_ms: half_life_days.map(|days| days * DAY_MS as f64),
            }
        })
        .collect()
}

fn logit(rate: f64) -> f64 {
    libm::log(rate / (1.0 - rate))
}

fn compile_crosses(config: &Config, errors: &mut Errors) -> Vec<[usize; 2]> {
    if config.crosses.len() > MOST_CROSSES {
        errors.add("/crosses".to_owned(), &format!("at most {MOST_CROSSES} pairs"));
    }
    let mut crosses: Vec<[usize; 2]> = Vec::new();
    for (index, pair) in config.crosses.iter().take(MOST_CROSSES).enumerate() {
        let mut find = |side: usize, name: &str| {
            let found = config.attributes.iter().position(|attribute| attribute.learn && attribute.name == *name);
            if found.is_none() {
                let detail = format!("no attribute `{name}` that the models use");
                errors.add(format!("/crosses/{index}/{side}"), &detail);
            }
            found
        };
        let [left, right] = pair;
        let (Some(left), Some(right)) = (find(0, left), find(1, right)) else { continue };
        let cross = [left.min(right), left.max(right)];
        if left == right || crosses.contains(&cross) {
            errors.add(format!("/crosses/{index}"), "two different attributes, each pair once");
        } else {
            crosses.push(cross);
        }
    }
    crosses
}

fn compile_channels(config: &Config, errors: &mut Errors) -> Vec<u64> {
    errors.unique("channels", config.channels.iter());
    if !(1..=MOST_CHANNELS).contains(&config.channels.len()) {
        errors.add("/channels".to_owned(), &format!("1 to {MOST_CHANNELS} channels"));
    }
    config.channels.iter().take(MOST_CHANNELS).skip(1).map(|channel| name_hash(&[channel.as_bytes()])).collect()
}

fn compile_groups(config: &Config, schema: &Schema, errors: &mut Errors) -> Vec<GroupPolicy> {
    let find = |id: &str| config.groups.iter().position(|group| group.id == id);
    config
        .groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let mut chain = vec![index];
            let mut parent = group.parent.as_deref();
            while let Some(id) = parent {
                match find(id).filter(|above| !chain.contains(above)) {
                    Some(above) => {
                        chain.push(above);
                        parent = config.groups.get(above).and_then(|group| group.parent.as_deref());
                    }
                    None => {
                        errors.add(format!("/groups/{index}/parent"), &format!("`{id}` is unknown or makes a circle"));
                        chain.clear();
                        break;
                    }
                }
            }
            let rule = errors.rule(format!("/groups/{index}/rule"), group.rule.as_ref(), schema);
            if rule.is_err() {
                chain.clear();
            }
            let key = name_hash(&[b"group", group.id.as_bytes()]);
            GroupPolicy { id: group.id.clone(), key, rule: rule.unwrap_or(None), chain }
        })
        .collect()
}

fn compile_offers(
    config: &Config,
    schema: &Schema,
    stages: &[StagePolicy],
    kpis: &[KpiPolicy],
    groups: &[GroupPolicy],
    errors: &mut Errors,
) -> Vec<OfferPolicy> {
    let compile = |(index, offer): (usize, &crate::config::Offer)| {
        let before = errors.list.len();
        let at = |field: &str| format!("/offers/{index}/{field}");
        let group = groups.iter().position(|group| group.id == offer.group);
        // A broken group anywhere above switches off what stands below it.
        let chain = group.and_then(|group| groups.get(group)).map_or(Vec::new(), |group| group.chain.clone());
        let sound = !chain.is_empty()
            && chain.iter().all(|above| groups.get(*above).is_some_and(|group| !group.chain.is_empty()));
        let mut broken = (!sound).then(|| format!("its group `{}` is unknown or broken", offer.group));
        if group.is_none() {
            errors.add(at("group"), &format!("unknown group `{}`", offer.group));
        }
        let rule = errors.rule(at("rule"), offer.rule.as_ref(), schema).unwrap_or(None);
        for (kpi, values) in &offer.values {
            if !kpis.iter().any(|known| known.id == *kpi) {
                errors.add(at(&format!("values/{kpi}")), "no such KPI");
            }
            for stage in values.keys().filter(|stage| !stages.iter().any(|known| known.id == **stage)) {
                errors.add(at(&format!("values/{kpi}/{stage}")), "no such stage");
            }
        }
        let values: Vec<Vec<f64>> = kpis
            .iter()
            .map(|kpi| {
                let given = offer.values.get(&kpi.id);
                let value =
                    |stage: &StagePolicy| given.and_then(|values| values.get(&stage.id)).copied().unwrap_or(0.0);
                stages
                    .iter()
                    .map(|stage| errors.finite(at(&format!("values/{}/{}", kpi.id, stage.id)), value(stage)))
                    .collect()
            })
            .collect();
        let lever = errors.finite(at("lever"), offer.lever);
        if lever < 0.0 {
            errors.add(at("lever"), "a lever is not negative");
        }
        for channel in offer.channels.iter().filter(|channel| !config.channels.contains(channel)) {
            errors.add(at("channels"), &format!("`{channel}` is not among the site's channels"));
        }
        let products = || config.attributes.iter().position(is_products);
        let sells = offer.product.as_ref().and_then(|product| {
            let slot = products();
            if slot.is_none() {
                errors.add(at("product"), "needs a set attribute `products`, which says who holds it");
            }
            slot.map(|slot| (slot, product.clone()))
        });
        let cap = offer.cap.as_ref().and_then(|cap| {
            let stage = stages.iter().position(|stage| stage.id == cap.of).map(|stage| stage + 1);
            let counted = if cap.of == "impression" { Some(0) } else { stage };
            if counted.is_none() {
                errors.add(at("cap/of"), "`impression` or the id of a stage");
            }
            counted.map(|counted| (counted, cap.most))
        });
        if offer.ramp.is_some_and(|ramp| !(ramp.start > 0.0 && ramp.start <= 1.0)) {
            errors.add(at("ramp/start"), "a share above 0, at most 1");
        }
        for (stage, rate) in &offer.prior_rates {
            if !stages.iter().any(|known| known.id == *stage) {
                errors.add(at(&format!("prior_rates/{stage}")), "no such stage");
            }
            if !(*rate > 0.0 && *rate < 1.0) {
                errors.add(at(&format!("prior_rates/{stage}")), "a rate is above 0 and below 1");
            }
        }
        let own_rate = |stage: &StagePolicy| offer.prior_rates.get(&stage.id).copied();
        let offsets = stages.iter().map(|stage| own_rate(stage).filter(|rate| *rate > 0.0 && *rate < 1.0).map(logit));
        let offsets = offsets.collect();
        if broken.is_none() {
            broken = errors.list.get(before).map(|error| format!("{}: {}", error.pointer, error.detail));
        }
        OfferPolicy {
            id: offer.id.clone(),
            key: name_hash(&[b"offer", offer.id.as_bytes()]),
            group: group.unwrap_or(usize::MAX),
            chain,
            rule,
            worth: worth(kpis, &values),
            values,
            lever,
            starts_at: offer.starts_at.unwrap_or(0),
            ends_at: offer.ends_at.unwrap_or(u64::MAX),
            channels: offer.channels.clone(),
            rest_ms: u64::from(offer.rest_after_dismiss_days) * DAY_MS,
            sells,
            cap,
            ramp: offer.ramp,
            mandatory: offer.mandatory,
            offsets,
            broken,
        }
    };
    config.offers.iter().enumerate().map(compile).collect()
}

/// Σ over KPIs of weight × value by stage, without the stages at the end that are worth nothing.
fn worth(kpis: &[KpiPolicy], values: &[Vec<f64>]) -> Vec<f64> {
    let stages = values.iter().map(Vec::len).max().unwrap_or(0);
    let of = |stage| weighed(kpis.iter().map(|kpi| kpi.weight), values, stage);
    let mut worth: Vec<f64> = (0..stages).map(of).collect();
    worth.truncate(worth.iter().rposition(|value| *value != 0.0).map_or(0, |last| last + 1));
    worth
}

/// Σ over KPIs of weight × value at a stage; `values` by KPI, then stage.
pub(crate) fn weighed(weights: impl Iterator<Item = f64>, values: &[Vec<f64>], stage: usize) -> f64 {
    let value = |values: &Vec<f64>| values.get(stage).copied().unwrap_or(0.0);
    weights.zip(values).map(|(weight, values)| weight * value(values)).sum()
}

fn compile_placements(
    config: &Config,
    groups: &[GroupPolicy],
    offers: &[OfferPolicy],
    errors: &mut Errors,
) -> Vec<PlacementPolicy> {
    let compile = |(index, placement): (usize, &crate::config::Placement)| {
        if placement.count == 0 {
            errors.add(format!("/placements/{index}/count"), "a placement shows at least one offer");
        }
        let mut wanted = BTreeSet::new();
        for (position, id) in placement.groups.iter().enumerate() {
            match groups.iter().position(|group| group.id == *id) {
                Some(group) => {
                    wanted.insert(group);
                }
                None => errors.add(format!("/placements/{index}/groups/{position}"), &format!("unknown group `{id}`")),
            }
        }
        let fits =
            |offer: &OfferPolicy| placement.groups.is_empty() || offer.chain.iter().any(|group| wanted.contains(group));
        let offers = offers.iter().enumerate().filter(|(_, offer)| fits(offer)).map(|(at, _)| at).collect();
        PlacementPolicy { id: placement.id.clone(), count: placement.count, offers }
    };
    config.placements.iter().enumerate().map(compile).collect()
}

#[derive(Default)]
pub(crate) struct Errors {
    list: Vec<ConfigError>,
}

impl Errors {
    pub(crate) fn add(&mut self, pointer: String, detail: &str) {
        self.list.push(ConfigError { pointer, detail: detail.to_owned() });
    }

    pub(crate) fn unique<'a>(&mut self, list: &str, ids: impl Iterator<Item = &'a String>) {
        let mut seen = BTreeSet::new();
        for (index, id) in ids.enumerate() {
            if id.is_empty() || id.len() > 128 {
                self.add(format!("/{list}/{index}"), "an id has 1 to 128 bytes");
            }
            if !seen.insert(id) {
                self.add(format!("/{list}/{index}"), &format!("`{id}` stands twice"));
            }
        }
    }

    pub(crate) fn finite(&mut self, pointer: String, number: f64) -> f64 {
        if number.is_finite() {
            return number;
        }
        self.add(pointer, "a finite number is needed");
        0.0
    }

    /// `Err` when there is a rule that does not compile.
    pub(crate) fn rule(
        &mut self,
        pointer: String,
        rule: Option<&serde_json::Value>,
        schema: &Schema,
    ) -> Result<Option<Rule>, ()> {
        rule.map(|rule| Rule::compile(rule, schema)).transpose().map_err(|error| {
            self.add(pointer + &error.pointer, &error.detail);
        })
    }
}
