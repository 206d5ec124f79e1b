//! The log that evaluation reads: one row for the first rank of one slot, checked once where it comes in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Arm;
use crate::features::Feature;

/// One decided slot and what it led to, as written: a line of the NDJSON log.
///
/// | field | type | meaning |
/// |---|---|---|
/// | `decision` | text | the decision's id |
/// | `placement` | text | the slot |
/// | `at_ms` | integer | when it was decided, in milliseconds since 1970 |
/// | `arm` | `model`, `explore`, `control` | who chose |
/// | `eligible` | list of texts | ids of the offers among which it chose, each once |
/// | `chosen` | text | the offer in the first rank, one of `eligible` |
/// | `propensity` | number in (0, 1] | probability with which it was put there |
/// | `reward` | number | value of what it led to, in units of the weighed KPIs; costs are negative |
/// | `features` | list of integers | hashed bins of what was known, may be absent |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRow {
    /// The decision's id.
    pub decision: String,
    /// The slot.
    pub placement: String,
    /// When it was decided, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who chose.
    pub arm: Arm,
    /// Ids of the offers among which it chose.
    pub eligible: Vec<String>,
    /// Id of the offer in the first rank.
    pub chosen: String,
    /// Probability with which the logging policy put it there.
    pub propensity: f64,
    /// Value of what it led to, in units of the weighed KPIs.
    pub reward: f64,
    /// Hashed bins of what was known.
    #[serde(default)]
    pub features: Vec<Feature>,
}

/// A row that is known to be usable.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    row: LogRow,
    chosen: usize,
}

impl Logged {
    /// What was written.
    #[must_use]
    pub fn row(&self) -> &LogRow {
        &self.row
    }

    /// Index of the chosen offer among the eligible.
    #[must_use]
    pub fn chosen(&self) -> usize {
        self.chosen
    }
}

/// What makes a row unusable.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RowError {
    /// Not JSON, or not with the fields of a row.
    #[error("not a row of the log: {0}")]
    Unreadable(String),
    /// An offer that could not be chosen teaches nothing about choosing it.
    #[error("propensity {0} is not in (0, 1]")]
    Propensity(f64),
    /// Not a finite number.
    #[error("reward {0} is not finite")]
    Reward(f64),
    /// Chosen, but not among the eligible.
    #[error("chosen offer {0:?} is not among the eligible")]
    ChosenNotEligible(String),
    /// Listed twice among the eligible.
    #[error("offer {0:?} is eligible twice")]
    EligibleTwice(String),
}

/// A line of a log that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct LogError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub error: RowError,
}

impl TryFrom<LogRow> for Logged {
    type Error = RowError;

    fn try_from(row: LogRow) -> Result<Self, RowError> {
        if !(row.propensity > 0.0 && row.propensity <= 1.0) {
            return Err(RowError::Propensity(row.propensity));
        }
        if !row.reward.is_finite() {
            return Err(RowError::Reward(row.reward));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = row.eligible.iter().find(|offer| !seen.insert(offer.as_str())) {
            return Err(RowError::EligibleTwice(twice.clone()));
        }
        match row.eligible.iter().position(|offer| *offer == row.chosen) {
            Some(chosen) => Ok(Self { row, chosen }),
            None => Err(RowError::ChosenNotEligible(row.chosen)),
        }
    }
}

/// Reads NDJSON, one [`LogRow`] a line; empty lines are passed over.
///
/// # Errors
///
/// The first line that cannot be used.
pub fn read_log(text: &str) -> Result<Vec<Logged>, LogError> {
    let written = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    written
        .map(|(at, line)| {
            serde_json::from_str::<LogRow>(line)
                .map_err(|error| RowError::Unreadable(error.to_string()))
                .and_then(Logged::try_from)
                .map_err(|error| LogError { line: at + 1, error })
        })
        .collect()
}
