CREATE TABLE rule_commitments (
    account_id INTEGER NOT NULL,
    rule TEXT NOT NULL,
    config TEXT NOT NULL,
    armed_at DATETIME NOT NULL,
    loosens_at DATETIME,
    PRIMARY KEY (account_id, rule)
);
