//! An account's fills, as a platform exports them: CSV or JSON, by whatever names their columns go.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use riskd_core::model::{AccountId, Money, Price};

use super::ReplayError;

/// One fill of an exported day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// When.
    pub at: Timestamp,
    /// The account; absent where the file does not say.
    pub account_id: Option<AccountId>,
    /// The contract, as the file spells it.
    pub contract: String,
    /// What was traded; absent where the file holds only what was realized.
    pub traded: Option<Traded>,
    /// What the file says was realized, in dollars.
    pub pnl: Option<Money>,
}

/// Side, size and price of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traded {
    /// Contracts: positive bought, negative sold.
    pub signed_size: i64,
    /// In points.
    pub price: Price,
}

/// Names under which each column goes.
const COLUMNS: [(&str, &[&str]); 7] = [
    ("time", &["time", "timestamp", "execution_time", "order time", "filled at", "filledat", "date"]),
    ("account", &["account", "account_id", "accountid"]),
    ("contract", &["contract", "contract_id", "contractid", "symbol", "contractname", "instrument"]),
    ("side", &["side", "b/s", "buy/sell", "action"]),
    ("size", &["size", "quantity", "qty", "filled size"]),
    ("price", &["price", "execute price", "executeprice", "fill price", "avg fill price"]),
    ("pnl", &["pnl", "p&l", "profit_and_loss", "profitandloss", "realized_pnl"]),
];

/// Reads fills, the earliest first. Times without an offset are on the clocks of `timezone`.
pub fn read_fills(file: &Path, timezone: &TimeZone) -> Result<Vec<Fill>, ReplayError> {
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let rows = if is_json { rows_of_json(file)? } else { rows_of_csv(file)? };
    let mut fills = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        let fill = fill(&row, timezone);
        fills.push(fill.map_err(|problem| ReplayError::Line { file: file.to_owned(), line, problem })?);
    }
    // Fills of one moment keep the order of the file.
    fills.sort_by_key(|fill| fill.at);
    Ok(fills)
}

/// A row by our names of the columns.
type Row = BTreeMap<&'static str, String>;

fn rows_of_csv(file: &Path) -> Result<Vec<(usize, Row)>, ReplayError> {
    let refuse = |error: csv::Error| {
        let line = error.position().map_or(1, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
        ReplayError::Line { file: file.to_owned(), line, problem: format!("is not valid CSV: {error}") }
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_path(file).map_err(refuse)?;
    let names: Vec<Option<&'static str>> = reader.headers().map_err(refuse)?.iter().map(column_of).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(refuse)?;
        let line = record.position().map_or(1, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
        let cells = names.iter().zip(record.iter()).filter_map(|(name, cell)| Some(((*name)?, cell.to_owned())));
        rows.push((line, cells.filter(|(_, cell)| !cell.is_empty()).collect()));
    }
    Ok(rows)
}

fn rows_of_json(file: &Path) -> Result<Vec<(usize, Row)>, ReplayError> {
    let text = std::fs::read_to_string(file).map_err(|source| ReplayError::Read { file: file.to_owned(), source })?;
    let refuse = |line, problem: String| ReplayError::Line { file: file.to_owned(), line, problem };
    let rows: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(&text)
        .map_err(|error| refuse(error.line(), format!("must be a list of fills: {error}")))?;
    let cell = |value: &serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let row = |row: BTreeMap<String, serde_json::Value>| -> Row {
        row.iter().filter_map(|(name, value)| Some((column_of(name)?, cell(value)?))).collect()
    };
    // A list of JSON has no lines of its own: the place is the number of the entry.
    Ok(rows.into_iter().enumerate().map(|(index, fields)| (index + 1, row(fields))).collect())
}

fn column_of(name: &str) -> Option<&'static str> {
    let lower = name.trim().to_ascii_lowercase();
    COLUMNS.iter().find(|(_, names)| names.contains(&lower.as_str())).map(|(column, _)| *column)
}

fn fill(row: &Row, timezone: &TimeZone) -> Result<Fill, String> {
    let required = |name: &str| row.get(name).ok_or_else(|| format!("{name} is missing"));
    let account_id = row.get("account").and_then(|text| text.parse().ok()).map(AccountId);
    let pnl = row.get("pnl").map(|text| {
        let plain: String = text.chars().filter(|character| !"$,".contains(*character)).collect();
        Money::parse(&plain).map_err(|_| format!("pnl: {text:?} is not an amount"))
    });
    let pnl = pnl.transpose()?;
    let traded = match (row.get("side"), row.get("size"), row.get("price")) {
        (None, None, None) if pnl.is_some() => None,
        _ => Some(Traded {
            signed_size: signed_size(required("side")?, required("size")?)?,
            price: Price::parse(required("price")?).map_err(|_| "price: is not a price".to_owned())?,
        }),
    };
    Ok(Fill {
        at: time(required("time")?, timezone)?,
        account_id,
        contract: required("contract")?.clone(),
        traded,
        pnl,
    })
}

fn time(text: &str, timezone: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || format!("time: {text:?} is not a time such as 2018-05-07T13:30:00Z or 2018-05-07 09:30:00");
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    timezone.to_ambiguous_timestamp(local).compatible().map_err(|_| wrong())
}

fn signed_size(side: &str, size: &str) -> Result<i64, String> {
    let size: i64 = size
        .parse()
        .ok()
        .filter(|size| *size > 0)
        .ok_or_else(|| format!("size: {size:?} is not a whole number above 0"))?;
    match side.trim().to_ascii_lowercase().as_str() {
        "buy" | "b" | "bid" | "long" | "0" => Ok(size),
        "sell" | "s" | "ask" | "short" | "1" => Ok(-size),
        _ => Err(format!("side: {side:?} is neither buy nor sell")),
    }
}
