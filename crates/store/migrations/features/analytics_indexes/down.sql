DROP INDEX idx_orders_state_account;
DROP INDEX idx_positions_updated;
DROP INDEX idx_enforcement_log_success;
