//! What the REST interface says of one account at one moment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use riskd_core::engine::Snapshot;
use riskd_core::model::{Account, AccountId, Order, OrderId, Trade};
use serde_json::value::RawValue;

use super::CallError;
use super::limiter::Priority;
use super::rest::{Gateway, Rows};
use crate::protocol::wire::{self, Endpoint, OrderStatus};

/// Rows of an order query to a page.
const PAGE_ROWS: i64 = 500;

/// Pages of an order query beyond which something must be wrong.
const PAGES_LIMIT: i64 = 200;

impl Gateway {
    /// Asks for positions and living orders (suspended ones too), and with `trades_since` also for trades from then on and
    /// for the account.
    ///
    /// The questions go out together, so that their answers belong to nearly the same moment. Fails when any of them
    /// does: half a snapshot would say "flat" of what it did not see.
    pub async fn snapshot(
        &self,
        account_id: AccountId,
        trades_since: Option<Timestamp>,
    ) -> Result<Snapshot, CallError> {
        let asked_at = (self.inner.clock)();
        let (positions, orders, trades, account) = tokio::try_join!(
            self.open_positions(account_id, Priority::Snapshot),
            self.living_orders(account_id),
            self.trades_if_wanted(account_id, trades_since),
            self.account_if_wanted(trades_since.is_some()),
        )?;
        let refused_accounts =
            account.refused.iter().filter(|refused| refused.refusal.account_id == Some(account_id)).cloned();
        let refused = positions
            .refused
            .into_iter()
            .chain(orders.refused)
            .chain(trades.refused)
            .chain(refused_accounts.collect::<Vec<_>>())
            .map(|refused| refused.refusal.invalid)
            .collect();
        Ok(Snapshot {
            account_id,
            asked_at,
            account: account.rows.into_iter().find(|listed: &Account| listed.id == account_id),
            positions: positions.rows,
            orders: orders.rows,
            trades: trades.rows,
            trades_since,
            refused,
        })
    }

    async fn trades_if_wanted(
        &self,
        account_id: AccountId,
        since: Option<Timestamp>,
    ) -> Result<Rows<Trade>, CallError> {
        match since {
            Some(since) => self.trades(account_id, since, Priority::Snapshot).await,
            None => Ok(Rows { rows: Vec::new(), refused: Vec::new() }),
        }
    }

    async fn account_if_wanted(&self, wanted: bool) -> Result<Rows<Account>, CallError> {
        match wanted {
            true => self.accounts(false, Priority::Snapshot).await,
            false => Ok(Rows { rows: Vec::new(), refused: Vec::new() }),
        }
    }

    /// Every order that can still fill, suspended ones included, each once.
    ///
    /// `Order/searchOpen` leaves out suspended orders, and a query by status leaves out statuses this program does not
    /// know; so both are asked. A gateway without the query is believed, with a warning, that nothing is suspended.
    pub async fn living_orders(&self, account_id: AccountId) -> Result<Rows<Order>, CallError> {
        let (open, queried) =
            tokio::join!(self.open_orders(account_id, Priority::Snapshot), self.query_living_orders(account_id));
        let open = open?;
        let queried = match queried {
            Err(error @ CallError::NoSuchEndpoint { .. }) => {
                tracing::warn!(%account_id, %error, "suspended orders cannot be seen");
                Rows { rows: Vec::new(), refused: Vec::new() }
            }
            other => other?,
        };
        // A row that both answers refuse is one row.
        let mut refused = queried.refused;
        refused.extend(open.refused);
        let mut seen = BTreeSet::new();
        refused.retain(|row| seen.insert(row.payload.clone()));
        let mut orders: BTreeMap<OrderId, Order> = BTreeMap::new();
        for order in queried.rows.into_iter().chain(open.rows).filter(|order| order.state.is_alive()) {
            orders.insert(order.id, order);
        }
        Ok(Rows { rows: orders.into_values().collect(), refused })
    }

    async fn query_living_orders(&self, account_id: AccountId) -> Result<Rows<Order>, CallError> {
        let mut paging = Paging::default();
        let mut rows: Vec<Box<RawValue>> = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(page_offset) = paging.next_offset {
            let request = wire::OrderQueryRequest {
                filter: living_orders_of(account_id),
                page_size: Some(PAGE_ROWS),
                page_offset: Some(page_offset),
                sort_by: Some("id".to_owned()),
                sort_direction: Some("asc".to_owned()),
                include_total_count: Some(true),
            };
            let answer: wire::Orders<Box<RawValue>> =
                self.call(Endpoint::QueryOrders, &request, Priority::Snapshot).await?;
            let received = answer.orders.len();
            rows.extend(answer.orders.into_iter().filter(|row| seen.insert(row.get().to_owned())));
            paging.turn(received, rows.len(), answer.total_count)?;
        }
        Ok(self.orders(account_id, &rows))
    }
}

