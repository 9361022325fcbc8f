//! The forms in which times are written, column by column, and bringing them to the program's own.
//!
//! Every form is read right; what suffers is text order, on which `timestamp > datetime('now', '-1 hour')` depends. A form
//! with a zone names one instant, so it can be rewritten as exactly that instant: digits beyond the millisecond are kept,
//! none is cut off. A time without a zone names no instant: it may be UTC or somebody's local time, and nothing in the file
//! tells which. Those are left, unless the user says that they are UTC.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::{Finding, FindingCode, Patient, schema};
use crate::context::Interrupt;
use crate::error::StoreError;
use crate::schema::{Inventory, quoted};
use crate::timestamp;

/// A form in which a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// `YYYY-MM-DD HH:MM:SS.SSS`, this program's own; in a column of dates `YYYY-MM-DD`.
    Own,
    /// `YYYY-MM-DD HH:MM:SS`, SQLite's own. It has no zone, and sorts right beside the program's own.
    Seconds,
    /// The same with a fraction of another length.
    Fraction,
    /// Without seconds, or a date alone.
    Short,
    /// With `T` and without a zone.
    IsoNaive,
    /// With `Z`, `UTC` or `+00:00`.
    ZoneUtc,
    /// With any other offset.
    ZoneOffset,
    /// In a column of dates: with a time of day behind the date.
    DateWithTime,
    /// A number.
    Number,
    /// No time at all.
    Unreadable,
}

/// A column of times, and how often each form stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Form by form, those that occur; empty cells are not counted.
    pub forms: Vec<(TimeForm, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Times,
    Dates,
}

/// Every column of ours that holds times or dates. Those of the audit trail are a part of its hashes, and never rewritten.
const COLUMNS: [(&str, &[(&str, Holds)]); 12] = [
    (
        "lockouts",
        &[
            ("locked_at", Holds::Times),
            ("locked_until", Holds::Times),
            ("created_at", Holds::Times),
            ("updated_at", Holds::Times),
        ],
    ),
    ("daily_pnl", &[("date", Holds::Dates), ("last_updated", Holds::Times)]),
    ("contract_cache", &[("cached_at", Holds::Times)]),
    ("trade_history", &[("timestamp", Holds::Times), ("created_at", Holds::Times)]),
    ("session_state", &[("session_start", Holds::Times), ("updated_at", Holds::Times)]),
    ("positions", &[("created_at", Holds::Times), ("updated_at", Holds::Times)]),
    ("orders", &[("created_at", Holds::Times), ("updated_at", Holds::Times)]),
    ("enforcement_log", &[("timestamp", Holds::Times)]),
    ("reset_schedule", &[("last_reset_date", Holds::Dates), ("next_reset_time", Holds::Times)]),
    ("daily_unrealized_pnl", &[("timestamp", Holds::Dates), ("created_at", Holds::Times)]),
    ("drawdown_marks", &[("day", Holds::Dates), ("updated_at", Holds::Times)]),
    ("rule_commitments", &[("armed_at", Holds::Times), ("loosens_at", Holds::Times)]),
];

/// Counts the forms of every column, and says what each form means for queries.
pub(super) fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) -> Result<Vec<TimeColumn>, StoreError> {
    let mut times = Vec::new();
    for (table, columns) in COLUMNS {
        if !schema::is_readable(patient, table)? {
            continue;
        }
        for (at, tally) in tallies(&patient.seen.database, table, columns)?.into_iter().enumerate() {
            let (column, holds) = columns[at];
            tally.tell(table, column, holds, patient.options.naive_times_are_utc, findings);
            if !tally.forms.is_empty() {
                times.push(TimeColumn { table: table.into(), column: column.into(), forms: tally.forms });
            }
        }
    }
    Ok(times)
}

/// Rewrites every value whose instant is known in the program's own form. Returns how many.
pub(super) fn normalise(
    connection: &Connection,
    inventory: &Inventory,
    naive_times_are_utc: bool,
    interrupt: &Interrupt,
) -> Result<u64, StoreError> {
    let mut changed = 0;
    for (table, columns) in COLUMNS {
        let Some(found) = inventory.tables.get(table).filter(|found| !found.without_rowid) else { continue };
        for &(column, holds) in columns.iter().filter(|(column, _)| found.column(column).is_some()) {
            changed += normalise_column(connection, (table, column, holds), naive_times_are_utc, interrupt)
                .map_err(StoreError::sqlite(format!("rewrite the times in {table}.{column}")))?;
            interrupt.check()?;
        }
    }
    Ok(changed)
}

