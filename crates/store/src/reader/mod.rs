//! Typed queries, on connections of their own: in WAL mode a reader never waits for the writer, nor the writer for it.
//!
//! Files in the wild mix forms of time, whose text order differs. Every query on time therefore asks its index for a range of
//! calendar dates wide enough for every form, and compares what it finds as instants (see [`crate::timestamp`]).

mod analytics;
mod enforcements;
mod memory;
mod plans;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use riskd_core::engine::ResetSchedule;
use riskd_core::model::{AccountId, Contract, ContractId, DailyPnl, Lockout, Order, Position};
use rusqlite::{Connection, params};

pub use analytics::{ExecutionTimeOfDay, ExecutionTimesOfRule, UnrealizedHistory};
pub use enforcements::{EnforcementFilter, Page, PageKey};
pub use memory::Remembered;
pub use plans::QueryPlan;
pub(crate) use plans::plans_of;

use crate::connection::{Database, Mode};
use crate::error::StoreError;
use crate::location::Location;
use crate::schema::VersionRow;
use crate::tables::session_state::SessionState;
use crate::tables::trade_history::TradeRow;
use crate::tables::{
    Cells, RowChecks, Rows, contract_cache, daily_pnl, lockouts, orders, positions, reset_schedule, schema_version,
    session_state, trade_history,
};
use crate::timestamp::text_range;

/// Connections kept open for the next query; more are opened when more queries run at once.
const IDLE_CONNECTIONS: usize = 4;

/// How the reader works.
#[derive(Debug, Clone, Default)]
pub struct ReaderOptions {
    /// Symbol roots of contracts that may trade at zero or below, such as `CL`: no column says so.
    pub negative_price_roots: Vec<String>,
}

/// The one way to read the state database. Cheap to share between threads behind an [`Arc`]; its queries block.
pub struct Reader {
    path: PathBuf,
    negative_price_roots: Arc<[String]>,
    idle: Mutex<Vec<Database>>,
}

impl Reader {
    /// Opens a database for reading. Nothing is written to it.
    ///
    /// # Errors
    ///
    /// The file is not there, cannot be read, or is not SQLite.
    pub fn open(path: &Path, options: ReaderOptions) -> Result<Self, StoreError> {
        let reader = Self {
            path: Location::new(path).resolve()?.database,
            negative_price_roots: options.negative_price_roots.into(),
            idle: Mutex::new(Vec::new()),
        };
        // Opening alone reads nothing: only the first query tells whether this is a database.
        reader.with(|connection| {
            connection
                .query_row("SELECT COUNT(*) FROM sqlite_master", [], |_| Ok(()))
                .map_err(StoreError::sqlite("open the state database for reading"))
        })?;
        Ok(reader)
    }

    /// The lockouts in force as the file says, by account, whether or not their time is over by now. `now` dates a
    /// lockout whose row cannot be read: that one has no end, and is listed among the unreadable too.
    ///
    /// # Errors
    ///
    /// The file cannot be read. The same goes for every query below.
    pub fn lockouts(&self, now: Timestamp) -> Result<Rows<Lockout>, StoreError> {
        self.with(|connection| lockouts::in_force(connection, now))
    }

    /// Realized P&L of an account's days from `first` to `last`, both included, newest first.
    pub fn daily_pnl(&self, account_id: AccountId, first: Date, last: Date) -> Result<Rows<DailyPnl>, StoreError> {
        let found = self.with(|connection| {
            daily_pnl::TABLE.read(
                connection,
                "WHERE account_id = ?1 AND date >= ?2 AND date < ?3 ORDER BY date DESC",
                params![account_id.0, first.to_string(), text_after(last)],
                daily_pnl::from_cells,
            )
        })?;
        Ok(found)
    }

    /// Every known contract, by id.
    pub fn contracts(&self, now: Timestamp) -> Result<Rows<Contract>, StoreError> {
        let checks = self.checks(now);
        self.with(|connection| {
            contract_cache::TABLE
                .read(connection, "ORDER BY contract_id", [], |cells| contract_cache::from_cells(cells, &checks))
        })
    }

    /// One contract, where it is known.
    pub fn contract(&self, contract_id: &ContractId, now: Timestamp) -> Result<Rows<Contract>, StoreError> {
        let checks = self.checks(now);
        self.with(|connection| {
            contract_cache::TABLE.read(connection, "WHERE contract_id = ?1", [contract_id.as_str()], |cells| {
                contract_cache::from_cells(cells, &checks)
            })
        })
    }

    /// An account's trades executed within `range`, oldest first.
    pub fn trades(&self, account_id: AccountId, range: Range<Timestamp>) -> Result<Rows<TradeRow>, StoreError> {
        self.with(|connection| trades(connection, account_id, &range))
    }

    /// When trading sessions began, by account.
    pub fn session_states(&self) -> Result<Rows<SessionState>, StoreError> {
        self.with(|connection| {
            session_state::TABLE.read(connection, "ORDER BY account_id", [], session_state::from_cells)
        })
    }

