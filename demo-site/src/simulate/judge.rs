//! What a visit was worth, what it would have been worth in the control group, and what it could have been.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use portico_engine::config::Config;
use portico_engine::{Arm, Ask, Facts, Filled, Model, Policy, Predictor, Question, Seed, Source, decide};

use super::report::Seen;
use super::world::Visit;

/// Knows the public's true tastes and the configuration, and nothing of what the edge has learned.
pub(super) struct Judge {
    /// The configuration with everybody in the control group: tells what is eligible, in the control group's order.
    control: Policy,
    /// It learns nothing.
    untaught: Predictor,
    /// What a click and an application are worth, by offer.
    worth: BTreeMap<String, [f64; 2]>,
}

impl Judge {
    pub(super) fn new(decisions: &Config) -> Result<Self> {
        let mut decisions = decisions.clone();
        decisions.arms.control = 1.0;
        decisions.arms.explore = 0.0;
        let (control, errors) = Policy::compile(&decisions);
        if let Some(error) = errors.first() {
            bail!("{}: {}", error.pointer, error.detail);
        }
        let stage = |offer: &str, id: &str| control.stage(id).map_or(0.0, |at| control.stage_value(offer, at));
        let worth = control
            .offers()
            .map(|(offer, _)| (offer.to_owned(), [stage(offer, "click"), stage(offer, "applied")]))
            .collect();
        let untaught = Predictor::new(&control, Model::default());
        Ok(Self { control, untaught, worth })
    }

    /// Judges what was shown to a visitor, in rank order, with the stages that they reached.
    pub(super) fn judge(&self, visit: &Visit, arm: Arm, shown: &[&str], reached: &[u8], now_ms: u64) -> Result<Seen> {
        let control = self.eligible(visit, now_ms)?;
        let value = |offers: &mut dyn Iterator<Item = &str>| -> f64 {
            offers.take(shown.len()).map(|offer| visit.value(offer, &self.worth)).sum()
        };
        let mut best: Vec<&str> = control.iter().map(String::as_str).collect();
        best.sort_by(|left, right| visit.value(right, &self.worth).total_cmp(&visit.value(left, &self.worth)));
        Ok(Seen {
            kind: visit.kind,
            arm,
            first: shown.first().copied().unwrap_or_default().to_owned(),
            best: best.first().copied().unwrap_or_default().to_owned(),
            clicked: reached.first().is_some_and(|reached| *reached > 0),
            shown: value(&mut shown.iter().copied()),
            control: value(&mut control.iter().map(String::as_str)),
            possible: value(&mut best.iter().copied()),
        })
    }

    /// What may be shown, in the control group's order.
    fn eligible(&self, visit: &Visit, now_ms: u64) -> Result<Vec<String>> {
        let mut facts = Facts::default();
        facts.insert(Source::Context, "topic", visit.topic);
        if let Some((_, attributes)) = visit.customer.as_ref().filter(|_| visit.consents) {
            facts.extend(Source::Identity, attributes.clone().into_iter().collect());
        }
        let question = Question {
            facts: &facts,
            sticky: "",
            channel: "web",
            dismissals: &[],
            seen: &[],
            placements: &[Ask { placement: visit.placement, count: Some(u32::MAX) }],
            now_ms,
            seed: Seed(0),
            site_key: &[0; 16],
        };
        match decide(&self.control, &self.untaught, &question).placements.pop() {
            Some(Filled::Offers(offers)) => Ok(offers.into_iter().map(|chosen| chosen.offer).collect()),
            _ => bail!("nothing is eligible in {}", visit.placement),
        }
    }
}
