//! Bodies of the REST interface's requests.

use serde::{Deserialize, Serialize};

use super::scalar::{Number, Time};

/// `Auth/loginKey`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginKeyRequest {
    /// The trader's name at the firm.
    pub user_name: String,
    /// The API key. Secret.
    pub api_key: String,
}

impl std::fmt::Debug for LoginKeyRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LoginKeyRequest").field("user_name", &self.user_name).finish_non_exhaustive()
    }
}

/// `Account/search`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountSearchRequest {
    /// Whether to leave out accounts that are not active.
    pub only_active_accounts: bool,
}

/// `Contract/search`: at most 20 contracts come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractSearchRequest {
    /// A part of the contract's name.
    #[serde(default)]
    pub search_text: Option<String>,
    /// Whether to search the live data subscription's contracts.
    pub live: bool,
}

/// `Contract/searchById`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractByIdRequest {
    /// As the gateway spells it, `CON.F.US.MNQ.U25`.
    pub contract_id: String,
}

/// `Contract/available`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableContractsRequest {
    /// Whether to list the live data subscription's contracts.
    pub live: bool,
}

/// `History/retrieveBars`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetrieveBarsRequest {
    /// The contract.
    pub contract_id: String,
    /// Whether to use the live data subscription.
    pub live: bool,
    /// From when on.
    pub start_time: Time,
    /// Until when.
    pub end_time: Time,
    /// 1 second, 2 minute, 3 hour, 4 day, 5 week, 6 month, 7 tick.
    pub unit: i32,
    /// Units to a bar.
    pub unit_number: i32,
    /// At most so many bars, 20000 at the outside.
    pub limit: i64,
    /// Whether the bar that is still open belongs to the answer.
    pub include_partial_bar: bool,
}

/// `Order/place`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrderRequest {
    /// The account.
    pub account_id: i64,
    /// The contract.
    pub contract_id: String,
    /// 1 limit, 2 market, 3 stop-limit, 4 stop, 5 trailing stop, 6 join bid, 7 join ask.
    #[serde(rename = "type")]
    pub order_type: i32,
    /// 0 buy, 1 sell.
    pub side: i32,
    /// Contracts.
    pub size: i64,
    /// In points.
    #[serde(default)]
    pub limit_price: Option<Number>,
    /// In points.
    #[serde(default)]
    pub stop_price: Option<Number>,
    /// A price in points; read back, it is a distance.
    #[serde(default)]
    pub trail_price: Option<Number>,
    /// Unique in the account, or absent: by it a lost answer can be asked after.
    #[serde(default)]
    pub custom_tag: Option<String>,
    /// The order this one belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_order_id: Option<i64>,
    /// A protective order that starts to work when this one fills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss_bracket: Option<Bracket>,
    /// A profit-taking order that starts to work when this one fills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit_bracket: Option<Bracket>,
}

/// A child of a bracket order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bracket {
    /// Ticks away from the entry.
    pub ticks: i64,
    /// The child's order type.
    #[serde(rename = "type")]
    pub order_type: i32,
}

/// `Order/modify`. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModifyOrderRequest {
    /// The account.
    pub account_id: i64,
    /// The order.
    pub order_id: i64,
    /// Contracts.
    #[serde(default)]
    pub size: Option<i64>,
    /// In points.
    #[serde(default)]
    pub limit_price: Option<Number>,
    /// In points.
    #[serde(default)]
    pub stop_price: Option<Number>,
    /// In points.
    #[serde(default)]
    pub trail_price: Option<Number>,
}

/// `Order/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelOrderRequest {
    /// The account.
    pub account_id: i64,
    /// The order.
    pub order_id: i64,
}

/// `Order/searchById`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderByIdRequest {
    /// The account.
    pub account_id: i64,
    /// The order.
    pub order_id: i64,
}

/// `Order/search` and `Trade/search`: what happened in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeRangeRequest {
    /// The account.
    pub account_id: i64,
    /// From when on.
    pub start_timestamp: Time,
    /// Until when; absent for now.
    #[serde(default)]
    pub end_timestamp: Option<Time>,
}

/// `Order/searchOpen` and `Position/searchOpen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfAccountRequest {
    /// The account.
    pub account_id: i64,
}

/// `Order/v2/query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderQueryRequest {
    /// Which orders.
    pub filter: OrderQueryFilter,
    /// Rows to a page.
    #[serde(default)]
    pub page_size: Option<i64>,
    /// Rows to leave out at the beginning.
    #[serde(default)]
    pub page_offset: Option<i64>,
    /// A field of the row.
    #[serde(default)]
    pub sort_by: Option<String>,
    /// `asc` or `desc`.
    #[serde(default)]
    pub sort_direction: Option<String>,
    /// Whether `totalCount` is wanted.
    #[serde(default)]
    pub include_total_count: Option<bool>,
}

/// Which orders `Order/v2/query` is to find. Absent means any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderQueryFilter {
    /// The account.
    pub account_id: i64,
    /// The gateway's order statuses.
    #[serde(default)]
    pub statuses: Option<Vec<i32>>,
    /// The contract.
    #[serde(default)]
    pub contract_id: Option<String>,
    /// From when on.
    #[serde(default)]
    pub created_after: Option<Time>,
    /// Until when.
    #[serde(default)]
    pub created_before: Option<Time>,
}

/// `Position/closeContract`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosePositionRequest {
    /// The account.
    pub account_id: i64,
    /// The contract.
    pub contract_id: String,
}

/// `Position/partialCloseContract`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialClosePositionRequest {
    /// The account.
    pub account_id: i64,
    /// The contract.
    pub contract_id: String,
    /// How many contracts to close.
    pub size: i64,
}
