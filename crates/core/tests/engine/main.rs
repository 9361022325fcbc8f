//! The engine and its rules, tried from the outside against a scripted broker in virtual time.
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub)]

mod build;
mod harness;
mod probe;

mod arming;
mod commitment;
mod config_forms;
mod price_index;
mod properties;
mod properties_stops;
mod rules_account;
mod rules_cooldown;
mod rules_drawdown;
mod rules_instrument;
mod rules_loss;
mod rules_max_contracts;
mod rules_news;
mod rules_profit;
mod rules_session;
mod rules_stop_grace;
mod rules_trade_management;
mod scenarios_cooldown;
mod scenarios_day;
mod scenarios_enforcement;
mod scenarios_faults;
mod scenarios_lock;
mod scenarios_restart;
mod scenarios_stops;
mod scenarios_unlock;
