//! From the config files to what the daemon works with: everything is read and checked before anything is opened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use riskd_core::engine::{self, EnforcementTiming};
use riskd_core::model::{AccountId, TradingDayClock};
use riskd_core::rules::{RuleSet, RulesConfig};
use riskd_gateway::ClientConfig;
use tracing::warn;

use crate::config::{
    AccountConfig, ConfigError, ConfigFolder, DatabaseConfig, GatewayConfig, RiskConfig, Surroundings, load_accounts,
    load_risk_config,
};

/// Everything the daemon is told.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The state database.
    pub database: DatabaseConfig,
    /// The gateway, with the credentials.
    pub gateway: ClientConfig,
    /// The accounts to protect; with none, every active account of the login.
    pub accounts: Vec<AccountSetup>,
    /// The rules of accounts that have none of their own.
    pub rules: AccountRules,
}

/// One account to protect.
#[derive(Debug, Clone)]
pub struct AccountSetup {
    /// The broker's number of it.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// When its trading day turns, where its own config says so.
    pub own_trading_day: Option<TradingDayClock>,
    /// Its rules.
    pub rules: AccountRules,
}

/// A set of rules and what its file says of the trading day.
#[derive(Debug, Clone)]
pub struct AccountRules {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// When the trading day turns, for accounts that do not say.
    pub trading_day: TradingDayClock,
}

impl Setup {
    /// Reads every config file of the folder.
    pub fn load(folder: &ConfigFolder, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let gateway = GatewayConfig::load(folder)?.ok_or_else(|| {
            ConfigError::with_file(&folder.file("gateway.yaml"), "is not there")
                .advise("it names the broker and your user name; start from the commented example in the repository")
        })?;
        let api_key = gateway.read_api_key(surroundings)?;
        let accounts = load_accounts(folder)?;
        Ok(Self {
            database: DatabaseConfig::load(folder, None)?,
            gateway: ClientConfig::new(gateway.api_url, gateway.hub_url, gateway.user_name, api_key),
            accounts: accounts.into_iter().map(|account| account_setup(folder, account)).collect::<Result<_, _>>()?,
            rules: account_rules(folder, None)?,
        })
    }

    /// The engine's config for these accounts.
    pub fn engine_config(&self, accounts: &[AccountSetup]) -> engine::Config {
        let thresholds = self.database.enforcement;
        let milliseconds = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        engine::Config {
            accounts: accounts.iter().map(|account| (account.id, account.engine_config())).collect::<BTreeMap<_, _>>(),
            track_unrealized_pnl: self.database.track_unrealized_pnl,
            enforcement: EnforcementTiming {
                slow_after_ms: milliseconds(thresholds.slow_threshold_ms),
                critical_after_ms: milliseconds(thresholds.critical_threshold_ms),
                failed_after_ms: milliseconds(thresholds.timeout_ms),
            },
            ..engine::Config::default()
        }
    }
}

impl AccountSetup {
    /// An account of the login that no config file mentions.
    pub fn discovered(id: AccountId, name: String, rules: AccountRules) -> Self {
        Self { id, name, own_trading_day: None, rules }
    }

    /// When its trading day turns.
    pub fn trading_day(&self) -> &TradingDayClock {
        self.own_trading_day.as_ref().unwrap_or(&self.rules.trading_day)
    }

    fn engine_config(&self) -> engine::AccountConfig {
        engine::AccountConfig { day_clock: self.trading_day().clone(), rules: Arc::clone(&self.rules.rules) }
    }
}

fn account_setup(folder: &ConfigFolder, account: AccountConfig) -> Result<AccountSetup, ConfigError> {
    let rules = account_rules(folder, account.risk_config)?;
    let own_trading_day = match (account.reset_time, account.timezone) {
        (None, None) => None,
        (reset_time, timezone) => Some(TradingDayClock::new(
            reset_time.unwrap_or(rules.trading_day.reset_time()),
            timezone.unwrap_or_else(|| rules.trading_day.timezone().clone()),
        )),
    };
    Ok(AccountSetup { id: account.id, name: account.name, own_trading_day, rules })
}

fn account_rules(folder: &ConfigFolder, other_file: Option<PathBuf>) -> Result<AccountRules, ConfigError> {
    let file = other_file.unwrap_or_else(|| folder.file("risk_config.yaml"));
    let config: RiskConfig<RulesConfig> = load_risk_config(folder, Some(&file), RulesConfig::KEYS)?.ok_or_else(|| {
        ConfigError::with_file(&file, "is not there")
            .advise("without rules nothing is protected; start from the commented example in the repository")
    })?;
    for section in &config.ignored_sections {
        warn!("{}: section {section} is not read", file.display());
    }
    let rules = config.rules.build().map_err(|error| ConfigError::with_file(&file, error.to_string()))?;
    if rules.rules().next().is_none() {
        return Err(ConfigError::with_file(&file, "no rule is enabled that this version has: nothing would be protected"));
    }
    for (rule_id, key) in rules.unavailable() {
        warn!("{rule_id} {key} is NOT ARMED: {} enables it, and this version does not have it", file.display());
    }
    let realized = config.rules.daily_realized_loss.as_ref();
    let timezone = match realized.and_then(|rule| rule.timezone.as_deref()).unwrap_or("America/New_York") {
        name => TimeZone::get(name).map_err(|_| {
            let problem = format!("rules.daily_realized_loss.timezone: {name:?} is not an IANA time zone");
            ConfigError::with_file(&file, problem)
        })?,
    };
    let reset_time = realized.and_then(|rule| rule.reset_time).unwrap_or(jiff::civil::time(17, 0, 0, 0));
    Ok(AccountRules {
        rules: Arc::new(rules.with_strict_mode(config.strict_mode)),
        trading_day: TradingDayClock::new(reset_time, timezone),
    })
}
