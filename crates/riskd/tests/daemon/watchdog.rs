//! What systemd hears: that the accounts are watched, and that the loop turns.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Ground, REALIZED};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watchdog_is_fed_once_it_watches() {
    let ground = Ground::new(REALIZED).await;
    let socket = UnixDatagram::bind(ground.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = ground.command(&["run"]);
    command.env("NOTIFY_SOCKET", ground.path("notify")).env("WATCHDOG_USEC", "300000").env_remove("WATCHDOG_PID");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let heard = tokio::task::spawn_blocking(move || {
        let (mut heard, mut buffer) = (String::new(), [0; 4096]);
        while heard.matches("WATCHDOG=1").count() < 3 {
            let Ok(length) = socket.recv(&mut buffer) else { break };
            heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
            heard.push('\n');
        }
        heard
    })
    .await
    .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(heard.contains("READY=1"), "{heard}");
    assert_eq!(heard.matches("WATCHDOG=1").count(), 3, "{heard}");
}
