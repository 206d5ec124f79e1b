use portico_engine::Arm;
use portico_engine::evaluate::{
    CandidateError, Estimate, EstimateError, LogRow, Logged, Predicted, Weighed, WeightLimit, direct, doubly_robust,
    ips, snips,
};
use proptest::prelude::*;

use crate::chance::Chance;

fn logged(offers: usize, chosen: usize, propensity: f64, reward: f64) -> Logged {
    let eligible: Vec<String> = (0..offers).map(|offer| format!("offer-{offer}")).collect();
    let chosen = eligible[chosen].clone();
    let (decision, placement, features) = ("d".into(), "hero".into(), vec![]);
    Logged::try_from(LogRow {
        decision,
        placement,
        at_ms: 0,
        arm: Arm::Explore,
        eligible,
        chosen,
        propensity,
        reward,
        features,
    })
    .unwrap()
}

fn close(estimate: Estimate, value: f64, standard_error: f64, effective_rows: f64) {
    let near = |got: f64, expect: f64| (got - expect).abs() < 1e-12;
    let right = near(estimate.value, value)
        && near(estimate.standard_error, standard_error)
        && near(estimate.effective_rows, effective_rows);
    assert!(right, "{estimate:?}, not {value} ± {standard_error} of {effective_rows}");
}

/// Worked by hand: weights 1.6, 0.4, 2; rewards 1, 0, 3; the candidate's predictions 0.5, 0.5, 1.4.
#[test]
fn the_estimates_of_three_rows_are_those_worked_by_hand() {
    let rows = [
        Predicted::new(&logged(2, 0, 0.5, 1.0), &[0.8, 0.2], &[0.5, 0.5]),
        Predicted::new(&logged(2, 1, 0.5, 0.0), &[0.8, 0.2], &[0.5, 0.5]),
        Predicted::new(&logged(2, 0, 0.25, 3.0), &[0.5, 0.5], &[2.0, 0.8]),
    ]
    .map(Result::unwrap);
    let weighed = [
        Weighed::new(&logged(2, 0, 0.5, 1.0), &[0.8, 0.2]),
        Weighed::new(&logged(2, 1, 0.5, 0.0), &[0.8, 0.2]),
        Weighed::new(&logged(2, 0, 0.25, 3.0), &[0.5, 0.5]),
    ]
    .map(Result::unwrap);
    let effective = 16.0 / (2.56 + 0.16 + 4.0);

    // 1.6, 0, 6.
    let mean = 7.6 / 3.0;
    let squares = (1.6_f64 - mean).powi(2) + mean.powi(2) + (6.0 - mean).powi(2);
    close(ips(&weighed, WeightLimit::NONE).unwrap(), mean, (squares / 6.0).sqrt(), effective);

    let ratio: f64 = 7.6 / 4.0;
    let squares = (1.6_f64 * (1.0 - ratio)).powi(2) + (0.4_f64 * ratio).powi(2) + (2.0_f64 * (3.0 - ratio)).powi(2);
    close(snips(&weighed, WeightLimit::NONE).unwrap(), ratio, squares.sqrt() / 4.0, effective);

    let mean = (0.5 + 0.5 + 1.4) / 3.0;
    let squares = 2.0 * (0.5_f64 - mean).powi(2) + (1.4 - mean).powi(2);
    close(direct(&rows).unwrap(), mean, (squares / 6.0).sqrt(), 3.0);

    // 0.5 + 1.6·0.5, 0.5 − 0.4·0.5, 1.4 + 2·1.
    let mean = (1.3 + 0.3 + 3.4) / 3.0;
    let squares = (1.3_f64 - mean).powi(2) + (0.3 - mean).powi(2) + (3.4 - mean).powi(2);
    close(doubly_robust(&rows, WeightLimit::NONE).unwrap(), mean, (squares / 6.0).sqrt(), effective);

    // Clipped at 1: weights 1, 0.4, 1.
    let limit = WeightLimit::new(1.0).unwrap();
    let mean = 4.0 / 3.0;
    let squares = (1.0_f64 - mean).powi(2) + mean.powi(2) + (3.0 - mean).powi(2);
    close(ips(&weighed, limit).unwrap(), mean, (squares / 6.0).sqrt(), 2.4 * 2.4 / 2.16);
}

#[test]
fn numbers_that_do_not_fit_the_row_are_refused() {
    let row = logged(2, 0, 0.5, 1.0);
    let check = |probabilities: &[f64], expect| assert_eq!(Weighed::new(&row, probabilities), Err(expect));
    check(&[1.0], CandidateError::Length { given: 1, eligible: 2 });
    check(&[1.5, -0.5], CandidateError::Probability(1.5));
    check(&[0.5, 0.4], CandidateError::Sum(0.9));
    assert!(matches!(Weighed::new(&row, &[f64::NAN, 1.0]), Err(CandidateError::Probability(_))));
    assert!(matches!(Predicted::new(&row, &[0.5, 0.5], &[0.0, f64::NAN]), Err(CandidateError::Prediction(_))));
    let short = CandidateError::Length { given: 1, eligible: 2 };
    assert_eq!(Predicted::new(&row, &[0.5, 0.5], &[0.0]), Err(short));
}

