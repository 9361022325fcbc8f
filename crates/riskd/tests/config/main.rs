//! The config files: what loads, what it means, and the exact words of each refusal.
#![allow(clippy::unwrap_used)]

mod alerts;
mod api;
mod calendars;
mod database;
mod gateway;
mod rules;

use std::path::{Path, PathBuf};

use riskd::config::{ConfigError, ConfigFolder, LoggingConfig, LoggingLevel, load_accounts, load_rules};
use tempfile::TempDir;

/// A folder `config/` with one file in it.
pub(crate) struct Written {
    pub(crate) base: TempDir,
    pub(crate) folder: ConfigFolder,
    pub(crate) file: PathBuf,
}

pub(crate) fn written(name: &str, text: &str) -> Written {
    let base = tempfile::tempdir().unwrap();
    let config = base.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let file = config.join(name);
    std::fs::write(&file, text).unwrap();
    Written { folder: ConfigFolder::open(Some(&config)).unwrap(), base, file }
}

impl Written {
    /// An error's words without the folder of this test.
    pub(crate) fn words(&self, error: &ConfigError) -> String {
        error.to_string().replace(&format!("{}/", self.file.parent().unwrap().display()), "")
    }
}

/// Checks that each text is refused with exactly these words.
pub(crate) fn refusals<T: std::fmt::Debug>(
    name: &str,
    load: impl Fn(&ConfigFolder) -> Result<T, ConfigError>,
    cases: &[(&str, &str)],
) {
    for (text, expected) in cases {
        let written = written(name, text);
        let error = load(&written.folder).expect_err(&format!("accepted: {text}"));
        assert_eq!(written.words(&error), *expected, "for\n{text}");
    }
}

#[test]
fn logging_is_read() {
    let text = "logging: { level: info, directory: logs, keep_files: 3 }";
    let files = written("logging.yaml", text);
    let config = LoggingConfig::load(&files.folder).unwrap();
    assert_eq!(config.level, Some(LoggingLevel::Info));
    let logs = config.files.unwrap();
    assert_eq!((logs.directory, logs.keep), (files.base.path().join("logs"), 3));
    assert_eq!(LoggingConfig::load(&written("logging.yaml", "").folder).unwrap(), LoggingConfig::default());
    refusals(
        "logging.yaml",
        LoggingConfig::load,
        &[
            (
                "logging:\n  keep_files: 0\n",
                "logging.yaml:2: logging.keep_files: must be a whole number from 1 to 1000000, not 0",
            ),
            (
                "logging:\n  level: LOUD\n",
                "logging.yaml:2: logging.level: \"LOUD\" is not one of DEBUG, INFO, WARNING, ERROR",
            ),
        ],
    );
}

/// The examples at the root of the repository load, and say what the program would do without them.
#[test]
fn the_example_files_are_valid_and_say_the_defaults() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = ConfigFolder::open(Some(&root.join("config"))).unwrap();
    let bare = ConfigFolder::at(&root.join("no-config-here")).unwrap();
    let (example, default) = (database::load(&folder).unwrap(), database::load(&bare).unwrap());
    // Whether there is a file is the one thing in which the two must differ.
    let default = format!("{default:?}").replacen("is_written: false", "is_written: true", 1);
    assert!(format!("{example:?}") == default, "database.yaml shows the defaults");

    let (example, default) = (alerts::load(&folder).unwrap(), alerts::load(&bare).unwrap());
    assert_eq!(format!("{example:?}"), format!("{default:?}"), "alerts.yaml shows the defaults");
    let gateway = gateway::load(&folder).unwrap();
    assert_eq!(gateway.api_url, "https://api.topstepx.com");
    let accounts = load_accounts(&folder).unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(LoggingConfig::load(&folder).unwrap(), LoggingConfig::default());
    let rules = load_rules(&folder, None).unwrap().unwrap();
    assert!(rules.ignored_sections.is_empty() && !rules.set.strict_mode() && rules.set.idle().is_empty());
    let keys: Vec<&str> = rules.set.rules().map(|rule| rule.key()).collect();
    assert_eq!(keys, ["max_contracts", "daily_realized_loss", "daily_unrealized_loss"]);
    let text = std::fs::read_to_string(root.join("config/gateway.yaml")).unwrap();
    assert!(text.contains("toponefutures, tx3funding."), "the list of firms is there");
}

/// Example files cut off, with a line left out, and with every kind of junk in a line: read or refused, never a panic,
/// and each refusal names the file.
#[test]
fn damaged_files_are_refused_by_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut refused = 0;
    for name in ["database.yaml", "gateway.yaml", "accounts.yaml", "risk_config.yaml", "logging.yaml", "alerts.yaml"] {
        let text = std::fs::read_to_string(root.join("config").join(name)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let whole = lines.join("\n");
        let mut damaged: Vec<String> = (0..whole.len())
            .step_by(5)
            .filter(|at| whole.is_char_boundary(*at))
            .map(|at| whole[..at].to_owned())
            .collect();
        for (index, line) in lines.iter().enumerate() {
            let with = |junk: &str| [&lines[..index], &[junk], &lines[index + 1..]].concat().join("\n");
            damaged.push(with(""));
            for junk in ["{", "[", "\t", "- x", "a: b: c", "&a *a", "<<: 5", "? x", "\"", "!!int x", "\u{0}", "é: 💥"]
            {
                damaged.push(with(&format!("{line}{junk}")));
                damaged.push(with(junk));
            }
        }
        let file = written(name, "");
        for text in &damaged {
            std::fs::write(&file.file, text).unwrap();
            let folder = &file.folder;
            let error = match name {
                "database.yaml" => database::load(folder).err(),
                "gateway.yaml" => riskd::config::GatewayConfig::load(folder).err(),
                "accounts.yaml" => load_accounts(folder).err(),
                "risk_config.yaml" => load_rules(folder, None).err(),
                "alerts.yaml" => alerts::load(folder).err(),
                _ => LoggingConfig::load(folder).err(),
            };
            if let Some(error) = error {
                refused += 1;
                assert!(error.to_string().contains(name), "{error} for\n{text}");
            }
        }
    }
    assert!(refused > 300, "only {refused} were refused");
}
