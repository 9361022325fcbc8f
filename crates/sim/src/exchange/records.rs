//! What the exchange keeps, and what it says when something changes.

use riskd_core::model::{
    AccountId, ContractId, Money, OrderId, OrderType, PositionId, Price, Side, Timestamp, TradeId,
};

/// An account on the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Cash in dollars: what it started with, plus realized P&L, less fees.
    pub balance: Money,
    /// Whether it may place orders. It may always close and cancel.
    pub can_trade: bool,
    /// Whether it is a simulated account: a live one may neither cancel nor close in part through the gateway.
    pub simulated: bool,
    /// Whether it is shown when only active accounts are asked for.
    pub visible: bool,
}

impl AccountRecord {
    /// A simulated, visible account that may trade, with 50,000 dollars in it.
    pub fn new(id: i64, name: &str) -> Self {
        Self {
            id: AccountId(id),
            name: name.to_owned(),
            balance: Money::from_dollars(50_000),
            can_trade: true,
            simulated: true,
            visible: true,
        }
    }
}

/// The status of an order. Numbers are the gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderStatus {
    /// 1
    Open,
    /// 2
    Filled,
    /// 3
    Cancelled,
    /// 4
    Expired,
    /// 5
    Rejected,
    /// 8: a bracket child whose parent has not filled yet.
    Suspended,
}

impl OrderStatus {
    /// The gateway's number.
    pub const fn code(self) -> i32 {
        match self {
            Self::Open => 1,
            Self::Filled => 2,
            Self::Cancelled => 3,
            Self::Expired => 4,
            Self::Rejected => 5,
            Self::Suspended => 8,
        }
    }

    /// Whether the order can still fill, now or later.
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Open | Self::Suspended)
    }
}

/// An order, alive or finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// Its number.
    pub id: OrderId,
    /// The account that placed it.
    pub account_id: AccountId,
    /// The contract it trades.
    pub contract_id: ContractId,
    /// Limit, market, stop, …
    pub order_type: OrderType,
    /// Buy or sell.
    pub side: Side,
    /// Contracts ordered.
    pub size: i64,
    /// Where it is in its life.
    pub status: OrderStatus,
    /// Limit, in points.
    pub limit_price: Option<Price>,
    /// Stop, in points; a trailing stop's moves.
    pub stop_price: Option<Price>,
    /// The distance a trailing stop keeps, in points.
    pub trail_distance: Option<Price>,
    /// Contracts filled so far.
    pub filled_size: i64,
    /// Sum of price × size over its fills, in billionths of a point.
    pub filled_value_nanos: i128,
    /// The placer's own name for it; unique within an account.
    pub custom_tag: Option<String>,
    /// The order whose bracket this belongs to.
    pub parent_order_id: Option<OrderId>,
    /// The other order of the pair of which one cancels the other.
    pub linked_order_id: Option<OrderId>,
    /// When it came in.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whether it may only make a position smaller, never turn it round.
    pub reduces_only: bool,
    /// Whether its stop has been reached, so that it is in the market.
    pub triggered: bool,
    /// Why it was rejected, where it was.
    pub rejection: Option<String>,
}

impl OrderRecord {
    /// Contracts not yet filled.
    pub fn remaining(&self) -> i64 {
        self.size - self.filled_size
    }

    /// Average price of what was filled, in points, rounded half to even; absent before the first fill.
    pub fn fill_price(&self) -> Option<Price> {
        (self.filled_size > 0).then(|| average(self.filled_value_nanos, self.filled_size))
    }
}

/// An open position, or the last word about a closed one (size 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionRecord {
    /// Its number: a new one each time a position is opened.
    pub id: PositionId,
    /// The account that holds it.
    pub account_id: AccountId,
    /// The contract held.
    pub contract_id: ContractId,
    /// Contracts with sign: positive long, negative short, 0 closed.
    pub signed_size: i64,
    /// Average price of the lots still held, in points, rounded half to even; of a closed one, the last there was.
    pub average_price: Price,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeRecord {
    /// Its number.
    pub id: TradeId,
    /// The account.
    pub account_id: AccountId,
    /// The contract.
    pub contract_id: ContractId,
    /// The order it filled.
    pub order_id: OrderId,
    /// Buy or sell.
    pub side: Side,
    /// Contracts.
    pub size: i64,
    /// Price, in points.
    pub price: Price,
    /// Realized P&L in dollars, gross of fees; absent for a half-turn (a fill that opens).
    pub profit_and_loss: Option<Money>,
    /// Fees in dollars.
    pub fees: Money,
    /// When it happened.
    pub created_at: Timestamp,
    /// Whether the exchange took it back.
    pub voided: bool,
}

/// The prices of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteRecord {
    /// The contract.
    pub contract_id: ContractId,
    /// Best bid, in points.
    pub bid: Price,
    /// Best ask, in points; never below the bid.
    pub ask: Price,
    /// Last trade, in points.
    pub last: Price,
    /// First trade seen, in points.
    pub open: Price,
    /// Highest trade seen, in points.
    pub high: Price,
    /// Lowest trade seen, in points.
    pub low: Price,
    /// Contracts traded.
    pub volume: i64,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One thing that changed on the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeEvent {
    /// An account's balance or permission.
    Account(AccountRecord),
    /// An order is new, changed or finished.
    Order(OrderRecord),
    /// A position was opened, changed or closed.
    Position(PositionRecord),
    /// A fill, or one that was voided.
    Trade(TradeRecord),
    /// Prices of a contract.
    Quote(QuoteRecord),
    /// A trade somewhere in the market.
    MarketTrade {
        /// The contract.
        contract_id: ContractId,
        /// Its price, in points.
        price: Price,
        /// Contracts.
        size: i64,
        /// When it happened.
        at: Timestamp,
    },
}

