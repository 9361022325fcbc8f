//! One account: its lock, its limits, its positions, orders and rules.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::app::App;
use super::super::wire::{AccountDetail, Gauge, Order, Position};
use super::super::words::{self, cell, right};
use super::{Page, bad, doubtful, good, nothing_yet, of_amount, of_fraction, span};

pub(super) fn page(app: &App, width: usize) -> Page {
    let Some(account) = &app.account else { return nothing_yet(app) };
    let mut page = Page::default();
    summary(account, app, &mut page, width);
    page.title("Limits, the nearest first");
    for gauge in &account.gauges {
        page.line(limit(gauge, width));
    }
    if account.gauges.is_empty() {
        page.line("No rule measures anything here at the moment.");
    }
    page.title(format!("Positions: {}", account.positions_open.len()));
    account.positions_open.iter().for_each(|row| page.line(position(row, width)));
    page.title(format!("Orders: {}", account.orders_open.len()));
    account.orders_open.iter().for_each(|row| page.line(order(row, width)));
    page.title("Rules");
    for rule in &account.rules {
        super::rules::lines(rule, width).into_iter().for_each(|line| page.line(line));
    }
    page
}

fn summary(account: &AccountDetail, app: &App, page: &mut Page, width: usize) {
    let summary = &account.summary;
    let name = words::tame(&summary.name);
    page.head.push(Line::styled(cell(&format!("{name}  (account {})", summary.id), width), super::head()));
    match &summary.lock {
        None => page.line(Line::from(vec![Span::raw("Lock          "), span("free to trade", good())])),
        Some(lock) => {
            let until = match lock.locked_until {
                None => "LOCKED without end".to_owned(),
                Some(until) => {
                    let left = words::span(until.duration_since(app.now));
                    format!("LOCKED until {} ({left} left)", words::time(until, app.now, &summary.time_zone))
                }
            };
            page.line(Line::from(vec![Span::raw("Lock          "), span(until, bad())]));
            let reason = format!("{} {}", lock.rule_id, words::tame(&lock.reason));
            for line in words::wrapped(&reason, width.saturating_sub(14)) {
                page.line(Line::from(vec![Span::raw(" ".repeat(14)), span(line, bad())]));
            }
        }
    }
    let amount = |name: &'static str, value: f64, more: String| {
        Line::from(vec![Span::raw(name), span(words::dollars(value), of_amount(value)), Span::raw(more)])
    };
    let day = format!(" on the trading day {}", words::tame(&summary.trading_day));
    page.line(amount("Realized P&L  ", summary.realized_pnl, day));
    let unpriced = match summary.unpriced_positions {
        0 => String::new(),
        count => format!("  WITHOUT {count} position(s) that have no price"),
    };
    page.line(amount("Unrealized    ", summary.unrealized_pnl, unpriced));
    if let Some(end) = summary.day_ends_at {
        let left = words::span(end.duration_since(app.now));
        page.line(format!("Day ends      {} (in {left})", words::time(end, app.now, &summary.time_zone)));
    }
    if summary.pending_enforcements > 0 {
        let text = format!("ENFORCING     {} not yet confirmed by the broker", summary.pending_enforcements);
        page.line(Line::styled(text, bad()));
    }
    if !summary.certain {
        page.line(Line::styled(
            "UNCERTAIN     positions and orders are not known for certain; the broker is being asked",
            bad(),
        ));
    }
    if summary.can_trade == Some(false) {
        page.line(Line::styled("Broker        does not let this account trade", doubtful()));
    }
}

fn limit(gauge: &Gauge, width: usize) -> Line<'static> {
    let style = of_fraction(gauge.fraction);
    let about = match &gauge.contract_id {
        Some(contract) => format!("{} {} {}", gauge.rule_id, words::tame(&gauge.rule), words::tame(contract)),
        None => format!("{} {}", gauge.rule_id, words::tame(&gauge.rule)),
    };
    let (used, limit, left) = (
        words::amount(gauge.used, &gauge.unit),
        words::amount(gauge.limit, &gauge.unit),
        words::left(gauge.left, &gauge.unit),
    );
    let numbers = format!("{} {left} ({used} of {limit})", right(&words::percent(gauge.fraction), 6));
    let bar = if width >= 96 { 12 } else { 0 };
    let name = (width / 3).clamp(18, 34);
    Line::from(vec![
        Span::raw(format!("{} ", cell(&about, name))),
        span(words::bar(gauge.fraction, bar), style),
        span(numbers, style),
    ])
}

fn position(position: &Position, width: usize) -> Line<'static> {
    let side = position.side.to_uppercase();
    let mut text = format!(
        "{} {} {} at {} points",
        cell(&words::tame(&position.name), 10),
        cell(&words::tame(&side), 5),
        words::amount(position.size as f64, "contracts"),
        position.average_price
    );
    match position.last_price {
        Some(last) => text += &format!(", last {last}{}", if position.stale { " (OLD)" } else { "" }),
        None => text += ", NO PRICE",
    }
    let pnl = position.unrealized_pnl.map_or_else(String::new, |pnl| format!("  {}", words::dollars(pnl)));
    let style = position.unrealized_pnl.map_or_else(doubtful, of_amount);
    let room = width.saturating_sub(pnl.chars().count());
    Line::from(vec![
        span(
            cell(text.as_str(), room.min(text.chars().count())),
            if position.stale { doubtful() } else { Style::new() },
        ),
        span(pnl, style),
    ])
}

fn order(order: &Order, width: usize) -> Line<'static> {
    let mut text = format!(
        "{} {} {} {}",
        cell(&words::tame(&order.name), 10),
        cell(&words::tame(&order.side.to_uppercase()), 5),
        words::amount(order.size as f64, "contracts"),
        words::tame(&order.kind)
    );
    if let Some(limit) = order.limit_price {
        text += &format!(" limit {limit}");
    }
    if let Some(stop) = order.stop_price {
        text += &format!(" stop {stop}");
    }
    text += &format!("  {}", words::tame(&order.state));
    Line::raw(cell(&text, width.min(text.chars().count())))
}
