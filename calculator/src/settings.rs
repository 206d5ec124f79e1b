//! A calculator's settings as the site's configuration has them, read field by field from a plain object.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// What can be chosen between, and what is chosen at first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) step: f64,
    pub(crate) start: f64,
}

impl Range {
    /// The nearest value that can be chosen.
    pub(crate) fn nearest(&self, value: f64) -> f64 {
        let stepped = self.min + ((value - self.min) / self.step).round() * self.step;
        stepped.clamp(self.min, self.max)
    }
}

/// Saving: a sum at once, a sum each month, years.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Save {
    pub(crate) rate: f64,
    pub(crate) first: Range,
    pub(crate) monthly: Range,
    pub(crate) years: Range,
}

/// Borrowing: a sum, years.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Borrow {
    pub(crate) rate: f64,
    pub(crate) amount: Range,
    pub(crate) years: Range,
}

/// A calculator's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) currency: String,
    /// Whether it opens on borrowing.
    pub(crate) borrows: bool,
    pub(crate) save: Save,
    pub(crate) borrow: Borrow,
}

/// The settings, or nothing where one is missing or of another type.
pub(crate) fn read(value: &JsValue) -> Option<Settings> {
    let (save, borrow) = (get(value, "save")?, get(value, "borrow")?);
    Some(Settings {
        currency: get(value, "currency")?.as_string()?,
        borrows: get(value, "purpose").is_some_and(|purpose| purpose == "borrow"),
        save: Save {
            rate: number(&save, "rate")?,
            first: range(&save, "first")?,
            monthly: range(&save, "monthly")?,
            years: range(&save, "years")?,
        },
        borrow: Borrow {
            rate: number(&borrow, "rate")?,
            amount: range(&borrow, "amount")?,
            years: range(&borrow, "years")?,
        },
    })
}

fn range(of: &JsValue, key: &str) -> Option<Range> {
    let range = get(of, key)?;
    let number = |key| number(&range, key);
    let read = Range { min: number("min")?, max: number("max")?, step: number("step")?, start: number("start")? };
    (read.step > 0.0 && read.min <= read.start && read.start <= read.max).then_some(read)
}

fn number(of: &JsValue, key: &str) -> Option<f64> {
    get(of, key)?.as_f64().filter(|number| number.is_finite())
}

fn get(of: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(of, &JsValue::from_str(key)).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn what_is_typed_becomes_what_can_be_chosen() {
        let range = Range { min: 1_000.0, max: 25_000.0, step: 500.0, start: 5_000.0 };
        for (typed, expect) in [(5_000.0, 5_000.0), (5_260.0, 5_500.0), (0.0, 1_000.0), (1e9, 25_000.0)] {
            assert!((range.nearest(typed) - expect).abs() < f64::EPSILON, "{typed}");
        }
    }
}
