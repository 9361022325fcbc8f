//! An HTTP server that answers as it is told and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// What to answer: a whole HTTP answer, or silence for ever.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(&'static str, &'static str),
    Silence,
}

pub(crate) struct Server {
    pub(crate) url: String,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl Server {
    /// Answers with these in a row, then with 204.
    pub(crate) async fn answering(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, asked) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, told.clone(), Arc::clone(&answers)));
            }
        });
        Self { url, asked }
    }

    /// The next request.
    #[track_caller]
    pub(crate) fn next(&mut self) -> impl Future<Output = Asked> + use<'_> {
        let place = std::panic::Location::caller();
        async move {
            match tokio::time::timeout(PATIENCE, self.asked.recv()).await {
                Ok(Some(asked)) => asked,
                _ => panic!("{place}: nothing was sent for {PATIENCE:?}"),
            }
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    told: mpsc::UnboundedSender<Asked>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let head_end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let end = head_end + length.unwrap_or(0);
        while bytes.len() < end {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        let body = serde_json::from_slice(&bytes[head_end..end]).unwrap_or(Value::Null);
        bytes.drain(..end);
        let answer = answers.lock().unwrap().pop_front().unwrap_or(Answer::Status("204 No Content", ""));
        told.send(Asked { head, body }).ok()?;
        match answer {
            Answer::Silence => std::future::pending().await,
            Answer::Status(status, body) => {
                let (headers, body) = body.split_once("\n\n").unwrap_or(("", body));
                let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
                let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(text.as_bytes()).await.ok()?;
            }
        }
    }
}
