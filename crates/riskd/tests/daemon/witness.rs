//! The database as another program sees it: Python's `sqlite3`, in a process of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use riskd_core::model::AccountId;
use serde_json::{Value, json};

use super::support::Ground;

/// Asks until the answer is the wanted one, or time is up; then says the last answer.
const ASK: &str = "
import json, pathlib, sqlite3, sys, time
path, query, wanted = pathlib.Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
end = time.monotonic() + 90
while True:
    try:
        database = sqlite3.connect(path.absolute().as_uri() + '?mode=rw', timeout=5, uri=True)
        database.execute('PRAGMA query_only = 1')
        rows = [list(row) for row in database.execute(query)]
        database.close()
    except sqlite3.OperationalError as error:
        rows = str(error)
    if wanted is None and not isinstance(rows, str) or rows == wanted or time.monotonic() > end:
        break
    time.sleep(0.02)
print(json.dumps(rows))
";

/// Takes the write lock, says so, and keeps it until its input ends.
const HOLD: &str = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
database.execute('BEGIN IMMEDIATE')
print('held', flush=True)
sys.stdin.read()
database.execute('ROLLBACK')
";

/// Changes a database.
const CHANGE: &str = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=10)
database.executescript(sys.argv[2])
database.commit()
";

fn python(script: &str, path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(path).args(arguments);
    command
}

/// The rows of a query, at once.
pub(crate) async fn ask(path: &Path, query: &str) -> Value {
    asked(path, query, &Value::Null).await
}

async fn asked(path: &Path, query: &str, wanted: &Value) -> Value {
    let mut command = python(ASK, path, &[query, &wanted.to_string()]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Changes the database with a script of SQL.
pub(crate) fn change(path: &Path, sql: &str) {
    assert!(python(CHANGE, path, &[sql]).status().unwrap().success(), "{sql}");
}

/// Somebody else who holds the database's write lock until dropped.
pub(crate) struct Holder(Child);

impl Holder {
    pub(crate) async fn take(path: &Path) -> Self {
        let mut command = python(HOLD, path, &[]);
        let holding = tokio::task::spawn_blocking(move || {
            use std::io::BufRead;
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "held\n");
            Self(child)
        });
        holding.await.unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _status = self.0.wait();
    }
}

impl Ground {
    /// The rows of a query, at once.
    pub(crate) async fn ask(&self, query: &str) -> Value {
        ask(&self.database(), query).await
    }

    /// Waits until a query has these rows.
    pub(crate) async fn until_rows(&self, query: &str, wanted: Value) {
        let rows = asked(&self.database(), query, &wanted).await;
        assert_eq!(rows, wanted, "{query}");
    }

    /// Waits until an account's enforcements are these: rule, action, success, status, and whether it has a time.
    pub(crate) async fn until_log(&self, account: AccountId, wanted: Value) {
        self.until_rows(&log_query(account), wanted).await;
    }

    /// An account's enforcements, at once.
    pub(crate) async fn log(&self, account: AccountId) -> Value {
        self.ask(&log_query(account)).await
    }

    /// Waits until an account is locked until its next reset, by this rule.
    pub(crate) async fn until_locked(&self, account: AccountId, rule: &str) {
        self.until_rows(&lock_query(account), locked(rule, self.next_reset)).await;
    }

    /// An account's row in `lockouts`, at once: whether it is locked, the rule, until when.
    pub(crate) async fn lock(&self, account: AccountId) -> Value {
        self.ask(&lock_query(account)).await
    }
}

pub(crate) fn locked(rule: &str, until: Timestamp) -> Value {
    json!([[1, rule, until.as_second()]])
}

/// One confirmed enforcement, as [`Ground::until_log`] wants it.
pub(crate) fn confirmed(rule: &str, action: &str) -> Value {
    json!([rule, action, 1, "confirmed", 1])
}

/// One that is not confirmed yet.
pub(crate) fn pending(rule: &str, action: &str) -> Value {
    json!([rule, action, 0, "pending", 0])
}

fn log_query(account: AccountId) -> String {
    format!(
        "SELECT rule_id, action, success, json_extract(details, '$.status'), execution_time_ms IS NOT NULL
         FROM enforcement_log WHERE account_id = {account} ORDER BY id"
    )
}

fn lock_query(account: AccountId) -> String {
    format!(
        "SELECT is_locked, rule_id, CAST(strftime('%s', locked_until) AS INTEGER) FROM lockouts
         WHERE account_id = {account}"
    )
}
