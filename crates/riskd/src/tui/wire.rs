//! What the API says, as far as the terminal shows it. Fields it does not know are left alone, so that an older terminal
//! works with a newer daemon.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// A time as RFC 3339.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// A time, or null.
fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

/// `GET /api/v1/overview`, and the data of every `daemon_status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Overview {
    /// When it was true.
    #[serde(deserialize_with = "time")]
    pub at: Timestamp,
    /// How the daemon is.
    pub daemon: Daemon,
    /// How each account is.
    #[serde(default)]
    pub accounts: Vec<Account>,
}

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Daemon {
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// `opening`, `connecting` or `watching`.
    #[serde(default)]
    pub phase: String,
    /// The database's schema version.
    #[serde(default)]
    pub schema_version: Option<i64>,
    /// Whether the accounts are protected.
    #[serde(default)]
    pub protected: bool,
    /// The connections to the broker.
    #[serde(default)]
    pub links: Links,
    /// Whether the database takes writes.
    #[serde(default)]
    pub journal: Journal,
    /// What is wrong.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
}

/// The connections to the broker.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Links {
    /// Accounts, orders, positions, trades.
    #[serde(default)]
    pub user: Link,
    /// Quotes.
    #[serde(default)]
    pub market: Link,
}

/// One connection.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Link {
    /// Whether it is up.
    pub up: bool,
    /// Since when.
    #[serde(default, deserialize_with = "optional_time")]
    pub since: Option<Timestamp>,
}

/// The database as the daemon sees it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Journal {
    /// Whether it takes no writes.
    #[serde(default)]
    pub failing: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Alarm {
    /// What.
    pub code: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// In a sentence.
    pub message: String,
}

/// How an account is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Account {
    /// The broker's number of it.
    pub id: i64,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// Whether the broker lets it trade.
    #[serde(default)]
    pub can_trade: Option<bool>,
    /// Whether its positions and orders are known for certain.
    #[serde(default)]
    pub certain: bool,
    /// The IANA name of its time zone.
    #[serde(default)]
    pub time_zone: String,
    /// The present trading day.
    #[serde(default)]
    pub trading_day: String,
    /// When that day ends.
    #[serde(default, deserialize_with = "optional_time")]
    pub day_ends_at: Option<Timestamp>,
    /// Of the day, in dollars.
    #[serde(default)]
    pub realized_pnl: f64,
    /// Of open positions, in dollars.
    #[serde(default)]
    pub unrealized_pnl: f64,
    /// Positions that have no price.
    #[serde(default)]
    pub unpriced_positions: u64,
    /// How many positions are open.
    #[serde(default)]
    pub positions: u64,
    /// How many contracts they have together.
    #[serde(default)]
    pub contracts: i64,
    /// How many orders live.
    #[serde(default)]
    pub orders: u64,
    /// Its lock.
    #[serde(default)]
    pub lock: Option<Lock>,
    /// Enforcements the broker has not confirmed.
    #[serde(default)]
    pub pending_enforcements: u64,
    /// Enabled rules that are not in force.
    #[serde(default)]
    pub not_armed: u64,
    /// The limit it is nearest to.
    #[serde(default)]
    pub nearest: Option<Gauge>,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Lock {
    /// The rule.
    pub rule_id: String,
    /// Why, with the numbers.
    pub reason: String,
    /// Until when; absent means without end.
    #[serde(default, deserialize_with = "optional_time")]
    pub locked_until: Option<Timestamp>,
}

/// How far a limit is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Gauge {
    /// The rule.
    pub rule_id: String,
    /// Its key in the config.
    pub rule: String,
    /// `dollars`, `contracts` or `trades`.
    pub unit: String,
    /// How much of it is used.
    pub used: f64,
    /// The limit.
    pub limit: f64,
    /// How much is left.
    pub left: f64,
    /// used / limit.
    pub fraction: f64,
    /// The contract, where it is about one.
    #[serde(default)]
    pub contract_id: Option<String>,
}

/// `GET /api/v1/accounts/{id}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AccountDetail {
    /// What the overview says of it.
    #[serde(flatten)]
    pub summary: Account,
    /// Every limit.
    #[serde(default)]
    pub gauges: Vec<Gauge>,
    /// Its positions.
    #[serde(default)]
    pub positions_open: Vec<Position>,
    /// Its orders.
    #[serde(default)]
    pub orders_open: Vec<Order>,
    /// Its rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// An open position.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Position {
    /// The contract's name.
    pub name: String,
    /// `long` or `short`.
    pub side: String,
    /// Contracts.
    pub size: i64,
    /// In points.
    pub average_price: f64,
    /// In points.
    #[serde(default)]
    pub last_price: Option<f64>,
    /// In dollars.
    #[serde(default)]
    pub unrealized_pnl: Option<f64>,
    /// Whether its last price is old.
    #[serde(default)]
    pub stale: bool,
}

