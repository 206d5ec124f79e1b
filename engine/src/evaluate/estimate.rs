//! What a candidate policy would have earned per decision, estimated from decisions that another policy made.
//!
//! Notation: row i had the reward r and the weight w = π(chosen) / propensity; q is a model's expected reward.
//!
//! | | estimate | wrong when |
//! |---|---|---|
//! | [`ips`] | mean of w·r (Horvitz & Thompson 1952) | never in the long run, but it scatters with the weights |
//! | [`snips`] | Σ w·r / Σ w (Swaminathan & Joachims 2015, "The self-normalized estimator") | by about 1/n, for much less scatter |
//! | [`direct`] | mean of Σ π·q | the reward model is |
//! | [`doubly_robust`] | mean of Σ π·q + w·(r − q(chosen)) (Dudík, Langford & Li 2011) | both propensities and model are |
//!
//! All of them need every offer that the candidate may choose to have had a chance. Rows of the explore arm give it to all,
//! rows of the model's arm to what sampling ever reaches; rows of the control arm, whose order is fixed, to one offer only:
//! leave them out. Propensities are those within the row's arm, and rows of arms that cover the candidate may be mixed.
//!
//! The standard errors hold for independent rows; several rows of one visitor are not quite that. They are for judging an
//! estimate once. A question asked again every day belongs to [`super::Lift`] or [`super::MeanSequence`].

use super::candidate::{Predicted, Weighed};

/// An estimate and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Estimated reward per decision, in units of the weighed KPIs.
    pub value: f64,
    /// Its standard error, in the same units.
    pub standard_error: f64,
    /// Rows it rests on.
    pub rows: usize,
    /// (Σ w)² / Σ w² (Kish 1965): rows of equal weight that would scatter as much. Of a direct estimate, which weighs
    /// nothing, the number of rows.
    pub effective_rows: f64,
}

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EstimateError {
    /// A standard error needs at least two rows.
    #[error("{0} rows are too few for an estimate; at least 2 are needed")]
    TooFewRows(usize),
    /// The candidate would have made none of the logged choices.
    #[error("the candidate would never have made any of the logged choices")]
    NoOverlap,
}

/// The largest weight that a row may have; larger ones count as this.
///
/// Clipping trades scatter for a bias towards 0 (for [`doubly_robust`]: towards [`direct`]), of at most the clipped part
/// of the mean weight times the largest reward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightLimit(f64);

impl WeightLimit {
    /// Weights as they are: no bias.
    pub const NONE: Self = Self(f64::INFINITY);

    /// A limit above 0; anything else is none.
    #[must_use]
    pub fn new(limit: f64) -> Option<Self> {
        (limit > 0.0).then_some(Self(limit))
    }

    fn of(self, row: &Weighed) -> f64 {
        row.weight.min(self.0)
    }
}

/// Inverse propensity scoring: the mean of weight × reward.
///
/// # Errors
///
/// When there are fewer than two rows, or none that the candidate could have chosen.
pub fn ips(rows: &[Weighed], limit: WeightLimit) -> Result<Estimate, EstimateError> {
    let effective_rows = effective_rows(rows.iter(), limit)?;
    mean(rows.iter().map(|row| limit.of(row) * row.reward), effective_rows)
}

/// Self-normalized inverse propensity scoring: Σ weight × reward / Σ weight.
///
/// Its standard error is that of a ratio, √(Σ w²(r − value)²) / Σ w (Owen 2013, "Monte Carlo theory, methods and
/// examples", 9.2).
///
/// # Errors
///
/// As [`ips`].
pub fn snips(rows: &[Weighed], limit: WeightLimit) -> Result<Estimate, EstimateError> {
    let effective_rows = effective_rows(rows.iter(), limit)?;
    let weights: f64 = rows.iter().map(|row| limit.of(row)).sum();
    let value = rows.iter().map(|row| limit.of(row) * row.reward).sum::<f64>() / weights;
    let squares: f64 = rows.iter().map(|row| square(limit.of(row) * (row.reward - value))).sum();
    Ok(Estimate { value, standard_error: libm::sqrt(squares) / weights, rows: rows.len(), effective_rows })
}

/// The direct method: the mean of what the reward model expects of the candidate's choice.
///
/// Its standard error knows nothing of the model's mistakes.
///
/// # Errors
///
/// When there are fewer than two rows.
pub fn direct(rows: &[Predicted]) -> Result<Estimate, EstimateError> {
    mean(rows.iter().map(|row| row.candidate), rows.len() as f64)
}

/// Doubly robust: the direct method, corrected by the weighed errors of the model on the logged choices.
///
/// # Errors
///
/// As [`ips`].
pub fn doubly_robust(rows: &[Predicted], limit: WeightLimit) -> Result<Estimate, EstimateError> {
    let effective_rows = effective_rows(rows.iter().map(|row| &row.weighed), limit)?;
    let corrected = |row: &Predicted| row.candidate + limit.of(&row.weighed) * (row.weighed.reward - row.logged);
    mean(rows.iter().map(corrected), effective_rows)
}

fn effective_rows<'a>(rows: impl Iterator<Item = &'a Weighed>, limit: WeightLimit) -> Result<f64, EstimateError> {
    let (mut count, mut sum, mut squares) = (0, 0.0, 0.0);
    for row in rows {
        let weight = limit.of(row);
        count += 1;
        sum += weight;
        squares += square(weight);
    }
    if count < 2 {
        return Err(EstimateError::TooFewRows(count));
    }
    if squares == 0.0 { Err(EstimateError::NoOverlap) } else { Ok(square(sum) / squares) }
}

/// Mean and standard error in one pass (Welford 1962).
fn mean(values: impl Iterator<Item = f64>, effective_rows: f64) -> Result<Estimate, EstimateError> {
    let (mut rows, mut mean, mut squares) = (0_usize, 0.0, 0.0);
    for value in values {
        rows += 1;
        let away = value - mean;
        mean += away / rows as f64;
        squares += away * (value - mean);
    }
    if rows < 2 {
        return Err(EstimateError::TooFewRows(rows));
    }
    let count = rows as f64;
    let standard_error = libm::sqrt(squares / (count - 1.0) / count);
    Ok(Estimate { value: mean, standard_error, rows, effective_rows })
}

fn square(x: f64) -> f64 {
    x * x
}
