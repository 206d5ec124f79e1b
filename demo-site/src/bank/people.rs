//! The customers of the demonstration: who may log in, what the bank vouches for, what their account shows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::host::language::Language;
use crate::host::page;

/// One customer.
#[derive(Clone, Debug, Deserialize)]
pub struct Persona {
    /// Customer id and user name.
    pub id: String,
    /// Full name.
    pub name: String,
    /// The password, printed on the login page.
    pub password: String,
    /// What they do: the value of the attribute `occupation`.
    pub occupation: String,
    /// Age in years, today and always.
    pub age: u32,
    /// The value of the attribute `region`.
    pub region: String,
    /// What they hold: the value of the attribute `products`.
    pub products: Vec<String>,
    /// Years since they became a customer.
    pub tenure_years: u32,
    email: String,
    phone: String,
    postcode: String,
    en: Words,
    zh: Words,
    accounts: Vec<Account>,
    payments: Vec<Payment>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Words {
    first: String,
    about: String,
    note: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Account {
    kind: String,
    tail: String,
    pence: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct Payment {
    days: u32,
    who: String,
    what: String,
    pence: i64,
}

/// All customers, in the order of the login page.
#[must_use]
#[expect(clippy::expect_used, reason = "the file is part of the binary; the tests read it")]
pub fn personas() -> &'static [Persona] {
    #[derive(Deserialize)]
    struct People {
        people: Vec<Persona>,
    }
    static ALL: LazyLock<Vec<Persona>> = LazyLock::new(|| {
        let table = page::table("people.toml").expect("people.toml is TOML");
        table.try_into::<People>().expect("people.toml describes people").people
    });
    &ALL
}

pub(super) fn find(id: &str) -> Option<&'static Persona> {
    personas().iter().find(|persona| persona.id == id)
}

impl Persona {
    /// What the bank vouches for, by attribute name.
    #[must_use]
    pub fn attributes(&self) -> Map<String, serde_json::Value> {
        let facts = json!({
            "occupation": self.occupation,
            "age": self.age,
            "region": self.region,
            "products": self.products,
            "tenure_years": self.tenure_years,
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    /// What every page says about a customer.
    pub(super) fn view(&self, language: Language, now_s: u64) -> Value {
        let words = match language {
            Language::En => &self.en,
            Language::Zh => &self.zh,
        };
        context! {
            id => self.id.as_str(), name => self.name.as_str(), password => self.password.as_str(),
            first => words.first.as_str(), about => words.about.as_str(), note => words.note.as_str(),
            today => date(civil_date(now_s), language),
        }
    }

    /// Balances and recent payments.
    pub(super) fn statement(&self, language: Language, now_s: u64) -> Value {
        let accounts = self.accounts.iter().map(|account| {
            context! { kind => account.kind.as_str(), tail => account.tail.as_str(), balance => money(account.pence) }
        });
        let payments = self.payments.iter().map(|payment| {
            let day = civil_date(now_s.saturating_sub(u64::from(payment.days) * 86_400));
            let (year, month, day_of_month) = day;
            context! {
                date => date(day, language), iso => format!("{year:04}-{month:02}-{day_of_month:02}"),
                who => payment.who.as_str(), what => payment.what.as_str(), amount => money(payment.pence), incoming => payment.pence > 0,
            }
        });
        context! { accounts => accounts.collect::<Vec<_>>(), payments => payments.collect::<Vec<_>>() }
    }

    /// What an application form already knows.
    pub(super) fn answers(&self, now_s: u64) -> BTreeMap<String, String> {
        let (year, _, _) = civil_date(now_s);
        // A birthday on the first of January makes the age right on every day of the year.
        let birth_year = year - i32::try_from(self.age).unwrap_or_default();
        let work = match self.occupation.as_str() {
            "student" => "student",
            "retired" => "retired",
            _ => "employed",
        };
        [
            ("full_name", self.name.clone()),
            ("birth_date", format!("{birth_year}-01-01")),
            ("email", self.email.clone()),
            ("phone", self.phone.clone()),
            ("postcode", self.postcode.clone()),
            ("work", work.to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// `−£1,242.18`.
fn money(pence: i64) -> String {
    let pounds = (pence.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (place, digit) in pounds.chars().enumerate() {
        if place > 0 && (pounds.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if pence < 0 { "−" } else { "" };
    format!("{sign}£{grouped}.{:02}", pence.unsigned_abs() % 100)
}

fn date((_, month, day): (i32, u32, u32), language: Language) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    match language {
        Language::En => {
            let name = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"");
            format!("{day} {name}")
        }
        Language::Zh => format!("{month}月{day}日"),
    }
}

/// Year, month and day in UTC (Howard Hinnant's `civil_from_days`).
pub(super) fn civil_date(now_s: u64) -> (i32, u32, u32) {
    let days = now_s / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (i32::try_from(year).unwrap_or(i32::MAX), u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped_and_signed() {
        for (pence, expect) in
            [(5, "£0.05"), (-124_218, "−£1,242.18"), (100_000_000, "£1,000,000.00"), (99_999, "£999.99")]
        {
            assert_eq!(money(pence), expect);
        }
    }

    #[test]
    fn days_have_their_dates() {
        for (now_s, expect) in [
            (0, (1970, 1, 1)),
            (951_782_400, (2000, 2, 29)),
            (1_795_305_600, (2026, 11, 22)),
            (1_798_761_599, (2026, 12, 31)),
        ] {
            assert_eq!(civil_date(now_s), expect);
        }
    }
}
