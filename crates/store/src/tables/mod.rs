//! One file a table: row to noun, through the noun's own constructor, and noun to row.
//!
//! A row that cannot be read is reported with its table, its rowid and what was wrong, and the rest of the batch goes
//! on. Nothing here decides anything, with one exception that protects money: a lockout in force that cannot be read
//! still locks (see [`lockouts`]).

pub mod contract_cache;
pub mod daily_pnl;
pub mod daily_unrealized_pnl;
pub mod drawdown_marks;
pub mod enforcement_log;
pub mod lockouts;
pub mod orders;
pub mod positions;
pub mod reset_schedule;
pub mod rule_commitments;
pub mod schema_version;
pub mod session_state;
pub mod trade_history;

use jiff::Timestamp;
use jiff::civil::Date;
use riskd_core::model::{AccountId, Checks, ContractId, Invalid, Money, Noun, NumberError, Price, RuleId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row};

use crate::error::StoreError;
use crate::timestamp;

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The table it is in.
    pub table: &'static str,
    /// SQLite's number of the row.
    pub rowid: i64,
    /// The account it speaks of, where that much could be read.
    pub account_id: Option<AccountId>,
    /// What was wrong with it.
    pub invalid: Invalid,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "table {} row {}: {}", self.table, self.rowid, self.invalid)
    }
}

/// What a query found: the rows that could be read, and those that could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<T> {
    /// The rows, in the order of the query.
    pub rows: Vec<T>,
    /// The rows that could not be read. Each is listed once.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), unreadable: Vec::new() }
    }
}

impl<T> Rows<T> {
    /// Keeps a row, or the word that it cannot be read.
    pub(crate) fn push(&mut self, row: Result<T, Unreadable>) {
        match row {
            Ok(row) => self.rows.push(row),
            Err(unreadable) => self.unreadable.push(unreadable),
        }
    }

    /// Keeps only some of the rows that could be read.
    pub(crate) fn retain(mut self, keep: impl FnMut(&T) -> bool) -> Self {
        self.rows.retain(keep);
        self
    }
}

/// What the checks of a row need that the row does not hold.
#[derive(Debug, Clone)]
pub struct RowChecks {
    /// The moment of reading, for times that must not lie in the future.
    pub now: Timestamp,
    /// Symbol roots of contracts that may trade at zero or below, such as `CL`.
    pub negative_price_roots: std::sync::Arc<[String]>,
}

impl RowChecks {
    /// Whether a contract may trade at zero or below.
    pub(crate) fn allows_negative_price(&self, contract_id: &ContractId) -> bool {
        self.negative_price_roots
            .iter()
            .any(|root| riskd_core::model::same_product(riskd_core::model::SymbolRoot(root), contract_id, None))
    }

    pub(crate) fn of(&self, contract_id: &ContractId) -> Checks {
        Checks::at(self.now).allowing_negative_price(self.allows_negative_price(contract_id))
    }
}

/// A table: its name, the noun its rows make, and the columns that are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) noun: Noun,
    pub(crate) columns: &'static [&'static str],
}

impl Table {
    /// A query of the rowid and every column, with whatever comes after the table's name.
    pub(crate) fn select(&self, rest: &str) -> String {
        format!("SELECT rowid, {} FROM {} {rest}", self.columns.join(", "), self.name)
    }

    /// Runs a [`Table::select`] and reads every row it finds.
    pub(crate) fn read<T>(
        &self,
        connection: &Connection,
        rest: &str,
        parameters: impl Params,
        read: impl Fn(&Cells<'_>) -> Result<T, Invalid>,
    ) -> Result<Rows<T>, StoreError> {
        let sql = self.select(rest);
        let run = || -> rusqlite::Result<Rows<T>> {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = statement.query(parameters)?;
            let mut rows = Rows::default();
            while let Some(row) = found.next()? {
                rows.push(self.read_row(row, &read));
            }
            Ok(rows)
        };
        run().map_err(StoreError::sqlite(format!("read the table {}", self.name)))
    }

    /// Reads one row of a [`Table::select`].
    pub(crate) fn read_row<T>(
        &self,
        row: &Row<'_>,
        read: impl Fn(&Cells<'_>) -> Result<T, Invalid>,
    ) -> Result<T, Unreadable> {
        let cells = Cells { row, table: self };
        read(&cells).map_err(|invalid| Unreadable {
            table: self.name,
            rowid: row.get(0).unwrap_or_default(),
            account_id: cells.integer("account_id").ok().map(AccountId),
            invalid,
        })
    }
}

/// The cells of one row, read by column name. What is refused is named as the noun's field.
pub(crate) struct Cells<'a> {
    row: &'a Row<'a>,
    table: &'a Table,
}

impl Cells<'_> {
    pub(crate) fn rowid(&self) -> i64 {
        self.row.get(0).unwrap_or_default()
    }

