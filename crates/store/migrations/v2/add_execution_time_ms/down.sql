ALTER TABLE enforcement_log DROP COLUMN execution_time_ms;
