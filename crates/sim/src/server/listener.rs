//! A listener whose connections can be refused, and cut all at once, while its socket stays bound.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// Decides which connections may live.
#[derive(Debug)]
pub(crate) struct Gate {
    cuts: watch::Sender<u64>,
    refusing: Mutex<Refusing>,
}

#[derive(Debug, Clone, Copy)]
enum Refusing {
    Nobody,
    Until(Instant),
    Everybody,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { cuts: watch::Sender::new(0), refusing: Mutex::new(Refusing::Nobody) })
    }

    /// Cuts every connection there is, without a word.
    pub(crate) fn cut_all(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Refuses new connections for so long, or until they are accepted again.
    pub(crate) fn refuse(&self, duration: Option<Duration>) {
        self.set(duration.map_or(Refusing::Everybody, |duration| Refusing::Until(Instant::now() + duration)));
    }

    pub(crate) fn accept_again(&self) {
        self.set(Refusing::Nobody);
    }

    fn set(&self, refusing: Refusing) {
        *self.refusing.lock().unwrap_or_else(PoisonError::into_inner) = refusing;
    }

    fn refuses(&self) -> bool {
        match *self.refusing.lock().unwrap_or_else(PoisonError::into_inner) {
            Refusing::Nobody => false,
            Refusing::Until(end) => Instant::now() < end,
            Refusing::Everybody => true,
        }
    }
}

/// The listener.
#[derive(Debug)]
pub(crate) struct GatedListener {
    pub(crate) listener: TcpListener,
    pub(crate) gate: Arc<Gate>,
}

impl Listener for GatedListener {
    type Io = GatedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if self.gate.refuses() {
                continue;
            }
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
            let mut cuts = self.gate.cuts.subscribe();
            let cut = Box::pin(async move {
                // An error means that the gate is gone, and with it the server.
                let _ = cuts.changed().await;
            });
            return (GatedStream { stream, cut, is_cut: false }, address);
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when the gate says so.
pub(crate) struct GatedStream {
    stream: TcpStream,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_cut: bool,
}

impl GatedStream {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.is_cut {
            self.is_cut = self.cut.as_mut().poll(context).is_ready();
        }
        if self.is_cut { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Only the read side waits for the cut: a future remembers one waker.
        if self.is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