/// A living order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Order {
    /// The contract's name.
    pub name: String,
    /// `buy` or `sell`.
    pub side: String,
    /// `market`, `limit`, `stop`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Contracts.
    pub size: i64,
    /// In points.
    #[serde(default)]
    pub limit_price: Option<f64>,
    /// In points.
    #[serde(default)]
    pub stop_price: Option<f64>,
    /// `working`, …
    #[serde(default)]
    pub state: String,
}

/// A rule of an account.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rule {
    /// Its stable code.
    pub rule_id: String,
    /// Its key in the config.
    pub rule: String,
    /// What it does, with its numbers.
    #[serde(default)]
    pub sentence: String,
    /// Whether it is in force.
    pub armed: bool,
    /// Why not.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `GET /api/v1/enforcements`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Enforcements {
    /// The newest first.
    pub items: Vec<Enforcement>,
    /// Where the next page begins.
    #[serde(default)]
    pub next_before: Option<i64>,
}

/// One row of the enforcement log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Enforcement {
    /// Its number.
    pub id: i64,
    /// When.
    #[serde(deserialize_with = "time")]
    pub at: Timestamp,
    /// The account.
    pub account_id: i64,
    /// The rule.
    pub rule_id: String,
    /// What was done.
    pub action: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Whether the broker confirmed it.
    pub success: bool,
    /// `pending`, `confirmed`, …
    #[serde(default)]
    pub status: Option<String>,
    /// From decision to proof.
    #[serde(default)]
    pub execution_time_ms: Option<i64>,
    /// How many positions were closed.
    #[serde(default)]
    pub positions_closed: Option<i64>,
    /// How many orders were cancelled.
    #[serde(default)]
    pub orders_cancelled: Option<i64>,
    /// What went wrong.
    #[serde(default)]
    pub error: Option<String>,
}

/// `GET /api/v1/rules`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rules {
    /// Whether any breach closes all and locks without end.
    #[serde(default)]
    pub strict_mode: bool,
    /// By account.
    pub accounts: Vec<AccountRules>,
}

/// The rules of an account.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AccountRules {
    /// The account.
    pub id: i64,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// `GET /api/v1/database`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Database {
    /// The file.
    pub path: String,
    /// Its version.
    #[serde(default)]
    pub schema_version: Option<i64>,
    /// The version this program works with.
    #[serde(default)]
    pub head_version: i64,
    /// Of the file.
    #[serde(default)]
    pub size_bytes: u64,
    /// Of the write-ahead log.
    #[serde(default)]
    pub wal_bytes: u64,
    /// `wal`, `delete`, …
    #[serde(default)]
    pub journal_mode: Option<String>,
    /// Every migration there was.
    #[serde(default)]
    pub migrations: Vec<Migration>,
    /// Every backup there is.
    #[serde(default)]
    pub backups: Vec<Backup>,
    /// The last check.
    #[serde(default)]
    pub integrity: Integrity,
    /// Tables and their rows.
    #[serde(default)]
    pub tables: Vec<Table>,
}

/// One migration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Migration {
    /// The version it led to.
    pub version: i64,
    /// When.
    #[serde(default)]
    pub applied_at: Option<String>,
    /// What it did.
    #[serde(default)]
    pub description: Option<String>,
    /// How long it took.
    #[serde(default)]
    pub execution_time_ms: Option<i64>,
    /// Whether it worked.
    #[serde(default)]
    pub success: bool,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Backup {
    /// The file.
    pub path: String,
    /// Its schema version.
    #[serde(default)]
    pub version: Option<i64>,
    /// Its size.
    #[serde(default)]
    pub size_bytes: u64,
    /// When it was made.
    #[serde(default)]
    pub made_at: Option<String>,
    /// Whether it was read back and compared.
    #[serde(default)]
    pub verified: Option<bool>,
}

/// The last check of the whole file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Integrity {
    /// When.
    #[serde(default)]
    pub checked_at: Option<String>,
    /// What it found.
    #[serde(default)]
    pub ok: Option<bool>,
}

/// A table and its rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    #[serde(default)]
    pub rows: Option<i64>,
}
