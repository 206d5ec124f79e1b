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
    narrow(text.unwrap_or_default())
}

/// Without the letters before a currency's sign, such as those of `UK£`, which some languages keep in their narrow form too: there
/// is one currency here.
fn narrow(text: String) -> String {
    let Some(begin) = text.find(|sign: char| sign.is_ascii_uppercase()) else { return text };
    let (before, rest) = text.split_at(begin);
    let sign = rest.trim_start_matches(|sign: char| sign.is_ascii_uppercase());
    match sign.chars().next() {
        // Spaces and digits of ASCII and Latin 1 alone: tables of all letters would weigh more than the calculator's words.
        Some(first) if !first.is_ascii_alphanumeric() && first != ' ' && first != '\u{a0}' => [before, sign].concat(),
        _ => text,
    }
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
    use super::narrow;

    #[test]
    fn letters_before_a_sign_go_and_others_stay() {
        for (text, expect) in [
            ("£11,174", "£11,174"),
            ("\u{200f}11,174 UK£", "\u{200f}11,174 £"),
            ("US$5K", "$5K"),
            ("CHF 12", "CHF 12"),
            ("CHF\u{a0}12", "CHF\u{a0}12"),
            ("£15K", "£15K"),
            ("5 years", "5 years"),
            ("", ""),
        ] {
            assert_eq!(narrow(text.to_owned()), expect);
        }
    }
}
