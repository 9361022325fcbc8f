//! The hubs' framing: SignalR's JSON protocol, for both sides of a connection.
//!
//! After the socket opens, the client sends a handshake and the server answers it; then either side sends messages. Each
//! is one JSON text that ends in the record separator. A WebSocket frame may carry several records, or a part of one.
//! Source: the SignalR hub protocol specification, version 1 of the `json` protocol.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The byte that ends every record.
pub const RECORD_SEPARATOR: u8 = 0x1E;

/// The longest record accepted unless told otherwise, in bytes: far above any real payload.
pub const DEFAULT_RECORD_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// A stream of bytes that cannot be read as records and messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A record goes on beyond the limit. What came before the limit is gone, so the connection cannot be trusted.
    #[error("a record is longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// A record is not a message of the protocol.
    #[error("not a message of the hub protocol: {reason}")]
    NotAMessage {
        /// What the reader stumbled over; never the payload itself.
        reason: String,
    },
    /// The other side refused the handshake.
    #[error("the handshake was refused: {reason}")]
    HandshakeRefused {
        /// Its words.
        reason: String,
    },
}

/// Cuts a stream of bytes into records, whatever the frames they came in.
#[derive(Debug)]
pub struct RecordSplitter {
    unfinished: Vec<u8>,
    limit_bytes: usize,
}

impl Default for RecordSplitter {
    fn default() -> Self {
        Self::new(DEFAULT_RECORD_LIMIT_BYTES)
    }
}

impl RecordSplitter {
    /// A splitter that refuses records longer than `limit_bytes`, separator not counted.
    pub fn new(limit_bytes: usize) -> Self {
        Self { unfinished: Vec::new(), limit_bytes }
    }

    /// Takes the next bytes and hands every record they finish, without its separator, to `each`.
    ///
    /// Empty records are passed over. An error leaves the splitter empty: close the connection.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), FrameError> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == RECORD_SEPARATOR) {
            let (tail, after) = (&rest[..end], &rest[end + 1..]);
            self.check_length(tail.len())?;
            if self.unfinished.is_empty() {
                if !tail.is_empty() {
                    each(tail);
                }
            } else {
                self.unfinished.extend_from_slice(tail);
                each(&self.unfinished);
                self.unfinished.clear();
            }
            rest = after;
        }
        self.check_length(rest.len())?;
        self.unfinished.extend_from_slice(rest);
        Ok(())
    }

    /// Bytes of a record that has not ended yet.
    pub fn unfinished_bytes(&self) -> usize {
        self.unfinished.len()
    }

    fn check_length(&mut self, more: usize) -> Result<(), FrameError> {
        if self.unfinished.len() + more <= self.limit_bytes {
            return Ok(());
        }
        self.unfinished = Vec::new();
        Err(FrameError::TooLong { limit_bytes: self.limit_bytes })
    }
}

/// One message, borrowed from its record.
#[derive(Debug)]
pub enum Message<'a> {
    /// Type 1: call `target` with `arguments`. Answered by a completion only when it has an id.
    Invocation {
        /// The number of the call, as its sender chose it.
        invocation_id: Option<Cow<'a, str>>,
        /// The method.
        target: Cow<'a, str>,
        /// A JSON array; absent when the sender left it out.
        arguments: Option<&'a RawValue>,
    },
    /// Type 3: the answer to an invocation with an id.
    Completion {
        /// The call it answers.
        invocation_id: Cow<'a, str>,
        /// Why the call failed, if it did.
        error: Option<Cow<'a, str>>,
        /// What it returned, if anything.
        result: Option<&'a RawValue>,
    },
    /// Type 6: still there.
    Ping,
    /// Type 7: the sender is about to close the connection.
    Close {
        /// Why, if it says so.
        error: Option<Cow<'a, str>>,
        /// Whether the sender allows an automatic reconnection.
        allow_reconnect: bool,
    },
    /// A message type this program has no use for (streams, acknowledgements). To be passed over.
    Other(u64),
}

