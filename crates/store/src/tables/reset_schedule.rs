//! `reset_schedule`: when each account's day turned last and will turn next.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use riskd_core::engine::ResetSchedule;
use riskd_core::model::{Invalid, Noun};
use rusqlite::{Connection, params};

use super::{Cells, Table};
use crate::timestamp::to_text;

pub(crate) const TABLE: Table = Table {
    name: "reset_schedule",
    noun: Noun::ResetSchedule,
    columns: &["account_id", "last_reset_date", "next_reset_time", "reset_time_config", "timezone"],
};

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<ResetSchedule, Invalid> {
    let timezone = cells.text("timezone")?;
    if TimeZone::get(timezone).is_err() {
        return Err(Invalid::new(
            Noun::ResetSchedule,
            "timezone",
            format_args!("{timezone:?}"),
            "must be a known IANA time zone",
        ));
    }
    Ok(ResetSchedule {
        account_id: cells.account_id()?,
        last_reset_date: cells.date("last_reset_date")?,
        next_reset_time: cells.time("next_reset_time")?,
        reset_time: reset_time(cells.text("reset_time_config")?)?,
        timezone: timezone.to_owned(),
    })
}

/// Writes the schedule. A row that already says the same is left untouched.
pub(crate) fn put(connection: &Connection, schedule: &ResetSchedule) -> rusqlite::Result<usize> {
    let ResetSchedule { account_id, last_reset_date, next_reset_time, reset_time, timezone } = schedule;
    let clock = if reset_time.second() == 0 {
        reset_time.strftime("%H:%M").to_string()
    } else {
        reset_time.strftime("%H:%M:%S").to_string()
    };
    connection
        .prepare_cached(
            "INSERT INTO reset_schedule (account_id, last_reset_date, next_reset_time, reset_time_config, timezone)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account_id) DO UPDATE SET
                 last_reset_date = excluded.last_reset_date, next_reset_time = excluded.next_reset_time,
                 reset_time_config = excluded.reset_time_config, timezone = excluded.timezone
             WHERE (last_reset_date, next_reset_time, reset_time_config, timezone) IS NOT
                 (excluded.last_reset_date, excluded.next_reset_time, excluded.reset_time_config, excluded.timezone)",
        )?
        .execute(params![account_id.0, last_reset_date.to_string(), to_text(*next_reset_time), clock, timezone])
}

fn reset_time(text: &str) -> Result<Time, Invalid> {
    let read = Time::strptime("%H:%M", text).or_else(|_| Time::strptime("%H:%M:%S", text));
    read.map_err(|_| {
        Invalid::new(Noun::ResetSchedule, "reset_time_config", format_args!("{text:?}"), "must be a time of day, HH:MM")
    })
}