    /// Positions of one account, or of all.
    pub fn positions(&self, account_id: Option<AccountId>, now: Timestamp) -> Result<Rows<Position>, StoreError> {
        let checks = self.checks(now);
        let read = |cells: &Cells<'_>| positions::from_cells(cells, &checks);
        self.with(|connection| match account_id {
            Some(account_id) => {
                positions::TABLE.read(connection, "WHERE account_id = ?1 ORDER BY id", [account_id.0], read)
            }
            None => positions::TABLE.read(connection, "ORDER BY account_id, id", [], read),
        })
    }

    /// Orders of one account, or of all.
    pub fn orders(&self, account_id: Option<AccountId>, now: Timestamp) -> Result<Rows<Order>, StoreError> {
        let checks = self.checks(now);
        let read = |cells: &Cells<'_>| orders::from_cells(cells, &checks);
        self.with(|connection| match account_id {
            Some(account_id) => {
                orders::TABLE.read(connection, "WHERE account_id = ?1 ORDER BY id", [account_id.0], read)
            }
            None => orders::TABLE.read(connection, "ORDER BY account_id, id", [], read),
        })
    }

    /// When accounts' days turned last and will turn next, by account.
    pub fn reset_schedules(&self) -> Result<Rows<ResetSchedule>, StoreError> {
        self.with(|connection| {
            reset_schedule::TABLE.read(connection, "ORDER BY account_id", [], reset_schedule::from_cells)
        })
    }

    /// Every attempt at a version of the schema, lowest version first; none in a file without the table.
    pub fn schema_versions(&self) -> Result<Vec<VersionRow>, StoreError> {
        self.with(schema_version::all)
    }

    /// Every account the file speaks of, in ascending order.
    pub fn accounts(&self) -> Result<Vec<AccountId>, StoreError> {
        self.with(|connection| {
            let run = || {
                connection
                    .prepare_cached(
                        "SELECT account_id FROM lockouts UNION SELECT account_id FROM reset_schedule
                         UNION SELECT account_id FROM session_state UNION SELECT account_id FROM positions
                         UNION SELECT account_id FROM orders UNION SELECT account_id FROM daily_pnl ORDER BY 1",
                    )?
                    .query_map([], |row| Ok(row.get_ref(0)?.as_i64().ok()))?
                    .collect::<rusqlite::Result<Vec<_>>>()
            };
            // What is no number there is reported by the query of its own table.
            run()
                .map(|found| found.into_iter().flatten().map(AccountId).collect())
                .map_err(StoreError::sqlite("list the accounts"))
        })
    }

    /// The file, with symlinks followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file keeps its journal: `wal`, `delete`, …
    pub fn journal_mode(&self) -> Result<String, StoreError> {
        self.with(|connection| {
            connection
                .query_row("PRAGMA journal_mode", [], |row| row.get(0))
                .map_err(StoreError::sqlite("read the journal mode"))
        })
    }

    /// Every table and how many rows it has, by name. Counts; on a large file that takes a moment.
    pub fn table_rows(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.with_snapshot(|connection| {
            let run = || -> rusqlite::Result<Vec<(String, i64)>> {
                let mut names = connection.prepare_cached(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
                )?;
                let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
                let count = |name: String| {
                    let sql = format!("SELECT COUNT(*) FROM \"{}\"", name.replace('"', "\"\""));
                    Ok((name, connection.query_row(&sql, [], |row| row.get(0))?))
                };
                names.into_iter().map(count).collect()
            };
            run().map_err(StoreError::sqlite("count the rows"))
        })
    }

    fn checks(&self, now: Timestamp) -> RowChecks {
        RowChecks { now, negative_price_roots: Arc::clone(&self.negative_price_roots) }
    }

    /// Runs a query on a connection that no other query uses meanwhile.
    fn with<T>(&self, query: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let outcome = query(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS && connection.is_autocommit() {
            idle.push(connection);
        }
        outcome
    }

    /// Runs several queries that see one and the same state of the file.
    fn with_snapshot<T>(&self, queries: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.with(|connection| {
            let snapshot = connection.unchecked_transaction().map_err(StoreError::sqlite("begin reading"))?;
            queries(&snapshot)
        })
    }
}

/// An account's trades executed within `range`, oldest first.
pub(crate) fn trades(
    connection: &Connection,
    account_id: AccountId,
    range: &Range<Timestamp>,
) -> Result<Rows<TradeRow>, StoreError> {
    let texts = text_range(range);
    let mut found = trade_history::TABLE
        .read(
            connection,
            "WHERE account_id = ?1 AND timestamp >= ?2 AND timestamp < ?3",
            params![account_id.0, texts.start, texts.end],
            trade_history::from_cells,
        )?
        .retain(|trade| range.contains(&trade.execution_time));
    found.rows.sort_by_key(|trade| (trade.execution_time, trade.id));
    Ok(found)
}

/// A text after every text that begins with this date.
pub(crate) fn text_after(date: Date) -> String {
    date.tomorrow().unwrap_or(date).to_string()
}

fn connect(path: &Path) -> Result<Database, StoreError> {
    let connection = Database::open(path, Mode::ReadOnly)?;
    // Nobody is waited for in WAL mode, except while a log left by a crash is recovered.
    connection.busy_timeout(Duration::from_secs(2)).map_err(StoreError::sqlite("set a busy timeout"))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
