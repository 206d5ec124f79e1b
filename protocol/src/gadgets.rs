//! Gadgets: small applications of a site, run in its own pages, in partners' pages, or in a frame of ours.

use std::collections::{BTreeMap, BTreeSet};

use portico_engine::config::{AttributeKind, Config};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::check::escape;
use crate::language::nearest;
use crate::limits::NAME_BYTES;
use crate::problem::FieldError;
use crate::profile::ProfileConfig;

/// Most choices on one slider.
const STEPS: f64 = 10_000.0;

/// A gadget as its site configures it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Gadget {
    /// A savings and loan calculator that ends in an offer.
    Calculator(Calculator),
}

/// A savings and loan calculator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calculator {
    /// Its name by BCP 47 language tag.
    pub title: BTreeMap<String, String>,
    /// ISO 4217 code of the currency, such as `GBP`.
    pub currency: String,
    /// Saving.
    pub save: Saving,
    /// Borrowing.
    pub borrow: Borrowing,
}

/// What the calculator reckons with for savings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Saving {
    /// Effective annual rate in per cent (AER).
    pub rate: f64,
    /// The sum put in at once.
    pub first: Slider,
    /// The sum put in each month.
    pub monthly: Slider,
    /// For how many years.
    pub years: Slider,
    /// The placement whose offers follow.
    pub placement: String,
}

/// What the calculator reckons with for loans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Borrowing {
    /// Effective annual rate in per cent (APR).
    pub rate: f64,
    /// The sum borrowed.
    pub amount: Slider,
    /// For how many years.
    pub years: Slider,
    /// The placement whose offers follow.
    pub placement: String,
}

/// What can be chosen between, and what is chosen at first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Slider {
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// From one value to the next.
    pub step: f64,
    /// The value at first.
    pub start: f64,
    /// A number of the profile that somebody may say themselves: what is known of it is there at first, and what is chosen is
    /// what they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
}

impl Gadget {
    /// Its name in the language wanted, or the nearest there is.
    #[must_use]
    pub fn title(&self, locale: &str) -> &str {
        let Self::Calculator(Calculator { title, .. }) = self;
        let near = nearest(title.keys().map(String::as_str), locale);
        near.and_then(|tag| title.get(tag)).or_else(|| title.values().next()).map_or("", String::as_str)
    }

    /// What is wrong with it, each with its place.
    fn errors(&self, name: &str, decisions: &Config, profile: &ProfileConfig) -> Vec<FieldError> {
        let Self::Calculator(Calculator { title, currency, save, borrow }) = self;
        let mut errors = Vec::new();
        let mut add = |place: &str, detail: &str| {
            errors.push(FieldError { pointer: format!("/gadgets/{}{place}", escape(name)), detail: detail.to_owned() });
        };
        if title.is_empty() || title.values().any(|title| !(1..=NAME_BYTES).contains(&title.len())) {
            add("/title", &format!("a name in at least one language, each of 1 to {NAME_BYTES} bytes"));
        }
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            add("/currency", "three capital letters, such as GBP");
        }
        for (place, rate) in [("/save/rate", save.rate), ("/borrow/rate", borrow.rate)] {
            if !(0.0..=100.0).contains(&rate) {
                add(place, "a rate is a number of per cent from 0 to 100");
            }
        }
        let years = [("/save/years", &save.years), ("/borrow/years", &borrow.years)];
        for (place, slider) in years {
            let is_whole = [slider.min, slider.max, slider.step, slider.start].iter().all(|value| value.fract() == 0.0);
            if !is_whole || slider.min < 1.0 || slider.max > 50.0 {
                add(place, "years are whole numbers from 1 to 50");
            }
        }
        let sums = [("/save/first", &save.first), ("/save/monthly", &save.monthly), ("/borrow/amount", &borrow.amount)];
        let mut named = BTreeSet::new();
        for (place, slider) in sums.into_iter().chain(years) {
            if !slider.is_whole() {
                add(place, "min, start and max ascend from 0 on, and step divides the way into at most 10,000");
            }
            let is_number = |name: &str| {
                decisions.attributes.iter().any(|known| known.name == name && known.kind == AttributeKind::Number)
            };
            if slider.attribute.as_ref().is_some_and(|name| !is_number(name) || !profile.may_say(decisions, name)) {
                add(
                    &format!("{place}/attribute"),
                    "a number of the profile that somebody may say themselves (`by_visitor`)",
                );
            }
            if slider.attribute.as_ref().is_some_and(|name| !named.insert(name)) {
                add(&format!("{place}/attribute"), "another slider has it already");
            }
        }
        for (place, placement) in [("/save/placement", &save.placement), ("/borrow/placement", &borrow.placement)] {
            if !decisions.placements.iter().any(|known| known.id == *placement) {
                add(place, "there is no such placement");
            }
        }
        errors
    }
}

