//! Whom a price concerns.
//!
//! For each account and each contract it holds stands a band of prices within which no rule of the account can change its
//! mind (see `rules::Slack`). A quote asks only those whose band it leaves: O(log n) when it leaves none. The bands of an
//! account are reckoned anew whenever anything of it changes, and whenever one of its bands was left.
//!
//! Architecture invariant: a band may be too narrow, which costs a question; never too wide. The property test
//! `an_indexed_engine_does_what_a_plain_one_does` holds it to that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::config::Config;
use super::desk::Desk;
use super::step::EngineState;
use crate::model::{AccountId, Contract, ContractId, EXTREME_PNL_PER_CONTRACT, Money, Position, Price};
use crate::rules::Slack;
use crate::state::{AccountView, Market};

/// P&L is rounded to a millionth of a dollar, once a position and once more where it is compared.
const ROUNDING: i128 = 4;

/// The bands of every account, by contract.
#[derive(Debug, Clone, Default)]
pub(super) struct PriceIndex {
    by_contract: BTreeMap<ContractId, Ladder>,
}

/// The bands in one contract.
#[derive(Debug, Clone, Default)]
struct Ladder {
    bands: BTreeMap<AccountId, Band>,
    /// The lower ends: whoever has his at the price or above it is asked.
    lows: BTreeSet<(i64, AccountId)>,
    /// The upper ends: whoever has his at the price or below it is asked.
    highs: BTreeSet<(i64, AccountId)>,
}

/// The prices, in billionths of a point, at or beyond which an account is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Band {
    low: i64,
    high: i64,
}

impl Band {
    /// Asked at every price.
    const EMPTY: Self = Self { low: i64::MAX, high: i64::MIN };
}

impl PriceIndex {
    /// Adds everyone whose band the price leaves, each once, in the order of ids.
    pub(super) fn concerned(&self, contract_id: &ContractId, price: Price, asked: &mut Vec<AccountId>) {
        let Some(ladder) = self.by_contract.get(contract_id) else { return };
        let nanos = price.nanos();
        asked.extend(ladder.lows.range((nanos, AccountId(i64::MIN))..).map(|(_, account_id)| *account_id));
        asked.extend(ladder.highs.range(..=(nanos, AccountId(i64::MAX))).map(|(_, account_id)| *account_id));
        asked.sort_unstable();
        asked.dedup();
    }

    fn set(&mut self, contract_id: &ContractId, account_id: AccountId, band: Band) {
        let ladder = match self.by_contract.get_mut(contract_id) {
            Some(ladder) => ladder,
            None => self.by_contract.entry(contract_id.clone()).or_default(),
        };
        let before = ladder.bands.insert(account_id, band);
        if before == Some(band) {
            return;
        }
        if let Some(before) = before {
            ladder.lows.remove(&(before.low, account_id));
            ladder.highs.remove(&(before.high, account_id));
        }
        ladder.lows.insert((band.low, account_id));
        ladder.highs.insert((band.high, account_id));
    }

    fn remove(&mut self, contract_id: &ContractId, account_id: AccountId) {
        let Some(ladder) = self.by_contract.get_mut(contract_id) else { return };
        if let Some(before) = ladder.bands.remove(&account_id) {
            ladder.lows.remove(&(before.low, account_id));
            ladder.highs.remove(&(before.high, account_id));
        }
        if ladder.bands.is_empty() {
            self.by_contract.remove(contract_id);
        }
    }
}

impl EngineState {
    /// Reckons the bands of an account anew.
    pub(super) fn index_prices(&mut self, config: &Config, at: Timestamp, account_id: AccountId) {
        let Some(desk) = self.desks.get_mut(&account_id) else { return };
        let index = &mut self.price_index;
        let book = &desk.state.book;
        desk.indexed.retain(|contract_id| {
            let is_held = book.position(contract_id).is_some();
            if !is_held {
                index.remove(contract_id, account_id);
            }
            is_held
        });
        for position in desk.state.book.positions() {
            if !desk.indexed.contains(&position.contract_id) {
                desk.indexed.push(position.contract_id.clone());
            }
        }
        let view = AccountView { account: &desk.state, markets: &self.markets, at };
        for position in desk.state.book.positions() {
            index.set(&position.contract_id, account_id, band(config, desk, &view, position));
        }
    }
}

fn band(config: &Config, desk: &Desk, view: &AccountView<'_>, position: &Position) -> Band {
    let market = view.markets.get(&position.contract_id);
    let priced = market.and_then(|market| Some((market, market.contract()?, market.last()?)));
    let Some((market, contract, last)) = priced else { return Band::EMPTY };
    let is_asked = !position.has_known_direction() || desk.awaits_a_stop(&position.contract_id);
    if !desk.heard_from_the_broker || is_asked {
        return Band::EMPTY;
    }
    let Some(account) = desk.account_config(config) else { return Band::EMPTY };
    let mut slack = slack_before_belief_ends(desk.id(), market, position, position.unrealized_pnl(contract, last));
    for rule in account.rules.rules().filter(|rule| !desk.state.locks.is_latched(rule.id(), view.at)) {
        slack = slack.and(rule.slack(view, &position.contract_id));
    }
    let (down, up) = if position.signed_size() > 0 { (slack.loss, slack.gain) } else { (slack.gain, slack.loss) };
    Band {
        low: end(last, contract, position.size, down, -1).unwrap_or(i64::MAX),
        high: end(last, contract, position.size, up, 1).unwrap_or(i64::MIN),
    }
}

/// The first price on one side at which `size` contracts may have moved by the amount; absent when every price may.
fn end(last: Price, contract: &Contract, size: i64, amount: Money, sign: i128) -> Option<i64> {
    if Slack::is_unlimited(amount) {
        return Some(if sign < 0 { i64::MIN } else { i64::MAX });
    }
    let micros = i128::from(amount.micros()) - ROUNDING;
    if micros <= 0 {
        return None;
    }
    // A move of `distance` is worth distance / tick size × tick value × size. All three are positive.
    let worth = i128::from(contract.tick_value.micros()).checked_mul(i128::from(size))?;
    let distance = micros.checked_mul(i128::from(contract.tick_size.nanos()))? / worth;
    let price = i128::from(last.nanos()) + sign * (distance + 1);
    Some(price.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}

/// How far the P&L may go before people are told that it is beyond belief.
fn slack_before_belief_ends(account_id: AccountId, market: &Market, position: &Position, pnl: Money) -> Slack {
    if market.told_extreme.contains(&account_id) {
        return Slack::UNLIMITED;
    }
    let most = EXTREME_PNL_PER_CONTRACT.times(position.size);
    Slack { loss: pnl + most, gain: most - pnl }
}
