//! Hands on what the loop publishes: keeps the newest picture, draws the curves, and puts the stream into words once for
//! everybody who listens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use riskd_core::model::{AccountId, ContractId};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::enforcements::EnforcementView;
use super::overview::Overview;
use super::shared::{Seen, Shared};
use super::wire::{LockView, OrderView, PositionView, TradeView, time};
use crate::daemon::Phase;
use crate::daemon::publish::{LiveEvent, LiveNews, Message, Picture};

/// Shortest time between two whole overviews on the stream.
const OVERVIEW_EVERY: Duration = Duration::from_millis(250);
/// Time between two statuses while there is no picture yet.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The nine kinds of events on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum EventType {
    GatewayUserTrade,
    GatewayUserPosition,
    GatewayUserOrder,
    MarketQuote,
    #[serde(rename = "lockout_set")]
    LockoutSet,
    #[serde(rename = "lockout_cleared")]
    LockoutCleared,
    #[serde(rename = "enforcement_action")]
    EnforcementAction,
    #[serde(rename = "daily_reset")]
    DailyReset,
    #[serde(rename = "daemon_status")]
    DaemonStatus,
}

#[derive(Serialize)]
struct StreamEvent<'a, T> {
    #[serde(rename = "type")]
    event_type: EventType,
    account_id: Option<i64>,
    data: &'a T,
}

/// One event of the stream, as text.
pub(super) fn in_words(
    event_type: EventType,
    account_id: Option<AccountId>,
    data: &impl Serialize,
) -> Option<Utf8Bytes> {
    let event = StreamEvent { event_type, account_id: account_id.map(|id| id.0), data };
    match serde_json::to_string(&event) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            warn!(%error, "an event could not be put into words");
            None
        }
    }
}

/// A `daemon_status` of this moment.
pub(super) fn status(shared: &Shared, picture: Option<&Picture>) -> Option<Utf8Bytes> {
    in_words(EventType::DaemonStatus, None, &Overview::of(picture, &shared.frame()))
}

/// Takes messages as long as there are any to come.
pub(super) struct Herald {
    pub(super) shared: Arc<Shared>,
    pub(super) seen: watch::Sender<Option<Seen>>,
    pub(super) quoted: BTreeMap<ContractId, Timestamp>,
    pub(super) told_at: Option<Instant>,
}

impl Herald {
    /// Runs until the loop is gone.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut tick = tokio::time::interval(STATUS_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Picture(picture)) => self.take_picture(picture),
                    Some(Message::Live(event)) => self.take_event(&event),
                    None => return,
                },
                // A loop that stands still must not look alive: only before it runs is anything said without it.
                _ = tick.tick() => if *self.shared.phase.borrow() < Phase::Watching {
                    self.tell_status(None);
                },
            }
        }
    }

    fn take_picture(&mut self, picture: Arc<Picture>) {
        self.shared.curves().record(&picture);
        self.seen.send_replace(Some(Seen { picture: Arc::clone(&picture), heard: Instant::now() }));
        if self.shared.live.receiver_count() == 0 {
            return;
        }
        self.tell_quotes(&picture);
        if self.told_at.is_none_or(|told_at| told_at.elapsed() >= OVERVIEW_EVERY) {
            self.tell_status(Some(&picture));
        }
    }

    fn tell_status(&mut self, picture: Option<&Picture>) {
        if self.shared.live.receiver_count() > 0 {
            self.told_at = Some(Instant::now());
            self.send(status(&self.shared, picture));
        }
    }

    /// The newest prices of every contract that has newer ones than last time.
    fn tell_quotes(&mut self, picture: &Picture) {
        for market in picture.markets.iter() {
            let Some(quoted_at) = market.quoted_at else { continue };
            if self.quoted.get(&market.contract_id) == Some(&quoted_at) {
                continue;
            }
            self.quoted.insert(market.contract_id.clone(), quoted_at);
            let data = json!({
                "contract_id": market.contract_id.as_str(),
                "name": market.name.as_deref().unwrap_or(market.contract_id.as_str()),
                "last": market.last.map(|price| price.to_f64()),
                "bid": market.bid.map(|price| price.to_f64()),
                "ask": market.ask.map(|price| price.to_f64()),
                "quoted_at": time(quoted_at),
            });
            self.send(in_words(EventType::MarketQuote, None, &data));
        }
    }

    fn take_event(&mut self, event: &LiveEvent) {
        let picture = self.seen.borrow().as_ref().map(|seen| Arc::clone(&seen.picture));
        let name_of = |contract_id: &ContractId| {
            let markets = picture.iter().flat_map(|picture| picture.markets.iter());
            markets.filter(|market| market.contract_id == *contract_id).find_map(|market| market.name.clone())
        };
        let id = event.account_id;
        self.send(match &event.what {
            LiveNews::Trade(trade) => in_words(EventType::GatewayUserTrade, id, &TradeView::of(trade)),
            LiveNews::Position(position) => {
                let name = name_of(&position.contract_id);
                in_words(EventType::GatewayUserPosition, id, &PositionView::bare(position, name.as_deref()))
            }
            LiveNews::PositionClosed(contract_id) => {
                let name = name_of(contract_id).unwrap_or_else(|| contract_id.to_string());
                let data = json!({ "contract_id": contract_id.as_str(), "name": name, "side": "flat", "size": 0 });
                in_words(EventType::GatewayUserPosition, id, &data)
            }
            LiveNews::Order(order) => {
                let name = name_of(&order.contract_id);
                in_words(EventType::GatewayUserOrder, id, &OrderView::of(order, name.as_deref()))
            }
            LiveNews::LockoutSet(lockout) => in_words(EventType::LockoutSet, id, &LockView::of(lockout)),
            LiveNews::LockoutCleared => {
                in_words(EventType::LockoutCleared, id, &json!({ "cleared_at": time(event.at) }))
            }
            LiveNews::Enforcement(log) => in_words(EventType::EnforcementAction, id, &EnforcementView::of(log)),
            LiveNews::DailyReset { day, realized_pnl } => {
                let data = json!({ "day": day.to_string(), "realized_pnl": realized_pnl.to_f64() });
                in_words(EventType::DailyReset, id, &data)
            }
        });
    }

    fn send(&self, text: Option<Utf8Bytes>) {
        if let Some(text) = text {
            // Nobody listens: then nobody misses it.
            let _nobody = self.shared.live.send(text);
        }
    }
}
