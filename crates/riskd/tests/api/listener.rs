//! The listener: a port that is taken, clients that hang, encryption.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use riskd::api::{ApiError, Server, Surroundings, start_if_possible};
use riskd::config::{ApiConfig, TlsFiles};
use riskd::daemon::admin::administration;
use riskd::daemon::publish::publishing;
use riskd::daemon::{Phase, Stop};
use riskd::reach::Reach;
use riskd::tui::{Client, Event};
use riskd_store::Clock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

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
        read_config: ground.config_reader(),
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

/// The certificate and key of the tests, the key with that mode.
fn tls_files(ground: &Ground, mode: u32) -> TlsFiles {
    let files = TlsFiles { certificate: ground.path("secrets/certificate.pem"), key: ground.path("secrets/key.pem") };
    ground.write("secrets/certificate.pem", include_str!("tls/certificate.pem"));
    ground.write("secrets/key.pem", include_str!("tls/key.pem"));
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(mode)).unwrap();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encrypted_it_speaks_tls_and_nothing_else() {
    let ground = Ground::new(REALIZED).await;
    let exposed = ApiConfig { tls: Some(tls_files(&ground, 0o644)), ..config(&ground) };
    assert!(matches!(Server::start(exposed, around(&ground)).await, Err(ApiError::Tls { .. })));
    let tls = tls_files(&ground, 0o600);
    let certificate = CertificateDer::from_pem_file(&tls.certificate).unwrap();
    let server = Server::start(ApiConfig { tls: Some(tls), ..config(&ground) }, around(&ground)).await.unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let socket = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut socket = within(TlsConnector::from(Arc::new(client)).connect(name, socket)).await.unwrap();
    let ask = Ask::get("/healthz").header("Origin", &server.url().replace("127.0.0.1", "localhost"));
    let ask = ask.header("Host", &format!("localhost:{}", server.address().port()));
    socket.write_all(&ask.bytes(server.address())).await.unwrap();
    let mut bytes = Vec::new();
    // The other side closes without a word of goodbye, which TLS calls an error once everything was read.
    let _closed = within(socket.read_to_end(&mut bytes)).await;
    let answer = parse(&bytes);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
    // The terminal's own client, its stream included, for whoever trusts the certificate.
    let reach = Reach::to(&server.url()).unwrap();
    let client = Client::new(reach.clone().trusting(&ground.path("secrets/certificate.pem")).unwrap(), None).unwrap();
    let (events, mut told) = tokio::sync::mpsc::channel(8);
    let following = tokio::spawn(client.follow(events));
    for _ in 0..2 {
        // The first is an answer, the second comes over the stream.
        let event = within(told.recv()).await;
        assert!(matches!(event, Some(Event::Overview(_))), "{event:?}");
    }
    following.abort();
    assert!(Client::new(reach, None).unwrap().overview().await.is_err(), "a stranger's certificate");
    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    let _refused_early = plain.write_all(&Ask::get("/healthz").bytes(server.address())).await;
    let mut bytes = Vec::new();
    let _reset = within(plain.read_to_end(&mut bytes)).await;
    assert!(!String::from_utf8_lossy(&bytes).contains("200 OK"));
    server.stop().await;
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