impl Slider {
    fn is_whole(&self) -> bool {
        let Self { min, max, step, start, .. } = *self;
        [min, max, step, start].iter().all(|value| value.is_finite())
            && 0.0 <= min
            && min <= start
            && start <= max
            && min < max
            && max <= 1e9
            && step > 0.0
            && (max - min) / step <= STEPS
    }
}

/// What is wrong with a site's gadgets, each with its place. A gadget's name stands in addresses and tags.
pub(crate) fn errors(
    gadgets: &BTreeMap<String, Gadget>,
    decisions: &Config,
    profile: &ProfileConfig,
) -> Vec<FieldError> {
    let plain = |name: &str| {
        (1..=NAME_BYTES).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let misnamed = gadgets.keys().filter(|name| !plain(name)).map(|name| FieldError {
        pointer: format!("/gadgets/{}", escape(name)),
        detail: "a gadget's name is of lower-case letters, digits and hyphens".to_owned(),
    });
    misnamed.chain(gadgets.iter().flat_map(|(name, gadget)| gadget.errors(name, decisions, profile))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn calculator() -> Value {
        let slider = json!({ "min": 0, "max": 1000, "step": 10, "start": 100 });
        let years = json!({ "min": 1, "max": 10, "step": 1, "start": 5 });
        json!({
            "kind": "calculator", "title": { "en": "Calculator", "zh-Hans": "计算器" }, "currency": "GBP",
            "save": { "rate": 4.1, "first": slider, "monthly": slider, "years": years, "placement": "after" },
            "borrow": { "rate": 6.4, "amount": slider, "years": years, "placement": "after" },
        })
    }

    fn wrong(name: &str, gadget: Value) -> Vec<String> {
        let gadgets = BTreeMap::from([(name.to_owned(), serde_json::from_value(gadget).unwrap())]);
        let attributes = json!([
            { "name": "monthly", "type": "number", "source": "profile" },
            { "name": "income", "type": "number", "source": "profile" },
            { "name": "hobby", "type": "text", "source": "profile" },
        ]);
        let decisions = Config {
            placements: serde_json::from_value(json!([{ "id": "after" }])).unwrap(),
            attributes: serde_json::from_value(attributes).unwrap(),
            ..Config::default()
        };
        let profile = json!({ "attributes": { "monthly": { "by_visitor": true }, "hobby": { "by_visitor": true } } });
        let found = errors(&gadgets, &decisions, &serde_json::from_value(profile).unwrap());
        found.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        assert_eq!(wrong("calculator", calculator()), Vec::<String>::new());
        assert_eq!(wrong("Calculator", calculator()), ["/gadgets/Calculator"]);
        let check = |place: &str, value: Value, expect: &str| {
            let mut gadget = calculator();
            *gadget.pointer_mut(place).unwrap() = value;
            assert_eq!(wrong("one", gadget), [format!("/gadgets/one{expect}")], "{place}");
        };
        check("/title", json!({}), "/title");
        check("/currency", json!("pounds"), "/currency");
        check("/save/rate", json!(-1), "/save/rate");
        check("/save/years/max", json!(51), "/save/years");
        check("/save/years/start", json!(2.5), "/save/years");
        check("/save/first/start", json!(1001), "/save/first");
        check("/borrow/amount/step", json!(0), "/borrow/amount");
        check("/borrow/amount/step", json!(0.001), "/borrow/amount");
        check("/borrow/placement", json!("nowhere"), "/borrow/placement");
        for (attribute, is_wrong) in [("monthly", false), ("income", true), ("hobby", true), ("nothing", true)] {
            let mut gadget = calculator();
            gadget["save"]["monthly"]["attribute"] = json!(attribute);
            let found = wrong("one", gadget);
            assert_eq!(
                found,
                if is_wrong { vec!["/gadgets/one/save/monthly/attribute"] } else { vec![] },
                "{attribute}"
            );
        }
        let mut gadget = calculator();
        gadget["save"]["monthly"]["attribute"] = json!("monthly");
        gadget["borrow"]["amount"]["attribute"] = json!("monthly");
        assert_eq!(wrong("one", gadget), ["/gadgets/one/borrow/amount/attribute"]);
    }

    #[test]
    fn the_nearest_name_is_given() {
        let gadget: Gadget = serde_json::from_value(calculator()).unwrap();
        assert_eq!(
            (gadget.title("zh-CN"), gadget.title("en-GB"), gadget.title("fr")),
            ("计算器", "Calculator", "Calculator")
        );
    }
}