impl<'a> Message<'a> {
    /// Reads one record, given without its separator.
    pub fn read(record: &'a [u8]) -> Result<Self, FrameError> {
        let envelope: Envelope<'a> = serde_json::from_slice(record).map_err(not_a_message)?;
        let required = |field: &str| FrameError::NotAMessage { reason: format!("{field} is missing") };
        Ok(match envelope.kind.ok_or_else(|| required("type"))? {
            1 => Self::Invocation {
                invocation_id: envelope.invocation_id,
                target: envelope.target.ok_or_else(|| required("target"))?,
                arguments: envelope.arguments,
            },
            3 => Self::Completion {
                invocation_id: envelope.invocation_id.ok_or_else(|| required("invocationId"))?,
                error: envelope.error,
                result: envelope.result,
            },
            6 => Self::Ping,
            7 => Self::Close { error: envelope.error, allow_reconnect: envelope.allow_reconnect.unwrap_or(false) },
            other => Self::Other(other),
        })
    }
}

/// The client's handshake, with its separator.
pub const HANDSHAKE_REQUEST: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";

/// The server's consent to a handshake, with its separator.
pub const HANDSHAKE_RESPONSE: &str = "{}\u{1e}";

/// A ping, with its separator.
pub const PING: &str = "{\"type\":6}\u{1e}";

/// What a client asks for in its handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeRequest {
    /// The encoding of messages; only `json` is spoken here.
    pub protocol: String,
    /// The version of that encoding.
    pub version: u32,
}

/// Reads a client's handshake, given without its separator. Only the protocol `json` in version 1 or later is accepted.
pub fn read_handshake_request(record: &[u8]) -> Result<HandshakeRequest, FrameError> {
    let request: HandshakeRequest = serde_json::from_slice(record).map_err(not_a_message)?;
    if request.protocol != "json" || request.version == 0 {
        let reason = format!("the protocol '{}' version {} is not supported", request.protocol, request.version);
        return Err(FrameError::HandshakeRefused { reason });
    }
    Ok(request)
}

/// Reads a server's answer to the handshake, given without its separator: consent, or the error it carries.
pub fn read_handshake_response(record: &[u8]) -> Result<(), FrameError> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        error: Option<Cow<'a, str>>,
    }
    let response: Response<'_> = serde_json::from_slice(record).map_err(not_a_message)?;
    match response.error {
        Some(reason) => Err(FrameError::HandshakeRefused { reason: reason.into_owned() }),
        None => Ok(()),
    }
}

/// Writes a server's refusal of a handshake, with its separator.
pub fn write_handshake_refusal(reason: &str) -> String {
    with_separator(&serde_json::json!({ "error": reason }))
}

/// Writes a call of `target`, with its separator. `arguments` must serialize as an array: a tuple, an array, a vector.
///
/// Fails only when `arguments` cannot be written as JSON.
pub fn write_invocation<A: Serialize + ?Sized>(
    invocation_id: Option<&str>,
    target: &str,
    arguments: &A,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Invocation<'a, A: ?Sized> {
        #[serde(rename = "type")]
        kind: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        invocation_id: Option<&'a str>,
        target: &'a str,
        arguments: &'a A,
    }
    let mut text = serde_json::to_string(&Invocation { kind: 1, invocation_id, target, arguments })?;
    text.push(char::from(RECORD_SEPARATOR));
    Ok(text)
}

/// Writes the answer to a call, with its separator: success without a result, or an error.
pub fn write_completion(invocation_id: &str, error: Option<&str>) -> String {
    with_separator(&match error {
        Some(error) => serde_json::json!({ "type": 3, "invocationId": invocation_id, "error": error }),
        None => serde_json::json!({ "type": 3, "invocationId": invocation_id, "result": null }),
    })
}

/// Writes the announcement that the connection closes, with its separator.
pub fn write_close(error: Option<&str>, allow_reconnect: bool) -> String {
    let mut message = serde_json::json!({ "type": 7 });
    if let Some(error) = error {
        message["error"] = error.into();
    }
    if allow_reconnect {
        message["allowReconnect"] = true.into();
    }
    with_separator(&message)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: Option<u64>,
    #[serde(borrow)]
    invocation_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    allow_reconnect: Option<bool>,
}

fn with_separator(message: &serde_json::Value) -> String {
    let mut text = message.to_string();
    text.push(char::from(RECORD_SEPARATOR));
    text
}

// serde_json's words for an error never quote more than a single token's type and place.
fn not_a_message(error: serde_json::Error) -> FrameError {
    FrameError::NotAMessage { reason: error.to_string() }
}
