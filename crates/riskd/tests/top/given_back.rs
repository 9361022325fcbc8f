//! The terminal is given back after q, Ctrl-C, SIGTERM and a panic. Python's pty plays the terminal.

use std::process::Command;

const SCRIPT: &str = r#"
import fcntl, os, pty, select, signal, struct, sys, termios, time
how = sys.argv[1]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(terminal)
seen, told, deadline = b"", False, time.monotonic() + 60
while time.monotonic() < deadline:
    ready, _, _ = select.select([terminal], [], [], 0.2)
    if ready:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    if not told and b"NO ANSWER" in seen:
        told = True
        if how == "term":
            os.kill(pid, signal.SIGTERM)
        elif how != "panic":
            os.write(terminal, {"q": b"q", "ctrl-c": b"\x03"}[how])
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
try:
    after = termios.tcgetattr(terminal)
except termios.error:
    after = before
sys.stdout.buffer.write(seen)
print("\nSAME" if before == after else "\nDIFFERENT", "CODE", code)
"#;

fn on_a_terminal(how: &str, frames: &str) -> String {
    let output = Command::new("python3")
        .args(["-c", SCRIPT, how, env!("CARGO_BIN_EXE_riskd"), "top", "--url", "http://127.0.0.1:9"])
        .env("RISKD_TEST_FAIL_AFTER_FRAMES", frames)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn after_every_kind_of_end() {
    for (how, frames, code) in [("q", "", 0), ("ctrl-c", "", 0), ("term", "", 0), ("panic", "8", 101)] {
        let seen = on_a_terminal(how, frames);
        let (_, end) = seen.rsplit_once('\n').map_or(("", ""), |_| seen.trim_end().rsplit_once('\n').unwrap());
        assert_eq!(end, format!("SAME CODE {code}"), "{how}:\n{seen}");
        let taken = seen.find("\x1b[?1049h").expect(how);
        let given = seen.rfind("\x1b[?1049l").expect(how);
        assert!(taken < given, "{how}");
        assert!(seen[given..].contains("\x1b[?25h") || seen.contains("\x1b[?25h"), "{how}: the cursor is back");
        assert!(seen.contains("\x1b[?1000l"), "{how}: the mouse is given back");
        if how == "panic" {
            assert!(seen[given..].contains("asked to fail after 8 frames"), "the message is readable:\n{seen}");
        }
    }
}
