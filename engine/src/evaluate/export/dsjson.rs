//! Vowpal Wabbit's `dsjson`: one JSON object a line for each decision.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calendar::utc;
use crate::evaluate::log::Logged;

/// Vowpal Wabbit reads from front to back and wants the label before the features: the order of fields is part of the form.
#[derive(Serialize)]
struct Line<'a> {
    _label_cost: f64,
    _label_probability: f64,
    #[serde(rename = "_label_Action")]
    label_action: usize,
    #[serde(rename = "_labelIndex")]
    label_index: usize,
    #[serde(rename = "Timestamp")]
    timestamp: String,
    #[serde(rename = "Version")]
    version: &'static str,
    #[serde(rename = "EventId")]
    event_id: &'a str,
    a: [usize; 1],
    c: Features<'a>,
    p: [f64; 1],
}

#[derive(Serialize)]
struct Features<'a> {
    visitor: BTreeMap<String, u8>,
    _multi: Vec<Action<'a>>,
}

#[derive(Serialize)]
struct Action<'a> {
    offer: OfferFeatures<'a>,
}

#[derive(Serialize)]
struct OfferFeatures<'a> {
    id: &'a str,
}

/// One line, without the line feed.
///
/// Costs are negative rewards. Actions are the eligible offers in the row's order, `a` counts from 1 and names the chosen
/// one alone, as `p` does its propensity: those of the others were not logged. Shared features stand in the namespace
/// `visitor` as `f` and eight hexadecimal digits, an offer's id in the namespace `offer`.
///
/// # Errors
///
/// Those of the JSON writer.
pub fn dsjson(logged: &Logged) -> Result<String, serde_json::Error> {
    let row = logged.row();
    serde_json::to_string(&Line {
        // Not a negation: a reward of 0 costs 0, not -0.
        _label_cost: 0.0 - row.reward,
        _label_probability: row.propensity,
        label_action: logged.chosen() + 1,
        label_index: logged.chosen(),
        timestamp: utc(row.at_ms),
        version: "1",
        event_id: &row.decision,
        a: [logged.chosen() + 1],
        c: Features {
            visitor: row.features.iter().map(|feature| (format!("f{feature:08x}"), 1)).collect(),
            _multi: row.eligible.iter().map(|offer| Action { offer: OfferFeatures { id: offer } }).collect(),
        },
        p: [row.propensity],
    })
}
