CREATE TABLE daily_unrealized_pnl (
    account_id INTEGER NOT NULL,
    timestamp TEXT NOT NULL,
    unrealized_pnl REAL NOT NULL,
    positions_count INTEGER NOT NULL,
    total_exposure REAL,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (account_id, timestamp)
);
CREATE INDEX idx_daily_unrealized_pnl_date ON daily_unrealized_pnl(timestamp DESC);
CREATE INDEX idx_daily_unrealized_pnl_account_date ON daily_unrealized_pnl(account_id, timestamp DESC);
