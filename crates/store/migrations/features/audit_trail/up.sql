CREATE TABLE audit_trail (
    id INTEGER PRIMARY KEY,
    timestamp DATETIME,
    kind TEXT,
    account_id INTEGER,
    enforcement_id INTEGER,
    actor TEXT,
    content TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX idx_audit_trail_kind ON audit_trail(kind);
CREATE INDEX idx_audit_trail_enforcement ON audit_trail(enforcement_id);
