CREATE INDEX idx_enforcement_log_success ON enforcement_log(success, timestamp DESC);
CREATE INDEX idx_positions_updated ON positions(updated_at DESC);
CREATE INDEX idx_orders_state_account ON orders(state, account_id);
