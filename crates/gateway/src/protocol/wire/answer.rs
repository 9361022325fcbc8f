//! Answers of the REST interface: an envelope, and what it carries.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::rows::{AccountRow, BarRow, ContractRow, OrderRow, PositionRow, TradeRow};

/// What every answer carries. A refusal comes with HTTP status 200 and `success` false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Whether it was done.
    pub success: bool,
    /// 0 on success; otherwise its meaning depends on the endpoint, see [`super::Endpoint::meaning`].
    #[serde(default, deserialize_with = "null_as_zero")]
    pub error_code: i32,
    /// The gateway's words, often absent.
    #[serde(default)]
    pub error_message: Option<String>,
}

fn null_as_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(0))
}

impl Envelope {
    /// The envelope of a success.
    pub const SUCCESS: Self = Self { success: true, error_code: 0, error_message: None };

    /// The envelope of a refusal.
    pub fn refusal(error_code: i32, error_message: Option<String>) -> Self {
        Self { success: false, error_code, error_message }
    }
}

/// An answer: its envelope, and a body where there is one. A refusal may come without.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer<T> {
    /// What the endpoint is asked for.
    #[serde(flatten)]
    pub body: Option<T>,
    /// Whether it was done.
    #[serde(flatten)]
    pub envelope: Envelope,
}

impl<T> Answer<T> {
    /// A success with its body.
    pub fn success(body: T) -> Self {
        Self { body: Some(body), envelope: Envelope::SUCCESS }
    }

    /// A refusal without a body.
    pub fn refusal(error_code: i32, error_message: Option<String>) -> Self {
        Self { body: None, envelope: Envelope::refusal(error_code, error_message) }
    }
}

// Flattening would read numbers through a float, so envelope and body are read from the raw text, one after the other.
impl<'de, T: DeserializeOwned> Deserialize<'de> for Answer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let envelope: Envelope = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let body = match serde_json::from_str(raw.get()) {
            Ok(body) => Some(body),
            Err(error) if envelope.success => return Err(D::Error::custom(error)),
            Err(_) => None,
        };
        Ok(Self { body, envelope })
    }
}

/// The body of an answer that carries nothing but its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoBody {}

/// The answer to `Auth/loginKey`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// The token, valid for 24 hours. Secret.
    pub token: Option<String>,
}

/// The answer to `Auth/validate`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateAnswer {
    /// The token to use from now on. Secret.
    pub new_token: Option<String>,
}

impl std::fmt::Debug for LoginAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LoginAnswer").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ValidateAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ValidateAnswer").finish_non_exhaustive()
    }
}

/// The answer to `Account/search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accounts<Row = AccountRow> {
    /// The accounts.
    pub accounts: Vec<Row>,
}

/// The answer to `Contract/search` and `Contract/available`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contracts<Row = ContractRow> {
    /// The contracts.
    pub contracts: Vec<Row>,
}

/// The answer to `Contract/searchById`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneContract<Row = ContractRow> {
    /// The contract.
    pub contract: Row,
}

/// The answer to `History/retrieveBars`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// Newest first.
    pub bars: Vec<BarRow>,
}

/// The answer to `Order/search`, `Order/searchOpen` and `Order/v2/query`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orders<Row = OrderRow> {
    /// The orders; of a query, one page of them.
    pub orders: Vec<Row>,
    /// How many orders the filter of a query finds in all, when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_count: Option<i64>,
}

/// The answer to `Order/searchById`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneOrder<Row = OrderRow> {
    /// The order.
    pub order: Row,
}

/// The answer to `Order/place`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrderAnswer {
    /// The order's number: present even when the order was rejected.
    pub order_id: Option<i64>,
}

/// The answer to `Position/searchOpen`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Positions<Row = PositionRow> {
    /// The open positions.
    pub positions: Vec<Row>,
}

/// The answer to `Trade/search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trades<Row = TradeRow> {
    /// The trades.
    pub trades: Vec<Row>,
}
