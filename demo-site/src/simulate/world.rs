//! The simulated public: who comes, on which page, and what they would click. Portico is told none of their tastes.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Rate at which anybody clicks on anything.
const INDIFFERENT: f64 = 0.012;
/// Probability that a click ends in an application.
const APPLIES: f64 = 0.2;
/// Share of visitors who refuse personalization.
const REFUSES: f64 = 0.1;

/// People of one kind.
pub(super) struct Kind {
    /// Their name in the table.
    pub(super) name: &'static str,
    /// Their share of the visitors.
    share: f64,
    /// Where they come in: topic, placement and whether it is the partner's site.
    pages: &'static [(&'static str, &'static str, bool)],
    /// Whether the bank knows them, and as whom.
    customer: Option<Customers>,
    /// Click rate by offer; for the rest [`INDIFFERENT`].
    tastes: &'static [(&'static str, f64)],
}

/// What customers of a kind are like. They scatter, so that no single fact gives the kind away.
struct Customers {
    occupations: &'static [&'static str],
    ages: core::ops::RangeInclusive<u32>,
    regions: &'static [&'static str],
    products: &'static [&'static str],
    tenure: core::ops::RangeInclusive<u32>,
    /// What they brought in twelve months, and what it cost to serve them.
    books: (core::ops::RangeInclusive<u32>, core::ops::RangeInclusive<u32>),
}

const ACCOUNT: (&str, &str, bool) = ("account", "account-top", false);
const HOME: (&str, &str, bool) = ("home", "home-hero", false);

/// Everybody who comes.
pub(super) const KINDS: [Kind; 7] = [
    Kind {
        name: "like Peter",
        share: 0.2,
        pages: &[ACCOUNT, HOME],
        customer: Some(Customers {
            occupations: &["sales_director", "sales_director", "manager", "engineer"],
            ages: 38..=55,
            regions: &["south-east", "north-west", "south-west"],
            products: &["current_account", "credit_card", "mortgage"],
            tenure: 4..=20,
            books: (250..=1_200, 40..=160),
        }),
        tastes: &[("savings-plus", 0.13), ("fixed-saver", 0.06), ("travel-card", 0.05), ("regular-saver", 0.03)],
    },
    Kind {
        name: "like Penny",
        share: 0.2,
        pages: &[ACCOUNT, HOME],
        customer: Some(Customers {
            occupations: &["student", "student", "student", "apprentice"],
            ages: 18..=24,
            regions: &["south-east", "north-west", "south-west"],
            products: &["current_account"],
            tenure: 0..=4,
            books: (10..=120, 30..=80),
        }),
        tastes: &[("overdraft", 0.13), ("round-ups", 0.06), ("cashback-card", 0.03), ("travel-insurance", 0.03)],
    },
    Kind {
        name: "like Jenny",
        share: 0.2,
        pages: &[ACCOUNT, HOME],
        customer: Some(Customers {
            occupations: &["retired", "retired", "retired", "shopkeeper"],
            ages: 62..=78,
            regions: &["south-east", "north-west", "south-west"],
            products: &["current_account", "savings_plus"],
            tenure: 10..=40,
            books: (60..=600, 30..=220),
        }),
        tastes: &[("car-insurance", 0.13), ("home-insurance", 0.05), ("fixed-saver", 0.05), ("regular-saver", 0.03)],
    },
    Kind {
        name: "home buyers",
        share: 0.12,
        pages: &[("mortgages", "product-side", false), HOME],
        customer: None,
        tastes: &[("mortgage-fix", 0.09), ("home-insurance", 0.04)],
    },
    Kind {
        name: "card shoppers",
        share: 0.1,
        pages: &[("cards", "product-side", false)],
        customer: None,
        tastes: &[("cashback-card", 0.08), ("balance-card", 0.05)],
    },
    Kind {
        name: "savers",
        share: 0.08,
        pages: &[("savings", "product-side", false)],
        customer: None,
        tastes: &[("fixed-saver", 0.08), ("savings-plus", 0.05)],
    },
    Kind {
        name: "Roadbook's readers",
        share: 0.1,
        pages: &[("travel", "partner-sidebar", true), ("car", "partner-sidebar", true)],
        customer: None,
        tastes: &[("travel-card", 0.08), ("car-insurance", 0.05), ("travel-insurance", 0.04)],
    },
];

