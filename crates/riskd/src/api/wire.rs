//! What the API says, as JSON. Amounts are dollars, times RFC 3339 in UTC, prices points.

use jiff::Timestamp;
use riskd_core::model::{Lockout, Money, Order, OrderState, OrderType, Position, Price, Side, Trade};
use riskd_core::rules::Reading;
use serde::Serialize;
use utoipa::ToSchema;

use crate::daemon::publish::{AccountPicture, GaugePicture, PositionPicture, RulePicture};

/// The most a fraction is said to be: JSON has no infinity.
const LARGEST_FRACTION: f64 = 1_000.0;

pub(super) fn dollars(amount: Money) -> f64 {
    amount.to_f64()
}

pub(super) fn time(at: Timestamp) -> String {
    at.to_string()
}

fn points(price: Price) -> f64 {
    price.to_f64()
}

/// A lockout in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct LockView {
    /// The rule that locked the account.
    pub(super) rule_id: String,
    /// Why, with the numbers.
    pub(super) reason: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub(super) locked_at: String,
    /// Until when; null means without end.
    #[schema(format = DateTime)]
    pub(super) locked_until: Option<String>,
}

impl LockView {
    pub(super) fn of(lockout: &Lockout) -> Self {
        Self {
            rule_id: lockout.rule_id.to_string(),
            reason: lockout.reason.clone(),
            locked_at: time(lockout.locked_at),
            locked_until: lockout.locked_until.map(time),
        }
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// Dollars.
    Dollars,
    /// Contracts held.
    Contracts,
    /// Trades made.
    Trades,
    /// Seconds gone.
    Seconds,
}

/// How near an account is to a limit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GaugeView {
    /// The rule's stable code.
    pub(super) rule_id: String,
    /// The rule's key in the config.
    pub(super) rule: String,
    /// What is counted.
    pub(super) unit: Unit,
    /// How much is used; negative while a loss limit sees a profit.
    pub(super) used: f64,
    /// At which number the rule is broken.
    pub(super) limit: f64,
    /// How much is left.
    pub(super) left: f64,
    /// The part that is used: 1 at the limit, at most 1000.
    pub(super) fraction: f64,
    /// The contract it speaks of; null for the whole account.
    pub(super) contract_id: Option<String>,
}

impl GaugeView {
    pub(super) fn of(picture: &GaugePicture) -> Self {
        let (unit, used, limit, left) = match picture.gauge.reading {
            Reading::Dollars { used, limit } => (Unit::Dollars, dollars(used), dollars(limit), dollars(limit - used)),
            Reading::Contracts { used, limit } => {
                (Unit::Contracts, used as f64, limit as f64, limit.saturating_sub(used) as f64)
            }
            Reading::Trades { used, limit } => {
                (Unit::Trades, used as f64, limit as f64, limit.saturating_sub(used) as f64)
            }
            Reading::Seconds { used, limit } => {
                (Unit::Seconds, used as f64, limit as f64, limit.saturating_sub(used) as f64)
            }
        };
        Self {
            rule_id: picture.rule_id.to_string(),
            rule: picture.key.to_owned(),
            unit,
            used,
            limit,
            left,
            fraction: picture.gauge.fraction().clamp(-LARGEST_FRACTION, LARGEST_FRACTION),
            contract_id: picture.gauge.contract_id.as_ref().map(ToString::to_string),
        }
    }
}

/// An account in the overview.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AccountSummary {
    /// The broker's number of it.
    pub(super) id: i64,
    /// Its name.
    pub(super) name: String,
    /// Whether the broker lets it trade; null until it said so.
    pub(super) can_trade: Option<bool>,
    /// Whether positions and orders are known for certain.
    pub(super) certain: bool,
    /// The IANA name of its time zone.
    pub(super) time_zone: String,
    /// The present trading day, named by the date on which it ends.
    #[schema(format = Date)]
    pub(super) trading_day: String,
    /// When the day began.
    #[schema(format = DateTime)]
    pub(super) day_starts_at: String,
    /// When the day ends.
    #[schema(format = DateTime)]
    pub(super) day_ends_at: String,
    /// Realized P&L of the day, in dollars.
    pub(super) realized_pnl: f64,
    /// Unrealized P&L of the positions that have a price, in dollars.
    pub(super) unrealized_pnl: f64,
    /// Positions left out of it for want of a price.
    pub(super) unpriced_positions: usize,
    /// Open positions.
    pub(super) positions: usize,
    /// Contracts held, long and short added up.
    pub(super) contracts: i64,
    /// Living orders.
    pub(super) orders: usize,
    /// The lockout in force.
    pub(super) lock: Option<LockView>,
    /// Enforcements that the broker has not confirmed.
    pub(super) pending_enforcements: usize,
    /// Rules that are not armed.
    pub(super) not_armed: usize,
    /// The limit it is nearest to.
    pub(super) nearest: Option<GaugeView>,
    /// The nearest of those in dollars.
    pub(super) nearest_dollars: Option<GaugeView>,
    /// The nearest of those in contracts.
    pub(super) nearest_contracts: Option<GaugeView>,
}

