//! What `doctor --fix` changes inside: times above all, with Python as the witness of their instants.

use std::path::Path;

use riskd_store::{DoctorOptions, Features, FindingCode, TimeForm};

use crate::doctor::{codes, diagnose, doctor, healthy, mend, mend_with, private, spoil};
use crate::support::{Fixture, names_in, query};

/// Reads times as Python does, an instant each, without any code of ours.
const INSTANTS: &str = r#"
import datetime, json, sqlite3, sys
def instant(text):
    if text is None: return None
    text = text.replace(" UTC", "+00:00").replace("Z", "+00:00")
    try: at = datetime.datetime.fromisoformat(text)
    except ValueError: return text
    return at.replace(tzinfo=at.tzinfo or datetime.timezone.utc).astimezone(datetime.timezone.utc).isoformat()
db = sqlite3.connect("file:" + sys.argv[1] + "?immutable=1", uri=True)
tables = {"lockouts": ["locked_at", "locked_until"], "positions": ["created_at", "updated_at"], "orders": ["created_at", "updated_at"],
          "trade_history": ["timestamp"], "enforcement_log": ["timestamp"], "contract_cache": ["cached_at"]}
held = {}
for table, columns in tables.items():
    for row in db.execute(f"SELECT rowid, {', '.join(columns)} FROM {table} ORDER BY rowid"):
        held[f"{table} {row[0]}"] = [instant(cell) for cell in row[1:]]
print(json.dumps(held))
"#;

