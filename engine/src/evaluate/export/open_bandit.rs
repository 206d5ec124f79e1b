//! The columns of the Open Bandit Dataset (Saito et al. 2021).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::calendar::utc;
use crate::evaluate::log::Logged;

/// The two files that the Open Bandit Pipeline reads: `<campaign>.csv` ([`header`](Self::header), then a
/// [`row`](Self::row) for each decision) and [`item_context.csv`](Self::items).
///
/// | column | content |
/// |---|---|
/// | (first, unnamed) | the row's number, from 0 |
/// | `timestamp` | when it was decided, UTC |
/// | `item_id` | the chosen offer's number: offers are numbered from 0 in the order of their ids |
/// | `position` | 1: a row is about the first rank |
/// | `click` | the reward; the pipeline's name for it |
/// | `propensity_score` | probability of the choice |
/// | `user_feature_0` … | hashed features, empty beyond a row's last |
///
/// The form cannot say which offers were eligible: whoever evaluates must give ineligible offers the probability 0.
#[derive(Clone, Debug)]
pub struct OpenBandit {
    items: BTreeMap<String, usize>,
    features: usize,
}

impl OpenBandit {
    /// For rows about these offers, with columns for so many features; a row's features beyond them are left out.
    #[must_use]
    pub fn new<'a>(offers: impl IntoIterator<Item = &'a str>, features: usize) -> Self {
        let mut items: BTreeMap<String, usize> = offers.into_iter().map(|offer| (offer.to_owned(), 0)).collect();
        items.values_mut().enumerate().for_each(|(number, item)| *item = number);
        Self { items, features }
    }

    /// For a log as it is.
    #[must_use]
    pub fn of_log(log: &[Logged]) -> Self {
        let offers = log.iter().flat_map(|logged| logged.row().eligible.iter().map(String::as_str));
        Self::new(offers, log.iter().map(|logged| logged.row().features.len()).max().unwrap_or(0))
    }

    /// The number of an offer.
    #[must_use]
    pub fn item(&self, offer: &str) -> Option<usize> {
        self.items.get(offer).copied()
    }

    /// The first line, without the line feed.
    #[must_use]
    pub fn header(&self) -> String {
        let mut line = ",timestamp,item_id,position,click,propensity_score".to_owned();
        for at in 0..self.features {
            let _ = write!(line, ",user_feature_{at}");
        }
        line
    }

    /// A decision's line under its number, without the line feed; none for an offer that has no number.
    #[must_use]
    pub fn row(&self, number: usize, logged: &Logged) -> Option<String> {
        let row = logged.row();
        let item = self.item(&row.chosen)?;
        let mut line = format!("{number},{},{item},1,{},{}", utc(row.at_ms), row.reward, row.propensity);
        for at in 0..self.features {
            line.push(',');
            if let Some(feature) = row.features.get(at) {
                let _ = write!(line, "f{feature:08x}");
            }
        }
        Some(line)
    }

    /// The lines of `item_context.csv`: `item_feature_0`, which the pipeline wants to be a number, is the offer's number
    /// again, `item_feature_1` its id.
    pub fn items(&self) -> impl Iterator<Item = String> + '_ {
        let header = core::iter::once(",item_id,item_feature_0,item_feature_1".to_owned());
        header.chain(self.items.iter().map(|(offer, item)| format!("{item},{item},{item},{}", quoted(offer))))
    }
}

/// A field of a CSV file (RFC 4180), always in quotes; quotes inside are doubled.
fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}
