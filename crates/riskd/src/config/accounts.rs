//! `config/accounts.yaml`: the accounts to protect, and when their trading day turns.

use std::path::PathBuf;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use riskd_core::model::{AccountId, TradingDayClock};
use serde::Deserialize;

use super::checks;
use super::error::ConfigError;
use super::folder::ConfigFolder;
use super::rules::ArmedRules;

/// One account to protect.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountConfig {
    /// The broker's number of it.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// Rules of its own instead of `config/risk_config.yaml`.
    pub risk_config: Option<PathBuf>,
    reset_time: Option<Time>,
    timezone: Option<TimeZone>,
}

impl AccountConfig {
    /// An account that the login sees and no config file mentions.
    pub fn of_the_login(id: AccountId, name: String) -> Self {
        Self { id, name, risk_config: None, reset_time: None, timezone: None }
    }

    /// When its trading day turns: as the account says, else as its rules say, else at 17:00 in New York.
    pub fn trading_day_under(&self, rules: Option<&ArmedRules>) -> TradingDayClock {
        let reset_time = self.reset_time.or_else(|| rules?.reset_time).unwrap_or_else(five_in_the_afternoon);
        let timezone = self.timezone.clone().or_else(|| rules?.timezone.clone()).unwrap_or_else(new_york);
        TradingDayClock::new(reset_time, timezone)
    }
}

/// Reads `accounts.yaml` of the folder; no accounts when it is absent.
pub fn load_accounts(folder: &ConfigFolder) -> Result<Vec<AccountConfig>, ConfigError> {
    let Some(document) = folder.document("accounts.yaml")? else { return Ok(Vec::new()) };
    let accounts = document.read::<File>()?.accounts;
    for (index, account) in accounts.iter().enumerate() {
        if accounts[..index].iter().any(|earlier| earlier.id == account.id) {
            let key = format!("accounts[{index}].id");
            return Err(document.refuse_key(&key, format!("account {} is listed twice", account.id)));
        }
    }
    Ok(accounts.into_iter().map(|account| account.resolve(folder)).collect())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    accounts: Vec<Section>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(deserialize_with = "checks::account_number")]
    id: i64,
    #[serde(default, deserialize_with = "checks::optional_text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "checks::optional_wall_clock")]
    reset_time: Option<Time>,
    #[serde(default, deserialize_with = "checks::optional_time_zone")]
    timezone: Option<TimeZone>,
    #[serde(default, deserialize_with = "checks::optional_path")]
    risk_config: Option<PathBuf>,
}

impl Section {
    fn resolve(self, folder: &ConfigFolder) -> AccountConfig {
        AccountConfig {
            id: AccountId(self.id),
            name: self.name.unwrap_or_else(|| self.id.to_string()),
            risk_config: self.risk_config.map(|path| folder.resolve(&path)),
            reset_time: self.reset_time,
            timezone: self.timezone,
        }
    }
}

fn five_in_the_afternoon() -> Time {
    jiff::civil::time(17, 0, 0, 0)
}

fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").expect("the time zone database inside the program knows New York")
}
