//! A tiny HTTP server, a clock that stands still, and a log that can be read: what the tests of the client share.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use riskd_gateway::client::{ClientConfig, Clock, Gateway, RetryPolicy};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub const API_KEY: &str = "very-secret-api-key";
pub const START: &str = "2026-11-20T15:00:00Z";

/// A call as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    pub body: String,
}

/// What the server does about it.
pub enum Reply {
    /// Answers with this status and body.
    Status(u16, String),
    /// Answers with this status, a `Retry-After` in seconds and an empty body.
    TooMany(Option<u64>),
    /// Reads the call, then closes the connection.
    HangUp,
    /// Reads the call and never answers.
    Silence,
}

pub fn ok(body: &str) -> Reply {
    Reply::Status(200, body.to_owned())
}

pub const SUCCESS: &str = r#"{"success":true,"errorCode":0,"errorMessage":null}"#;

pub fn refused(code: i32) -> Reply {
    ok(&format!(r#"{{"success":false,"errorCode":{code},"errorMessage":null}}"#))
}

/// A list in an answer, such as `rows("positions", "[]")`.
pub fn rows(name: &str, list: &str) -> Reply {
    ok(&format!(r#"{{"{name}":{list},"success":true,"errorCode":0,"errorMessage":null}}"#))
}

/// The server: it records every call and asks the test what to answer.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves until the test's runtime ends. Logins are answered `token-1`, `token-2`, …, unless `answer` does.
    pub async fn start(answer: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
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

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more connections: whoever calls now finds nobody.
    pub async fn stop(&mut self) {
        self.listening.abort();
        let _ = (&mut self.listening).await;
    }

    /// Every call so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often a path was called.
    pub fn count(&self, path: &str) -> usize {
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
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub fn advance_ms(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        let start: Timestamp = START.parse().unwrap();
        start + jiff::SignedDuration::from_millis(self.0.load(Ordering::SeqCst))
    }

    pub fn as_clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// A config that talks to this machine, and repeats without waiting.
pub fn config(base_url: String, hub_url: String) -> ClientConfig {
    // Another test may have been first; then the provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = ClientConfig::new(base_url, hub_url, "trader".to_owned(), API_KEY.into());
    config.retry = RetryPolicy { attempts: 3, first_wait_ms: 1, longest_wait_ms: 1 };
    config
}

pub fn gateway_with(server: &Server, clock: &ManualClock, change: impl FnOnce(&mut ClientConfig)) -> Gateway {
    let mut config = config(server.base_url(), "ws://127.0.0.1:1".to_owned());
    change(&mut config);
    Gateway::new(config, clock.as_clock()).unwrap()
}

pub fn gateway(server: &Server) -> Gateway {
    gateway_with(server, &ManualClock::default(), |_| {})
}

/// Answers given one after the other; the last one stays.
pub struct Script(Mutex<VecDeque<Reply>>);

impl Script {
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self(Mutex::new(replies.into_iter().collect()))
    }

    pub fn next(&self) -> Reply {
        self.0.lock().unwrap().pop_front().expect("the script must have an answer left")
    }
}

/// Keeps everything that is logged on this thread, in all levels.
#[derive(Clone, Default)]
pub struct CapturedLog(Arc<Mutex<String>>);

impl CapturedLog {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Starts to capture, until the guard is dropped.
    pub fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }
}

impl tracing::field::Visit for CapturedLog {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{}={value:?} ", field.name()));
    }
}

impl tracing::Subscriber for CapturedLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        attributes.record(&mut self.clone());
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
