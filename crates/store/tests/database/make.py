"""Makes databases as others make them: with Python's sqlite3 or the sqlite3 shell, never with the program under test.

usage: make.py FORM PATH [ROWS]     prints what the database holds, as witness.py does
"""
import os
import sqlite3
import subprocess
import sys

import witness

# Written down once more on purpose: the program's own scripts are what is tested.
V1 = """
CREATE TABLE IF NOT EXISTS lockouts (
  account_id INTEGER PRIMARY KEY, is_locked BOOLEAN NOT NULL DEFAULT 0, reason TEXT, locked_at DATETIME,
  locked_until DATETIME, rule_id TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS daily_pnl (
  account_id INTEGER NOT NULL, date DATE NOT NULL, realized_pnl REAL NOT NULL DEFAULT 0.0,
  last_updated DATETIME DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (account_id, date));
CREATE TABLE IF NOT EXISTS contract_cache (
  contract_id TEXT PRIMARY KEY, tick_size REAL NOT NULL, tick_value REAL NOT NULL, symbol_id TEXT NOT NULL, name TEXT,
  cached_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS trade_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT, account_id INTEGER NOT NULL, timestamp DATETIME NOT NULL,
  contract_id TEXT NOT NULL, pnl REAL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS session_state (
  account_id INTEGER PRIMARY KEY, session_start DATETIME NOT NULL, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS positions (
  id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, contract_id TEXT NOT NULL, type INTEGER NOT NULL,
  size INTEGER NOT NULL, average_price REAL NOT NULL, created_at DATETIME NOT NULL,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, contract_id TEXT NOT NULL, type INTEGER NOT NULL,
  side INTEGER NOT NULL, size INTEGER NOT NULL, limit_price REAL, stop_price REAL, state INTEGER NOT NULL,
  created_at DATETIME NOT NULL, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS enforcement_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, account_id INTEGER NOT NULL,
  rule_id TEXT NOT NULL, action TEXT NOT NULL, reason TEXT NOT NULL, success BOOLEAN NOT NULL DEFAULT 1,
  details TEXT, execution_time_ms INTEGER);
CREATE TABLE IF NOT EXISTS reset_schedule (
  account_id INTEGER PRIMARY KEY, last_reset_date DATE NOT NULL, next_reset_time DATETIME NOT NULL,
  reset_time_config TEXT NOT NULL, timezone TEXT NOT NULL);
"""
INDEXES = """
CREATE INDEX IF NOT EXISTS idx_lockouts_until ON lockouts(locked_until);
CREATE INDEX IF NOT EXISTS idx_daily_pnl_date ON daily_pnl(date);
CREATE INDEX IF NOT EXISTS idx_contract_cache_symbol ON contract_cache(symbol_id);
CREATE INDEX IF NOT EXISTS idx_trade_history_account_time ON trade_history(account_id, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_trade_history_timestamp ON trade_history(timestamp);
CREATE INDEX IF NOT EXISTS idx_positions_account ON positions(account_id);
CREATE INDEX IF NOT EXISTS idx_positions_contract ON positions(contract_id);
CREATE INDEX IF NOT EXISTS idx_orders_account ON orders(account_id);
CREATE INDEX IF NOT EXISTS idx_orders_contract ON orders(contract_id);
CREATE INDEX IF NOT EXISTS idx_orders_state ON orders(state);
CREATE INDEX IF NOT EXISTS idx_enforcement_account ON enforcement_log(account_id);
CREATE INDEX IF NOT EXISTS idx_enforcement_timestamp ON enforcement_log(timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_enforcement_rule ON enforcement_log(rule_id);
"""
TWO_COLUMNS = """
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at DATETIME DEFAULT CURRENT_TIMESTAMP);
INSERT INTO schema_version (version, applied_at) VALUES (1, '2025-03-04 05:06:07');
"""
TIMES = ["2025-10-22 14:30:00", "2025-10-22 14:30:00.250", "2025-10-22T14:30:00", "2025-10-22T14:30:00Z",
         "2025-10-22T14:30:00.123456+00:00", "2025-10-22T09:30:00", None]


