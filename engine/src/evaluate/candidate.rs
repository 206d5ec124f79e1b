//! A candidate policy's view of one logged row, reduced to the few numbers that the estimators need.

use super::log::Logged;

/// Probabilities may miss a sum of 1 by this much: they come from divisions and from text.
const SUM_TOLERANCE: f64 = 1e-6;

/// A row weighed by how much more often the candidate would have made the logged choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighed {
    pub(super) weight: f64,
    pub(super) reward: f64,
}

/// A weighed row with what a reward model expects of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    pub(super) weighed: Weighed,
    /// Expected reward of the candidate's choice.
    pub(super) candidate: f64,
    /// Expected reward of the logged choice.
    pub(super) logged: f64,
}

/// Why a candidate's numbers do not fit a row.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CandidateError {
    /// Not one number for each eligible offer.
    #[error("{given} numbers for {eligible} eligible offers")]
    Length {
        /// Numbers given.
        given: usize,
        /// Offers eligible.
        eligible: usize,
    },
    /// Not a probability.
    #[error("probability {0} is not in [0, 1]")]
    Probability(f64),
    /// The probabilities do not add up to 1.
    #[error("the probabilities add up to {0}, not to 1")]
    Sum(f64),
    /// Not a finite number.
    #[error("prediction {0} is not finite")]
    Prediction(f64),
}

impl Weighed {
    /// A row with the candidate's probabilities of its eligible offers, in their order.
    ///
    /// The weight is π(chosen) / propensity.
    ///
    /// # Errors
    ///
    /// When there is not one probability for each eligible offer, or they are no distribution.
    pub fn new(logged: &Logged, probabilities: &[f64]) -> Result<Self, CandidateError> {
        of_each_eligible(logged, probabilities)?;
        if let Some(wrong) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(CandidateError::Probability(*wrong));
        }
        let sum: f64 = probabilities.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(CandidateError::Sum(sum));
        }
        let probability = probabilities.get(logged.chosen()).copied().unwrap_or(0.0);
        Ok(Self { weight: probability / logged.row().propensity, reward: logged.row().reward })
    }

    /// π(chosen) / propensity.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

impl Predicted {
    /// A row with the candidate's probabilities and a model's expected rewards of its eligible offers, in their order.
    ///
    /// The model must not have learned from this row, or the direct method flatters what it has memorised.
    ///
    /// # Errors
    ///
    /// As [`Weighed::new`], and when there is not one finite prediction for each eligible offer.
    pub fn new(logged: &Logged, probabilities: &[f64], predictions: &[f64]) -> Result<Self, CandidateError> {
        let weighed = Weighed::new(logged, probabilities)?;
        of_each_eligible(logged, predictions)?;
        if let Some(wrong) = predictions.iter().find(|prediction| !prediction.is_finite()) {
            return Err(CandidateError::Prediction(*wrong));
        }
        let candidate = probabilities.iter().zip(predictions).map(|(p, prediction)| p * prediction).sum();
        let logged = predictions.get(logged.chosen()).copied().unwrap_or(0.0);
        Ok(Self { weighed, candidate, logged })
    }
}

fn of_each_eligible(logged: &Logged, numbers: &[f64]) -> Result<(), CandidateError> {
    let (given, eligible) = (numbers.len(), logged.row().eligible.len());
    if given == eligible { Ok(()) } else { Err(CandidateError::Length { given, eligible }) }
}