/// What a cell means, whichever form it is in: equal before and after a rewriting.
pub(super) fn meaning(table: &str, column: &str, value: ValueRef<'_>) -> Option<i128> {
    let (_, columns) = COLUMNS.iter().find(|(known, _)| *known == table)?;
    let (_, holds) = columns.iter().find(|(known, _)| known.eq_ignore_ascii_case(column))?;
    let text = value.as_str().ok()?;
    match holds {
        Holds::Times => instant(text).map(jiff::Timestamp::as_nanosecond),
        Holds::Dates => {
            instant(text)?;
            timestamp::parse_date(text.trim().get(..10)?).map(|date| i128::from(date_number(date)))
        }
    }
}

fn date_number(date: jiff::civil::Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

fn normalise_column(
    connection: &Connection,
    (table, column, holds): (&str, &str, Holds),
    naive_times_are_utc: bool,
    interrupt: &Interrupt,
) -> rusqlite::Result<u64> {
    const ROWS_AT_ONCE: u32 = 10_000;
    let (name, cell) = (quoted(table), quoted(column));
    let mut select = connection.prepare(&format!(
        "SELECT rowid, {cell} FROM main.{name} NOT INDEXED WHERE rowid > ?1 ORDER BY rowid LIMIT {ROWS_AT_ONCE}"
    ))?;
    // A date that is there already for the same account stays alone: two rows of one day are for a person to merge.
    let mut update = connection.prepare(&format!("UPDATE OR IGNORE main.{name} SET {cell} = ?1 WHERE rowid = ?2"))?;
    let (mut last, mut changed) = (i64::MIN, 0);
    loop {
        let mut rewritten = Vec::new();
        let mut rows = select.query([last])?;
        let mut found_any = false;
        while let Some(row) = rows.next()? {
            found_any = true;
            last = row.get(0)?;
            if let ValueRef::Text(bytes) = row.get_ref(1)?
                && let Some(text) =
                    std::str::from_utf8(bytes).ok().and_then(|text| rewrite(text, holds, naive_times_are_utc))
            {
                rewritten.push((last, text));
            }
        }
        for (rowid, text) in rewritten {
            changed += update.execute(params![text, rowid])? as u64;
        }
        if !found_any || interrupt.is_set() {
            return Ok(changed);
        }
    }
}

/// The text in the program's own form, where it is in another and its instant is known exactly.
fn rewrite(text: &str, holds: Holds, naive_times_are_utc: bool) -> Option<String> {
    let form = form_of(text, holds);
    match form {
        TimeForm::ZoneUtc | TimeForm::ZoneOffset => own_text(text),
        TimeForm::IsoNaive if naive_times_are_utc => own_text(text),
        TimeForm::DateWithTime if is_bare_midnight(text) => Some(text.trim()[..10].to_owned()),
        _ => None,
    }
}

/// Exactly the same instant as `YYYY-MM-DD HH:MM:SS.SSS`, with as many digits more as it has.
fn own_text(text: &str) -> Option<String> {
    let instant = instant(text)?;
    let beyond = instant.subsec_nanosecond().rem_euclid(1_000_000);
    let mut own = timestamp::to_text(instant);
    if beyond != 0 {
        own.push_str(format!("{beyond:06}").trim_end_matches('0'));
    }
    // Years that the form cannot hold, and digits beyond the nanosecond, stay as they are.
    (is_exact(text) && self::instant(&own) == Some(instant)).then_some(own)
}

/// Whether no digit of the fraction is lost on reading.
fn is_exact(text: &str) -> bool {
    let fraction = text.split(['.', ',']).nth(1).unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).collect::<Vec<_>>();
    digits.iter().skip(9).all(|digit| *digit == b'0')
}

fn is_bare_midnight(text: &str) -> bool {
    let text = text.trim();
    zone_of(text).is_empty()
        && instant(text).is_some_and(|at| {
            timestamp::to_text(at)[10..] == *" 00:00:00.000" && is_exact(text) && at.subsec_nanosecond() == 0
        })
}

fn instant(text: &str) -> Option<jiff::Timestamp> {
    timestamp::from_text(text, riskd_core::model::Noun::EnforcementLog, "timestamp").ok()
}

/// What stands behind the clock.
fn zone_of(text: &str) -> &str {
    let is_clock = |letter: char| letter.is_ascii_digit() || matches!(letter, ':' | '.' | ',');
    text.get(11..).unwrap_or_default().trim_start_matches(is_clock).trim()
}

