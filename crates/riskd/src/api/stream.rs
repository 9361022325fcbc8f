//! The live stream: everything that happens, over a WebSocket, to whoever listens.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::response::Response;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::herald::status;
use super::listener::stopped;
use super::problem::Problem;
use super::shared::Shared;

/// Streams open at a time.
pub(super) const MOST_STREAMS: u64 = 128;
/// A listener that takes nothing for so long is let go.
const PATIENCE_WITH_A_LISTENER: Duration = Duration::from_secs(10);
/// What a listener may say at once: nothing is expected of it but pongs and a goodbye.
const LARGEST_MESSAGE: usize = 4 * 1024;
/// Time between two pings, which keep the connection alive through whatever lies between.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Everything that happens, as a WebSocket.
///
/// Each message is `{type, account_id, data}`, `type` being one of `GatewayUserTrade`, `GatewayUserPosition`,
/// `GatewayUserOrder`, `MarketQuote`, `lockout_set`, `lockout_cleared`, `enforcement_action`, `daily_reset` and
/// `daemon_status`. The first is a `daemon_status`, whose data are the overview; another comes at least every second
/// while the daemon's loop turns, and none while it does not.
#[utoipa::path(get, path = "/stream", tag = "read", responses(
    (status = 101, description = "The stream begins"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stream(
    state: State<Arc<Shared>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let State(shared) = state;
    let place = Place::take(Arc::clone(&shared))
        .ok_or_else(|| Problem::unavailable(format!("{MOST_STREAMS} streams are open already.")))?;
    Ok(upgrade
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE)
        .on_upgrade(move |socket| listen(socket, shared, place)))
}

/// One of the streams that may be open.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: Arc<Shared>) -> Option<Self> {
        let place = Self(shared);
        // Counted first, so that many who come at once cannot all find the last place free.
        let before = place.0.traffic.streams.fetch_add(1, Ordering::Relaxed);
        (before < MOST_STREAMS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.traffic.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn listen(mut socket: WebSocket, shared: Arc<Shared>, _place: Place) {
    // The loop tells of single events only while somebody watches.
    let _watch = shared.interest.watch();
    let mut events = shared.live.subscribe();
    let mut stopping = shared.stopping.clone();
    if !tell_all(&mut socket, &shared).await {
        return;
    }
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.reset();
    loop {
        let goes_on = tokio::select! {
            event = events.recv() => hand_on(&mut socket, &shared, &mut events, event).await,
            said = socket.recv() => matches!(said, Some(Ok(Message::Ping(_) | Message::Pong(_)))),
            _ = ping.tick() => send(&mut socket, Message::Ping(Default::default())).await,
            () = stopped(&mut stopping) => false,
        };
        if !goes_on {
            let _gone = send(&mut socket, Message::Close(None)).await;
            return;
        }
    }
}

/// Sends an event on. Who was too slow for all of them gets the whole picture instead.
async fn hand_on(
    socket: &mut WebSocket,
    shared: &Shared,
    events: &mut broadcast::Receiver<Utf8Bytes>,
    event: Result<Utf8Bytes, RecvError>,
) -> bool {
    match event {
        Ok(text) => send(socket, Message::Text(text)).await,
        Err(RecvError::Lagged(_)) => {
            *events = events.resubscribe();
            tell_all(socket, shared).await
        }
        Err(RecvError::Closed) => false,
    }
}

async fn tell_all(socket: &mut WebSocket, shared: &Shared) -> bool {
    let picture = shared.picture();
    match status(shared, picture.as_deref()) {
        Some(text) => send(socket, Message::Text(text)).await,
        None => false,
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(PATIENCE_WITH_A_LISTENER, socket.send(message)).await, Ok(Ok(())))
}
