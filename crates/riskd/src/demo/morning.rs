//! The market of the morning, the traders in it, and the rules they trade under.

use std::path::{Path, PathBuf};

use riskd_core::model::{AccountId, ContractId};
use riskd_sim::exchange::{AccountRecord, contract_id};
use riskd_sim::feed::{Feed, FeedError};
use riskd_sim::traders::{self, Trader};

/// Where the recorded morning lies, seen from the repository or from a folder in it.
const RECORDED: &str = "shared/data/esm8-trades-2018-05-07.csv.gz";

/// A market morning, and what to call it.
#[derive(Debug, Clone)]
pub struct Morning {
    /// Its trades.
    pub feed: Feed,
    /// What it is, in words.
    pub what: String,
}

/// The morning in a named file; with none named, the recorded one where it can be found, else the made-up sample.
///
/// # Errors
///
/// A file that cannot be read, with the line that is wrong.
pub fn find_morning(named: Option<&Path>) -> Result<Morning, FeedError> {
    let recorded = named.map(Path::to_owned).or_else(|| {
        let places = ["..", ".", "../..", concat!(env!("CARGO_MANIFEST_DIR"), "/../../..")];
        places.into_iter().map(|place| PathBuf::from(place).join(RECORDED)).find(|file| file.is_file())
    });
    let Some(file) = recorded else {
        let feed = Feed::sample();
        return Ok(Morning { what: format!("{} made-up trades (the repository's sample)", feed.ticks().len()), feed });
    };
    let feed = Feed::read(&file)?;
    let file_name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    Ok(Morning { what: format!("{} trades of {file_name}", feed.ticks().len()), feed })
}

/// Everybody who trades that morning.
#[derive(Debug, Clone)]
pub struct Cast {
    /// What they trade.
    pub contract_id: ContractId,
    /// They themselves.
    pub traders: Vec<Trader>,
    /// What each is known for, in the same order.
    pub habits: Vec<&'static str>,
}

/// The account that must never be touched.
pub(super) const STEADY: AccountId = AccountId(1001);

const HABITS: [&str; 6] = [
    "one contract, always a stop",
    "buys 2, 2 and 3: allowed are 5",
    "loses trade by trade",
    "adds to a loser",
    "comes back after the lock",
    "buys 2, 2 and 3: reduced to 5",
];

/// The traders of a morning.
pub fn cast(seed: u64) -> Cast {
    let contract_id = contract_id("ES").expect("the simulator lists the E-mini S&P 500");
    let id = |number: i64| AccountId(STEADY.0 + number);
    let mut reduced = traders::over_sizer(id(5), &contract_id, seed);
    reduced.name = "over-sizer, reduced".to_owned();
    let traders = vec![
        traders::steady(id(0), &contract_id, seed),
        traders::over_sizer(id(1), &contract_id, seed),
        traders::bleeder(id(2), &contract_id, seed).who_gives_up_when_closed(),
        traders::holder(id(3), &contract_id, seed).who_gives_up_when_closed(),
        traders::re_enterer(id(4), &contract_id, seed),
        reduced,
    ];
    Cast { contract_id, traders, habits: HABITS.to_vec() }
}

impl Cast {
    /// Their accounts at the broker.
    pub fn accounts(&self) -> Vec<AccountRecord> {
        self.traders.iter().map(|trader| AccountRecord::new(trader.account_id.0, &trader.name)).collect()
    }

    /// The config files that say who is protected, and how: name and text.
    pub(super) fn config_files(&self) -> Vec<(&'static str, String)> {
        let accounts = self.traders.iter().map(|trader| {
            let own = match trader.name.as_str() {
                "re-enterer" => "\n    risk_config: \"config/risk_config_locked.yaml\"",
                "over-sizer, reduced" => "\n    risk_config: \"config/risk_config_reduced.yaml\"",
                _ => "",
            };
            format!("  - id: {}\n    name: \"{}\"{own}\n", trader.account_id, trader.name)
        });
        vec![
            ("accounts.yaml", format!("accounts:\n{}", accounts.collect::<String>())),
            ("risk_config.yaml", rules("close_all: true")),
            ("risk_config_locked.yaml", rules("lockout_on_breach: true")),
            ("risk_config_reduced.yaml", rules("reduce_to_limit: true")),
        ]
    }
}

fn rules(on_too_many_contracts: &str) -> String {
    format!(
        "rules:
  max_contracts:
    limit: 5
    count_type: net
    {on_too_many_contracts}
  daily_realized_loss:
    loss_limit: 500
    action: CLOSE_ALL_AND_LOCKOUT
    lockout_until: daily_reset
  daily_unrealized_loss:
    loss_limit: 300
    scope: total
    action: CLOSE_ALL_AND_LOCKOUT
"
    )
}
