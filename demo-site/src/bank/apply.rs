//! Application forms: which questions each product asks, and what counts as an answer.
//!
//! The words are in `words/`; here are names, bounds and checks, the same in every language.

use std::collections::BTreeMap;

use data_encoding::BASE32_NOPAD;
use minijinja::{Value, context};

use super::people::civil_date;

/// What was typed, by field.
pub(super) type Answers = BTreeMap<String, String>;

/// Longest answer kept in a form that is shown again, in characters.
const LONGEST: usize = 120;

/// One product that can be applied for. Its id is also the id of the offer and the name of the picture.
pub(super) struct Product {
    pub(super) id: &'static str,
    /// The page that it belongs to, which is also the topic that the widget is told.
    pub(super) topic: &'static str,
    fields: &'static [Field],
}

#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text {
        autocomplete: &'static str,
    },
    Email,
    Phone,
    /// A date of birth that makes the applicant at least 18.
    Birth,
    /// Whole pounds, miles or people.
    Number {
        least: u32,
        most: u32,
        unit: &'static str,
    },
    /// One of the options that the words list.
    Choice {
        options: &'static [&'static str],
    },
}

const fn number(name: &'static str, least: u32, most: u32, unit: &'static str) -> Field {
    Field { name, kind: Kind::Number { least, most, unit } }
}

const fn choice(name: &'static str, options: &'static [&'static str]) -> Field {
    Field { name, kind: Kind::Choice { options } }
}

const fn text(name: &'static str, autocomplete: &'static str) -> Field {
    Field { name, kind: Kind::Text { autocomplete } }
}

const PERSON: [Field; 5] = [
    text("full_name", "name"),
    Field { name: "birth_date", kind: Kind::Birth },
    Field { name: "email", kind: Kind::Email },
    Field { name: "phone", kind: Kind::Phone },
    text("postcode", "postal-code"),
];

const WORK: Field = choice("work", &["employed", "self_employed", "student", "retired", "other"]);
const INCOME: Field = number("income", 0, 1_000_000, "£");

const PRODUCTS: [Product; 14] = [
    Product {
        id: "mortgage-fix",
        topic: "mortgages",
        fields: &[
            number("property_value", 50_000, 5_000_000, "£"),
            number("mortgage_amount", 25_000, 3_000_000, "£"),
            number("term_years", 5, 40, ""),
            INCOME,
        ],
    },
    Product { id: "savings-plus", topic: "savings", fields: &[number("first_deposit", 1, 1_000_000, "£")] },
    Product { id: "fixed-saver", topic: "savings", fields: &[number("first_deposit", 500, 1_000_000, "£")] },
    Product { id: "regular-saver", topic: "savings", fields: &[number("monthly_deposit", 25, 300, "£")] },
    Product { id: "travel-card", topic: "cards", fields: &[WORK, INCOME] },
    Product { id: "cashback-card", topic: "cards", fields: &[WORK, INCOME] },
    Product { id: "balance-card", topic: "cards", fields: &[WORK, INCOME, number("balance", 100, 20_000, "£")] },
    Product { id: "overdraft", topic: "loans", fields: &[WORK, number("limit", 100, 5_000, "£")] },
    Product {
        id: "personal-loan",
        topic: "loans",
        fields: &[
            number("loan_amount", 7_500, 25_000, "£"),
            choice("loan_term", &["1", "2", "3", "4", "5", "6", "7"]),
            WORK,
            INCOME,
        ],
    },
    Product {
        id: "car-insurance",
        topic: "insurance",
        fields: &[text("registration", "off"), number("yearly_miles", 500, 50_000, "")],
    },
    Product {
        id: "home-insurance",
        topic: "insurance",
        fields: &[choice("home", &["house", "terrace", "flat", "bungalow"]), number("bedrooms", 1, 12, "")],
    },
    Product {
        id: "travel-insurance",
        topic: "insurance",
        fields: &[number("adults", 1, 6, ""), number("children", 0, 8, "")],
    },
    Product { id: "switch-account", topic: "accounts", fields: &[text("old_bank", "off"), WORK] },
    Product {
        id: "round-ups",
        topic: "accounts",
        fields: &[choice("save_into", &["savings_plus", "regular_saver", "new"])],
    },
];

/// What is wrong with an answer; the words say how to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Missing,
    NotANumber,
    OutOfRange,
    NotAnAddress,
    NotAPhone,
    NotADate,
    TooYoung,
}

impl Fault {
    fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotANumber => "not_a_number",
            Self::OutOfRange => "out_of_range",
            Self::NotAnAddress => "not_an_address",
            Self::NotAPhone => "not_a_phone",
            Self::NotADate => "not_a_date",
            Self::TooYoung => "too_young",
        }
    }
}

