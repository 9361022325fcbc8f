ALTER TABLE enforcement_log ADD COLUMN execution_time_ms INTEGER;
