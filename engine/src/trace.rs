//! The explanation of a decision: every offer, why it was out or what it scored, and what drove it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Arm;
use crate::config::ContactScope;

/// How one placement was filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacementTrace {
    /// The placement's id.
    pub placement: String,
    /// Who chose.
    pub arm: Arm,
    /// Every offer of the placement: the chosen by rank, then the eligible by score, then the excluded.
    pub offers: Vec<OfferTrace>,
}

/// How one offer fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferTrace {
    /// The offer's id.
    pub offer: String,
    /// 1 for the first, absent when it was not chosen.
    pub rank: Option<u32>,
    /// Why it could not be chosen; absent when it could.
    pub excluded: Option<Exclusion>,
    /// The sampled score, in units of the weighed KPIs; absent when excluded.
    pub score: Option<f64>,
    /// The prediction stage by stage.
    pub stages: Vec<StageTrace>,
    /// Expected value by KPI before weighing.
    pub kpis: BTreeMap<String, f64>,
    /// What spoke for and against a click the most, strongest first.
    pub drivers: Vec<Driver>,
}

/// Why an offer could not be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Exclusion {
    /// A rule said no.
    Rule {
        /// Whose rule: `offer:<id>` or `group:<id>`.
        of: String,
    },
    /// A rule could not be answered because facts are missing.
    Unknown {
        /// Whose rule: `offer:<id>` or `group:<id>`.
        of: String,
        /// The facts that are missing.
        missing: Vec<String>,
    },
    /// Its time has not come or is over.
    Dates,
    /// It is not offered on this channel.
    Channel,
    /// The visitor dismissed it lately.
    Dismissed,
    /// The visitor holds what it sells.
    Holds {
        /// The product.
        product: String,
    },
    /// The visitor has seen enough of it, or of what it belongs to.
    Contact {
        /// Whose impressions were counted.
        per: ContactScope,
        /// Impressions at most.
        most: u32,
        /// Days over which they are counted.
        within_days: f64,
    },
    /// It has been shown or taken up as often as it may.
    Cap,
    /// It is new, and this decision is not among those that it takes part in.
    Ramp,
    /// Another offer of its group stands on the page.
    GroupShown,
    /// An earlier placement of the same page shows it.
    ShownElsewhere,
    /// The offer or a group rule in its configuration is broken and therefore off.
    Broken {
        /// What is wrong.
        detail: String,
    },
}

/// One stage's prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTrace {
    /// The stage's id.
    pub stage: String,
    /// Probability given the stage before, at the posterior mean.
    pub mean: f64,
    /// The same as sampled for this decision.
    pub sampled: f64,
    /// Standard deviation of the logit: how unsure the model is.
    pub deviation: f64,
}

/// One fact's part in the prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Driver {
    /// The fact, such as `topic = mortgages`.
    pub fact: String,
    /// Its part of the logit: positive speaks for the offer.
    pub weight: f64,
}
