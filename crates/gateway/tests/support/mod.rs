//! A tiny HTTP server, a clock that stands still, and a log that can be read: what the tests of the client share.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use riskd_gateway::client::{ClientConfig, Clock, Gateway, RetryPolicy};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const API_KEY: &str = "very-secret-api-key";
pub(crate) const START: &str = "2026-11-20T15:00:00Z";

/// A call as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) body: String,
}

/// What the server does about it.
pub(crate) enum Reply {
    /// Answers with this status and body.
    Status(u16, String),
    /// Answers with this status, a `Retry-After` in seconds and an empty body.
    TooMany(Option<u64>),
    /// Reads the call, then closes the connection.
    HangUp,
    /// Reads the call and never answers.
    Silence,
}

pub(crate) fn ok(body: &str) -> Reply {
    Reply::Status(200, body.to_owned())
}

pub(crate) const SUCCESS: &str = r#"{"success":true,"errorCode":0,"errorMessage":null}"#;

pub(crate) fn refused(code: i32) -> Reply {
    ok(&format!(r#"{{"success":false,"errorCode":{code},"errorMessage":null}}"#))
}

/// A list in an answer, such as `rows("positions", "[]")`.
pub(crate) fn rows(name: &str, list: &str) -> Reply {
    ok(&format!(r#"{{"{name}":{list},"success":true,"errorCode":0,"errorMessage":null}}"#))
}

/// The server: it records every call and asks the test what to answer.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves until the test's runtime ends. Logins are answered `token-1`, `token-2`, …, unless `answer` does.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = Arc::clone(&seen);
        let answer = Arc::new(answer);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&answer)));
            }
        });
        Self { address, seen, listening }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more connections: whoever calls now finds nobody.
    pub(crate) async fn stop(&mut self) {
        self.listening.abort();
        let _ = (&mut self.listening).await;
    }

    /// Every call so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often a path was called.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path.ends_with(path)).count()
    }
}

async fn serve(
    stream: TcpStream,
    log: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<impl Fn(&Seen) -> Option<Reply> + Send + Sync>,
) {
    let mut stream = BufReader::new(stream);
    let Some(seen) = read_call(&mut stream).await else { return };
    let logins = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        log.iter().filter(|seen| seen.path.ends_with("loginKey")).count()
    };
    let reply = match answer(&seen) {
        Some(reply) => reply,
        None if seen.path.ends_with("loginKey") => {
            ok(&format!(r#"{{"token":"token-{logins}","success":true,"errorCode":0,"errorMessage":null}}"#))
        }
        None => Reply::Status(404, String::new()),
    };
    let (status, headers, body) = match reply {
        Reply::Status(status, body) => (status, String::new(), body),
        Reply::TooMany(seconds) => {
            (429, seconds.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default(), String::new())
        }
        Reply::HangUp => return,
        Reply::Silence => std::future::pending().await,
    };
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.get_mut().write_all(text.as_bytes()).await;
    let _ = stream.get_mut().shutdown().await;
}

async fn read_call(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut token, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, path, token, body: String::from_utf8(body).unwrap() })
}

/// A clock that only goes when told to.
#[derive(Clone, Default)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub(crate) fn advance_ms(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        let start: Timestamp = START.parse().unwrap();
        start + jiff::SignedDuration::from_millis(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn as_clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// A config that talks to this machine, and repeats without waiting.
pub(crate) fn config(base_url: String, hub_url: String) -> ClientConfig {
    install_log();
    // Another test may have been first; then the provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = ClientConfig::new(base_url, hub_url, "trader".to_owned(), API_KEY.into());
    config.retry = RetryPolicy { attempts: 3, first_wait_ms: 1, longest_wait_ms: 1 };
    config
}

pub(crate) fn gateway_with(server: &Server, clock: &ManualClock, change: impl FnOnce(&mut ClientConfig)) -> Gateway {
    let mut config = config(server.base_url(), "ws://127.0.0.1:1".to_owned());
    change(&mut config);
    Gateway::new(config, clock.as_clock()).unwrap()
}

pub(crate) fn gateway(server: &Server) -> Gateway {
    gateway_with(server, &ManualClock::default(), |_| {})
}

/// Answers given one after the other; the last one stays.
pub(crate) struct Script(Mutex<VecDeque<Reply>>);

impl Script {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self(Mutex::new(replies.into_iter().collect()))
    }

    pub(crate) fn next(&self) -> Reply {
        self.0.lock().unwrap().pop_front().expect("the script must have an answer left")
    }
}

thread_local! {
    static LOGGED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Everything that is logged on this thread, in all levels, from `start` on.
///
/// One subscriber serves the whole process and writes to the log of the thread an event happens on: what a scoped
/// subscriber sees depends on which thread met a callsite first.
pub(crate) struct CapturedLog;

impl CapturedLog {
    pub(crate) fn start() -> Self {
        install_log();
        LOGGED.set(Some(String::new()));
        Self
    }

    pub(crate) fn text(&self) -> String {
        LOGGED.with_borrow(|log| log.clone().unwrap_or_default())
    }
}

fn install_log() {
    // Another test may have been first; then it is there already.
    let _ = tracing::subscriber::set_global_default(ThreadLog);
}

struct ThreadLog;

impl ThreadLog {
    fn write(text: &str) {
        LOGGED.with_borrow_mut(|log| {
            if let Some(log) = log {
                log.push_str(text);
            }
        });
    }
}

impl tracing::field::Visit for ThreadLog {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        Self::write(&format!("{}={value:?} ", field.name()));
    }
}

impl tracing::Subscriber for ThreadLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        attributes.record(&mut Self);
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Self);
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Self);
        Self::write("\n");
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
