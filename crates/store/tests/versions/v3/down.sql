DROP INDEX idx_alerts_account_time;
DROP TABLE alerts;
