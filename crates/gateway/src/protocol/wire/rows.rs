//! Rows: accounts, contracts, orders, positions, trades, quotes, as the gateway spells them.
//!
//! The simulator writes them. The client reads rows through [`crate::protocol::parse`], which puts up with everything
//! that was ever seen in practice; these types read only what is well formed.

use serde::{Deserialize, Serialize};

use super::scalar::{Number, Time};

/// An account, from `Account/search` or `GatewayUserAccount`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Cash balance in dollars.
    pub balance: Number,
    /// Whether the firm lets it trade.
    pub can_trade: bool,
    /// Whether the trader sees it.
    pub is_visible: bool,
    /// Whether it is a simulated account.
    pub simulated: bool,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractRow {
    /// `CON.F.US.MNQ.U25`
    pub id: String,
    /// The exchange's name with month and year, `MNQU5`.
    pub name: String,
    /// In words.
    pub description: String,
    /// Smallest price step, in points.
    pub tick_size: Number,
    /// What a tick is worth, in dollars a contract.
    pub tick_value: Number,
    /// Whether it is the one mostly traded now.
    pub active_contract: bool,
    /// `F.US.MNQ`
    pub symbol_id: String,
}

/// An order, from REST or `GatewayUserOrder`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow {
    /// Its number.
    pub id: i64,
    /// Its account.
    pub account_id: i64,
    /// Its contract.
    pub contract_id: String,
    /// `F.US.MNQ`
    #[serde(default)]
    pub symbol_id: Option<String>,
    /// When the gateway took it.
    pub creation_timestamp: Time,
    /// When it last changed.
    #[serde(default)]
    pub update_timestamp: Option<Time>,
    /// See [`super::OrderStatus`].
    pub status: i32,
    /// 1 limit, 2 market, 3 stop-limit, 4 stop, 5 trailing stop, 6 join bid, 7 join ask.
    #[serde(rename = "type")]
    pub order_type: i32,
    /// 0 buy, 1 sell.
    pub side: i32,
    /// Contracts ordered.
    pub size: i64,
    /// In points.
    #[serde(default)]
    pub limit_price: Option<Number>,
    /// In points.
    #[serde(default)]
    pub stop_price: Option<Number>,
    /// Contracts filled.
    #[serde(default)]
    pub fill_volume: Option<i64>,
    /// Average price of the fills, in points; null or 0 when there are none.
    #[serde(default)]
    pub filled_price: Option<Number>,
    /// The tag it was placed with.
    #[serde(default)]
    pub custom_tag: Option<String>,
    /// A distance in points, although it was given as a price when placed.
    #[serde(default)]
    pub trail_price: Option<Number>,
    /// The bracket order it is a child of.
    #[serde(default)]
    pub parent_order_id: Option<i64>,
    /// The order that is cancelled when this one fills.
    #[serde(default)]
    pub linked_order_id: Option<i64>,
}

/// A position, from `Position/searchOpen` or `GatewayUserPosition`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionRow {
    /// Its number.
    pub id: i64,
    /// Its account.
    pub account_id: i64,
    /// Its contract.
    pub contract_id: String,
    /// When it was opened.
    pub creation_timestamp: Time,
    /// 0 undefined, 1 long, 2 short.
    #[serde(rename = "type")]
    pub position_type: i32,
    /// Contracts, without sign; 0 means closed.
    pub size: i64,
    /// In points.
    pub average_price: Number,
}

/// A fill, from `Trade/search` or `GatewayUserTrade`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TradeRow {
    /// Its number.
    pub id: i64,
    /// Its account.
    pub account_id: i64,
    /// Its contract.
    pub contract_id: String,
    /// When it was executed.
    pub creation_timestamp: Time,
    /// In points.
    pub price: Number,
    /// Dollars, gross of fees; null for a half-turn.
    #[serde(default)]
    pub profit_and_loss: Option<Number>,
    /// Dollars.
    pub fees: Number,
    /// Dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commissions: Option<Number>,
    /// 0 buy, 1 sell.
    pub side: i32,
    /// Contracts.
    pub size: i64,
    /// Whether the exchange took it back.
    pub voided: bool,
    /// The order it filled.
    pub order_id: i64,
}

/// A bar of price history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BarRow {
    /// When it begins.
    pub t: Time,
    /// Open.
    pub o: Number,
    /// High.
    pub h: Number,
    /// Low.
    pub l: Number,
    /// Close.
    pub c: Number,
    /// Volume.
    pub v: i64,
}

/// The data of `GatewayQuote`. Any field may be absent: then it stands as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the gateway's own names, which say all that is known")]
pub struct QuoteRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_price: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_bid: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_ask: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_percent: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Time>,
}

/// The data of `GatewayTrade`: a trade of the market.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketTradeRow {
    /// `F.US.EP`
    pub symbol_id: String,
    /// In points.
    pub price: Number,
    /// When.
    pub timestamp: Time,
    /// 0 buy, 1 sell.
    #[serde(rename = "type")]
    pub trade_type: i32,
    /// Contracts.
    pub volume: i64,
}

/// The data of `GatewayDepth`: one level of the book.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DepthRow {
    /// When.
    pub timestamp: Time,
    /// The gateway's depth type: 3 best ask, 4 best bid, and others.
    #[serde(rename = "type")]
    pub depth_type: i32,
    /// In points.
    pub price: Number,
    /// Contracts.
    pub volume: i64,
    /// Contracts at the level now.
    pub current_volume: i64,
}
