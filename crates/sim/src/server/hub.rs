//! The two hubs: negotiation, upgrade, handshake, and the life of a connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message as Frame, WebSocket};
use axum::extract::{Path, Query, State as Extracted, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use riskd_core::engine::Hub;
use riskd_gateway::protocol::frames::{
    HANDSHAKE_RESPONSE, Message, PING, RecordSplitter, read_handshake_request, write_close, write_completion,
    write_handshake_refusal,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::rest::bearer;
use super::shared::{HubOrder, Shared};
use super::topics::{Call, Topic, read_call};

/// Time for the handshake, as the reference server has it.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// Records put into one frame at most.
const RECORDS_A_FRAME: usize = 64;

type Parameters = Query<BTreeMap<String, String>>;

/// `POST /hubs/{hub}/negotiate`: an id to connect with, and the one transport there is.
pub(super) async fn negotiate(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(hub): Path<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    if hub_named(&hub).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let token = token_of(&parameters, &headers);
    let version: u32 = parameters.get("negotiateVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
    let answer = shared.change(|state, now| {
        state.tokens.user_of(token, now)?;
        let number = state.take_number();
        let connection_id = format!("simulated-{}-{number}", now.as_microsecond());
        let transports = serde_json::json!([{ "transport": "WebSockets", "transferFormats": ["Text", "Binary"] }]);
        let mut answer = serde_json::json!({ "connectionId": connection_id, "availableTransports": transports });
        if version > 0 {
            // From version 1 on a client connects with the token and shows the id.
            let connection_token = format!("{connection_id}-token");
            answer["negotiateVersion"] = 1.into();
            answer["connectionToken"] = connection_token.clone().into();
            state.negotiated.insert(connection_token);
        } else {
            state.negotiated.insert(connection_id);
        }
        Some(answer)
    });
    answer.map_or_else(|| StatusCode::UNAUTHORIZED.into_response(), |answer| Json(answer).into_response())
}

/// `GET /hubs/{hub}`: the WebSocket, with `id` from a negotiation or without one.
pub(super) async fn connect(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(hub): Path<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Some(hub) = hub_named(&hub) else { return StatusCode::NOT_FOUND.into_response() };
    let token = token_of(&parameters, &headers);
    let refusal = shared.change(|state, now| {
        if state.tokens.user_of(token, now).is_none() {
            return Some(StatusCode::UNAUTHORIZED);
        }
        let known = parameters.get("id").is_none_or(|id| state.negotiated.remove(id));
        (!known).then_some(StatusCode::NOT_FOUND)
    });
    match (refusal, upgrade) {
        (Some(status), _) => status.into_response(),
        (None, Err(rejection)) => rejection.into_response(),
        (None, Ok(upgrade)) => upgrade.on_upgrade(move |socket| serve(shared, hub, socket)),
    }
}

fn hub_named(name: &str) -> Option<Hub> {
    match name {
        "user" => Some(Hub::User),
        "market" => Some(Hub::Market),
        _ => None,
    }
}

fn token_of<'a>(parameters: &'a BTreeMap<String, String>, headers: &'a HeaderMap) -> Option<&'a str> {
    parameters.get("access_token").map(String::as_str).or_else(|| bearer(headers))
}

/// Why a connection ends.
enum End {
    /// The other side is gone, or is to be left without a word.
    Silent,
    /// A last record is sent before closing.
    WithWords(String),
}

/// A connection, and what it has said so far.
struct Connection {
    shared: Arc<Shared>,
    hub: Hub,
    splitter: RecordSplitter,
    /// The session, once hands are shaken.
    session: Option<(u64, mpsc::UnboundedReceiver<HubOrder>)>,
}

async fn serve(shared: Arc<Shared>, hub: Hub, mut socket: WebSocket) {
    let mut connection = Connection { shared, hub, splitter: RecordSplitter::default(), session: None };
    if let End::WithWords(record) = connection.live(&mut socket).await {
        // The other side may be gone already.
        let _ = socket.send(Frame::Text(record.into())).await;
        let _ = socket.send(Frame::Close(None)).await;
    }
    if let Some((id, _)) = connection.session.take() {
        connection.shared.change(|state, _| state.sessions.remove(&id));
    }
}

impl Connection {
    async fn live(&mut self, socket: &mut WebSocket) -> End {
        let mut pings = interval(self.shared.ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        let mut deadline = Instant::now() + HANDSHAKE_LIMIT.min(self.shared.silence_limit);
        loop {
            let step = tokio::select! {
                frame = socket.recv() => match frame {
                    Some(Ok(frame)) => {
                        deadline = Instant::now() + self.shared.silence_limit;
                        self.hear(frame)
                    }
                    Some(Err(_)) | None => Err(End::Silent),
                },
                orders = next_orders(&mut self.session) => self.obey(orders),
                _ = pings.tick() => Ok(if self.session.is_some() { PING.to_owned() } else { String::new() }),
                () = sleep_until(deadline) => {
                    Err(End::WithWords(write_close(Some("nothing was heard for too long"), true)))
                }
            };
            match step {
                Ok(records) => {
                    if self.say(socket, records).await.is_err() {
                        return End::Silent;
                    }
                }
                Err(end) => return end,
            }
        }
    }

    /// Sends records, in one frame or split over two.
    async fn say(&self, socket: &mut WebSocket, records: String) -> Result<(), axum::Error> {
        let (muted, splits) = self.shared.read(|state| (state.is_muted(self.hub), state.splits_records));
        if records.is_empty() || (muted && self.session.is_some()) {
            return Ok(());
        }
        let middle = (0..=records.len() / 2).rev().find(|index| records.is_char_boundary(*index)).unwrap_or(0);
        if splits && middle > 0 {
            socket.send(Frame::Text(records[..middle].to_owned().into())).await?;
            return socket.send(Frame::Text(records[middle..].to_owned().into())).await;
        }
        socket.send(Frame::Text(records.into())).await
    }

    /// Takes a frame in and says what is answered to it.
    fn hear(&mut self, frame: Frame) -> Result<String, End> {
        let bytes = match &frame {
            Frame::Text(text) => text.as_bytes(),
            Frame::Binary(bytes) => bytes,
            Frame::Close(_) => return Err(End::Silent),
            Frame::Ping(_) | Frame::Pong(_) => return Ok(String::new()),
        };
        let mut records: Vec<Vec<u8>> = Vec::new();
        let split = self.splitter.push(bytes, |record| records.push(record.to_vec()));
        split.map_err(|error| End::WithWords(write_close(Some(&error.to_string()), false)))?;
        let mut answers = String::new();
        for record in records {
            answers.push_str(&self.answer(&record)?);
        }
        Ok(answers)
    }

    fn answer(&mut self, record: &[u8]) -> Result<String, End> {
        let Some((session, _)) = &self.session else {
            read_handshake_request(record)
                .map_err(|error| End::WithWords(write_handshake_refusal(&error.to_string())))?;
            self.session = Some(self.shared.change(|state, _| state.open_session(self.hub)));
            return Ok(HANDSHAKE_RESPONSE.to_owned());
        };
        let message =
            Message::read(record).map_err(|error| End::WithWords(write_close(Some(&error.to_string()), false)))?;
        match message {
            Message::Invocation { invocation_id, target, arguments } => {
                let call = read_call(self.hub, &target, arguments.map(|arguments| arguments.get()));
                let result = self.carry_out(*session, call, &target);
                let answer = |id: &str| write_completion(id, result.err().as_deref());
                Ok(invocation_id.map_or_else(String::new, |id| answer(&id)))
            }
            Message::Close { .. } => Err(End::Silent),
            Message::Completion { .. } | Message::Ping | Message::Other(_) => Ok(String::new()),
        }
    }

    fn carry_out(&self, session: u64, call: Call, target: &str) -> Result<(), String> {
        self.shared.change(|state, _| {
            let exchange = &state.exchange;
            let is_known = |topic: &Topic| match topic {
                Topic::Orders(id) | Topic::Positions(id) | Topic::Trades(id) => exchange.account(*id).is_some(),
                Topic::Quotes(id) | Topic::MarketTrades(id) | Topic::Depth(id) => exchange.listing(id).is_some(),
                Topic::Accounts | Topic::Everybody => true,
            };
            match call {
                Call::Subscribe(topic) if !is_known(&topic) => Err(format!("{target}: not found")),
                Call::Subscribe(topic) => {
                    if let Some(session) = state.sessions.get_mut(&session) {
                        session.topics.insert(topic);
                    }
                    Ok(())
                }
                Call::Unsubscribe(topic) => {
                    if let Some(session) = state.sessions.get_mut(&session) {
                        session.topics.remove(&topic);
                    }
                    Ok(())
                }
                Call::Wrong(reason) => Err(format!("{target}: {reason}")),
                Call::Unknown => Err(format!("Unknown hub method '{target}'")),
            }
        })
    }

    fn obey(&self, orders: Vec<HubOrder>) -> Result<String, End> {
        let mut records = String::new();
        for order in orders {
            match order {
                HubOrder::Send(record) => records.push_str(&record),
                HubOrder::Close { error, allow_reconnect } => {
                    records.push_str(&write_close(error.as_deref(), allow_reconnect));
                    return Err(End::WithWords(records));
                }
                HubOrder::Cut => return Err(End::Silent),
            }
        }
        Ok(records)
    }
}

/// The next orders for this connection, several at once where there are; never, before the handshake.
async fn next_orders(session: &mut Option<(u64, mpsc::UnboundedReceiver<HubOrder>)>) -> Vec<HubOrder> {
    let Some((_, orders)) = session else { return std::future::pending().await };
    let mut batch = Vec::new();
    // The sender lives in the session table until this connection takes its session out.
    if orders.recv_many(&mut batch, RECORDS_A_FRAME).await == 0 {
        return vec![HubOrder::Cut];
    }
    batch
}
