CREATE TABLE lockouts (
    account_id INTEGER PRIMARY KEY,
    is_locked BOOLEAN NOT NULL DEFAULT 0,
    reason TEXT,
    locked_at DATETIME,
    locked_until DATETIME,
    rule_id TEXT,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE daily_pnl (
    account_id INTEGER NOT NULL,
    date DATE NOT NULL,
    realized_pnl REAL NOT NULL DEFAULT 0.0,
    last_updated DATETIME DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (account_id, date)
);
CREATE TABLE contract_cache (
    contract_id TEXT PRIMARY KEY,
    tick_size REAL NOT NULL,
    tick_value REAL NOT NULL,
    symbol_id TEXT NOT NULL,
    name TEXT,
    cached_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE trade_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    timestamp DATETIME NOT NULL,
    contract_id TEXT NOT NULL,
    pnl REAL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE session_state (
    account_id INTEGER PRIMARY KEY,
    session_start DATETIME NOT NULL,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE positions (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    contract_id TEXT NOT NULL,
    type INTEGER NOT NULL,
    size INTEGER NOT NULL,
    average_price REAL NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    contract_id TEXT NOT NULL,
    type INTEGER NOT NULL,
    side INTEGER NOT NULL,
    size INTEGER NOT NULL,
    limit_price REAL,
    stop_price REAL,
    state INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE enforcement_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp DATETIME DEFAULT CURRENT_TIMESTAMP,
    account_id INTEGER NOT NULL,
    rule_id TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    success BOOLEAN NOT NULL DEFAULT 1,
    details TEXT,
    execution_time_ms INTEGER
);
CREATE TABLE reset_schedule (
    account_id INTEGER PRIMARY KEY,
    last_reset_date DATE NOT NULL,
    next_reset_time DATETIME NOT NULL,
    reset_time_config TEXT NOT NULL,
    timezone TEXT NOT NULL
);
CREATE INDEX idx_lockouts_until ON lockouts(locked_until);
CREATE INDEX idx_daily_pnl_date ON daily_pnl(date);
CREATE INDEX idx_contract_cache_symbol ON contract_cache(symbol_id);
CREATE INDEX idx_trade_history_account_time ON trade_history(account_id, timestamp DESC);
CREATE INDEX idx_trade_history_timestamp ON trade_history(timestamp);
CREATE INDEX idx_positions_account ON positions(account_id);
CREATE INDEX idx_positions_contract ON positions(contract_id);
CREATE INDEX idx_orders_account ON orders(account_id);
CREATE INDEX idx_orders_contract ON orders(contract_id);
CREATE INDEX idx_orders_state ON orders(state);
CREATE INDEX idx_enforcement_account ON enforcement_log(account_id);
CREATE INDEX idx_enforcement_timestamp ON enforcement_log(timestamp DESC);
CREATE INDEX idx_enforcement_rule ON enforcement_log(rule_id);
CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    applied_at TEXT NOT NULL,
    description TEXT NOT NULL,
    migration_script TEXT,
    rollback_script TEXT,
    execution_time_ms INTEGER,
    success BOOLEAN NOT NULL DEFAULT 1,
    error_message TEXT
);
CREATE INDEX idx_schema_version_applied ON schema_version(applied_at DESC);
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    delivered BOOLEAN NOT NULL DEFAULT 0
);
CREATE INDEX idx_alerts_account_time ON alerts(account_id, timestamp DESC);
