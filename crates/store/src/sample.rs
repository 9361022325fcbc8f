//! A documented v1 database with a made-up past, for demonstrations and drills.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use riskd_core::model::AccountId;
use rusqlite::{Connection, params};

use crate::connection::{Database, Mode};
use crate::error::StoreError;
use crate::location::Location;
use crate::schema::VERSIONS;

/// What the past consists of.
#[derive(Debug, Clone)]
pub struct V1Sample {
    /// The accounts that have a past.
    pub account_ids: Vec<AccountId>,
    /// Rows of `enforcement_log`; every fiftieth failed.
    pub enforcements: u32,
    /// Rows of `trade_history`, all within the last week.
    pub trades: u32,
    /// When the past ends. Nothing lies within the day before, so no limit of today is touched.
    pub until: Timestamp,
}

/// How older programs wrote a DATETIME.
const V1_TIME: &str = "%Y-%m-%d %H:%M:%S";
const SECONDS_OF_A_DAY: i64 = 86_400;

/// Makes a database as v1 programs left it: nine tables, their indexes, no version table.
///
/// # Errors
///
/// There is a file at the path already, or it cannot be written.
pub fn create_v1_sample(path: &Path, sample: &V1Sample) -> Result<(), StoreError> {
    let path = Location::new(path).resolve()?.database;
    if path.exists() {
        let source = std::io::ErrorKind::AlreadyExists.into();
        return Err(StoreError::Io { action: "make a sample at", path, source });
    }
    let mut database = Database::open(&path, Mode::Create)?;
    let write = |connection: &mut Connection| -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        transaction.execute_batch(VERSIONS[0].schema)?;
        write_enforcements(&transaction, sample)?;
        write_trades(&transaction, sample)?;
        write_days(&transaction, sample)?;
        transaction.commit()
    };
    write(&mut database).map_err(StoreError::sqlite("make a sample database"))
}

fn write_enforcements(connection: &Connection, sample: &V1Sample) -> rusqlite::Result<()> {
    const KINDS: [(&str, &str); 3] =
        [("RULE-001", "CLOSE_ALL_POSITIONS"), ("RULE-003", "CLOSE_ALL_AND_LOCKOUT"), ("RULE-004", "CLOSE_POSITION")];
    let mut insert = connection.prepare(
        "INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason, success, details, execution_time_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (number, account_id) in numbered(sample, sample.enforcements) {
        let (rule_id, action) = KINDS[number as usize % KINDS.len()];
        let seconds_ago =
            330 * SECONDS_OF_A_DAY * i64::from(sample.enforcements - number) / i64::from(sample.enforcements);
        insert.execute(params![
            before(sample.until, SECONDS_OF_A_DAY + seconds_ago),
            account_id,
            rule_id,
            action,
            format!("made-up breach {number}"),
            number % 50 != 0,
            format!(r#"{{"positions_closed": {}, "orders_cancelled": {}}}"#, number % 3, number % 2),
            40 + number * 37 % 900,
        ])?;
    }
    Ok(())
}

fn write_trades(connection: &Connection, sample: &V1Sample) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare("INSERT INTO trade_history (account_id, timestamp, contract_id, pnl) VALUES (?1, ?2, ?3, ?4)")?;
    for (number, account_id) in numbered(sample, sample.trades) {
        let seconds_ago = 5 * SECONDS_OF_A_DAY * i64::from(sample.trades - number) / i64::from(sample.trades);
        // Every other trade is a half-turn and has no P&L.
        let pnl = (number % 2 == 1).then(|| f64::from(number * 7 % 41) * 12.5 - 250.0);
        let time = before(sample.until, SECONDS_OF_A_DAY + seconds_ago);
        insert.execute(params![account_id, time, "CON.F.US.EP.M18", pnl])?;
    }
    Ok(())
}

fn write_days(connection: &Connection, sample: &V1Sample) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare("INSERT INTO daily_pnl (account_id, date, realized_pnl, last_updated) VALUES (?1, ?2, ?3, ?4)")?;
    for account_id in &sample.account_ids {
        for days_ago in 2..60_i64 {
            let time = before(sample.until, days_ago * SECONDS_OF_A_DAY);
            let pnl = (days_ago * 73 + account_id.0) % 700 - 350;
            insert.execute(params![account_id.0, &time[..10], pnl as f64, time])?;
        }
    }
    Ok(())
}

/// Numbers from 1, each with the account whose turn it is.
fn numbered(sample: &V1Sample, count: u32) -> impl Iterator<Item = (u32, i64)> {
    let ids: Vec<i64> = sample.account_ids.iter().map(|account_id| account_id.0).collect();
    (1..=count).zip(ids.into_iter().cycle())
}

fn before(until: Timestamp, seconds: i64) -> String {
    let time = until.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(until);
    time.strftime(V1_TIME).to_string()
}