fn living_orders_of(account_id: AccountId) -> wire::OrderQueryFilter {
    wire::OrderQueryFilter {
        account_id: account_id.0,
        statuses: Some(OrderStatus::ALIVE.iter().map(|status| status.code()).collect()),
        contract_id: None,
        created_after: None,
        created_before: None,
    }
}

/// Goes through the pages of a query. The documents do not say whether an offset counts rows or pages: rows are tried
/// first, and an answer that is empty although the total says there is more shows that it counts pages.
#[derive(Debug)]
struct Paging {
    next_offset: Option<i64>,
    pages: i64,
    counts_pages: bool,
}

impl Default for Paging {
    fn default() -> Self {
        Self { next_offset: Some(0), pages: 0, counts_pages: false }
    }
}

impl Paging {
    /// Takes note of an answer with `received` rows, after which `known` different ones are known.
    fn turn(&mut self, received: usize, known: usize, total: Option<i64>) -> Result<(), CallError> {
        self.pages += 1;
        let known = i64::try_from(known).unwrap_or(i64::MAX);
        let is_complete = match total {
            Some(total) => known >= total,
            None => i64::try_from(received).unwrap_or(i64::MAX) < PAGE_ROWS,
        };
        if is_complete {
            self.next_offset = None;
            return Ok(());
        }
        if self.pages >= PAGES_LIMIT || (received == 0 && (self.counts_pages || self.pages == 1)) {
            let reason = format!("the answer is incomplete: {known} of {} orders", total.unwrap_or(known));
            return Err(CallError::Unknown { endpoint: Endpoint::QueryOrders, reason });
        }
        if received == 0 {
            // The page just asked for was none; the one after the first is page 1.
            self.counts_pages = true;
            self.pages = 1;
        }
        self.next_offset = Some(if self.counts_pages { self.pages } else { known });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows an account has, how many the server gives to a page, whether it tells the total, what an offset counts.
    fn offsets_asked(orders: i64, page: i64, tells_total: bool, counts_pages: bool) -> Result<Vec<i64>, CallError> {
        let mut paging = Paging::default();
        let (mut known, mut asked) = (BTreeSet::new(), Vec::new());
        while let Some(offset) = paging.next_offset {
            asked.push(offset);
            let start = if counts_pages { offset * page } else { offset };
            let rows: Vec<i64> = (start..orders.min(start + page)).collect();
            known.extend(rows.iter().copied());
            paging.turn(rows.len(), known.len(), tells_total.then_some(orders))?;
        }
        assert_eq!(known.len() as i64, orders, "every order must have been seen");
        Ok(asked)
    }

    #[test]
    fn every_page_is_read_whatever_an_offset_counts() {
        let cases: [(i64, i64, bool, bool, &[i64]); 9] = [
            (0, 500, true, false, &[0]),
            (0, 500, false, false, &[0]),
            (3, 500, true, false, &[0]),
            (3, 500, false, true, &[0]),
            (500, 500, true, false, &[0]),
            (500, 500, false, false, &[0, 500]),
            (1_200, 500, true, false, &[0, 500, 1_000]),
            (1_200, 500, true, true, &[0, 500, 1, 2]),
            // a server that gives less to a page than it was asked for
            (250, 100, true, false, &[0, 100, 200]),
        ];
        for (orders, page, tells_total, counts_pages, expected) in cases {
            let asked = offsets_asked(orders, page, tells_total, counts_pages);
            assert_eq!(asked.as_deref(), Ok(expected), "{orders} orders, {page} a page, pages {counts_pages}");
        }
    }

    #[test]
    fn an_answer_that_stays_incomplete_is_an_error() {
        let mut paging = Paging::default();
        assert!(paging.turn(0, 0, Some(3)).is_err());
        let mut paging = Paging::default();
        assert_eq!(paging.turn(500, 500, Some(700)), Ok(()));
        assert_eq!(paging.turn(0, 500, Some(700)), Ok(()));
        assert!(paging.turn(0, 500, Some(700)).is_err());
    }
}
