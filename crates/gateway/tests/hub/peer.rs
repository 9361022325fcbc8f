//! The hub's side of a connection.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

/// Far longer than anything takes; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// One connection, seen from the hub.
pub(crate) struct Peer {
    pub(crate) uri: String,
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) records: Vec<String>,
}

impl Peer {
    /// The next record the client sends, without its separator; pings are passed over.
    pub(crate) async fn record(&mut self) -> String {
        loop {
            let record = self.any_record().await;
            if record != r#"{"type":6}"# {
                return record;
            }
        }
    }

    pub(crate) async fn any_record(&mut self) -> String {
        while self.records.is_empty() {
            let frame = soon("a record", self.socket.next()).await.expect("the client must not hang up").unwrap();
            let text = frame.into_text().unwrap();
            self.records.extend(text.split_terminator('\u{1e}').map(str::to_owned));
        }
        self.records.remove(0)
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Frame::text(text.replace('|', "\u{1e}"))).await.unwrap();
    }

    pub(crate) async fn shake_hands(&mut self) {
        assert_eq!(self.record().await, r#"{"protocol":"json","version":1}"#);
        self.send("{}|").await;
    }

    /// Reads so many calls, as `number target arguments`.
    pub(crate) async fn calls(&mut self, count: usize) -> Vec<String> {
        let mut calls = Vec::new();
        for _ in 0..count {
            let call: serde_json::Value = serde_json::from_str(&self.record().await).unwrap();
            let id = call["invocationId"].as_str().unwrap_or("-");
            calls.push(format!("{id} {} {}", call["target"].as_str().unwrap(), call["arguments"]));
        }
        calls
    }

    /// Answers calls by their numbers.
    pub(crate) async fn answer(&mut self, ids: impl IntoIterator<Item = u32>) {
        for id in ids {
            self.send(&format!(r#"{{"type":3,"invocationId":"{id}","result":null}}|"#)).await;
        }
    }

    /// Everything up to the point where the client is told that it is up: for the user hub with one account.
    pub(crate) async fn welcome(&mut self) {
        self.shake_hands().await;
        self.calls(4).await;
        self.answer(1..=4).await;
    }

    /// Waits until the client is gone.
    pub(crate) async fn gone(&mut self) {
        soon("the client to hang up", async {
            while let Some(Ok(frame)) = self.socket.next().await {
                if frame.is_close() {
                    return;
                }
            }
        })
        .await;
    }
}
