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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    type Chunks = &'static [&'static [u8]];

    fn records_of(splitter: &mut RecordSplitter, chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut records = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |record| records.push(record.to_vec()))?;
        }
        Ok(records)
    }

    #[test]
    fn records_are_cut_whatever_the_frames() {
        let cases: [(Chunks, Chunks, usize); 6] = [
            (&[b"{}\x1e"], &[b"{}"], 0),
            (&[b"a\x1eb\x1e"], &[b"a", b"b"], 0),
            (&[b"a", b"b\x1ec"], &[b"ab"], 1),
            (&[b"a", b"", b"\x1e"], &[b"a"], 0),
            (&[b"\x1e\x1e"], &[], 0),
            (&[b"ab\x1ecd\x1eef", b"gh\x1e"], &[b"ab", b"cd", b"efgh"], 0),
        ];
        for (chunks, expected, unfinished) in cases {
            let mut splitter = RecordSplitter::default();
            assert_eq!(records_of(&mut splitter, chunks).unwrap(), expected, "{chunks:?}");
            assert_eq!(splitter.unfinished_bytes(), unfinished, "{chunks:?}");
        }
    }

    #[test]
    fn a_record_beyond_the_limit_is_an_error_and_frees_its_memory() {
        let cases: [(Chunks, bool); 5] = [
            (&[b"1234\x1e"], true),
            (&[b"12", b"34\x1e"], true),
            (&[b"12345\x1e"], false),
            (&[b"1234", b"5"], false),
            (&[b"1\x1e2345", b"6\x1e"], false),
        ];
        for (chunks, accepted) in cases {
            let mut splitter = RecordSplitter::new(4);
            let result = records_of(&mut splitter, chunks);
            assert_eq!(result.is_ok(), accepted, "{chunks:?}");
            if !accepted {
                assert_eq!(result, Err(FrameError::TooLong { limit_bytes: 4 }));
                assert_eq!(splitter.unfinished_bytes(), 0);
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        /// However the bytes are split over frames, the records are the same.
        #[test]
        fn any_split_gives_the_same_records(
            records in proptest::collection::vec("[a-zé{}\":,0-9]{1,20}", 0..12),
            cuts in proptest::collection::vec(0_usize..400, 0..12),
        ) {
            let stream: String = records.iter().map(|record| format!("{record}\u{1e}")).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([stream.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let chunks: Vec<&[u8]> = starts.zip(ends).map(|(start, end)| &stream.as_bytes()[start..end]).collect();
            let cut = records_of(&mut RecordSplitter::default(), &chunks).unwrap();
            let expected: Vec<Vec<u8>> = records.iter().map(|record| record.clone().into_bytes()).collect();
            proptest::prop_assert_eq!(cut, expected);
        }

        /// No bytes make the reader crash.
        #[test]
        fn any_record_is_read_or_refused(record in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..60)) {
            let _ = Message::read(&record);
            let _ = read_handshake_request(&record);
            let _ = read_handshake_response(&record);
        }
    }

    /// A message in one line.
    fn line(record: &str) -> String {
        match Message::read(record.as_bytes()) {
            Ok(Message::Invocation { invocation_id, target, arguments }) => {
                let arguments = arguments.map_or("none", RawValue::get);
                format!("call {target} {arguments} id {}", invocation_id.as_deref().unwrap_or("none"))
            }
            Ok(Message::Completion { invocation_id, error, result }) => {
                let result = result.map_or("none", RawValue::get);
                format!("answer {invocation_id} error {} result {result}", error.as_deref().unwrap_or("none"))
            }
            Ok(Message::Ping) => "ping".to_owned(),
            Ok(Message::Close { error, allow_reconnect }) => {
                format!("close {} reconnect {allow_reconnect}", error.as_deref().unwrap_or("none"))
            }
            Ok(Message::Other(kind)) => format!("other {kind}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn messages_are_told_apart_by_their_type() {
        let cases = [
            (r#"{"type":1,"target":"A","arguments":[1, 2.50]}"#, "call A [1, 2.50] id none"),
            (r#"{"arguments":[],"invocationId":"7","target":"A","type":1}"#, "call A [] id 7"),
            (r#"{"type":1,"target":"A","arguments":[],"headers":{},"streamIds":[]}"#, "call A [] id none"),
            (r#"{"type":1,"target":"\u0041"}"#, "call A none id none"),
            (r#"{"type":1}"#, "not a message of the hub protocol: target is missing"),
            (r#"{"type":3,"invocationId":"7"}"#, "answer 7 error none result none"),
            (r#"{"type":3,"invocationId":"7","result":[1]}"#, "answer 7 error none result [1]"),
            (r#"{"type":3,"invocationId":"7","error":"no\"pe"}"#, "answer 7 error no\"pe result none"),
            (r#"{"type":3}"#, "not a message of the hub protocol: invocationId is missing"),
            (r#"{"type":6}"#, "ping"),
            (r#"{"type":7}"#, "close none reconnect false"),
            (r#"{"type":7,"error":"full","allowReconnect":true}"#, "close full reconnect true"),
            (r#"{"type":2,"invocationId":"7","item":1}"#, "other 2"),
            (r#"{"type":99}"#, "other 99"),
            ("{}", "not a message of the hub protocol: type is missing"),
        ];
        for (record, expected) in cases {
            assert_eq!(line(record), expected, "{record}");
        }
        for nonsense in ["", "[]", "null", "{\"type\":\"1\"}", "{\"type\":-1}", "{\"type\":1,", "\u{fe0f}"] {
            assert!(line(nonsense).starts_with("not a message"), "{nonsense}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let written = [
            (write_invocation(Some("3"), "A", &(5, "x")).unwrap(), "call A [5,\"x\"] id 3"),
            (write_invocation(None, "A", &[] as &[i64]).unwrap(), "call A [] id none"),
            (write_completion("3", None), "answer 3 error none result none"),
            (write_completion("3", Some("no")), "answer 3 error no result none"),
            (PING.to_owned(), "ping"),
            (write_close(None, false), "close none reconnect false"),
            (write_close(Some("over"), true), "close over reconnect true"),
        ];
        for (record, expected) in written {
            let record = record.strip_suffix('\u{1e}').unwrap();
            assert_eq!(line(record), expected);
        }
    }

    #[test]
    fn handshakes_are_read_from_both_sides() {
        let body = |record: &'static str| record.strip_suffix('\u{1e}').unwrap().as_bytes();
        let request = read_handshake_request(body(HANDSHAKE_REQUEST)).unwrap();
        assert_eq!(request, HandshakeRequest { protocol: "json".to_owned(), version: 1 });
        assert_eq!(read_handshake_response(body(HANDSHAKE_RESPONSE)), Ok(()));
        let refusal = write_handshake_refusal("try again");
        let refused = read_handshake_response(refusal.trim_end_matches('\u{1e}').as_bytes());
        assert_eq!(refused.unwrap_err().to_string(), "the handshake was refused: try again");
        for request in [r#"{"protocol":"messagepack","version":1}"#, r#"{"protocol":"json","version":0}"#, "{}", ""] {
            assert!(read_handshake_request(request.as_bytes()).is_err(), "{request}");
        }
    }
}
