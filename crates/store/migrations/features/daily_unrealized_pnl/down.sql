DROP TABLE daily_unrealized_pnl;