    /// The cell as SQLite holds it; null for a column that was not asked for.
    fn value(&self, field: &str) -> ValueRef<'_> {
        let place = self.table.columns.iter().position(|column| *column == field);
        place.and_then(|place| self.row.get_ref(place + 1).ok()).unwrap_or(ValueRef::Null)
    }

    fn refused<T>(&self, field: &'static str, rule: &'static str) -> Result<T, Invalid> {
        Err(Invalid::new(self.table.noun, field, shown(self.value(field)), rule))
    }

    fn required<T>(&self, field: &'static str, value: Option<T>) -> Result<T, Invalid> {
        value.ok_or_else(|| Invalid::absent(self.table.noun, field, "required"))
    }

    pub(crate) fn is_null(&self, field: &'static str) -> bool {
        matches!(self.value(field), ValueRef::Null)
    }

    pub(crate) fn optional_integer(&self, field: &'static str) -> Result<Option<i64>, Invalid> {
        match self.value(field) {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            // 2^53: beyond it a float no longer holds every whole number.
            ValueRef::Real(value) if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => {
                Ok(Some(value as i64))
            }
            _ => self.refused(field, "must be a whole number"),
        }
    }

    pub(crate) fn integer(&self, field: &'static str) -> Result<i64, Invalid> {
        self.optional_integer(field).and_then(|value| self.required(field, value))
    }

    pub(crate) fn account_id(&self) -> Result<AccountId, Invalid> {
        self.integer("account_id").map(AccountId)
    }

    /// One of the gateway's or the database's codes.
    pub(crate) fn code(&self, field: &'static str) -> Result<i32, Invalid> {
        let value = self.integer(field)?;
        i32::try_from(value).or_else(|_| self.refused(field, "must be a code of 32 bits"))
    }

    /// A BOOLEAN: 0 is false, any other number is true.
    pub(crate) fn boolean(&self, field: &'static str) -> Result<bool, Invalid> {
        match self.value(field) {
            ValueRef::Text(text) if text.eq_ignore_ascii_case(b"true") => Ok(true),
            ValueRef::Text(text) if text.eq_ignore_ascii_case(b"false") => Ok(false),
            ValueRef::Integer(value) => Ok(value != 0),
            ValueRef::Null => self.required(field, None),
            _ => self.refused(field, "must be 0 or 1"),
        }
    }

    pub(crate) fn optional_text(&self, field: &'static str) -> Result<Option<&str>, Invalid> {
        match self.value(field) {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => {
                std::str::from_utf8(text).map(Some).or_else(|_| self.refused(field, "must be UTF-8 text"))
            }
            _ => self.refused(field, "must be text"),
        }
    }

    pub(crate) fn text(&self, field: &'static str) -> Result<&str, Invalid> {
        self.optional_text(field).and_then(|value| self.required(field, value))
    }

    pub(crate) fn contract_id(&self) -> Result<ContractId, Invalid> {
        ContractId::new(self.text("contract_id")?, self.table.noun)
    }

    /// A rule's code; also that of no rule of ours, where this program wrote it.
    pub(crate) fn rule_id(&self) -> Result<RuleId, Invalid> {
        let text = self.text("rule_id")?;
        if text == RuleId::FOREIGN.to_string() {
            return Ok(RuleId::FOREIGN);
        }
        RuleId::parse(text, self.table.noun)
    }

    pub(crate) fn optional_time(&self, field: &'static str) -> Result<Option<Timestamp>, Invalid> {
        self.optional_text(field)?.map(|text| timestamp::from_text(text, self.table.noun, field)).transpose()
    }

    pub(crate) fn time(&self, field: &'static str) -> Result<Timestamp, Invalid> {
        self.optional_time(field).and_then(|value| self.required(field, value))
    }

    /// A calendar date; a time of day behind it, as some programs write, is left out.
    pub(crate) fn date(&self, field: &'static str) -> Result<Date, Invalid> {
        let text = self.text(field)?;
        let rest = text.get(10..).unwrap_or_default();
        let is_date = rest.is_empty() || timestamp::from_text(text, self.table.noun, field).is_ok();
        match text.get(..10).and_then(timestamp::parse_date) {
            Some(date) if is_date => Ok(date),
            _ => self.refused(field, "must be a calendar date, YYYY-MM-DD"),
        }
    }

    pub(crate) fn optional_money(&self, field: &'static str) -> Result<Option<Money>, Invalid> {
        self.number(field, Money::from_f64)
    }

    pub(crate) fn money(&self, field: &'static str) -> Result<Money, Invalid> {
        self.optional_money(field).and_then(|value| self.required(field, value))
    }

    pub(crate) fn optional_price(&self, field: &'static str) -> Result<Option<Price>, Invalid> {
        self.number(field, Price::from_f64)
    }

    pub(crate) fn price(&self, field: &'static str) -> Result<Price, Invalid> {
        self.optional_price(field).and_then(|value| self.required(field, value))
    }

    fn number<T>(
        &self,
        field: &'static str,
        from_f64: fn(f64) -> Result<T, NumberError>,
    ) -> Result<Option<T>, Invalid> {
        let read = match self.value(field) {
            ValueRef::Null => return Ok(None),
            ValueRef::Real(value) => from_f64(value),
            ValueRef::Integer(value) => from_f64(value as f64),
            _ => Err(NumberError::NotANumber),
        };
        read.map(Some).map_err(|error| Invalid::number(self.table.noun, field, shown(self.value(field)), error))
    }
}

/// A cell as a person would type it, cut short.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            format!("{:?}", text.chars().take(80).collect::<String>())
        }
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}

/// Whether the file has a table of this name. That of a feature is there only where the feature was ever on.
pub(crate) fn exists(connection: &Connection, table: &str) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1")
        .and_then(|mut statement| statement.exists([table]))
        .map_err(StoreError::sqlite("read the list of tables"))
}
