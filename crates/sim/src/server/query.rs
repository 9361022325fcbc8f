//! `Order/v2/query`: orders by filter, sorted, page by page, suspended ones included.

use std::cmp::Ordering;

use riskd_gateway::protocol::wire::{Endpoint, OrderQueryFilter, OrderQueryRequest, Orders};

use super::endpoints::{Outcome, of_account, order_row, success};
use crate::exchange::{Exchange, OrderRecord};

/// Rows to a page unless asked otherwise, and at most.
const PAGE_SIZE: i64 = 100;
const PAGE_SIZE_AT_MOST: i64 = 1_000;

pub(super) fn query_orders(exchange: &Exchange, request: OrderQueryRequest) -> Result<Outcome, String> {
    let compare = order_of(request.sort_by.as_deref())?;
    let is_descending = match request.sort_direction.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("asc" | "ascending") => false,
        Some("desc" | "descending") => true,
        Some(other) => return Err(format!("sortDirection {other:?} must be asc or desc")),
    };
    let page_size = request.page_size.unwrap_or(PAGE_SIZE);
    let offset = request.page_offset.unwrap_or(0);
    if !(1..=PAGE_SIZE_AT_MOST).contains(&page_size) {
        return Err(format!("pageSize must be 1 to {PAGE_SIZE_AT_MOST}"));
    }
    let offset = usize::try_from(offset).map_err(|_| "pageOffset must not be negative".to_owned())?;
    let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
    let outcome = of_account(exchange, Endpoint::QueryOrders, request.filter.account_id, |account_id| {
        let mut found = exchange.orders(account_id);
        found.retain(|order| finds(&request.filter, order));
        found.sort_by(|left, right| if is_descending { compare(right, left) } else { compare(left, right) });
        let total_count = i64::try_from(found.len()).ok().filter(|_| request.include_total_count == Some(true));
        let page = found.iter().skip(offset).take(page_size).map(|order| order_row(exchange, order)).collect();
        success(Orders { orders: page, total_count })
    });
    Ok(outcome)
}

fn finds(filter: &OrderQueryFilter, order: &OrderRecord) -> bool {
    let statuses = filter.statuses.as_ref().filter(|statuses| !statuses.is_empty());
    statuses.is_none_or(|statuses| statuses.contains(&order.status.code()))
        && filter.contract_id.as_ref().is_none_or(|contract_id| contract_id == order.contract_id.as_str())
        && filter.created_after.is_none_or(|time| order.created_at >= time.0)
        && filter.created_before.is_none_or(|time| order.created_at <= time.0)
}

type Compare = fn(&OrderRecord, &OrderRecord) -> Ordering;

fn order_of(field: Option<&str>) -> Result<Compare, String> {
    Ok(match field.map(str::to_ascii_lowercase).as_deref() {
        None | Some("id" | "") => |left, right| left.id.cmp(&right.id),
        Some("creationtimestamp") => |left, right| (left.created_at, left.id).cmp(&(right.created_at, right.id)),
        Some("updatetimestamp") => |left, right| (left.updated_at, left.id).cmp(&(right.updated_at, right.id)),
        Some("status") => |left, right| (left.status.code(), left.id).cmp(&(right.status.code(), right.id)),
        Some("size") => |left, right| (left.size, left.id).cmp(&(right.size, right.id)),
        Some("contractid") => |left, right| (&left.contract_id, left.id).cmp(&(&right.contract_id, right.id)),
        Some(other) => return Err(format!("sortBy {other:?} is not a field to sort by")),
    })
}
