//! Every request and answer of the gateway's REST interface, and the rows its hubs send, as the gateway spells them.
//!
//! Client and simulator share these types: each can be written and read. Prices and money are kept as the text that
//! stood on the wire ([`Number`]), never as a float. Read them with `serde_json::from_slice` or `from_str`: exact numbers
//! need the raw text, which other deserializers (and `serde_json::Value`) do not have.

mod answer;
mod endpoint;
mod requests;
mod rows;
mod scalar;

#[cfg(test)]
mod tests;

pub use answer::{
    Accounts, Answer, Bars, Contracts, Envelope, LoginAnswer, NoBody, OneContract, OneOrder, Orders, PlaceOrderAnswer,
    Positions, Trades, ValidateAnswer,
};
pub use endpoint::{Endpoint, Group, Meaning};
pub use requests::{
    AccountSearchRequest, AvailableContractsRequest, Bracket, CancelOrderRequest, ClosePositionRequest,
    ContractByIdRequest, ContractSearchRequest, LoginKeyRequest, ModifyOrderRequest, OfAccountRequest,
    OrderByIdRequest, OrderQueryFilter, OrderQueryRequest, PartialClosePositionRequest, PlaceOrderRequest,
    RetrieveBarsRequest, TimeRangeRequest,
};
pub use rows::{AccountRow, BarRow, ContractRow, DepthRow, MarketTradeRow, OrderRow, PositionRow, QuoteRow, TradeRow};
pub(crate) use scalar::decode_text;
pub use scalar::{Number, OrderStatus, Time};

/// Methods a client calls on the hubs.
pub mod method {
    /// User hub: account updates of every account.
    pub const SUBSCRIBE_ACCOUNTS: &str = "SubscribeAccounts";
    /// User hub: orders of one account.
    pub const SUBSCRIBE_ORDERS: &str = "SubscribeOrders";
    /// User hub: positions of one account.
    pub const SUBSCRIBE_POSITIONS: &str = "SubscribePositions";
    /// User hub: trades of one account.
    pub const SUBSCRIBE_TRADES: &str = "SubscribeTrades";
    /// User hub: mirrors `SubscribeAccounts`.
    pub const UNSUBSCRIBE_ACCOUNTS: &str = "UnsubscribeAccounts";
    /// User hub: mirrors `SubscribeOrders`.
    pub const UNSUBSCRIBE_ORDERS: &str = "UnsubscribeOrders";
    /// User hub: mirrors `SubscribePositions`.
    pub const UNSUBSCRIBE_POSITIONS: &str = "UnsubscribePositions";
    /// User hub: mirrors `SubscribeTrades`.
    pub const UNSUBSCRIBE_TRADES: &str = "UnsubscribeTrades";
    /// Market hub: quotes of one contract.
    pub const SUBSCRIBE_CONTRACT_QUOTES: &str = "SubscribeContractQuotes";
    /// Market hub: trades of one contract.
    pub const SUBSCRIBE_CONTRACT_TRADES: &str = "SubscribeContractTrades";
    /// Market hub: depth of one contract.
    pub const SUBSCRIBE_CONTRACT_MARKET_DEPTH: &str = "SubscribeContractMarketDepth";
    /// Market hub: mirrors `SubscribeContractQuotes`.
    pub const UNSUBSCRIBE_CONTRACT_QUOTES: &str = "UnsubscribeContractQuotes";
    /// Market hub: mirrors `SubscribeContractTrades`.
    pub const UNSUBSCRIBE_CONTRACT_TRADES: &str = "UnsubscribeContractTrades";
    /// Market hub: mirrors `SubscribeContractMarketDepth`.
    pub const UNSUBSCRIBE_CONTRACT_MARKET_DEPTH: &str = "UnsubscribeContractMarketDepth";
}

/// Methods the hubs call on a client.
pub mod event {
    /// User hub: an account.
    pub const USER_ACCOUNT: &str = "GatewayUserAccount";
    /// User hub: an order.
    pub const USER_ORDER: &str = "GatewayUserOrder";
    /// User hub: a position.
    pub const USER_POSITION: &str = "GatewayUserPosition";
    /// User hub: a trade.
    pub const USER_TRADE: &str = "GatewayUserTrade";
    /// User hub, undocumented: the session ended; log in again.
    pub const LOGOUT: &str = "GatewayLogout";
    /// Market hub: a quote, after its contract's id.
    pub const QUOTE: &str = "GatewayQuote";
    /// Market hub: a trade of the market, after its contract's id.
    pub const TRADE: &str = "GatewayTrade";
    /// Market hub: depth, after its contract's id.
    pub const DEPTH: &str = "GatewayDepth";
}

/// Paths of the two hubs below the real-time host.
pub mod hub_path {
    /// Accounts, orders, positions, trades.
    pub const USER: &str = "/hubs/user";
    /// Quotes, trades, depth.
    pub const MARKET: &str = "/hubs/market";
}