impl Product {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        PRODUCTS.iter().find(|product| product.id == id)
    }

    fn all_fields(&self) -> impl Iterator<Item = Field> {
        self.fields.iter().copied().chain(PERSON)
    }

    /// What is wrong, by field, in the order of the form.
    pub(super) fn check(&self, answers: &Answers, now_s: u64) -> Vec<(&'static str, Fault)> {
        self.all_fields()
            .filter_map(|field| {
                let answer = answers.get(field.name).map(|answer| answer.trim()).unwrap_or_default();
                field.kind.fault(answer, now_s).map(|fault| (field.name, fault))
            })
            .collect()
    }

    /// The questions for the template: those about the product, then those about the person.
    pub(super) fn form(&self, answers: &Answers, errors: &[(&'static str, Fault)]) -> Value {
        let view = |field: &Field| {
            let value: String =
                answers.get(field.name).map(|answer| answer.chars().take(LONGEST).collect()).unwrap_or_default();
            let fault = errors.iter().find(|(name, _)| *name == field.name).map(|(_, fault)| fault.word());
            field.view(&value, fault)
        };
        context! {
            product => self.fields.iter().map(view).collect::<Vec<_>>(),
            person => PERSON.iter().map(view).collect::<Vec<_>>(),
        }
    }
}

impl Field {
    fn view(&self, value: &str, fault: Option<&str>) -> Value {
        let name = self.name;
        match self.kind {
            Kind::Text { autocomplete } => context! { name, value, fault, kind => "text", autocomplete },
            Kind::Email => context! { name, value, fault, kind => "email", autocomplete => "email" },
            Kind::Phone => context! { name, value, fault, kind => "tel", autocomplete => "tel" },
            Kind::Birth => context! { name, value, fault, kind => "date", autocomplete => "bday" },
            Kind::Number { least, most, unit } => context! { name, value, fault, kind => "number", least, most, unit },
            Kind::Choice { options } => {
                context! { name, value, fault, kind => "choice", options => Vec::from(options) }
            }
        }
    }
}

impl Kind {
    fn fault(self, answer: &str, now_s: u64) -> Option<Fault> {
        if answer.is_empty() {
            return Some(Fault::Missing);
        }
        let wrong = |holds: bool, fault: Fault| (!holds).then_some(fault);
        match self {
            Self::Text { .. } => None,
            Self::Email => {
                let parts = answer.split_once('@');
                wrong(
                    parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !answer.contains(' ')),
                    Fault::NotAnAddress,
                )
            }
            Self::Phone => {
                let digits = answer.chars().filter(char::is_ascii_digit).count();
                let allowed = answer.chars().all(|c| c.is_ascii_digit() || "+()- ".contains(c));
                wrong(allowed && (7..=15).contains(&digits), Fault::NotAPhone)
            }
            Self::Birth => match parse_date(answer) {
                None => Some(Fault::NotADate),
                Some((year, month, day)) => {
                    let (this_year, this_month, this_day) = civil_date(now_s);
                    wrong((year + 18, month, day) <= (this_year, this_month, this_day), Fault::TooYoung)
                }
            },
            Self::Number { least, most, .. } => match answer.replace([',', '£', ' '], "").parse::<u32>() {
                Err(_) => Some(Fault::NotANumber),
                Ok(value) => wrong((least..=most).contains(&value), Fault::OutOfRange),
            },
            Self::Choice { options } => wrong(options.contains(&answer), Fault::Missing),
        }
    }
}

/// `2006-05-31` as (year, month, day), where it can be a day of birth.
fn parse_date(text: &str) -> Option<(i32, u32, u32)> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok().filter(|year| (1900..=2100).contains(year))?;
    let month = parts.next()?.parse().ok().filter(|month| (1..=12).contains(month))?;
    let day = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    Some((year, month, day))
}

/// Whether a text from an address is a plain id: letters, digits and hyphens, at most 64.
pub(super) fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A number under which the bank would know the application.
pub(super) fn reference() -> String {
    let mut bytes = [0; 5];
    match getrandom::fill(&mut bytes) {
        Ok(()) => format!("MB-{}", BASE32_NOPAD.encode(&bytes)),
        Err(_) => "MB-0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOVEMBER_2026: u64 = 1_795_305_600;

    #[track_caller]
    fn check(kind: Kind, answer: &str, expect: Option<Fault>) {
        assert_eq!(kind.fault(answer, NOVEMBER_2026), expect, "{answer:?}");
    }

    #[test]
    fn answers_are_checked_by_kind() {
        check(Kind::Email, "a@b.example", None);
        check(Kind::Email, "a@b", Some(Fault::NotAnAddress));
        check(Kind::Email, "", Some(Fault::Missing));
        check(Kind::Phone, "+44 20 7946 0018", None);
        check(Kind::Phone, "call me", Some(Fault::NotAPhone));
        check(Kind::Birth, "2008-11-22", None);
        check(Kind::Birth, "2008-11-23", Some(Fault::TooYoung));
        check(Kind::Birth, "22/11/1980", Some(Fault::NotADate));
        let pounds = Kind::Number { least: 500, most: 10_000, unit: "£" };
        check(pounds, "£1,500", None);
        check(pounds, "499", Some(Fault::OutOfRange));
        check(pounds, "much", Some(Fault::NotANumber));
        check(Kind::Choice { options: &["a", "b"] }, "b", None);
        check(Kind::Choice { options: &["a", "b"] }, "c", Some(Fault::Missing));
    }

    #[test]
    fn only_plain_ids_pass_through_addresses() {
        for (text, expect) in [("savings-plus", true), ("", false), ("a&b=c", false), ("<script>", false)] {
            assert_eq!(is_word(text), expect, "{text}");
        }
    }
}
