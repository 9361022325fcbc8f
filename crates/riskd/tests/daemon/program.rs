//! The demonstration and the simulator as commands.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sim/sample/ticks.csv");

fn riskd(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
    command.args(arguments).current_dir(folder).env_remove("RISKD_LOG").stdin(Stdio::null());
    command
}

#[test]
fn the_demonstration_finds_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let arguments = ["demo", "--within", "5", "--json", "--feed", SAMPLE, "--folder", kept.to_str().unwrap()];
    let output = riskd(folder.path(), &arguments).output().unwrap();
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{out}{error}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["faults"], json!([]), "{out}");
    assert_eq!(report["accounts"].as_array().unwrap().len(), 6);
    let enforcements = report["enforcements"].as_array().unwrap();
    assert!(!enforcements.is_empty() && enforcements.iter().all(|row| row["confirmed"] == true), "{out}");
    assert!(kept.join("data/state.db").is_file());
}

#[test]
fn the_simulator_runs_until_interrupted() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["sim", "--listen", "127.0.0.1:0", "--feed", SAMPLE, "--no-traders"];
        let mut child = riskd(folder.path(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.contains("Simulated broker at http://127.0.0.1:"), "{first}");
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn the_simulator_listens_on_this_machine_only() {
    let folder = tempfile::tempdir().unwrap();
    let output = riskd(folder.path(), &["sim", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