#[test]
fn without_rows_or_overlap_there_is_no_estimate() {
    let never = Weighed::new(&logged(2, 0, 0.5, 1.0), &[0.0, 1.0]).unwrap();
    assert_eq!(ips(&[], WeightLimit::NONE), Err(EstimateError::TooFewRows(0)));
    assert_eq!(snips(&[never], WeightLimit::NONE), Err(EstimateError::TooFewRows(1)));
    assert_eq!(snips(&[never, never], WeightLimit::NONE), Err(EstimateError::NoOverlap));
    assert_eq!(direct(&[]), Err(EstimateError::TooFewRows(0)));
    for limit in [0.0, -1.0, f64::NAN] {
        assert_eq!(WeightLimit::new(limit), None);
    }
}

/// Three offers that earn 1 %, 2 % and 6 %, logged by 60:30:10, judged for 10:30:60, whose value is 4.3 %.
#[test]
fn the_estimates_find_a_known_value() {
    let (rates, logging, candidate) = ([0.01, 0.02, 0.06], [0.6, 0.3, 0.1], [0.1, 0.3, 0.6]);
    let mut covered = 0;
    for run in 0..200 {
        let mut chance = Chance(run);
        let (mut weighed, mut predicted) = (Vec::new(), Vec::new());
        for _ in 0..4_000 {
            let point = chance.uniform();
            let chosen = usize::from(point >= logging[0]) + usize::from(point >= logging[0] + logging[1]);
            let reward = f64::from(u8::from(chance.happens(rates[chosen])));
            let row = logged(3, chosen, logging[chosen], reward);
            weighed.push(Weighed::new(&row, &candidate).unwrap());
            // A model that is wrong by far, which must not matter to the doubly robust.
            predicted.push(Predicted::new(&row, &candidate, &[0.3, 0.0, 0.1]).unwrap());
        }
        for estimate in [
            ips(&weighed, WeightLimit::NONE),
            snips(&weighed, WeightLimit::NONE),
            doubly_robust(&predicted, WeightLimit::NONE),
        ] {
            let estimate = estimate.unwrap();
            covered += u32::from((estimate.value - 0.043).abs() < 1.96 * estimate.standard_error);
        }
        let direct = direct(&predicted).unwrap();
        assert!((direct.value - 0.09).abs() < 1e-9, "the direct method believes its model");
    }
    assert!((540..=594).contains(&covered), "{covered} of 600 intervals of 95 % contain the value");
}

prop_compose! {
    fn any_judged()(
        offers in 2..5_usize,
        chosen in any::<prop::sample::Index>(),
        shares in prop::collection::vec(0.01..1.0_f64, 4),
        propensity in 0.01..=1.0_f64,
        reward in -5.0..50.0_f64,
        predictions in prop::collection::vec(-5.0..50.0_f64, 4),
    ) -> (Logged, Vec<f64>, Vec<f64>) {
        let sum: f64 = shares[..offers].iter().sum();
        let probabilities = shares[..offers].iter().map(|share| share / sum).collect();
        (logged(offers, chosen.index(offers), propensity, reward), probabilities, predictions[..offers].to_vec())
    }
}

proptest! {
    #[test]
    fn what_always_holds_of_estimates(rows in prop::collection::vec(any_judged(), 2..30), limit in 0.1..20.0_f64) {
        let weighed: Vec<_> = rows.iter().map(|(row, of, _)| Weighed::new(row, of).unwrap()).collect();
        let ignorant: Vec<_> =
            rows.iter().map(|(row, of, _)| Predicted::new(row, of, &vec![0.0; of.len()]).unwrap()).collect();
        let limit = WeightLimit::new(limit).unwrap();
        let (low, high) = rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (row, _, _)| {
            (low.min(row.row().reward), high.max(row.row().reward))
        });
        let snips = snips(&weighed, limit).unwrap();
        prop_assert!(snips.value >= low - 1e-9 && snips.value <= high + 1e-9, "self-normalized stays among the rewards");
        prop_assert!(snips.effective_rows >= 1.0 - 1e-9 && snips.effective_rows <= rows.len() as f64 + 1e-9);
        let ips = ips(&weighed, limit).unwrap();
        let robust = doubly_robust(&ignorant, limit).unwrap();
        prop_assert!((robust.value - ips.value).abs() < 1e-9, "without a model, doubly robust is inverse propensity");
        prop_assert!(ips.standard_error >= 0.0);

        // A model that foresaw every reward leaves nothing to correct.
        let foreseen: Vec<_> = rows.iter().map(|(row, of, predictions)| {
            let mut predictions = predictions.clone();
            predictions[row.chosen()] = row.row().reward;
            Predicted::new(row, of, &predictions).unwrap()
        }).collect();
        let robust = doubly_robust(&foreseen, limit).unwrap();
        prop_assert!((robust.value - direct(&foreseen).unwrap().value).abs() < 1e-9);
    }
}
