//! A folder with a database, and the program run in it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Rows that a v1 program left: a lock without end, a position, enforcements of long ago.
pub(crate) const HISTORY: &str = "
    INSERT INTO lockouts VALUES (123, 1, 'daily loss', '2026-11-20 14:31:00', NULL, 'RULE-003', NULL, NULL);
    INSERT INTO reset_schedule VALUES (123, '2026-11-19', '2026-11-20 22:00:00', '17:00', 'America/New_York');
    INSERT INTO positions VALUES
        (1, 123, 'CON.F.US.MNQ.Z26', 2, 2, 24812.25, '2026-11-20 14:00:00', '2026-11-20 14:00:00');
    INSERT INTO enforcement_log
        (timestamp, account_id, rule_id, action, reason, success, details, execution_time_ms) VALUES
        ('2026-11-20T14:31:00Z', 123, 'RULE-003', 'CLOSE_ALL_AND_LOCKOUT', 'daily loss of $512.50', 1, NULL, 1412),
        ('2026-11-20 15:00:00', 123, 'RULE-001', 'CLOSE_POSITION', '6 contracts, limit 5', 0,
         '{\"error_message\": \"no answer\"}', NULL);
    INSERT INTO daily_pnl VALUES (123, '2026-11-20', -512.5, NULL);";

/// A folder of its own in which commands are run.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
}

/// What a command answered.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Ground {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A documented-v1 database with history at `data/state.db`.
    pub(crate) fn v1() -> Self {
        let ground = Self::empty();
        std::fs::create_dir(ground.path("data")).unwrap();
        ground.sql("data/state.db", include_str!("../../../store/migrations/v1/schema.sql"));
        ground.sql("data/state.db", HISTORY);
        ground
    }

    /// The same, migrated.
    pub(crate) fn v2() -> Self {
        let ground = Self::v1();
        assert_eq!(ground.run(&["db", "migrate", "--quiet"]).code, 0);
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another program changes a database.
    pub(crate) fn sql(&self, database: &str, sql: &str) {
        let script =
            "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\ndb.executescript(sys.stdin.read())\ndb.commit()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(self.path(database))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{sql}");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    /// Commands one after the other, as a person would see them, with what changes from run to run taken out.
    pub(crate) fn session(&self, commands: &[&[&str]]) -> String {
        let mut text = String::new();
        for arguments in commands {
            let ran = self.run(arguments);
            text.push_str(&format!("$ riskd {}\n{}", arguments.join(" "), ran.out));
            if !ran.error.is_empty() {
                text.push_str(&format!("(on standard error)\n{}", ran.error));
            }
            text.push_str(&format!("(exit {})\n\n", ran.code));
        }
        redacted(&text, self.folder.path())
    }
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            error: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

/// A process that holds a database's write lock until it is told to let go.
pub(crate) fn lock_holder(ground: &Ground, database: &str) -> Child {
    let script = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                  db.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\nsys.stdin.read()";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .arg(ground.path(database))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    child
}

/// Takes out what changes from run to run; runs of spaces become two, as columns move with what is in them.
fn redacted(text: &str, folder: &Path) -> String {
    let real = folder.canonicalize().unwrap();
    let mut text = text.replace(&*real.to_string_lossy(), "[folder]").replace(&*folder.to_string_lossy(), "[folder]");
    for (pattern, word) in [
        ("########_######", "[stamp]"),
        ("####-##-##T##:##:##.###Z", "[time]"),
        ("trading day ####-##-##", "trading day [date]"),
        ("###.# kB", "[size]"),
        ("##.# kB", "[size]"),
        ("#.# kB", "[size]"),
        ("(####ms)", "([n]ms)"),
        ("(###ms)", "([n]ms)"),
        ("(##ms)", "([n]ms)"),
        ("(#ms)", "([n]ms)"),
        ("(### ms)", "([n] ms)"),
        ("(## ms)", "([n] ms)"),
        ("(# ms)", "([n] ms)"),
        ("## s ago", "[age]"),
        ("# s ago", "[age]"),
        ("just now", "[age]"),
    ] {
        text = replaced(&text, pattern, word);
    }
    while text.contains("   ") {
        text = text.replace("   ", "  ");
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Replaces every text of the pattern's form, where `#` stands for any digit.
fn replaced(text: &str, pattern: &str, word: &str) -> String {
    let fits = |rest: &[u8]| {
        rest.len() >= pattern.len()
            && pattern.bytes().zip(rest).all(|(wanted, found)| match wanted {
                b'#' => found.is_ascii_digit(),
                letter => letter == *found,
            })
    };
    let mut result = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skipped = if fits(rest.as_bytes()) {
            result.push_str(word);
            pattern.len()
        } else {
            result.push(character);
            character.len_utf8()
        };
        rest = &rest[skipped..];
    }
    result
}