/// One visit of one person.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) kind: usize,
    pub(super) topic: &'static str,
    pub(super) placement: &'static str,
    pub(super) on_partner: bool,
    /// Customer id and what the bank vouches for.
    pub(super) customer: Option<(String, Map<String, Value>)>,
    pub(super) consents: bool,
    /// Decides every click of this visit.
    pub(super) luck: u64,
}

impl Visit {
    /// The next visitor of a stream.
    pub(super) fn draw(rng: &mut Rng, number: u64) -> Self {
        let mut point = rng.f64();
        let mut kind = 0;
        for (at, candidate) in KINDS.iter().enumerate() {
            kind = at;
            if point < candidate.share {
                break;
            }
            point -= candidate.share;
        }
        let of = &KINDS[kind];
        let (topic, placement, on_partner) = pick(rng, of.pages);
        let customer = of.customer.as_ref().map(|customers| {
            let products: Vec<&str> = customers.products.iter().copied().filter(|_| rng.f64() < 0.8).collect();
            let attributes = json!({
                "occupation": pick(rng, customers.occupations),
                "age": rng.u32(customers.ages.clone()),
                "region": pick(rng, customers.regions),
                "products": products,
                "tenure_years": rng.u32(customers.tenure.clone()),
            });
            (format!("simulated-{number}"), attributes.as_object().cloned().unwrap_or_default())
        });
        let consents = rng.f64() >= REFUSES;
        Self { kind, topic, placement, on_partner, customer, consents, luck: rng.u64(..) }
    }

    /// What the bank's books say of this customer, in its own currency.
    pub(super) fn books(&self) -> Value {
        let mut rng = Rng::with_seed(self.luck ^ 1);
        let customers = KINDS.get(self.kind).and_then(|kind| kind.customer.as_ref());
        let (revenue, cost) = customers.map_or((0..=0, 0..=0), |customers| customers.books.clone());
        json!({ "revenue_12m": rng.u32(revenue), "cost_12m": rng.u32(cost) })
    }

    /// The true rate at which this person clicks on an offer.
    fn click_rate(&self, offer: &str) -> f64 {
        let tastes = KINDS[self.kind].tastes;
        tastes.iter().find(|(liked, _)| *liked == offer).map_or(INDIFFERENT, |(_, rate)| *rate)
    }

    /// How this person answers to offers: for each the number of stages reached, 1 a click, 2 an application.
    pub(super) fn react(&self, offers: &[&str]) -> Vec<u8> {
        let mut rng = Rng::with_seed(self.luck);
        let mut reach = |offer: &&str| match rng.f64() < self.click_rate(offer) {
            true => 1 + u8::from(rng.f64() < APPLIES),
            false => 0,
        };
        offers.iter().map(&mut reach).collect()
    }

    /// The expected value of showing an offer to this person.
    pub(super) fn value(&self, offer: &str, worth: &BTreeMap<String, [f64; 2]>) -> f64 {
        let [click, applied] = worth.get(offer).copied().unwrap_or_default();
        self.click_rate(offer) * (click + APPLIES * applied)
    }
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_kinds_come_as_often_as_they_should() {
        assert!((KINDS.iter().map(|kind| kind.share).sum::<f64>() - 1.0).abs() < 1e-9);
        let mut rng = Rng::with_seed(1);
        let mut seen = [0_u32; KINDS.len()];
        for number in 0..20_000 {
            seen[Visit::draw(&mut rng, number).kind] += 1;
        }
        for (kind, seen) in KINDS.iter().zip(seen) {
            assert!((f64::from(seen) / 20_000.0 - kind.share).abs() < 0.02, "{}: {seen}", kind.name);
        }
    }
}
