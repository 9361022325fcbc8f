//! The listener: a port that is taken, clients that hang, encryption.

use std::time::Duration;

use riskd::api::{ApiError, Server, Surroundings, start_if_possible};
use riskd::config::ApiConfig;
use riskd::daemon::admin::administration;
use riskd::daemon::publish::publishing;
use riskd::daemon::{Phase, Stop};
use riskd_store::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::client::{Ask, parse};
use crate::desk::{Desk, config};
use crate::ground::{Ground, REALIZED, TRADER, within};

fn around(ground: &Ground) -> Surroundings {
    let clock = ground.clock.clone();
    Surroundings {
        clock: Clock::new(move || clock.now()),
        phase: watch::channel(Phase::Opening).1,
        published: publishing().1,
        database: ground.setup().database,
        admin: administration().0,
        stop: Stop::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_stops_nothing() {
    let ground = Ground::new(REALIZED).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ApiConfig { listen: taken.local_addr().unwrap(), ..config(&ground) };
    assert!(matches!(Server::start(config.clone(), around(&ground)).await, Err(ApiError::Listen { .. })));
    assert!(start_if_possible(&config, around(&ground)).await.is_none());
    let off = ApiConfig { enabled: false, ..config };
    assert!(start_if_possible(&off, around(&ground)).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_delay_neither_others_nor_protection() {
    let desk = Desk::open(REALIZED).await;
    let mut hanging = Vec::new();
    for number in 0..64 {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        // Half a request, or a whole one whose answer is never read.
        let text = if number % 2 == 0 {
            "GET /api/v1/over"
        } else {
            "GET /api/v1/overview HTTP/1.1\r\nHost: localhost\r\n\r\n"
        };
        socket.write_all(text.as_bytes()).await.unwrap();
        hanging.push(socket);
    }
    desk.ground.lose(TRADER);
    desk.ground.until_flat(TRADER).await;
    desk.until("/api/v1/overview", |overview| overview["accounts"][0]["lock"].is_object()).await;
    // Stopping waits a while for them, and no longer.
    tokio::time::timeout(Duration::from_secs(30), desk.close()).await.expect("it stops");
    drop(hanging);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_let_go_and_a_long_head_is_refused() {
    let desk = Desk::open(REALIZED).await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    for (text, statuses) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}", &[400][..]),
        ("GET / HTTP/1.1\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n", &[400]),
        (&long, &[400, 431]),
    ] {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        // The other side may be done with us before we are done talking.
        let _refused_early = socket.write_all(text.as_bytes()).await;
        let _no_more = socket.shutdown().await;
        let mut bytes = Vec::new();
        let _reset = within(socket.read_to_end(&mut bytes)).await;
        if !bytes.is_empty() {
            let status = parse(&bytes).status;
            assert!(statuses.contains(&status), "{status} for {}", &text[..text.len().min(40)]);
        }
    }
    assert_eq!(desk.ask(Ask::get("/healthz")).await.status, 200);
    desk.close().await;
}
