use portico_engine::evaluate::{Logged, RowError, export, read_log};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::exports::any_row;

fn row() -> Value {
    json!({
        "decision": "d1", "placement": "hero", "at_ms": 1_000, "arm": "explore",
        "eligible": ["saver", "loan"], "chosen": "loan", "propensity": 0.5, "reward": 2.5,
    })
}

#[test]
fn a_row_that_cannot_be_used_is_named_with_its_line() {
    let check = |field: &str, value: Value, expect: &str| {
        let mut wrong = row();
        wrong[field] = value;
        let error = read_log(&format!("{}\n\n{wrong}\n{}\n", row(), row())).unwrap_err();
        assert_eq!(error.to_string(), format!("line 3: {expect}"));
    };
    check("propensity", json!(0.0), "propensity 0 is not in (0, 1]");
    check("propensity", json!(-0.5), "propensity -0.5 is not in (0, 1]");
    check("propensity", json!(1.5), "propensity 1.5 is not in (0, 1]");
    check("chosen", json!("card"), "chosen offer \"card\" is not among the eligible");
    check("eligible", json!([]), "chosen offer \"loan\" is not among the eligible");
    check("eligible", json!(["loan", "loan"]), "offer \"loan\" is eligible twice");
    let unreadable = |field: &str, value: Value| {
        let mut wrong = row();
        wrong[field] = value;
        assert!(matches!(read_log(&wrong.to_string()).unwrap_err().error, RowError::Unreadable(_)), "{field}");
    };
    unreadable("reward", Value::Null);
    unreadable("arm", json!("luck"));
    unreadable("features", json!(["young"]));
    assert_eq!(read_log("{}\n{").unwrap_err().line, 1);
}

#[test]
fn a_reward_or_propensity_that_is_no_number_is_refused() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut row: portico_engine::evaluate::LogRow = serde_json::from_value(row()).unwrap();
        row.reward = wrong;
        assert!(matches!(Logged::try_from(row.clone()), Err(RowError::Reward(_))));
        (row.reward, row.propensity) = (0.0, wrong);
        assert!(matches!(Logged::try_from(row), Err(RowError::Propensity(_))));
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(rows in prop::collection::vec(any_row(), 0..8)) {
        let text: String = rows.iter().map(|row| export::ndjson(row).unwrap() + "\n").collect();
        let read = read_log(&text).unwrap();
        prop_assert_eq!(read.len(), rows.len());
        for (read, row) in read.iter().zip(&rows) {
            // The JSON reader may miss a number by its last bit.
            prop_assert!((read.row().reward - row.row().reward).abs() <= 1e-12 * row.row().reward.abs());
            prop_assert!((read.row().propensity - row.row().propensity).abs() <= 1e-12);
            prop_assert_eq!(read.chosen(), row.chosen());
            prop_assert_eq!((&read.row().decision, &read.row().eligible), (&row.row().decision, &row.row().eligible));
            prop_assert_eq!((read.row().at_ms, &read.row().features), (row.row().at_ms, &row.row().features));
        }
    }
}
