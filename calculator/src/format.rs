//! Numbers as the visitor's language writes them, by the browser.

use js_sys::{Array, Function, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// How numbers are written for somebody.
pub(crate) struct Format {
    money: Function,
    exact: Function,
    short: Function,
    percent: Function,
    years: Function,
}

impl Format {
    /// For a language and a currency (ISO 4217); where the browser knows neither, English and pounds serve.
    pub(crate) fn new(locale: &str, currency: &str) -> Self {
        let money = |more: &[(&str, JsValue)]| {
            let mut options = vec![
                ("style", "currency".into()),
                ("currency", currency.into()),
                ("currencyDisplay", "narrowSymbol".into()),
            ];
            options.extend_from_slice(more);
            number_format(locale, &options)
        };
        Self {
            money: money(&[("maximumFractionDigits", 0.into())]),
            exact: money(&[]),
            short: money(&[("notation", "compact".into()), ("maximumFractionDigits", 1.into())]),
            percent: number_format(locale, &[("style", "percent".into()), ("minimumFractionDigits", 2.into())]),
            years: number_format(
                locale,
                &[("style", "unit".into()), ("unit", "year".into()), ("unitDisplay", "long".into())],
            ),
        }
    }

    /// A sum without cents.
    pub(crate) fn money(&self, value: f64) -> String {
        written(&self.money, value)
    }

    /// A sum with cents.
    pub(crate) fn exact(&self, value: f64) -> String {
        written(&self.exact, value)
    }

    /// A sum in a few letters.
    pub(crate) fn short(&self, value: f64) -> String {
        written(&self.short, value)
    }

    /// A rate in per cent.
    pub(crate) fn percent(&self, value: f64) -> String {
        written(&self.percent, value / 100.0)
    }

    /// A number of years.
    pub(crate) fn years(&self, value: f64) -> String {
        written(&self.years, value)
    }
}

fn written(format: &Function, value: f64) -> String {
    let text = format.call1(&JsValue::NULL, &value.into()).ok().and_then(|text| text.as_string());
    whole_symbol(text.unwrap_or_default())
}

/// A currency's symbol that begins with letters, such as `UK£`, keeps its order among letters that run from right to left.
fn whole_symbol(text: String) -> String {
    let Some(begin) = text.find(|sign: char| sign.is_ascii_uppercase()) else { return text };
    let (before, rest) = text.split_at(begin);
    let letters = rest.find(|sign: char| !sign.is_ascii_uppercase()).unwrap_or(rest.len());
    let sign = rest.get(letters..).and_then(|rest| rest.chars().next()).filter(|sign| !sign.is_whitespace());
    let (symbol, after) = rest.split_at(letters + sign.map_or(0, char::len_utf8));
    // Left-to-right isolate, and its end.
    [before, "\u{2066}", symbol, "\u{2069}", after].concat()
}

/// `new Intl.NumberFormat(locale, options).format`, or how English does it where the browser refuses the locale.
fn number_format(locale: &str, options: &[(&str, JsValue)]) -> Function {
    let given = Object::new();
    for (name, value) in options {
        let _ = Reflect::set(&given, &JsValue::from_str(name), value);
    }
    let intl = Reflect::get(&js_sys::global(), &"Intl".into()).unwrap_or_default();
    let class = Reflect::get(&intl, &"NumberFormat".into()).ok().and_then(|class| class.dyn_into::<Function>().ok());
    let make = |locale: &str| {
        let made = Reflect::construct(class.as_ref()?, &Array::of2(&locale.into(), &given)).ok()?;
        Reflect::get(&made, &"format".into()).ok()?.dyn_into().ok()
    };
    make(locale).or_else(|| make("en")).unwrap_or_else(|| Function::new_no_args(""))
}

#[cfg(test)]
mod tests {
    use super::whole_symbol;

    #[test]
    fn a_symbol_with_letters_stays_in_one_piece() {
        for (text, expect) in [
            ("£11,174", "£11,174"),
            ("\u{200f}11,174 UK£", "\u{200f}11,174 \u{2066}UK£\u{2069}"),
            ("CHF 12", "\u{2066}CHF\u{2069} 12"),
            ("5 years", "5 years"),
            ("", ""),
        ] {
            assert_eq!(whole_symbol(text.to_owned()), expect);
        }
    }
}
