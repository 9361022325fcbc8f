//! The present day's P&L of each account, point by point, in bounded room.

use std::collections::BTreeMap;

use jiff::civil::Date;
use riskd_core::model::AccountId;

use crate::daemon::publish::{AccountPicture, Picture};

/// Points kept of an account's day. When there are more, every other one is left out and the rest lie twice as far apart.
const MOST_POINTS: usize = 2_000;
/// Milliseconds between two points at first.
const SPACING_MS: i64 = 1_000;

/// One moment: milliseconds since 1970, realized and unrealized P&L in dollars.
pub(super) type Point = (i64, f64, f64);

/// The curves of every account.
#[derive(Debug, Default)]
pub(super) struct Curves(BTreeMap<AccountId, Curve>);

#[derive(Debug)]
struct Curve {
    day: Date,
    spacing_ms: i64,
    points: Vec<Point>,
    /// The newest moment, which becomes a point only when it lies far enough from the last.
    newest: Point,
}

impl Curves {
    /// Takes a picture's figures in.
    pub(super) fn record(&mut self, picture: &Picture) {
        let at_ms = picture.at.as_millisecond();
        for account in picture.accounts.iter() {
            let point = (at_ms, account.realized_pnl.to_f64(), account.unrealized_pnl.to_f64());
            self.0
                .entry(account.account_id)
                .and_modify(|curve| curve.add(account, point))
                .or_insert_with(|| Curve::begin(account, point));
        }
        if self.0.len() > picture.accounts.len() {
            self.0.retain(|id, _| picture.accounts.iter().any(|account| account.account_id == *id));
        }
    }

    /// The curve of an account's present day, oldest first.
    pub(super) fn points(&self, account_id: AccountId) -> Vec<Point> {
        let Some(curve) = self.0.get(&account_id) else { return Vec::new() };
        let mut points = curve.points.clone();
        if points.last() != Some(&curve.newest) {
            points.push(curve.newest);
        }
        points
    }
}

impl Curve {
    fn begin(account: &AccountPicture, point: Point) -> Self {
        Self { day: account.trading_day, spacing_ms: SPACING_MS, points: vec![point], newest: point }
    }

    fn add(&mut self, account: &AccountPicture, point: Point) {
        if self.day != account.trading_day {
            *self = Self::begin(account, point);
            return;
        }
        self.newest = point;
        let last = self.points.last().map_or(i64::MIN, |last| last.0);
        if point.0.saturating_sub(last) < self.spacing_ms {
            return;
        }
        self.points.push(point);
        // One place is left for the newest.
        if self.points.len() >= MOST_POINTS {
            let mut place = 0;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.spacing_ms *= 2;
        }
    }
}
