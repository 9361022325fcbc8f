//! From the exchange's records to the gateway's rows.

use riskd_core::model::{Contract, Price, Timestamp};
use riskd_gateway::protocol::wire::{
    AccountRow, BarRow, ContractRow, DepthRow, MarketTradeRow, Number, OrderRow, PositionRow, QuoteRow, Time, TradeRow,
};

use crate::exchange::{AccountRecord, Bar, Listing, OrderRecord, PositionRecord, QuoteRecord, TradeRecord};

pub(crate) fn account(record: &AccountRecord) -> AccountRow {
    AccountRow {
        id: record.id.0,
        name: record.name.clone(),
        balance: record.balance.into(),
        can_trade: record.can_trade,
        is_visible: record.visible,
        simulated: record.simulated,
    }
}

pub(crate) fn contract(listing: &Listing) -> ContractRow {
    ContractRow {
        id: listing.contract.contract_id.to_string(),
        name: listing.contract.name.clone(),
        description: listing.description.clone(),
        tick_size: listing.contract.tick_size.into(),
        tick_value: listing.contract.tick_value.into(),
        active_contract: listing.active,
        symbol_id: listing.contract.symbol_id.clone(),
    }
}

pub(crate) fn order(record: &OrderRecord, contract: Option<&Contract>) -> OrderRow {
    OrderRow {
        id: record.id.0,
        account_id: record.account_id.0,
        contract_id: record.contract_id.to_string(),
        symbol_id: contract.map(|contract| contract.symbol_id.clone()),
        creation_timestamp: Time(record.created_at),
        update_timestamp: Some(Time(record.updated_at)),
        status: record.status.code(),
        order_type: record.order_type.code(),
        side: record.side.code(),
        size: record.size,
        limit_price: record.limit_price.map(Number::from),
        stop_price: record.stop_price.map(Number::from),
        fill_volume: Some(record.filled_size),
        filled_price: record.fill_price().map(Number::from),
        custom_tag: record.custom_tag.clone(),
        trail_price: record.trail_distance.map(Number::from),
        parent_order_id: record.parent_order_id.map(|id| id.0),
        linked_order_id: record.linked_order_id.map(|id| id.0),
    }
}

pub(crate) fn position(record: &PositionRecord) -> PositionRow {
    PositionRow {
        id: record.id.0,
        account_id: record.account_id.0,
        contract_id: record.contract_id.to_string(),
        creation_timestamp: Time(record.created_at),
        position_type: match record.signed_size {
            0 => 0,
            1.. => 1,
            _ => 2,
        },
        size: record.signed_size.abs(),
        average_price: record.average_price.into(),
    }
}

pub(crate) fn trade(record: &TradeRecord) -> TradeRow {
    TradeRow {
        id: record.id.0,
        account_id: record.account_id.0,
        contract_id: record.contract_id.to_string(),
        creation_timestamp: Time(record.created_at),
        price: record.price.into(),
        profit_and_loss: record.profit_and_loss.map(Number::from),
        fees: record.fees.into(),
        commissions: None,
        side: record.side.code(),
        size: record.size,
        voided: record.voided,
        order_id: record.order_id.0,
    }
}

pub(crate) fn quote(record: &QuoteRecord, contract: &Contract) -> QuoteRow {
    let change = record.last.nanos() - record.open.nanos();
    // Hundredths of a percent, as a whole number: the price of a contract may be 0, its change is then not a share of it.
    let open = i128::from(record.open.nanos());
    let share = (open != 0).then(|| i128::from(change) * 10_000 / open).and_then(|share| i64::try_from(share).ok());
    let root = contract.exchange_root().map_or(contract.name.as_str(), |root| root.0);
    QuoteRow {
        symbol: Some(contract.symbol_id.clone()),
        symbol_name: Some(format!("/{root}")),
        last_price: Some(record.last.into()),
        best_bid: Some(record.bid.into()),
        best_ask: Some(record.ask.into()),
        change: Some(Price::from_nanos(change).into()),
        change_percent: share.map(|share| Price::from_nanos(share * 10_000_000).into()),
        open: Some(record.open.into()),
        high: Some(record.high.into()),
        low: Some(record.low.into()),
        volume: Some(record.volume.into()),
        last_updated: Some(Time(record.updated_at)),
        timestamp: Some(Time(record.updated_at)),
    }
}

pub(crate) fn market_trade(contract: &Contract, price: Price, size: i64, at: Timestamp) -> MarketTradeRow {
    MarketTradeRow {
        symbol_id: contract.symbol_id.clone(),
        price: price.into(),
        timestamp: Time(at),
        trade_type: 0,
        volume: size,
    }
}

/// The two sides of the book that this exchange has: best ask (3) and best bid (4).
pub(crate) fn depth(record: &QuoteRecord) -> [DepthRow; 2] {
    [(3, record.ask), (4, record.bid)].map(|(depth_type, price)| DepthRow {
        timestamp: Time(record.updated_at),
        depth_type,
        price: price.into(),
        volume: 1,
        current_volume: 1,
    })
}

pub(crate) fn bar(record: &Bar) -> BarRow {
    BarRow {
        t: Time(record.at),
        o: record.open.into(),
        h: record.high.into(),
        l: record.low.into(),
        c: record.close.into(),
        v: record.volume,
    }
}
