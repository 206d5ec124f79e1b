//! Who may be offered what: dates, channel, rules, contact policy, caps. Each exclusion has a reason.

use crate::config::{ContactRule, ContactScope};
use crate::decide::Question;
use crate::facts::Value;
use crate::policy::{DAY_MS, GroupPolicy, KpiPolicy, OfferPolicy, Policy};
use crate::predictor::Predictor;
use crate::rule::{EvaluationContext, Rule, Truth};
use crate::trace::Exclusion;

/// Draw index of a new offer's slow start, apart from the stages' draws.
const RAMP_DRAW: u32 = 1_001;

/// Why an offer may not be shown, by reference to what says so.
#[derive(Clone, Copy, Debug)]
enum Refusal<'a> {
    Broken(&'a str),
    Dates,
    Channel,
    Cap,
    GroupRule(&'a GroupPolicy, &'a Rule),
    OwnRule(&'a Rule),
    Holds(&'a str),
    Dismissed,
    Contact(&'a ContactRule),
    Ramp,
}

/// Answers eligibility for one question.
pub(crate) struct Eligibility<'a> {
    policy: &'a Policy,
    predictor: &'a Predictor,
    question: &'a Question<'a>,
    slots: &'a [Value],
    context: EvaluationContext<'a>,
    /// Each group's own rule.
    groups: Vec<Option<Truth>>,
    /// By contact rule: offers or groups that have been shown often enough, or whether the site has.
    spoken_to: Vec<Vec<bool>>,
}

impl<'a> Eligibility<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        predictor: &'a Predictor,
        question: &'a Question<'a>,
        slots: &'a [Value],
    ) -> Self {
        let context = policy.context(slots, question.facts, question.now_ms);
        let answer = |group: &GroupPolicy| group.rule.as_ref().map(|rule| rule.evaluate(&context));
        let groups = policy.groups.iter().map(answer).collect();
        let spoken_to = spoken_to(policy, question);
        Self { policy, predictor, question, slots, context, groups, spoken_to }
    }

    /// What each goal weighs for this visitor; nothing where segments make no difference.
    pub(crate) fn weights(&self) -> Option<Vec<f64>> {
        let kpis = &self.policy.kpis;
        kpis.iter().any(|kpi| !kpi.in_segments.is_empty()).then(|| {
            let is_in = |(segment, _): &&(usize, f64)| self.context.segment(*segment) == Truth::True;
            let own = |kpi: &KpiPolicy| kpi.in_segments.iter().find(is_in).map(|(_, weight)| *weight);
            kpis.iter().map(|kpi| own(kpi).unwrap_or(kpi.weight)).collect()
        })
    }

    pub(crate) fn is_eligible(&self, at: usize, offer: &OfferPolicy) -> bool {
        self.refusal(at, offer).is_none()
    }

    /// Why an offer may not be shown; nothing when it may.
    pub(crate) fn exclusion(&self, at: usize, offer: &OfferPolicy) -> Option<Exclusion> {
        Some(match self.refusal(at, offer)? {
            Refusal::Broken(detail) => Exclusion::Broken { detail: detail.to_owned() },
            Refusal::Dates => Exclusion::Dates,
            Refusal::Channel => Exclusion::Channel,
            Refusal::Cap => Exclusion::Cap,
            Refusal::GroupRule(group, rule) => self.of_rule(format!("group:{}", group.id), rule),
            Refusal::OwnRule(rule) => self.of_rule(format!("offer:{}", offer.id), rule),
            Refusal::Holds(product) => Exclusion::Holds { product: product.to_owned() },
            Refusal::Dismissed => Exclusion::Dismissed,
            Refusal::Contact(rule) => {
                Exclusion::Contact { per: rule.per, most: rule.most, within_days: rule.within_days }
            }
            Refusal::Ramp => Exclusion::Ramp,
        })
    }

    fn of_rule(&self, of: String, rule: &Rule) -> Exclusion {
        let name = |missing| self.policy.missing_name(missing);
        let missing: Vec<String> = rule.missing(&self.context).into_iter().filter_map(name).collect();
        if missing.is_empty() { Exclusion::Rule { of } } else { Exclusion::Unknown { of, missing } }
    }

    /// The cheapest questions come first. Nothing is allocated: this is asked for every offer of every decision.
    fn refusal<'b>(&'b self, at: usize, offer: &'b OfferPolicy) -> Option<Refusal<'b>> {
        if let Some(detail) = &offer.broken {
            return Some(Refusal::Broken(detail));
        }
        let question = self.question;
        if question.now_ms < offer.starts_at || question.now_ms >= offer.ends_at {
            return Some(Refusal::Dates);
        }
        if !offer.channels.is_empty() && !offer.channels.iter().any(|channel| channel == question.channel) {
            return Some(Refusal::Channel);
        }
        if let Some((counted, most)) = offer.cap
            && self.predictor.model().counted(offer.key, counted) >= most
        {
            return Some(Refusal::Cap);
        }
        for above in offer.chain.iter().rev() {
            let Some(group) = self.policy.groups.get(*above) else { continue };
            let refuses = self.groups.get(*above).copied().flatten().is_some_and(|answer| answer != Truth::True);
            if let Some(rule) = group.rule.as_ref().filter(|_| refuses) {
                return Some(Refusal::GroupRule(group, rule));
            }
        }
        if let Some(rule) = &offer.rule
            && rule.evaluate(&self.context) != Truth::True
        {
            return Some(Refusal::OwnRule(rule));
        }
        if let Some((slot, product)) = &offer.sells
            && let Some(Value::Set(held)) = self.slots.get(*slot)
            && held.contains(product)
        {
            return Some(Refusal::Holds(product));
        }
        let rests = |dismissal: &crate::decide::Dismissal| {
            dismissal.offer == offer.id && question.now_ms < dismissal.at_ms.saturating_add(offer.rest_ms)
        };
        if question.dismissals.iter().any(rests) {
            return Some(Refusal::Dismissed);
        }
        if !offer.mandatory
            && let Some(rule) = self.contact(at, offer)
        {
            return Some(Refusal::Contact(rule));
        }
        (!self.takes_part(offer)).then_some(Refusal::Ramp)
    }

    /// The rule by which the visitor has been spoken to often enough. Mandatory messages are exempt: they are few and
    /// must arrive.
    fn contact(&self, at: usize, offer: &OfferPolicy) -> Option<&'a ContactRule> {
        let over = self.policy.contact.iter().zip(&self.spoken_to).find(|(rule, enough)| {
            let enough = |at: usize| enough.get(at).copied().unwrap_or(false);
            match rule.per {
                ContactScope::Offer => enough(at),
                ContactScope::Group => offer.chain.iter().any(|group| enough(*group)),
                ContactScope::Site => enough(0),
            }
        });
        over.map(|(rule, _)| rule)
    }

    fn takes_part(&self, offer: &OfferPolicy) -> bool {
        let Some(ramp) = offer.ramp else {
            return true;
        };
        let proved = self.predictor.model().counted(offer.key, 1) as f64 / ramp.responses.max(1) as f64;
        let share = ramp.start + (1.0 - ramp.start) * proved.min(1.0);
        share >= 1.0 || self.question.seed.uniform(offer.key, RAMP_DRAW) < share
    }
}

/// Counts what the visitor has seen, once for all offers.
fn spoken_to(policy: &Policy, question: &Question<'_>) -> Vec<Vec<bool>> {
    let count = |rule: &ContactRule| {
        let mut counts = match rule.per {
            ContactScope::Offer => vec![0_u32; policy.offers.len()],
            ContactScope::Group => vec![0; policy.groups.len()],
            ContactScope::Site => vec![0],
        };
        let since_ms = question.now_ms.saturating_sub((rule.within_days * DAY_MS as f64) as u64);
        let mut add = |at: usize| {
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
        };
        for seen in question.seen.iter().filter(|seen| seen.at_ms > since_ms) {
            match rule.per {
                ContactScope::Site => add(0),
                ContactScope::Offer | ContactScope::Group => {
                    let of = policy.offers.iter().enumerate().find(|(_, offer)| offer.key as u32 == seen.offer);
                    match (rule.per, of) {
                        (ContactScope::Offer, Some((at, _))) => add(at),
                        (_, Some((_, offer))) => offer.chain.iter().for_each(|group| add(*group)),
                        (_, None) => {}
                    }
                }
            }
        }
        counts.into_iter().map(|count| count >= rule.most).collect()
    };
    policy.contact.iter().map(count).collect()
}
