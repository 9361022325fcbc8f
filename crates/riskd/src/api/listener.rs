//! Taking connections in: plain or encrypted, so many at a time, and none for longer than it takes to ask.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::extract::Client;

/// Connections at a time, streams included.
const MOST_CONNECTIONS: usize = 512;
/// How long the head of a request may take, the wait for the next one on a connection included.
const PATIENCE_WITH_A_HEAD: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const PATIENCE_WITH_A_HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// Wait after the system refused a connection: it may be out of descriptors for a while.
const AFTER_A_REFUSAL: Duration = Duration::from_millis(100);

/// Takes connections in until told to stop, then waits for those under way.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The place first: a connection nobody has time for waits with the system, not with us.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stopped(&mut stopping) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "the dashboard could not take a connection");
                tokio::time::sleep(AFTER_A_REFUSAL).await;
                continue;
            }
        };
        let (tls, router, stopping) = (tls.clone(), router.clone(), stopping.clone());
        tokio::spawn(async move {
            welcome(socket, peer, tls, router, stopping).await;
            drop(place);
        });
    }
    drop(listener);
    // Every place is free once every connection is done.
    let _all = places.acquire_many(MOST_CONNECTIONS as u32).await;
}

async fn welcome(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stopping: watch::Receiver<bool>,
) {
    // Small answers must not wait for more to send.
    let _as_it_was = socket.set_nodelay(true);
    let client = Client { address: peer.ip().to_canonical(), encrypted: tls.is_some() };
    match tls {
        None => serve(socket, client, router, stopping).await,
        Some(tls) => match tokio::time::timeout(PATIENCE_WITH_A_HANDSHAKE, tls.accept(socket)).await {
            Ok(Ok(socket)) => serve(socket, client, router, stopping).await,
            Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
            Err(_) => debug!("a TLS handshake took too long"),
        },
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    socket: S,
    client: Client,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(client);
        let router = router.clone();
        async move { Ok::<Response, Infallible>(answer(router, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE_WITH_A_HEAD).max_buf_size(LONGEST_HEAD);
    let connection = builder.serve_connection(TokioIo::new(socket), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the dashboard ended early");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Response {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Resolves when the server is told to stop, or nobody is left to tell it.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _told_or_alone = stopping.wait_for(|stopping| *stopping).await.is_ok();
}
