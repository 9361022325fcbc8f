//! Writes every input of the engine to a file, without ever delaying the loop.
//!
//! Inputs go to a thread of their own over a queue with an end: when the disk cannot keep up, what does not fit is left out,
//! and the file says how much. No key, token or password is ever in an input.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::{Input, Memory};
use serde_json::{Value, json};
use tracing::{error, warn};

use super::wire;

/// Inputs that may wait for the disk.
const QUEUE_CAPACITY: usize = 65_536;
/// Time after which what was written reaches the file, in a quiet market.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// The form of the file.
pub(super) const FORMAT: u64 = 1;

/// Hands inputs to the thread that writes them.
#[derive(Debug)]
pub struct Recorder {
    queue: Option<SyncSender<Input>>,
    left_out: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins a recording in a new file, which must not be there yet. The first line says what was known at the start.
    pub fn create(file: &Path, at: Timestamp, memory: &Memory) -> std::io::Result<Self> {
        let out = BufWriter::new(new_file(file)?);
        let (queue, inputs) = sync_channel(QUEUE_CAPACITY);
        let left_out = Arc::new(AtomicU64::new(0));
        let (counter, header) = (Arc::clone(&left_out), header(at, memory));
        let thread = std::thread::Builder::new().name("riskd-record".to_owned()).spawn(move || {
            if let Err(error) = write_all(out, &header, &inputs, &counter) {
                error!(%error, "the recording ends here: it cannot be written");
            }
        })?;
        Ok(Self { queue: Some(queue), left_out, thread: Some(thread) })
    }

    /// Hands over one input. Never waits.
    pub fn take(&mut self, input: &Input) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(input.clone()) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                if self.left_out.fetch_add(1, Ordering::Relaxed) == 0 {
                    warn!("the disk is too slow for the recording: inputs are left out of it");
                }
            }
            Err(TrySendError::Disconnected(_)) => self.queue = None,
        }
    }
}

impl Drop for Recorder {
    /// Waits until everything that was handed over is written.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was told of by the thread itself.
            let _ended = thread.join();
        }
    }
}

/// Readable by its owner alone: what somebody trades is nobody's business.
fn new_file(file: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

fn header(at: Timestamp, memory: &Memory) -> Value {
    let lockouts = memory.accounts.iter().filter_map(|account| account.lockout.as_ref()).map(|lockout| {
        json!({
            "account_id": lockout.account_id, "reason": lockout.reason, "rule_id": lockout.rule_id,
            "locked_at": lockout.locked_at.to_string(), "locked_until": lockout.locked_until.map(|until| until.to_string()),
        })
    });
    json!({
        "riskd_recording": FORMAT, "version": env!("CARGO_PKG_VERSION"), "started_at": at.to_string(),
        "accounts": memory.accounts.iter().map(|account| account.account_id).collect::<Vec<_>>(),
        "lockouts": lockouts.collect::<Vec<_>>(),
    })
}

fn write_all(
    mut out: BufWriter<std::fs::File>,
    header: &Value,
    inputs: &Receiver<Input>,
    left_out: &AtomicU64,
) -> std::io::Result<()> {
    writeln!(out, "{header}")?;
    let mut told = 0;
    loop {
        match inputs.recv_timeout(FLUSH_AFTER) {
            Ok(input) => {
                let missing = left_out.load(Ordering::Relaxed);
                if missing > told {
                    writeln!(out, "{}", json!({"event": "left_out", "inputs": missing - told}))?;
                    told = missing;
                }
                writeln!(out, "{}", wire::write(&input))?;
            }
            Err(RecvTimeoutError::Timeout) => out.flush()?,
            Err(RecvTimeoutError::Disconnected) => return out.flush(),
        }
    }
}