fn form_of(text: &str, holds: Holds) -> TimeForm {
    if instant(text).is_none() {
        return TimeForm::Unreadable;
    }
    let text = text.trim();
    let (separator, length) = (text.as_bytes().get(10), text.len());
    if holds == Holds::Dates {
        return if length == 10 { TimeForm::Own } else { TimeForm::DateWithTime };
    }
    let zone = zone_of(text);
    if !zone.is_empty() {
        let is_utc = zone.eq_ignore_ascii_case("z")
            || zone.eq_ignore_ascii_case("utc")
            || zone.bytes().all(|byte| matches!(byte, b'+' | b'-' | b'0' | b':'));
        return if is_utc { TimeForm::ZoneUtc } else { TimeForm::ZoneOffset };
    }
    match (separator, length) {
        (Some(b'T' | b't'), _) => TimeForm::IsoNaive,
        (Some(_), 19) => TimeForm::Seconds,
        (Some(_), 23) if text.as_bytes()[19] == b'.' => TimeForm::Own,
        (Some(_), 20..) => TimeForm::Fraction,
        _ => TimeForm::Short,
    }
}

#[derive(Default)]
struct Tally {
    forms: Vec<(TimeForm, u64)>,
    /// Of those with a zone, or dates with a time: how many can be rewritten without a guess.
    rewritable: u64,
}

fn tallies(connection: &Connection, table: &str, columns: &[(&str, Holds)]) -> Result<Vec<Tally>, StoreError> {
    let names: Vec<String> = columns.iter().map(|(column, _)| quoted(column)).collect();
    let run = || -> rusqlite::Result<Vec<Tally>> {
        let sql = format!("SELECT {} FROM main.{} NOT INDEXED", names.join(", "), quoted(table));
        let mut tallies: Vec<Tally> = columns.iter().map(|_| Tally::default()).collect();
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (at, tally) in tallies.iter_mut().enumerate() {
                tally.count(row.get_ref(at)?, columns[at].1);
            }
        }
        Ok(tallies)
    };
    run().map_err(StoreError::sqlite(format!("read the times in {table}")))
}