fn instants(path: &Path) -> String {
    let output = std::process::Command::new(crate::support::python_program())
        .args(["-c", INSTANTS, crate::support::text(path)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn times_with_a_zone_become_the_programs_form_and_stay_the_same_instants() {
    let fixture = Fixture::with_rows("documented", "state.db", 300);
    fixture.migrate();
    spoil(
        &fixture,
        "UPDATE enforcement_log SET timestamp = '2025-10-22T09:30:00.123456-05:00' WHERE id = 7;
         UPDATE enforcement_log SET timestamp = '2025-10-22 23:59:59.9Z' WHERE id = 8",
    );
    let held = instants(&fixture.path);
    let found = diagnose(&fixture);
    let log = found
        .times
        .iter()
        .find(|times| (times.table.as_str(), times.column.as_str()) == ("enforcement_log", "timestamp"))
        .unwrap();
    let count = |sql: &str| {
        fixture.query(&format!("SELECT count(*) FROM enforcement_log WHERE {sql}"))[0].parse::<u64>().unwrap()
    };
    let forms = [
        (TimeForm::Own, count("timestamp GLOB '* ??:??:??.???'")),
        (TimeForm::Seconds, count("timestamp GLOB '* ??:??:??'")),
        (TimeForm::IsoNaive, count("timestamp GLOB '*T??:??:??'")),
        (TimeForm::ZoneUtc, count("timestamp GLOB '*Z' OR timestamp GLOB '*+00:00'")),
        (TimeForm::ZoneOffset, 1),
    ];
    assert_eq!(log.forms, forms.iter().copied().filter(|(_, count)| *count > 0).collect::<Vec<_>>());
    let after = mend(&fixture);
    assert_eq!(instants(&fixture.path), held, "Python finds other instants");
    for (id, text) in [(7, "2025-10-22 14:30:00.123456"), (8, "2025-10-22 23:59:59.900")] {
        assert_eq!(fixture.query(&format!("SELECT timestamp FROM enforcement_log WHERE id = {id}")), [text]);
    }
    assert_eq!(count("timestamp GLOB '*Z' OR timestamp GLOB '*+??:??' OR timestamp GLOB '*-??:??'"), 0);
    // What has no zone is left, and said so.
    assert_eq!(codes(&after), ["row_unreadable", "time_naive"], "{:?}", after.findings);
    assert!(count("timestamp GLOB '*T*'") > 0);
    let sure = DoctorOptions { naive_times_are_utc: true, ..doctor() };
    let sure = mend_with(&fixture, &sure);
    assert_eq!(codes(&sure), ["row_unreadable"]);
    assert_eq!(count("timestamp GLOB '*T*'"), 0);
    assert_eq!(instants(&fixture.path), held);
    assert_eq!(query(&fixture.path, "PRAGMA integrity_check"), ["ok"]);
    // The backups hold the rows as they were, each time.
    let backups = names_in(&fixture.backups()).into_iter().filter(|name| name.ends_with(".db")).count();
    assert_eq!(backups, 3);
}

#[test]
fn what_cannot_be_rewritten_without_a_guess_is_left_and_named() {
    let fixture = healthy();
    spoil(
        &fixture,
        "INSERT INTO trade_history (account_id, timestamp, contract_id, created_at) VALUES
            (1, '2025-10-22T14:30:00.1234567891Z', 'C', '2025-10-22'),
            (1, '2025-10-22 14:30:00', 'C', 1761143400),
            (1, '2025-10-22 14:30:00', 'C', 'soon');
         INSERT INTO daily_pnl (account_id, date, realized_pnl) VALUES (9, '2025-10-22 00:00:00', 1.0), (9, '2025-10-23', 1.0),
            (9, '2025-10-23 00:00:00', 2.0), (9, '2025-10-24 17:00:00', 3.0)",
    );
    let after = mend(&fixture);
    let left: Vec<(String, String, Option<u64>)> =
        after.findings.iter().map(|finding| (finding.code.to_string(), finding.place.clone(), finding.count)).collect();
    let expected = |code: &str, place: &str, count| (code.to_owned(), place.to_owned(), Some(count));
    assert!(left.contains(&expected("time_form", "trade_history.timestamp", 1)), "{left:?}");
    assert!(left.contains(&expected("time_unreadable", "trade_history.created_at", 2)), "{left:?}");
    assert!(left.contains(&expected("time_form", "daily_pnl.date", 1)), "{left:?}");
    // One date was a midnight and became a date; the other is another row's day already, and stays.
    assert_eq!(
        fixture.query("SELECT date FROM daily_pnl WHERE account_id = 9 ORDER BY realized_pnl, date"),
        ["2025-10-22", "2025-10-23", "2025-10-23 00:00:00", "2025-10-24 17:00:00"]
    );
}

#[test]
fn triggers_of_the_users_own_are_not_fired_by_a_mend() {
    let fixture = Fixture::new("own_objects");
    fixture.migrate();
    spoil(
        &fixture,
        "CREATE TRIGGER my_update AFTER UPDATE ON enforcement_log BEGIN INSERT INTO my_audit VALUES ('changed'); END",
    );
    let audit = fixture.query("SELECT count(*) FROM my_audit");
    let after = mend(&fixture);
    assert!(after.mended.iter().any(|mended| mended.place == "enforcement_log.timestamp"), "{after:?}");
    assert_eq!(fixture.query("SELECT count(*) FROM my_audit"), audit);
    assert_eq!(fixture.query("SELECT count(*) FROM sqlite_master WHERE name = 'my_update'"), ["1"]);
}

#[test]
fn an_interrupted_mend_leaves_every_byte_of_content() {
    let fixture = Fixture::with_rows("documented", "state.db", 300);
    fixture.migrate();
    private(&fixture);
    spoil(&fixture, "DROP INDEX idx_orders_state");
    let options = doctor();
    let bytes = fixture.bytes();
    // Ctrl-C just as the backup is done.
    let stop = |event: riskd_store::Event| {
        if matches!(event, riskd_store::Event::StepDone { .. }) {
            options.interrupt.set();
        }
    };
    let error = riskd_store::mend(&fixture.location(), &options, &stop).unwrap_err();
    assert!(error.is_interrupt(), "{error}");
    assert!(fixture.bytes() == bytes, "the file was changed");
    assert!(!codes(&mend(&fixture)).contains(&"index_missing"));
}

#[test]
fn a_v1_is_mended_as_v1_and_migrates_afterwards() {
    for form in ["two_columns", "no_execution_time", "missing_indexes", "small_pages_utf16"] {
        let fixture = Fixture::with_rows(form, "state.db", 120);
        let held = (form != "two_columns").then(|| instants(&fixture.path));
        let after = mend(&fixture);
        assert_eq!(after.version, Some(1), "{form}");
        assert!(after.mended.iter().any(|mended| mended.code == FindingCode::TimeForm), "{form}: {after:?}");
        assert!(after.findings.iter().all(|finding| !finding.mendable), "{form}: {:?}", after.findings);
        if let Some(held) = held {
            assert_eq!(instants(&fixture.path), held, "{form}");
        }
        fixture.migrate();
        assert_eq!(fixture.verify(Features::default()).deviations, Vec::<String>::new(), "{form}");
    }
}
