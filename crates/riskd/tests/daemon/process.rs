//! The real program in a process of its own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::support::Ground;

/// How long a process may take to say or do something.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running `riskd`. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// What stood in the log before.
    skip: usize,
}

impl Ground {
    /// `riskd` with these arguments, in the folder of the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
        command.args(arguments).current_dir(self.path("")).env_remove("RISKD_LOG").env("NO_COLOR", "1");
        command.env("TEST_KEY", &self.simulator.api_key).stdin(Stdio::null());
        command
    }

    /// Starts `riskd` with its log in a file.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Process {
        let log = self.path("log.txt");
        let skip = std::fs::read_to_string(&log).map_or(0, |text| text.len());
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = self.command(arguments).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Process { child, log, skip }
    }

    /// Starts `riskd run` and waits until it watches every account.
    pub(crate) async fn run(&self) -> Process {
        let mut process = self.spawn(&["run"]);
        let accounts = self.controls().exchange(|books| books.accounts().count());
        process.until_log_times("positions and orders are known", accounts).await;
        self.until_watched().await;
        process
    }

    /// Runs `riskd run`, which must end by itself: exit code and what it said.
    pub(crate) async fn run_in_vain(&self) -> (i32, String) {
        let mut process = self.spawn(&["run"]);
        let code = process.until_ended().await;
        (code, process.log())
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()[self.skip..].to_owned()
    }

    /// Waits until its log has these words.
    pub(crate) async fn until_log(&mut self, words: &str) {
        self.until_log_times(words, 1).await;
    }

    /// Waits until its log has these words so many times.
    async fn until_log_times(&mut self, words: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.log().matches(words).count() < times {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.log());
            assert!(Instant::now() < deadline, "no {words:?} in:\n{}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until it ended; its exit code, −1 when it was killed.
    pub(crate) async fn until_ended(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it goes on:\n{}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// kill -9.
    pub(crate) async fn kill(mut self) {
        self.child.kill().unwrap();
        self.until_ended().await;
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// SIGTERM, then the exit code.
    pub(crate) async fn terminate(mut self) -> (i32, String) {
        self.signal(Signal::TERM);
        let code = self.until_ended().await;
        (code, self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
