//! From the config files to what the daemon works with: everything is read and checked before anything is opened.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use riskd_core::engine::{self, EnforcementTiming};
use riskd_core::model::{AccountId, RuleId, TradingDayClock};
use riskd_gateway::client::ClientConfig;
use tracing::{error, info, warn};

use crate::alerts::AlertsConfig;
use crate::config::{
    AccountConfig, ApiConfig, ArmedRules, ConfigError, ConfigFolder, DatabaseConfig, GatewayConfig, Surroundings,
    load_accounts, load_alerts, load_rules,
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
    pub rules: Arc<ArmedRules>,
    /// The dashboard and its API.
    pub api: ApiConfig,
    /// Where the files are.
    pub folder: ConfigFolder,
    /// Who is told when something is wrong.
    pub alerts: AlertsConfig,
}

/// One account to protect, and its rules.
#[derive(Debug, Clone)]
pub struct AccountSetup {
    /// The account.
    pub account: AccountConfig,
    /// Its rules.
    pub rules: Arc<ArmedRules>,
}

impl Setup {
    /// Reads every config file of the folder.
    pub fn load(folder: &ConfigFolder, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let gateway = GatewayConfig::load(folder)?.ok_or_else(|| {
            ConfigError::with_file(&folder.file("gateway.yaml"), "is not there")
                .advise("it names the broker and your user name; start from the commented example in the repository")
        })?;
        let api_key = gateway.read_api_key(surroundings)?;
        let rules = Arc::new(rules(folder, None)?);
        let accounts = load_accounts(folder)?.into_iter().map(|account| {
            let rules = match &account.risk_config {
                Some(file) => Arc::new(self::rules(folder, Some(file))?),
                None => Arc::clone(&rules),
            };
            Ok(AccountSetup { account, rules })
        });
        Ok(Self {
            database: DatabaseConfig::load(folder, None)?,
            gateway: ClientConfig::new(gateway.api_url, gateway.hub_url, gateway.user_name, api_key),
            accounts: accounts.collect::<Result<_, ConfigError>>()?,
            rules,
            api: ApiConfig::load(folder)?,
            folder: folder.clone(),
            alerts: load_alerts(folder, surroundings)?,
        })
    }

    /// Whether a rule of any account needs the table from which drawdown is reckoned: RULE-014 `max_drawdown`.
    pub fn keeps_drawdown(&self) -> bool {
        let max_drawdown = RuleId::from_number(14);
        let of_accounts = self.accounts.iter().flat_map(|account| account.rules.set.rules());
        of_accounts.chain(self.rules.set.rules()).any(|rule| Some(rule.id()) == max_drawdown)
    }

    /// The engine's config for accounts that are watched already: those of the files, or, where these name none, the same
    /// as before under the rules of the files.
    pub fn config_for(&self, watched: impl Iterator<Item = (AccountId, String)>) -> engine::Config {
        if !self.accounts.is_empty() {
            return self.engine_config(&self.accounts);
        }
        let accounts: Vec<_> = watched
            .map(|(id, name)| AccountSetup {
                account: AccountConfig::of_the_login(id, name),
                rules: Arc::clone(&self.rules),
            })
            .collect();
        self.engine_config(&accounts)
    }

    /// The engine's config for these accounts.
    pub fn engine_config(&self, accounts: &[AccountSetup]) -> engine::Config {
        let thresholds = self.database.enforcement;
        let milliseconds = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        engine::Config {
            accounts: accounts.iter().map(|account| (account.id(), account.engine_config())).collect(),
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

/// The engine's config for these accounts out of the config folder alone, for who asks no broker. Needs no credentials.
pub fn offline_config(folder: &ConfigFolder, accounts: &[AccountId]) -> Result<engine::Config, ConfigError> {
    let default = Arc::new(rules(folder, None)?);
    let configured = load_accounts(folder)?;
    let setup_of = |account_id: &AccountId| {
        let account = configured.iter().find(|account| account.id == *account_id).cloned();
        let account = account.unwrap_or_else(|| AccountConfig::of_the_login(*account_id, account_id.to_string()));
        let rules = match &account.risk_config {
            Some(file) => Arc::new(rules(folder, Some(file))?),
            None => Arc::clone(&default),
        };
        Ok((*account_id, AccountSetup { account, rules }.engine_config()))
    };
    let accounts = accounts.iter().map(setup_of).collect::<Result<_, ConfigError>>()?;
    let track_unrealized_pnl = DatabaseConfig::load(folder, None)?.track_unrealized_pnl;
    Ok(engine::Config { accounts, track_unrealized_pnl, ..engine::Config::default() })
}

impl AccountSetup {
    /// The broker's number of it.
    pub fn id(&self) -> AccountId {
        self.account.id
    }

    /// When its trading day turns.
    pub fn trading_day(&self) -> TradingDayClock {
        self.account.trading_day_under(Some(&self.rules))
    }

    /// Says which rules are armed, and loudly which are not.
    pub(super) fn announce(&self) {
        let account_id = self.id();
        for rule in self.rules.set.rules() {
            info!(%account_id, "{} {} is armed. {}", rule.id(), rule.key(), rule.sentence());
        }
        for idle in self.rules.set.idle() {
            error!(%account_id, "{} {} is NOT ARMED: {}", idle.rule_id, idle.key, idle.reason);
        }
    }

    /// The rules that its config enables and that can do nothing.
    fn not_armed(&self) -> impl Iterator<Item = (String, AccountId)> {
        let rules = self.rules.set.idle().iter();
        rules.map(|idle| (format!("{} {}", idle.rule_id, idle.key), self.id()))
    }

    fn engine_config(&self) -> engine::AccountConfig {
        engine::AccountConfig { day_clock: self.trading_day(), rules: Arc::new(self.rules.set.clone()) }
    }
}

/// Each rule that is enabled and not in force, with the accounts it does not protect.
pub(super) fn not_armed(accounts: &[AccountSetup]) -> Vec<String> {
    const MOST_NAMED: usize = 5;
    let mut rules: BTreeMap<String, Vec<AccountId>> = BTreeMap::new();
    for (rule, account_id) in accounts.iter().flat_map(AccountSetup::not_armed) {
        rules.entry(rule).or_default().push(account_id);
    }
    let line = |(rule, accounts): (String, Vec<AccountId>)| {
        let named: Vec<String> = accounts.iter().take(MOST_NAMED).map(AccountId::to_string).collect();
        let more = accounts.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{rule} (account {}{more})", named.join(", "))
    };
    rules.into_iter().map(line).collect()
}

fn rules(folder: &ConfigFolder, other_file: Option<&Path>) -> Result<ArmedRules, ConfigError> {
    let file = other_file.map_or_else(|| folder.file("risk_config.yaml"), Path::to_owned);
    let rules = load_rules(folder, Some(&file))?.ok_or_else(|| {
        ConfigError::with_file(&file, "is not there")
            .advise("without rules nothing is protected; start from the commented example in the repository")
    })?;
    for section in &rules.ignored_sections {
        warn!("{}: section {section} is not read", file.display());
    }
    if rules.set.rules().next().is_none() {
        return Err(ConfigError::with_file(&file, "enables no rule that this version has: nothing would be protected"));
    }
    Ok(rules)
}