def fill(db, rows, with_time=True):
    """Rows of every table, by executemany as Python programs do."""
    db.executemany("INSERT INTO lockouts VALUES (?,?,?,?,?,?,?,?)",
                   [(account, account % 2, f"reason {account} it's ünusual", TIMES[account % 7], TIMES[(account + 1) % 7],
                     "RULE-003", "2025-01-01 00:00:00", "2025-01-01 00:00:00") for account in range(1, 8)])
    db.executemany("INSERT INTO daily_pnl (account_id, date, realized_pnl) VALUES (?,?,?)",
                   [(account, f"2025-10-{day:02}", -0.1 * day * account) for account in range(1, 4) for day in range(1, 29)])
    db.executemany("INSERT INTO contract_cache VALUES (?,?,?,?,?,?)",
                   [("CON.F.US.MNQ.Z25", 0.25, 0.5, "F.US.MNQ", "MNQZ5", TIMES[0]), ("CON.F.US.CL.X25", 0.01, 10.0, "F.US.CL", None, None)])
    db.executemany("INSERT INTO trade_history (account_id, timestamp, contract_id, pnl) VALUES (?,?,?,?)",
                   [(1 + n % 3, TIMES[n % 6], "CON.F.US.MNQ.Z25", None if n % 2 else n * 0.3 - 50) for n in range(rows // 4 + 5)])
    db.execute("INSERT INTO session_state VALUES (1, '2025-10-22 17:00:00', '2025-10-22 17:00:00')")
    db.executemany("INSERT INTO positions VALUES (?,?,?,?,?,?,?,?)",
                   [(9_007_199_254_740_993 + n, 1, "CON.F.US.MNQ.Z25", 1 + n % 2, n + 1, 21000.25 + n, TIMES[0], TIMES[n % 7]) for n in range(9)])
    db.executemany("INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                   [(700 + n, 1, "CON.F.US.MNQ.Z25", 1 + n % 7, n % 2, 1, None if n % 2 else 21000.5, None, 1 + n % 6, TIMES[0], TIMES[3]) for n in range(20)])
    columns = "id, timestamp, account_id, rule_id, action, reason, success, details" + (", execution_time_ms" if with_time else "")
    marks = ",".join("?" * (9 if with_time else 8))
    log = [(n, TIMES[n % 6], 1 + n % 5, f"RULE-{n % 12 + 1:03}", "CLOSE_ALL", f"reason {n}", n % 9 != 0,
            '{"positions_closed": 1}' if n % 3 else None) + ((n % 1500,) if with_time else ()) for n in range(1, rows + 1)]
    db.executemany(f"INSERT INTO enforcement_log ({columns}) VALUES ({marks})", log)
    # Ids that are no longer there are never given again: that is content too.
    db.execute("DELETE FROM enforcement_log WHERE id = ?", (rows,))
    db.execute("INSERT INTO reset_schedule VALUES (1, '2025-10-22', '2025-10-23 17:00:00', '17:00', 'America/New_York')")


OWN = """
CREATE TABLE my_notes (note TEXT, mood BLOB, UNIQUE (note));
CREATE INDEX "my ""odd"" index" ON my_notes(mood DESC) WHERE mood IS NOT NULL;
CREATE TABLE my_pairs (a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE my_covered (a INTEGER, b INTEGER);
CREATE INDEX my_cover ON my_covered(b, a);
CREATE TABLE "my made-up" (x INTEGER, doubled INTEGER GENERATED ALWAYS AS (x * 2) STORED);
CREATE VIRTUAL TABLE my_search USING fts5(body);
ALTER TABLE lockouts ADD COLUMN my_remark TEXT DEFAULT 'none';
CREATE INDEX my_lockouts ON lockouts(rule_id, account_id);
CREATE VIEW my_view AS SELECT account_id, count(*) AS n FROM enforcement_log GROUP BY 1;
CREATE TABLE my_audit (what TEXT);
CREATE TRIGGER my_trigger AFTER INSERT ON enforcement_log BEGIN INSERT INTO my_audit VALUES ('row ' || new.id); END;
"""


def documented(path, rows):
    db = sqlite3.connect(path)
    db.executescript(V1 + INDEXES)
    fill(db, rows)
    db.commit()
    return db


def two_columns(path, rows):
    db = documented(path, rows)
    db.executescript(TWO_COLUMNS)
    return db


def no_execution_time(path, rows):
    db = sqlite3.connect(path)
    db.executescript(V1.replace(", execution_time_ms INTEGER)", ")") + INDEXES)
    fill(db, rows, with_time=False)
    db.commit()
    return db


def missing_indexes(path, rows):
    db = documented(path, rows)
    db.executescript("DROP INDEX idx_orders_state; DROP INDEX idx_lockouts_until; DROP INDEX idx_enforcement_rule;")
    return db


def wrong_indexes(path, rows):
    db = documented(path, rows)
    db.executescript("""DROP INDEX idx_orders_state; CREATE INDEX idx_orders_state ON orders(side);
        CREATE INDEX idx_positions_updated ON positions(updated_at);
        CREATE UNIQUE INDEX IDX_ORDERS_STATE_ACCOUNT ON orders(id);""")
    return db


def own_objects(path, rows):
    db = documented(path, rows)
    db.executescript(OWN)
    db.execute("INSERT INTO my_notes VALUES (?, ?)", ("a note", b"\x00\xff"))
    db.execute("INSERT INTO my_notes VALUES (CAST(x'ff41fe' AS TEXT), NULL)")
    db.execute("INSERT INTO my_notes VALUES (1.5, 'text')")
    db.executemany("INSERT INTO my_pairs VALUES (?, ?)", [("x", 2), ("y", 1)])
    db.executemany("INSERT INTO my_covered VALUES (?, ?)", [(1, 2), (2, 1)])
    db.execute('INSERT INTO "my made-up" (x) VALUES (21)')
    db.execute("INSERT INTO my_search VALUES ('a searched text')")
    db.commit()
    return db


def own_trigger_on_version(path, rows):
    db = two_columns(path, rows)
    db.executescript("""CREATE TABLE my_audit (what TEXT);
        CREATE TRIGGER my_version_trigger AFTER INSERT ON schema_version BEGIN INSERT INTO my_audit VALUES ('fired'); END;
        CREATE INDEX my_version_index ON schema_version(applied_at);
        CREATE VIEW my_version_view AS SELECT max(version) AS v FROM schema_version;""")
    return db


def write_ahead(path, rows):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.executescript(V1 + INDEXES)
    fill(db, rows)
    db.commit()
    return db


def write_ahead_clean(path, rows):
    db = write_ahead(path, rows)
    db.close()
    return witness.connect(path)


def small_pages_utf16(path, rows):
    db = sqlite3.connect(path)
    db.executescript("PRAGMA page_size = 512; PRAGMA encoding = 'UTF-16be'; PRAGMA auto_vacuum = FULL;")
    db.executescript(V1 + INDEXES)
    fill(db, rows)
    db.commit()
    return db


def by_shell(path, rows):
    script = V1 + INDEXES + """.mode list
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason, success)
SELECT datetime('2025-10-22', i || ' seconds'), i %% 3, 'RULE-001', 'CLOSE_ALL', 'made by the shell ' || i, i %% 2 FROM n;
""" % rows
    subprocess.run(["sqlite3", "-bail", path], input=script, text=True, check=True)
    return sqlite3.connect(path)


def hot_journal(path, rows):
    """A transaction that has already written to the file when its process dies."""
    db = documented(path, rows)
    db.execute("PRAGMA cache_size = 2")
    held = witness.dump(db)
    db.isolation_level = None
    db.execute("BEGIN")
    db.execute("UPDATE enforcement_log SET reason = 'half done', action = hex(randomblob(400))")
    db.execute("DELETE FROM lockouts")
    print(witness.as_text(held))
    sys.stdout.flush()
    os._exit(0)


def other_version(path, rows):
    db = documented(path, rows)
    db.executescript("""CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL,
        description TEXT NOT NULL, migration_script TEXT, rollback_script TEXT, execution_time_ms INTEGER,
        success BOOLEAN NOT NULL DEFAULT 1, error_message TEXT);
        INSERT INTO schema_version (version, applied_at, description) VALUES (1, '2025', 'x'), (3, '2027', 'y');""")
    return db


def text_accounts(path, rows):
    db = sqlite3.connect(path)
    db.executescript(V1.replace("account_id INTEGER", "account_id TEXT") + INDEXES + TWO_COLUMNS)
    return db


def partly(path, rows):
    db = sqlite3.connect(path)
    db.executescript(";".join(V1.split(";")[:4]) + ";")
    return db


def foreign(path, rows):
    db = sqlite3.connect(path)
    db.executescript("CREATE TABLE schema_version (version INTEGER PRIMARY KEY); INSERT INTO schema_version VALUES (9); CREATE TABLE songs (name TEXT);")
    return db


def rebuilt_by_hand(path, rows):
    """Somebody's v1 that lacks one of our columns."""
    db = documented(path, rows)
    db.executescript("ALTER TABLE trade_history DROP COLUMN pnl;")
    return db


def own_collation(path, rows):
    db = documented(path, rows)
    db.create_collation("by_length", lambda a, b: (len(a) > len(b)) - (len(a) < len(b)))
    db.executescript("CREATE TABLE my_words (word TEXT COLLATE by_length UNIQUE); INSERT INTO my_words VALUES ('a'), ('bc');")
    return db


def own_function(path, rows):
    db = documented(path, rows)
    db.create_function("my_hash", 1, lambda text: len(str(text)), deterministic=True)
    db.executescript("CREATE INDEX my_hashes ON enforcement_log(my_hash(reason));")
    return db


def worded_version(path, rows):
    db = documented(path, rows)
    db.executescript(TWO_COLUMNS.replace("INTEGER", "TEXT"))
    return db


def version_twice(path, rows):
    db = documented(path, rows)
    db.executescript(TWO_COLUMNS.replace(" PRIMARY KEY", "") + "INSERT INTO schema_version (version) VALUES (1);")
    return db


def taken_name(path, rows):
    db = documented(path, rows)
    db.executescript("CREATE TABLE my_things (updated_at TEXT); CREATE INDEX idx_positions_updated ON my_things(updated_at);")
    return db


def main():
    form, path = sys.argv[1], sys.argv[2]
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    db = globals()[form](path, rows)
    print(witness.as_text(witness.dump(db)))
    sys.stdout.flush()
    if form == "write_ahead":
        os._exit(0)  # as a crash does: the rows stay in the log
    db.close()


main()