impl Tally {
    fn count(&mut self, value: ValueRef<'_>, holds: Holds) {
        let form = match value {
            ValueRef::Null => return,
            ValueRef::Integer(_) | ValueRef::Real(_) => TimeForm::Number,
            ValueRef::Blob(_) => TimeForm::Unreadable,
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => {
                    self.rewritable += u64::from(rewrite(text, holds, false).is_some());
                    form_of(text, holds)
                }
                Err(_) => TimeForm::Unreadable,
            },
        };
        match self.forms.binary_search_by_key(&form, |(known, _)| *known) {
            Ok(at) => self.forms[at].1 += 1,
            Err(at) => self.forms.insert(at, (form, 1)),
        }
    }

    fn of(&self, wanted: &[TimeForm]) -> u64 {
        self.forms.iter().filter(|(form, _)| wanted.contains(form)).map(|(_, count)| count).sum()
    }

    fn tell(&self, table: &str, column: &str, holds: Holds, naive_times_are_utc: bool, findings: &mut Vec<Finding>) {
        let mut say = |code, count: u64, explanation: String, mend: String, mendable| {
            if count > 0 {
                let place = format!("{table}.{column}");
                findings.push(Finding { code, place, explanation, mend, mendable, count: Some(count) });
            }
        };
        let odd = self.of(&[TimeForm::ZoneUtc, TimeForm::ZoneOffset, TimeForm::DateWithTime]);
        let what = match holds {
            Holds::Times => "written with their zone: each is one instant",
            Holds::Dates => "dates with a bare midnight behind them: each is one day",
        };
        say(
            FindingCode::TimeForm,
            self.rewritable,
            format!("{what}, but as text it sorts wrongly beside the others, and queries on time miss or add it"),
            "`riskd db doctor --fix` rewrites them in the program's own form: the same instant, no digit cut off"
                .into(),
            true,
        );
        say(
            FindingCode::TimeForm,
            odd - self.rewritable,
            "these values cannot be rewritten without a loss or a guess: more digits than nanoseconds, a year beyond the \
             form, or a time of day in a column of dates"
                .into(),
            "correct them by hand; riskd reads them as they are".into(),
            false,
        );
        say(
            FindingCode::TimeNaive,
            self.of(&[TimeForm::IsoNaive]),
            "these values have a T and no zone. They sort wrongly, and whether they are UTC or local time nothing in the \
             file says; riskd reads them as UTC"
                .into(),
            "if you know that they are UTC: `riskd db doctor --fix --naive-times-are-utc`".into(),
            naive_times_are_utc,
        );
        say(
            FindingCode::TimeUnreadable,
            self.of(&[TimeForm::Unreadable, TimeForm::Number]),
            "these values are no time in any known form".into(),
            format!("look at them (SELECT rowid, {column} FROM {table}) and correct them by hand"),
            false,
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_form_is_told_and_only_what_names_an_instant_is_rewritten() {
        let cases = [
            ("2026-11-22 14:30:05.123", TimeForm::Own, None),
            ("2026-11-22 14:30:05", TimeForm::Seconds, None),
            ("2026-11-22 14:30:05.25", TimeForm::Fraction, None),
            ("2026-11-22 14:30:05.123456", TimeForm::Fraction, None),
            ("2026-11-22 14:30", TimeForm::Short, None),
            ("2026-11-22", TimeForm::Short, None),
            ("2026-11-22T14:30:05", TimeForm::IsoNaive, None),
            ("2026-11-22T14:30:05Z", TimeForm::ZoneUtc, Some("2026-11-22 14:30:05.000")),
            ("2026-11-22 14:30:05 UTC", TimeForm::ZoneUtc, Some("2026-11-22 14:30:05.000")),
            ("2026-11-22T14:30:05.123456+00:00", TimeForm::ZoneUtc, Some("2026-11-22 14:30:05.123456")),
            ("2026-11-22T14:30:05.1234500Z", TimeForm::ZoneUtc, Some("2026-11-22 14:30:05.12345")),
            ("2026-11-22T14:30:05.123456789Z", TimeForm::ZoneUtc, Some("2026-11-22 14:30:05.123456789")),
            ("2026-11-22T14:30:05.1234567891Z", TimeForm::ZoneUtc, None),
            ("2026-11-22T14:30:05-05:00", TimeForm::ZoneOffset, Some("2026-11-22 19:30:05.000")),
            ("2026-11-22 23:30:05-0500", TimeForm::ZoneOffset, Some("2026-11-23 04:30:05.000")),
            ("0000-01-01T00:00:00+01:00", TimeForm::ZoneOffset, None),
            ("yesterday", TimeForm::Unreadable, None),
        ];
        for (text, form, own) in cases {
            assert_eq!(form_of(text, Holds::Times), form, "{text}");
            assert_eq!(rewrite(text, Holds::Times, false).as_deref(), own, "{text}");
            if let Some(own) = own {
                assert_eq!(instant(own), instant(text), "{text}");
            }
        }
        assert_eq!(rewrite("2026-11-22T14:30:05", Holds::Times, true).as_deref(), Some("2026-11-22 14:30:05.000"));
        let dates = [
            ("2026-11-22", TimeForm::Own, None),
            ("2026-11-22 00:00:00", TimeForm::DateWithTime, Some("2026-11-22")),
            ("2026-11-22T00:00:00.000", TimeForm::DateWithTime, Some("2026-11-22")),
            ("2026-11-22T00:00:00Z", TimeForm::DateWithTime, None),
            ("2026-11-22 17:00:00", TimeForm::DateWithTime, None),
        ];
        for (text, form, own) in dates {
            assert_eq!(
                (form_of(text, Holds::Dates), rewrite(text, Holds::Dates, false).as_deref()),
                (form, own),
                "{text}"
            );
        }
    }

    #[test]
    fn every_column_of_times_in_the_schema_is_looked_at() {
        use crate::schema::{Features, HEAD_VERSION, VERSION_TABLE, expected_of};
        for (key, table) in expected_of(HEAD_VERSION, Features::ALL).tables {
            if key.starts_with("sqlite_") || key == VERSION_TABLE || key == crate::audit::TABLE {
                continue;
            }
            let (_, columns) = COLUMNS.iter().find(|(known, _)| *known == key).unwrap();
            for column in table.columns.iter().filter(|column| matches!(&*column.declared_type, "DATETIME" | "DATE")) {
                let holds = if column.declared_type == "DATE" { Holds::Dates } else { Holds::Times };
                assert!(columns.contains(&(&*column.name, holds)), "{key}.{}", column.name);
            }
            assert!(columns.iter().all(|(column, _)| table.column(column).is_some()), "{key}");
        }
    }
}
