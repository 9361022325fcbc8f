//! The codes of docs/alerts.md against those of the program.

use riskd::alerts::AlarmCode;

use crate::document;
use crate::markdown::{code, rows};

#[test]
fn every_alarm_code_has_its_row() {
    let table = rows(&document("docs/alerts.md"), &["code", "severity", "when"]);
    let said: Vec<&str> = table.iter().map(|row| code(&row[0]).unwrap()).collect();
    let known: Vec<&str> = AlarmCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(said, known);
}
