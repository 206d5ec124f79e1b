//! The columns of the Open Bandit Dataset (Saito et al. 2021).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::calendar::utc;
use crate::evaluate::log::Logged;

/// A log as the two files that the Open Bandit Pipeline reads: `<campaign>.csv` ([`header`](Self::header), then
/// [`rows`](Self::rows)) and [`item_context.csv`](Self::items).
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
pub struct OpenBandit<'a> {
    log: &'a [Logged],
    items: BTreeMap<&'a str, usize>,
    features: usize,
}

impl<'a> OpenBandit<'a> {
    /// Numbers the offers of a log.
    #[must_use]
    pub fn new(log: &'a [Logged]) -> Self {
        let mut items: BTreeMap<&str, usize> =
            log.iter().flat_map(|logged| &logged.row().eligible).map(|offer| (offer.as_str(), 0)).collect();
        items.values_mut().enumerate().for_each(|(number, item)| *item = number);
        let features = log.iter().map(|logged| logged.row().features.len()).max().unwrap_or(0);
        Self { log, items, features }
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

    /// One line for each decision, without line feeds.
    pub fn rows(&self) -> impl Iterator<Item = String> + '_ {
        self.log.iter().enumerate().map(|(number, logged)| {
            let row = logged.row();
            let item = self.item(&row.chosen).unwrap_or_default();
            let mut line = format!("{number},{},{item},1,{},{}", utc(row.at_ms), row.reward, row.propensity);
            for at in 0..self.features {
                line.push(',');
                if let Some(feature) = row.features.get(at) {
                    let _ = write!(line, "f{feature:08x}");
                }
            }
            line
        })
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
