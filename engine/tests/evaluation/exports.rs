use portico_engine::Arm;
use portico_engine::evaluate::export::{OpenBandit, dsjson, ndjson};
use portico_engine::evaluate::{LogRow, Logged};
use proptest::prelude::*;

/// Any usable row, with ids that need escaping.
pub(crate) fn any_row() -> impl Strategy<Value = Logged> {
    let offers = prop::collection::btree_set("[a-z\"\\\\,;\n\r\u{2028} |:é]{0,6}", 1..5);
    let arm = prop::sample::select(vec![Arm::Model, Arm::Explore, Arm::Control]);
    let features = prop::collection::vec(any::<u32>(), 0..4);
    (offers, any::<prop::sample::Index>(), arm, 1e-6..=1.0_f64, -1e6..1e6_f64, any::<u64>(), features, ".{0,8}")
        .prop_map(|(offers, chosen, arm, propensity, reward, at_ms, features, decision)| {
            let eligible: Vec<String> = offers.into_iter().collect();
            let chosen = eligible[chosen.index(eligible.len())].clone();
            let placement = "hero".to_owned();
            Logged::try_from(LogRow { decision, placement, at_ms, arm, eligible, chosen, propensity, reward, features })
                .unwrap()
        })
}

#[test]
fn the_three_forms_of_one_row() {
    let log = [Logged::try_from(LogRow {
        decision: "d\"1".into(),
        placement: "hero".into(),
        at_ms: 1_795_323_600_123,
        arm: Arm::Explore,
        eligible: vec!["saver".into(), "a \"loan\", cheap".into()],
        chosen: "saver".into(),
        propensity: 0.5,
        reward: 2.5,
        features: vec![1, 0xabcd_ef01],
    })
    .unwrap()];
    let bandit = OpenBandit::of_log(&log);
    let csv: Vec<String> = core::iter::once(bandit.header())
        .chain(log.iter().enumerate().filter_map(|(number, row)| bandit.row(number, row)))
        .collect();
    let items: Vec<String> = bandit.items().collect();
    insta::assert_snapshot!(format!(
        "NDJSON\n{}\n\ndsjson\n{}\n\nOpen Bandit\n{}\n\nOpen Bandit items\n{}",
        ndjson(&log[0]).unwrap(),
        dsjson(&log[0]).unwrap(),
        csv.join("\n"),
        items.join("\n"),
    ));
}

/// A strict reader of RFC 4180: the fields of all records; panics where quotes stand wrong.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => field.push(chars.next().unwrap()),
            '"' if quoted => {
                quoted = false;
                assert!(matches!(chars.peek(), None | Some(',' | '\n')), "text behind a closing quote");
            }
            '"' => {
                assert!(field.is_empty(), "a quote inside a bare field");
                quoted = true;
            }
            ',' if !quoted => record.push(core::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(core::mem::take(&mut field));
                records.push(core::mem::take(&mut record));
            }
            _ => field.push(char),
        }
    }
    assert!(!quoted && field.is_empty() && record.is_empty(), "the text ends inside a record");
    records
}

proptest! {
    #[test]
    fn a_dsjson_line_is_one_object_that_says_what_the_row_says(row in any_row()) {
        let line = dsjson(&row).unwrap();
        prop_assert!(!line.contains(['\n', '\r']));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let actions = json["c"]["_multi"].as_array().unwrap();
        prop_assert_eq!(actions.len(), row.row().eligible.len());
        let index = json["_labelIndex"].as_u64().unwrap() as usize;
        prop_assert_eq!(&actions[index]["offer"]["id"], &row.row().chosen);
        prop_assert_eq!(json["_label_Action"].as_u64().unwrap() as usize, index + 1);
        prop_assert_eq!(&json["a"], &serde_json::json!([index + 1]));
        prop_assert_eq!(&json["p"][0], &json["_label_probability"]);
        prop_assert!((json["_label_cost"].as_f64().unwrap() + row.row().reward).abs() <= 1e-9);
    }

    #[test]
    fn csv_gives_back_every_field(rows in prop::collection::vec(any_row(), 1..6)) {
        let bandit = OpenBandit::of_log(&rows);
        let text: String = bandit.items().map(|line| line + "\n").collect();
        let items = read_csv(&text);
        prop_assert!(items.iter().all(|record| record.len() == 4));
        for row in &rows {
            for offer in &row.row().eligible {
                prop_assert_eq!(&items[bandit.item(offer).unwrap() + 1][3], offer);
            }
        }
        let text: String = core::iter::once(bandit.header()).chain(rows.iter().enumerate().filter_map(|(number, row)| bandit.row(number, row))).map(|line| line + "\n").collect();
        let records = read_csv(&text);
        prop_assert_eq!(records.len(), rows.len() + 1);
        for (record, row) in records[1..].iter().zip(&rows) {
            prop_assert_eq!(record.len(), records[0].len());
            prop_assert_eq!(record[2].parse().ok(), bandit.item(&row.row().chosen));
            prop_assert_eq!(record[4].parse(), Ok(row.row().reward));
            prop_assert_eq!(record[5].parse(), Ok(row.row().propensity));
        }
    }
}
