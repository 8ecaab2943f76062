//! The quantity parser against a table of texts, refusals too.

use cloudoptim_core::model::Quantity;
use serde_json::Value;

const TABLE: &str = include_str!("testdata/quantity/quantities.jsonl");

#[test]
fn every_line_of_the_table_parses_or_is_refused_as_written() {
    let mut seen = (0, 0);
    for line in TABLE.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = row["text"].as_str().unwrap();
        let parsed = Quantity::parse(text);
        if row["valid"].as_bool().unwrap() {
            let nano: i128 = row["nano"].as_str().unwrap().parse().unwrap();
            assert_eq!(parsed.map(Quantity::nano), Ok(nano), "{text:?}");
            seen.0 += 1;
        } else {
            let error = parsed.expect_err(text);
            assert!(error.to_string().contains(text), "{error}");
            seen.1 += 1;
        }
    }
    assert_eq!(seen, (44, 19));
}