/// What an order says. What is absent does not apply to its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderTicket {
    /// The account.
    pub account_id: AccountId,
    /// The contract.
    pub contract_id: ContractId,
    /// Limit, market, stop, …
    pub order_type: OrderType,
    /// Buy or sell.
    pub side: Side,
    /// Contracts.
    pub size: i64,
    /// Limit, in points.
    pub limit_price: Option<Price>,
    /// Stop, in points.
    pub stop_price: Option<Price>,
    /// Where a trailing stop starts, in points: a price here, though it reads back as a distance.
    pub trail_price: Option<Price>,
    /// The placer's own name for it.
    pub custom_tag: Option<String>,
    /// A living order of the same account that is to be cancelled when this one fills, and the other way round.
    pub linked_order_id: Option<OrderId>,
    /// A stop that starts to work when this order has filled.
    pub stop_loss: Option<Bracket>,
    /// A limit that starts to work when this order has filled.
    pub take_profit: Option<Bracket>,
}

/// One side of a bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bracket {
    /// Distance from the parent's fill price, in ticks; its sign does not matter.
    pub ticks: i64,
    /// How it works: stop or trailing stop for a loss, limit for a profit.
    pub order_type: OrderType,
}

impl OrderTicket {
    /// A market order.
    pub fn market(account_id: AccountId, contract_id: ContractId, side: Side, size: i64) -> Self {
        Self {
            account_id,
            contract_id,
            order_type: OrderType::Market,
            side,
            size,
            limit_price: None,
            stop_price: None,
            trail_price: None,
            custom_tag: None,
            linked_order_id: None,
            stop_loss: None,
            take_profit: None,
        }
    }

    /// A limit order at `price`.
    pub fn limit(account_id: AccountId, contract_id: ContractId, side: Side, size: i64, price: Price) -> Self {
        let order_type = OrderType::Limit;
        Self { order_type, limit_price: Some(price), ..Self::market(account_id, contract_id, side, size) }
    }

    /// A stop order at `price`.
    pub fn stop(account_id: AccountId, contract_id: ContractId, side: Side, size: i64, price: Price) -> Self {
        let order_type = OrderType::Stop;
        Self { order_type, stop_price: Some(price), ..Self::market(account_id, contract_id, side, size) }
    }

    /// The same order with a protective stop so many ticks from its fill.
    pub fn with_stop_loss(self, ticks: i64) -> Self {
        Self { stop_loss: Some(Bracket { ticks, order_type: OrderType::Stop }), ..self }
    }

    /// The same order with a profit target so many ticks from its fill.
    pub fn with_take_profit(self, ticks: i64) -> Self {
        Self { take_profit: Some(Bracket { ticks, order_type: OrderType::Limit }), ..self }
    }
}

/// What of an order is to change; what is absent stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderChange {
    /// Contracts, what is filled already included.
    pub size: Option<i64>,
    /// Limit, in points.
    pub limit_price: Option<Price>,
    /// Stop, in points.
    pub stop_price: Option<Price>,
    /// Where a trailing stop goes on from, in points.
    pub trail_price: Option<Price>,
}

/// The average of `value_nanos / size`, rounded half to even to a billionth of a point. The size must be positive.
pub(crate) fn average(value_nanos: i128, size: i64) -> Price {
    debug_assert!(size > 0);
    let size = i128::from(size);
    let (quotient, remainder) = (value_nanos.div_euclid(size), value_nanos.rem_euclid(size));
    let rounds_up = remainder * 2 > size || (remainder * 2 == size && quotient % 2 != 0);
    let rounded = quotient + i128::from(rounds_up);
    Price::from_nanos(i64::try_from(rounded).expect("an average lies between the prices it is of"))
}

/// The other side.
pub(crate) const fn opposite(side: Side) -> Side {
    match side {
        Side::Buy => Side::Sell,
        _ => Side::Buy,
    }
}

/// +1 for a buy, −1 for a sell.
pub(crate) const fn sign(side: Side) -> i64 {
    match side {
        Side::Buy => 1,
        _ => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_is_rounded_half_to_even() {
        for (value, size, expected) in
            [(10, 4, 2), (14, 4, 4), (-10, 4, -2), (-14, 4, -4), (11, 4, 3), (-11, 4, -3), (9, 3, 3)]
        {
            assert_eq!(average(value, size), Price::from_nanos(expected), "{value} / {size}");
        }
    }

    #[test]
    fn only_open_and_suspended_orders_are_alive() {
        use OrderStatus::*;
        let alive = |status: OrderStatus| status.is_alive();
        assert!([Open, Suspended].into_iter().all(alive));
        assert!(![Filled, Cancelled, Expired, Rejected].into_iter().any(alive));
    }
}
