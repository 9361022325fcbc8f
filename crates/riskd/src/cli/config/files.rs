//! The texts of the config files that `riskd config init` writes. They carry the comments of the examples.

use riskd_core::model::Account;

/// How the gateway is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broker {
    /// A firm this program knows.
    Firm(String),
    /// Two addresses.
    Addresses { api_url: String, hub_url: String },
}

/// What the limits are, in dollars and contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) max_contracts: u32,
    pub(super) daily_loss: String,
    pub(super) unrealized_loss: String,
}

pub(super) fn gateway(broker: &Broker, user_name: &str, key_file: &str) -> String {
    let broker = match broker {
        Broker::Firm(firm) => format!("  # The firm whose gateway it is.\n  firm: {}\n", quoted(firm)),
        Broker::Addresses { api_url, hub_url } => format!(
            "  # The gateway's addresses. They must be encrypted (https, wss) unless they are on this machine.\n  \
             api_url: {}\n  hub_url: {}\n",
            quoted(api_url),
            quoted(hub_url)
        ),
    };
    format!(
        "# The broker's side: a ProjectX Gateway.\n\ngateway:\n{broker}\n  # Your user name at the broker.\n  user_name: {}\n\n  \
         # The file with the API key. It holds the key alone, and only you may read it (chmod 600).\n  api_key_file: {}\n",
        quoted(user_name),
        quoted(key_file)
    )
}

pub(super) fn accounts(accounts: &[Account]) -> String {
    let mut text = "# The accounts riskd protects.\n\naccounts:\n".to_owned();
    for account in accounts {
        text.push_str(&format!(
            "  - # The broker's number of the account.\n    id: {}\n    name: {}\n    \
             # When its trading day turns, in an IANA time zone. Topstep's day turns at 17:00 in Chicago.\n    \
             reset_time: \"17:00\"\n    timezone: \"America/Chicago\"\n    \
             # Rules of its own instead of risk_config.yaml:\n    # risk_config: \"config/risk_config_of_it.yaml\"\n",
            account.id,
            quoted(&account.name)
        ));
    }
    text
}

pub(super) fn rules(limits: &Limits) -> String {
    format!(
        "# The risk rules. Amounts are US dollars. Every rule and option: docs/rules.md; check with `riskd run --check`.\n\n\
         global:\n  # true turns any breach into: close everything, cancel everything, lock the account without end.\n  \
         strict_mode: false\n\nrules:\n  # RULE-001: no more than so many contracts at once.\n  max_contracts:\n    \
         enabled: true\n    limit: {}\n    # net: longs minus shorts. gross: the sum of all sizes.\n    count_type: net\n    \
         # On a breach: close everything (or reduce_to_limit: true closes down to the limit).\n    close_all: true\n\n  \
         # RULE-003: the day's realized loss. At the limit: close all, cancel all, lock until the daily reset.\n  \
         daily_realized_loss:\n    enabled: true\n    loss_limit: {}\n    action: CLOSE_ALL_AND_LOCKOUT\n    \
         lockout_until: daily_reset\n\n  # RULE-004: the unrealized loss of open positions together.\n  \
         daily_unrealized_loss:\n    enabled: true\n    loss_limit: {}\n    scope: total\n    \
         action: CLOSE_ALL_AND_LOCKOUT\n    lockout_until: daily_reset\n",
        limits.max_contracts, limits.daily_loss, limits.unrealized_loss
    )
}

pub(super) fn database() -> String {
    "# The state database. Every key may be left out; docs/migrating.md and the example in the repository name them all.\n\n\
     database:\n  # The SQLite file. Its backups stand in data/backups, and it never belongs on a network drive.\n  \
     path: \"data/state.db\"\n"
        .to_owned()
}

/// A text as YAML reads it back, whatever is in it.
fn quoted(text: &str) -> String {
    // JSON's quoting is part of YAML's.
    serde_json::Value::from(text).to_string()
}