impl AccountSummary {
    pub(super) fn of(picture: &AccountPicture) -> Self {
        // The picture has the nearest first.
        let nearest = |is_wanted: fn(&Reading) -> bool| {
            picture.gauges.iter().find(|gauge| is_wanted(&gauge.gauge.reading)).map(GaugeView::of)
        };
        Self {
            id: picture.account_id.0,
            name: picture.name.clone(),
            can_trade: picture.can_trade,
            certain: picture.certain,
            time_zone: picture.time_zone.clone(),
            trading_day: picture.trading_day.to_string(),
            day_starts_at: time(picture.day_starts_at),
            day_ends_at: time(picture.day_ends_at),
            realized_pnl: dollars(picture.realized_pnl),
            unrealized_pnl: dollars(picture.unrealized_pnl),
            unpriced_positions: picture.unpriced_positions,
            positions: picture.positions.len(),
            contracts: picture.contracts(),
            orders: picture.orders.len(),
            lock: picture.lockout.as_ref().map(LockView::of),
            pending_enforcements: picture.pending_enforcements,
            not_armed: picture.not_armed().count(),
            nearest: picture.gauges.first().map(GaugeView::of),
            nearest_dollars: nearest(|reading| matches!(reading, Reading::Dollars { .. })),
            nearest_contracts: nearest(|reading| matches!(reading, Reading::Contracts { .. })),
        }
    }
}

/// An account by itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AccountDetail {
    /// What the overview says of it.
    #[serde(flatten)]
    pub(super) summary: AccountSummary,
    /// Fees of the day, in dollars.
    pub(super) fees: f64,
    /// How near it is to each limit, the nearest first.
    pub(super) gauges: Vec<GaugeView>,
    /// Its open positions.
    pub(super) positions_open: Vec<PositionView>,
    /// Its living orders.
    pub(super) orders_open: Vec<OrderView>,
    /// Its rules.
    pub(super) rules: Vec<RuleView>,
}

impl AccountDetail {
    pub(super) fn of(picture: &AccountPicture) -> Self {
        Self {
            summary: AccountSummary::of(picture),
            fees: dollars(picture.fees),
            gauges: picture.gauges.iter().map(GaugeView::of).collect(),
            positions_open: picture.positions.iter().map(PositionView::of).collect(),
            orders_open: picture.orders.iter().map(|(order, name)| OrderView::of(order, name.as_deref())).collect(),
            rules: picture.rules.iter().map(RuleView::of).collect(),
        }
    }
}

/// An open position.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PositionView {
    /// The broker's number of it.
    pub(super) id: i64,
    /// The contract.
    pub(super) contract_id: String,
    /// The contract's name, such as `MNQU5`; its id until the broker described it.
    pub(super) name: String,
    /// `long`, `short`, or `unknown` where the broker did not say.
    pub(super) side: &'static str,
    /// Contracts.
    pub(super) size: i64,
    /// Average price, in points.
    pub(super) average_price: f64,
    /// The last price, in points.
    pub(super) last_price: Option<f64>,
    /// Unrealized P&L, in dollars; null without a price.
    pub(super) unrealized_pnl: Option<f64>,
    /// Whether the price is old.
    pub(super) stale: bool,
    /// When it was opened.
    #[schema(format = DateTime)]
    pub(super) opened_at: String,
}

impl PositionView {
    fn of(picture: &PositionPicture) -> Self {
        Self {
            last_price: picture.last_price.map(points),
            unrealized_pnl: picture.unrealized_pnl.map(dollars),
            stale: picture.stale,
            ..Self::bare(&picture.position, picture.name.as_deref())
        }
    }

