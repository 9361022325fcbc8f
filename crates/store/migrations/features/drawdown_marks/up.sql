CREATE TABLE drawdown_marks (
    account_id INTEGER PRIMARY KEY,
    starting_balance REAL NOT NULL,
    high_water_mark REAL NOT NULL,
    day TEXT NOT NULL,
    updated_at DATETIME
);
