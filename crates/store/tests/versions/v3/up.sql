CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    delivered BOOLEAN NOT NULL DEFAULT 0
);
CREATE INDEX idx_alerts_account_time ON alerts(account_id, timestamp DESC);