    /// A position as the hub told of it, without its price.
    pub(super) fn bare(position: &Position, name: Option<&str>) -> Self {
        Self {
            id: position.id.0,
            contract_id: position.contract_id.to_string(),
            name: name.unwrap_or(position.contract_id.as_str()).to_owned(),
            side: match position.signed_size() {
                1.. => "long",
                0 => "unknown",
                _ => "short",
            },
            size: position.size,
            average_price: points(position.average_price),
            last_price: None,
            unrealized_pnl: None,
            stale: true,
            opened_at: time(position.created_at),
        }
    }
}

/// A living order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OrderView {
    /// The broker's number of it.
    pub(super) id: i64,
    /// The contract.
    pub(super) contract_id: String,
    /// The contract's name; its id until the broker described it.
    pub(super) name: String,
    /// `buy` or `sell`; `unknown` where the broker did not say.
    pub(super) side: &'static str,
    /// `market`, `limit`, `stop`, `stop_limit`, `trailing_stop`, `join_bid`, `join_ask`, or `other`.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub(super) order_type: &'static str,
    /// Contracts.
    pub(super) size: i64,
    /// Contracts filled.
    pub(super) filled_size: i64,
    /// Limit price, in points.
    pub(super) limit_price: Option<f64>,
    /// Stop price, in points.
    pub(super) stop_price: Option<f64>,
    /// `pending`, `working`, `filled`, and so on.
    pub(super) state: &'static str,
    /// When it was placed.
    #[schema(format = DateTime)]
    pub(super) created_at: String,
}

impl OrderView {
    pub(super) fn of(order: &Order, name: Option<&str>) -> Self {
        Self {
            id: order.id.0,
            contract_id: order.contract_id.to_string(),
            name: name.unwrap_or(order.contract_id.as_str()).to_owned(),
            side: side(order.side),
            order_type: order_type(order.order_type),
            size: order.size,
            filled_size: order.filled_size,
            limit_price: order.limit_price.map(points),
            stop_price: order.stop_price.map(points),
            state: state(order.state),
            created_at: time(order.created_at),
        }
    }
}

/// A fill.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TradeView {
    id: i64,
    order_id: i64,
    contract_id: String,
    side: &'static str,
    size: i64,
    price: f64,
    profit_and_loss: Option<f64>,
    fees: f64,
    voided: bool,
    executed_at: String,
}

impl TradeView {
    pub(super) fn of(trade: &Trade) -> Self {
        Self {
            id: trade.id.0,
            order_id: trade.order_id.0,
            contract_id: trade.contract_id.to_string(),
            side: side(trade.side),
            size: trade.quantity,
            price: points(trade.price),
            profit_and_loss: trade.profit_and_loss.map(dollars),
            fees: dollars(trade.fees),
            voided: trade.voided,
            executed_at: time(trade.execution_time),
        }
    }
}

/// A rule, in words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RuleView {
    /// Its stable code.
    pub(super) rule_id: String,
    /// Its key in the config.
    pub(super) rule: String,
    /// The rule in a sentence with its numbers.
    pub(super) sentence: String,
    /// Whether it could fire now.
    pub(super) armed: bool,
    /// Why not.
    pub(super) reason: Option<String>,
}

impl RuleView {
    pub(super) fn of(picture: &RulePicture) -> Self {
        Self {
            rule_id: picture.rule_id.to_string(),
            rule: picture.key.to_owned(),
            sentence: picture.sentence.clone(),
            armed: picture.not_armed.is_none(),
            reason: picture.not_armed.clone(),
        }
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
        Side::Unknown(_) => "unknown",
    }
}

fn order_type(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Limit => "limit",
        OrderType::Market => "market",
        OrderType::StopLimit => "stop_limit",
        OrderType::Stop => "stop",
        OrderType::TrailingStop => "trailing_stop",
        OrderType::JoinBid => "join_bid",
        OrderType::JoinAsk => "join_ask",
        OrderType::Unknown(_) => "other",
    }
}

fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Pending => "pending",
        OrderState::Working => "working",
        OrderState::Filled => "filled",
        OrderState::Cancelled => "cancelled",
        OrderState::Rejected => "rejected",
        OrderState::Expired => "expired",
        OrderState::Unknown(_) => "unknown",
    }
}
