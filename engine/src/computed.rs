//! Attributes that follow from others: what a customer is worth now, what they could be worth, and the levels that follow.

use crate::Arm;
use crate::config::{AttributeKind, Config, Source, Term};
use crate::decide::{Question, Run};
use crate::facts::{Facts, Value};
use crate::policy::{Errors, Policy};
use crate::predictor::Predictor;
use crate::random::Seed;

/// Attributes that are computed.
const MOST_COMPUTED: usize = 8;
/// Terms of one of them.
const MOST_TERMS: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct ComputedPolicy {
    slot: usize,
    terms: Vec<TermPolicy>,
}

#[derive(Clone, Debug)]
enum TermPolicy {
    Attribute { slot: usize, times: f64 },
    Holds { product: String, worth: f64 },
    Offers { times: f64 },
}

pub(crate) fn compile(config: &Config, errors: &mut Errors) -> Vec<ComputedPolicy> {
    if config.computed.len() > MOST_COMPUTED {
        errors.add("/computed".to_owned(), &format!("at most {MOST_COMPUTED} computed attributes"));
    }
    let number = |name: &str| {
        let is_it = |(_, attribute): &(usize, &crate::config::Attribute)| {
            attribute.name == name && attribute.kind == AttributeKind::Number && attribute.source == Source::Profile
        };
        config.attributes.iter().enumerate().find(is_it).map(|(slot, _)| slot)
    };
    let mut compiled: Vec<ComputedPolicy> = Vec::new();
    for (index, computed) in config.computed.iter().take(MOST_COMPUTED).enumerate() {
        let pointer = format!("/computed/{index}");
        let none = |name: &str| format!("`{name}` is no number with the source `profile`");
        let Some(slot) = number(&computed.attribute) else {
            errors.add(format!("{pointer}/attribute"), &none(&computed.attribute));
            continue;
        };
        if compiled.iter().any(|before| before.slot == slot) {
            errors.add(format!("{pointer}/attribute"), "it is computed twice");
        }
        if !(1..=MOST_TERMS).contains(&computed.terms.len()) {
            errors.add(format!("{pointer}/terms"), &format!("1 to {MOST_TERMS} terms"));
        }
        let mut terms = Vec::new();
        for (at, term) in computed.terms.iter().take(MOST_TERMS).enumerate() {
            let pointer = format!("{pointer}/terms/{at}");
            let Term { attr, holds, offers, times } = term;
            let times = errors.finite(format!("{pointer}/times"), *times);
            match (attr, holds, offers) {
                (Some(name), None, false) => match number(name) {
                    // Only those before it have been worked out.
                    Some(of) if of == slot || is_later(config, index, name) => {
                        errors.add(format!("{pointer}/attr"), "it is computed here or later");
                    }
                    Some(slot) => terms.push(TermPolicy::Attribute { slot, times }),
                    None => errors.add(format!("{pointer}/attr"), &none(name)),
                },
                (None, Some(product), false) => {
                    terms.push(TermPolicy::Holds { product: product.clone(), worth: times });
                }
                (None, None, true) => terms.push(TermPolicy::Offers { times }),
                _ => errors.add(pointer, "a term is one of `attr`, `holds` and `offers`"),
            }
        }
        compiled.push(ComputedPolicy { slot, terms });
    }
    compiled
}

fn is_later(config: &Config, index: usize, name: &str) -> bool {
    config.computed.iter().skip(index).any(|computed| computed.attribute == name)
}

impl Policy {
    /// Whether there is anything to compute, or a tier to stand on.
    #[must_use]
    pub fn values_customers(&self) -> bool {
        !self.computed.is_empty() || self.schema().has_tiers()
    }

    /// The computed attributes by name, as far as anything of them is known: the sum of the terms that are.
    #[must_use]
    pub fn compute(&self, predictor: &Predictor, facts: &Facts, now_ms: u64) -> Vec<(&str, Option<f64>)> {
        let mut slots = self.slots(facts);
        let mut computed = Vec::with_capacity(self.computed.len());
        for of in &self.computed {
            let known = of.terms.iter().filter_map(|term| self.term(predictor, facts, &slots, term, now_ms));
            let sum = known.reduce(|sum, term| sum + term).filter(|sum| sum.is_finite());
            if let Some(slot) = slots.get_mut(of.slot) {
                *slot = sum.map_or(Value::Missing, Value::Number);
            }
            computed.push((self.attributes.get(of.slot).map_or("", |attribute| attribute.name.as_str()), sum));
        }
        computed
    }

    fn term(
        &self,
        predictor: &Predictor,
        facts: &Facts,
        slots: &[Value],
        term: &TermPolicy,
        now_ms: u64,
    ) -> Option<f64> {
        match term {
            TermPolicy::Attribute { slot, times } => match slots.get(*slot)? {
                Value::Number(number) => Some(number * times),
                _ => None,
            },
            TermPolicy::Holds { product, worth } => {
                let products = self.attributes.iter().position(|attribute| attribute.name == "products")?;
                match slots.get(products)? {
                    Value::Set(held) => Some(if held.contains(product) { *worth } else { 0.0 }),
                    _ => None,
                }
            }
            TermPolicy::Offers { times } => {
                let question = Question {
                    facts,
                    sticky: "",
                    channel: self.first_channel(),
                    dismissals: &[],
                    seen: &[],
                    placements: &[],
                    now_ms,
                    seed: Seed(0),
                    site_key: &[0; 16],
                };
                let mut run = Run::new(self, predictor, &question, slots, Arm::Model);
                run.believe();
                let eligible = (0..self.offers.len()).filter(|at| run.is_eligible(*at));
                Some(eligible.map(|at| run.expected(at).max(0.0)).sum::<f64>() * times)
            }
        }
    }

    /// The level of each tier that somebody is on, as far as that is known.
    #[must_use]
    pub fn levels(&self, facts: &Facts, now_ms: u64) -> Vec<(&str, Option<&str>)> {
        let slots = self.slots(facts);
        let context = self.context(&slots, facts, now_ms);
        context.levels(self.schema())
    }
}
