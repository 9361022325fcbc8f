//! The config files: what loads, what it means, and the exact words of each refusal.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use riskd::config::{
    ApiKeySource, ConfigError, ConfigFolder, DatabaseConfig, GatewayConfig, LoggingConfig, LoggingLevel, RiskConfig,
    Surroundings, load_accounts, load_risk_config,
};
use riskd_core::model::AccountId;
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// A folder `config/` with one file in it.
struct Written {
    base: TempDir,
    folder: ConfigFolder,
    file: PathBuf,
}

fn written(name: &str, text: &str) -> Written {
    let base = tempfile::tempdir().unwrap();
    let config = base.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let file = config.join(name);
    std::fs::write(&file, text).unwrap();
    Written { folder: ConfigFolder::open(Some(&config)).unwrap(), base, file }
}

impl Written {
    /// An error's words without the folder of this test.
    fn words(&self, error: &ConfigError) -> String {
        error.to_string().replace(&format!("{}/", self.file.parent().unwrap().display()), "")
    }
}

/// Checks that each text is refused with exactly these words.
fn refusals<T: std::fmt::Debug>(
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

fn database(folder: &ConfigFolder) -> Result<DatabaseConfig, ConfigError> {
    DatabaseConfig::load(folder, None)
}

#[test]
fn defaults_are_the_documented_ones() {
    // Absent, empty, and with every group commented out: all the same.
    for text in [None, Some(""), Some("# nothing\n"), Some("database:\n"), Some("database:\n  backup:\nmonitoring:\n")]
    {
        let written = written("database.yaml", text.unwrap_or_default());
        if text.is_none() {
            std::fs::remove_file(&written.file).unwrap();
        }
        let base = written.base.path();
        let config = database(&written.folder).unwrap();
        assert_eq!(config.path, base.join("data/state.db"));
        assert_eq!(config.backup.directory, base.join("data/backups"));
        assert_eq!((config.backup.retention_days, config.backup.max_backups), (30, 10));
        assert_eq!(config.schema.current_version, 2);
        assert!(config.schema.auto_migrate && config.schema.backup_before_migrate);
        assert!(!config.track_unrealized_pnl);
        let retention = config.retention;
        assert_eq!((retention.trade_history_days, retention.daily_pnl_days), (7, 90));
        assert_eq!((retention.enforcement_log_days, retention.daily_unrealized_pnl_days), (365, 7));
        assert_eq!(config.cleanup_schedule.as_str(), "0 2 * * *");
        assert!(config.indexes.analytics_enabled && config.indexes.monitor_usage);
        assert_eq!(config.indexes.slow_query_threshold_ms, 10);
        let migration = config.migration;
        assert!(migration.require_confirmation && migration.create_backup && migration.verify_after);
        let times = config.enforcement;
        assert_eq!((times.slow_threshold_ms, times.critical_threshold_ms, times.timeout_ms), (500, 2000, 5000));
        assert!(config.wants_backup());
    }
}

#[test]
fn every_key_of_the_database_file_is_read() {
    let text = "
database:
  path: other/mine.db
  schema: { current_version: 2, auto_migrate: false, backup_before_migrate: false }
  track_unrealized_pnl: true
  retention: { trade_history: 1, daily_pnl: 2, enforcement_log: 3, daily_unrealized_pnl: 36500 }
  cleanup: { schedule: \"30 3 * * 1\" }
  indexes: { analytics_enabled: false, monitor_usage: no, slow_query_threshold_ms: 1 }
  backup: { directory: /srv/backups, retention_days: 5, max_backups: 1 }
  migration: { require_confirmation: false, create_backup: false, verify_after: false }
monitoring:
  enforcement: { slow_threshold_ms: 7, critical_threshold_ms: 7, timeout_ms: 86400000 }
";
    let written = written("database.yaml", text);
    let config = database(&written.folder).unwrap();
    assert_eq!(config.path, written.base.path().join("other/mine.db"));
    assert!(!config.schema.auto_migrate && !config.schema.backup_before_migrate && !config.wants_backup());
    assert!(config.track_unrealized_pnl);
    let retention = config.retention;
    assert_eq!((retention.trade_history_days, retention.daily_pnl_days), (1, 2));
    assert_eq!((retention.enforcement_log_days, retention.daily_unrealized_pnl_days), (3, 36_500));
    assert_eq!(config.cleanup_schedule.as_str(), "30 3 * * 1");
    assert!(!config.indexes.analytics_enabled && !config.indexes.monitor_usage);
    assert_eq!(config.indexes.slow_query_threshold_ms, 1);
    assert_eq!(config.backup.directory, Path::new("/srv/backups"));
    assert_eq!((config.backup.retention_days, config.backup.max_backups), (5, 1));
    let migration = config.migration;
    assert!(!migration.require_confirmation && !migration.create_backup && !migration.verify_after);
    let times = config.enforcement;
    assert_eq!((times.slow_threshold_ms, times.critical_threshold_ms, times.timeout_ms), (7, 7, 86_400_000));
}

#[test]
fn a_backup_is_wanted_only_when_both_keys_agree() {
    for (before, create, wanted) in [(true, true, true), (true, false, false), (false, true, false)] {
        let text = format!(
            "database: {{ schema: {{ backup_before_migrate: {before} }}, migration: {{ create_backup: {create} }} }}"
        );
        assert_eq!(database(&written("database.yaml", &text).folder).unwrap().wants_backup(), wanted);
    }
}

#[test]
fn a_database_on_the_command_line_keeps_its_backups_beside_it() {
    let named = Path::new("/srv/a b/st#te.db");
    let silent = written("database.yaml", "database: { path: elsewhere.db }");
    let config = DatabaseConfig::load(&silent.folder, Some(named)).unwrap();
    assert_eq!((config.path.as_path(), config.backup.directory.as_path()), (named, Path::new("/srv/a b/backups")));

    let naming = written("database.yaml", "database: { backup: { directory: kept } }");
    let config = DatabaseConfig::load(&naming.folder, Some(named)).unwrap();
    assert_eq!((config.path.as_path(), config.backup.directory), (named, naming.base.path().join("kept")));

    // A bare name has no folder of its own: the working one.
    let config = DatabaseConfig::load(&silent.folder, Some(Path::new("no-such.db"))).unwrap();
    assert_eq!(config.backup.directory, Path::new("backups"));

    // A symlink: the backups go where the database is.
    let base = silent.base.path().canonicalize().unwrap();
    std::fs::create_dir(base.join("real")).unwrap();
    std::fs::write(base.join("real/state.db"), "").unwrap();
    std::os::unix::fs::symlink(base.join("real/state.db"), base.join("link.db")).unwrap();
    let config = DatabaseConfig::load(&silent.folder, Some(&base.join("link.db"))).unwrap();
    assert_eq!(config.backup.directory, base.join("real/backups"));
}

#[test]
fn what_the_database_file_gets_wrong_is_named_exactly() {
    refusals(
        "database.yaml",
        database,
        &[
            (
                "database:\n  retenton: { trade_history: 7 }\n",
                "database.yaml:2: database.retenton: unknown key; did you mean retention?",
            ),
            (
                "database:\n  retention:\n    trade_history: 7\n    daily_pln: 3\n",
                "database.yaml:4: database.retention.daily_pln: unknown key; did you mean daily_pnl?",
            ),
            ("databse: {}\n", "database.yaml:1: databse: unknown key; did you mean database?"),
            (
                "monitoring:\n  enforcement:\n    xyzzy: 1\n",
                "database.yaml:3: monitoring.enforcement.xyzzy: unknown key; the nearest known key is timeout_ms",
            ),
            (
                "database:\n  retention: { trade_history: 0 }\n",
                "database.yaml:2: database.retention.trade_history: must be a whole number from 1 to 36500, not 0",
            ),
            (
                "database:\n  retention: { daily_pnl: -1 }\n",
                "database.yaml:2: database.retention.daily_pnl: must be a whole number from 1 to 36500, not -1",
            ),
            (
                "database:\n  retention: { enforcement_log: 36501 }\n",
                "database.yaml:2: database.retention.enforcement_log: must be a whole number from 1 to 36500, not 36501",
            ),
            (
                "database:\n  retention: { enforcement_log: 1.5 }\n",
                "database.yaml:2: database.retention.enforcement_log: must be a whole number from 1 to 36500, not 1.5",
            ),
            (
                "database:\n  retention:\n    daily_pnl: ninety\n",
                "database.yaml:3: database.retention.daily_pnl: must be a whole number from 1 to 36500, not \"ninety\"",
            ),
            (
                "database:\n  retention:\n    daily_pnl:\n",
                "database.yaml:3: database.retention.daily_pnl: must be a whole number from 1 to 36500, not empty",
            ),
            (
                "database:\n  backup: { max_backups: 0 }\n",
                "database.yaml:2: database.backup.max_backups: must be a whole number from 1 to 1000000, not 0",
            ),
            (
                "database:\n  backup: { max_backups: 18446744073709551615 }\n",
                "database.yaml:2: database.backup.max_backups: must be a whole number from 1 to 1000000, not 18446744073709551615",
            ),
            (
                "database:\n  indexes: { slow_query_threshold_ms: 0 }\n",
                "database.yaml:2: database.indexes.slow_query_threshold_ms: must be a whole number from 1 to 86400000, not 0",
            ),
            (
                "database:\n  track_unrealized_pnl: maybe\n",
                "database.yaml:2: database.track_unrealized_pnl: must be a boolean, not \"maybe\"",
            ),
            ("database:\n  path: \"  \"\n", "database.yaml:2: database.path: must not be empty"),
            ("database:\n  path: [a]\n", "database.yaml:2: database.path: must be a string, not a list"),
            (
                "database:\n  schema: { current_version: 1 }\n",
                "database.yaml:2: database.schema.current_version: must be 2, the schema of this program, not 1: \
                 leave the key out, or use the program that goes with v1",
            ),
            (
                "monitoring:\n  enforcement: { slow_threshold_ms: 500, critical_threshold_ms: 499 }\n",
                "database.yaml:2: monitoring.enforcement.critical_threshold_ms: \
                 must not be below slow_threshold_ms (500), but is 499",
            ),
            (
                "monitoring:\n  enforcement:\n    timeout_ms: 1999\n",
                "database.yaml:3: monitoring.enforcement.timeout_ms: \
                 must not be below critical_threshold_ms (2000), but is 1999",
            ),
        ],
    );
}

#[test]
fn schedules_are_cron_and_documents_are_yaml() {
    for (text, beginning) in [
        (
            "database:\n  cleanup: { schedule: \"0 25 * * *\" }\n",
            "database.yaml:2: database.cleanup.schedule: \"0 25 * * *\" is not a schedule (five cron fields",
        ),
        (
            "database:\n  cleanup: { schedule: nightly }\n",
            "database.yaml:2: database.cleanup.schedule: \"nightly\" is not a",
        ),
        ("database:\n\tpath: x\n", "database.yaml:2: is not valid YAML: "),
        ("database: {}\ndatabase: {}\n", "database.yaml:2: is not valid YAML: "),
        ("- database\n", "database.yaml:1: must be a group of keys, not a list"),
        ("database: nothing\n", "database.yaml:1: database: must be a group of keys, not \"nothing\""),
        ("just words\n", "database.yaml:1: must be a group of keys, not \"just words\""),
    ] {
        let written = written("database.yaml", text);
        let words = written.words(&database(&written.folder).unwrap_err());
        assert!(words.starts_with(beginning), "{words:?} does not begin with {beginning:?}");
    }
}

#[test]
fn a_config_folder_that_is_named_must_be_there() {
    let base = tempfile::tempdir().unwrap();
    let missing = base.path().join("nowhere");
    let error = ConfigFolder::open(Some(&missing)).unwrap_err().to_string();
    assert!(error.contains("nowhere: is not a folder; --config names the folder"), "{error}");
    let file = base.path().join("file.yaml");
    std::fs::write(&file, "").unwrap();
    assert!(ConfigFolder::open(Some(&file)).is_err());
    // In place of a file there is a folder.
    let folder = base.path().join("config");
    std::fs::create_dir_all(folder.join("database.yaml")).unwrap();
    let error = database(&ConfigFolder::open(Some(&folder)).unwrap()).unwrap_err().to_string();
    assert!(error.ends_with("database.yaml: is not a file"), "{error}");
}

#[test]
fn relative_paths_start_beside_the_config_folder() {
    for (folder, expected) in
        [("config", "data/state.db"), ("/etc/riskd/config", "/etc/riskd/data/state.db"), ("a/b/", "a/data/state.db")]
    {
        let resolved = ConfigFolder::at(Path::new(folder)).unwrap().resolve(Path::new("data/state.db"));
        assert_eq!(resolved, Path::new(expected), "{folder}");
    }
    // `.` and `..` name a folder too, and it has one around it.
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    let resolved = ConfigFolder::at(Path::new(".")).unwrap().resolve(Path::new("x"));
    assert_eq!(resolved, here.parent().unwrap().join("x"));
    assert_eq!(ConfigFolder::at(Path::new("config")).unwrap().resolve(Path::new("/abs")), Path::new("/abs"));
}

fn gateway(folder: &ConfigFolder) -> Result<GatewayConfig, ConfigError> {
    GatewayConfig::load(folder).map(|config| config.expect("the file is there"))
}

#[test]
fn a_firm_stands_for_three_addresses_and_each_can_be_replaced() {
    let written_firm = written("gateway.yaml", "gateway: { firm: TopstepX, user_name: ann }");
    let config = gateway(&written_firm.folder).unwrap();
    assert_eq!(config.api_url, "https://api.topstepx.com");
    assert_eq!(config.user_hub_url, "wss://rtc.topstepx.com/hubs/user");
    assert_eq!(config.market_hub_url, "wss://rtc.topstepx.com/hubs/market");
    assert_eq!((config.user_name.as_str(), config.api_key), ("ann", ApiKeySource::Default));

    let text = "gateway:
  firm: alphaticks
  user_name: 007
  api_url: http://127.0.0.1:8900/
  user_hub_url: ws://localhost:8900/hubs/user
  api_key_file: secrets/key
";
    let spelled = written("gateway.yaml", text);
    let config = gateway(&spelled.folder).unwrap();
    assert_eq!(config.api_url, "http://127.0.0.1:8900");
    assert_eq!(config.user_hub_url, "ws://localhost:8900/hubs/user");
    assert_eq!(config.market_hub_url, "wss://rtc.alphaticks.projectx.com/hubs/market");
    assert_eq!(config.user_name, "007", "a name stays as it is spelled");
    assert_eq!(config.api_key, ApiKeySource::File(spelled.base.path().join("secrets/key")));

    let empty = tempfile::tempdir().unwrap();
    assert_eq!(GatewayConfig::load(&ConfigFolder::open(Some(empty.path())).unwrap()).unwrap(), None);
}

#[test]
fn what_the_gateway_file_gets_wrong_is_named_exactly() {
    refusals(
        "gateway.yaml",
        gateway,
        &[
            ("gateway: { firm: topstepx }\n", "gateway.yaml:1: gateway: the key user_name is required here"),
            ("", "gateway.yaml:1: the key gateway is required here"),
            (
                "gateway:\n  firm: topstep\n  user_name: ann\n",
                "gateway.yaml:2: gateway.firm: \"topstep\" is not a firm this program knows; did you mean topstepx?; \
                 any other firm is spelled out with api_url, user_hub_url, market_hub_url",
            ),
            (
                "gateway:\n  user_name: ann\n",
                "gateway.yaml:1: gateway.api_url: is required where no firm is named; name one, such as \
                 firm: topstepx, or spell out api_url, user_hub_url and market_hub_url",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_url: http://api.example.com\n",
                "gateway.yaml:4: gateway.api_url: \"http://api.example.com\" is not encrypted: it must begin with https://",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  user_hub_url: https://rtc.example.com\n",
                "gateway.yaml:4: gateway.user_hub_url: \"https://rtc.example.com\" must begin with wss://",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  market_hub_url: wss://rtc.example.com/?access_token=x\n",
                "gateway.yaml:4: gateway.market_hub_url: must not carry a user, a password, a query or a fragment",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_url: nonsense\n",
                "gateway.yaml:4: gateway.api_url: \"nonsense\" is not an address: relative URL without a base",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_key: abc\n",
                "gateway.yaml:4: gateway.api_key: a secret must not stand in a config file; put it alone into a file, \
                 chmod 600 it, and name that file with api_key_file",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_key_file: a\n  api_key_env: B\n",
                "gateway.yaml:5: gateway.api_key_env: api_key_file and api_key_env are both there: \
                 which of them holds the key?",
            ),
            (
                "gateway:\n  firm: topstepx\n  username: ann\n",
                "gateway.yaml:3: gateway.username: unknown key; did you mean user_name?",
            ),
        ],
    );
}

#[test]
fn a_key_file_must_be_its_owners_alone() {
    let written = written("gateway.yaml", "gateway: { firm: topstepx, user_name: ann, api_key_file: key }");
    let config = gateway(&written.folder).unwrap();
    let key = written.base.path().join("key");
    let read = || config.read_api_key(&Surroundings::default());
    assert!(read().unwrap_err().to_string().contains("the API key file cannot be read"));
    std::fs::write(&key, "abc123=\n").unwrap();
    for (mode, accepted) in
        [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false), (0o620, false)]
    {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        match read() {
            Ok(secret) => {
                assert!(accepted, "{mode:o}");
                assert_eq!(secret.expose_secret(), "abc123=");
                assert!(!format!("{secret:?}").contains("abc123"));
            }
            Err(error) => {
                assert!(!accepted, "{mode:o}: {error}");
                let expected = format!(
                    "{0}: the API key file can be read or changed by others (mode {mode:04o}); run: chmod 600 '{0}'",
                    key.display()
                );
                assert_eq!(error.to_string(), expected);
            }
        }
    }
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    for (text, problem) in [
        ("", "must hold the API key alone, on one line"),
        ("two words", "must hold the API key alone, on one line"),
        ("a\nb\n", "must hold the API key alone, on one line"),
        (&"x".repeat(5000), "is too long to be an API key"),
    ] {
        std::fs::write(&key, text).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.ends_with(problem), "{error}");
        assert!(text.is_empty() || !error.contains(text), "the error shows what the file holds");
    }
}

#[test]
fn without_a_file_the_key_comes_from_the_environment_or_from_systemd() {
    let plain = gateway(&written("gateway.yaml", "gateway: { firm: topstepx, user_name: ann }").folder).unwrap();
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("riskd-api-key"), "from-systemd\n").unwrap();
    let folder = credentials.path().to_str().unwrap();
    let key = |variables: &[(&str, &str)]| {
        plain.read_api_key(&Surroundings::of(variables)).map(|secret| secret.expose_secret().to_owned())
    };
    assert_eq!(key(&[("RISKD_API_KEY", " from-env ")]).unwrap(), "from-env");
    assert_eq!(key(&[("CREDENTIALS_DIRECTORY", folder)]).unwrap(), "from-systemd");
    assert_eq!(key(&[("RISKD_API_KEY", "from-env"), ("CREDENTIALS_DIRECTORY", folder)]).unwrap(), "from-env");
    assert_eq!(key(&[("RISKD_API_KEY", ""), ("CREDENTIALS_DIRECTORY", folder)]).unwrap(), "from-systemd");
    assert_eq!(
        key(&[]).unwrap_err().to_string(),
        "gateway.yaml: no API key was found; name a file with gateway.api_key_file, set RISKD_API_KEY, \
         or give the service the systemd credential riskd-api-key"
    );

    let text = "gateway: { firm: topstepx, user_name: ann, api_key_env: MY_KEY }";
    let named = gateway(&written("gateway.yaml", text).folder).unwrap();
    let secret = named.read_api_key(&Surroundings::of(&[("MY_KEY", "mine"), ("RISKD_API_KEY", "other")])).unwrap();
    assert_eq!(secret.expose_secret(), "mine");
    assert!(named.read_api_key(&Surroundings::of(&[("RISKD_API_KEY", "other")])).is_err());
    let surroundings = Surroundings::of(&[("MY_KEY", "mine")]);
    assert_eq!(format!("{surroundings:?}"), "{\"MY_KEY\"}", "values are not shown");
}

#[test]
fn accounts_have_a_day_of_their_own() {
    let text = "accounts:
  - { id: 42 }
  - { id: 43, name: 50, reset_time: \"16:30\", timezone: America/Chicago, risk_config: config/calm.yaml }
";
    let written = written("accounts.yaml", text);
    let accounts = load_accounts(&written.folder).unwrap();
    assert_eq!((accounts[0].id, accounts[0].name.as_str()), (AccountId(42), "42"));
    assert_eq!(accounts[0].trading_day.reset_time().to_string(), "17:00:00");
    assert_eq!(accounts[0].trading_day.timezone_name(), "America/New_York");
    assert_eq!((accounts[1].id, accounts[1].name.as_str()), (AccountId(43), "50"));
    assert_eq!(accounts[1].trading_day.reset_time().to_string(), "16:30:00");
    assert_eq!(accounts[1].trading_day.timezone_name(), "America/Chicago");
    assert_eq!(accounts[1].risk_config, Some(written.base.path().join("config/calm.yaml")));
    std::fs::remove_file(&written.file).unwrap();
    assert_eq!(load_accounts(&written.folder).unwrap(), []);
}

#[test]
fn what_the_accounts_file_gets_wrong_is_named_exactly() {
    refusals(
        "accounts.yaml",
        load_accounts,
        &[
            (
                "accounts:\n  - id: 1\n  - id: 0\n",
                "accounts.yaml:3: accounts[1].id: must be a whole number from 1 to 9223372036854775807, not 0",
            ),
            ("accounts:\n  - id: 1\n  - id: 1\n", "accounts.yaml:3: accounts[1].id: account 1 is listed twice"),
            ("accounts:\n  - name: x\n", "accounts.yaml:2: accounts[0]: the key id is required here"),
            (
                "accounts:\n  - id: 1\n    reset_time: \"25:00\"\n",
                "accounts.yaml:3: accounts[0].reset_time: \"25:00\" is not a time of day: HH:MM, from 00:00 to 23:59",
            ),
            (
                "accounts:\n  - id: 1\n    timezone: America/New_Yrok\n",
                "accounts.yaml:3: accounts[0].timezone: \"America/New_Yrok\" is not the name of a time zone; \
                 did you mean America/New_York?",
            ),
            (
                "accounts:\n  - id: 1\n    timezone: nowhere at all in the world\n",
                "accounts.yaml:3: accounts[0].timezone: \"nowhere at all in the world\" is not the name of a time zone; \
                 such as America/New_York",
            ),
            (
                "accounts:\n  - id: 1\n    time_zone: UTC\n",
                "accounts.yaml:3: accounts[0].time_zone: unknown key; did you mean timezone?",
            ),
            ("accounts: 5\n", "accounts.yaml:1: accounts: must be a sequence, not 5"),
        ],
    );
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SomeRules {
    max_contracts: Option<SomeRule>,
    daily_realized_loss: Option<SomeRule>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SomeRule {
    limit: Option<f64>,
    mode: Option<Mode>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Net,
    Gross,
}

const RULES: [&str; 2] = ["max_contracts", "daily_realized_loss"];

fn rules(folder: &ConfigFolder) -> Result<RiskConfig<SomeRules>, ConfigError> {
    load_risk_config(folder, None, &RULES).map(|config| config.expect("the file is there"))
}

#[test]
fn both_dialects_of_the_rules_say_the_same() {
    let nested =
        "global: { strict_mode: true, logging_level: WARNING }\nrules:\n  max_contracts: { limit: 3, mode: gross }\n";
    let flat = "global: { strict_mode: true, logging_level: WARNING }\nmax_contracts: { limit: 3, mode: gross }\n";
    let [nested, flat] = [nested, flat].map(|text| rules(&written("risk_config.yaml", text).folder).unwrap());
    assert_eq!(nested, flat);
    assert!(nested.strict_mode);
    assert_eq!(nested.logging_level, Some(LoggingLevel::Warning));
    assert_eq!(nested.rules.max_contracts, Some(SomeRule { limit: Some(3.0), mode: Some(Mode::Gross) }));
    assert_eq!(nested.rules.daily_realized_loss, None);

    for text in ["", "rules:\n", "# all commented out\n"] {
        assert_eq!(rules(&written("risk_config.yaml", text).folder).unwrap().rules, SomeRules::default());
    }
}

#[test]
fn sections_of_v1_are_tolerated_and_named() {
    let text = "general: { instruments: [MNQ] }\nrules: {}\nalerts:\n  email: x\n";
    let config = rules(&written("risk_config.yaml", text).folder).unwrap();
    assert_eq!(config.ignored_sections, ["general (line 1)", "alerts (line 3)"]);
}

#[test]
fn another_rules_file_can_be_named() {
    let written = written("calm.yaml", "rules: { max_contracts: { limit: 1 } }");
    let config: RiskConfig<SomeRules> =
        load_risk_config(&written.folder, Some(&written.file), &RULES).unwrap().unwrap();
    assert_eq!(config.rules.max_contracts.unwrap().limit, Some(1.0));
    let absent = load_risk_config::<SomeRules>(&written.folder, None, &RULES).unwrap();
    assert_eq!(absent, None);
}

#[test]
fn what_the_rules_file_gets_wrong_is_named_exactly() {
    refusals(
        "risk_config.yaml",
        rules,
        &[
            (
                "rules:\n  max_contract: { limit: 3 }\n",
                "risk_config.yaml:2: rules.max_contract: unknown key; did you mean max_contracts?",
            ),
            (
                "max_contract: { limit: 3 }\n",
                "risk_config.yaml:1: max_contract: unknown key; did you mean max_contracts?",
            ),
            ("rule:\n  max_contracts: {}\n", "risk_config.yaml:1: rule: unknown key; did you mean rules?"),
            (
                "rules:\n  max_contracts:\n    limt: 3\n",
                "risk_config.yaml:3: rules.max_contracts.limt: unknown key; did you mean limit?",
            ),
            ("max_contracts:\n  limt: 3\n", "risk_config.yaml:2: max_contracts.limt: unknown key; did you mean limit?"),
            (
                "rules:\n  max_contracts:\n    limit: 3\n    mode: nett\n",
                "risk_config.yaml:4: rules.max_contracts.mode: \"nett\" is not one of net, gross; did you mean net?",
            ),
            (
                "global:\n  strict_mod: true\nrules: {}\n",
                "risk_config.yaml:2: global.strict_mod: unknown key; did you mean strict_mode?",
            ),
            (
                "rules: {}\nmax_contracts: { limit: 3 }\n",
                "risk_config.yaml:2: max_contracts: stands beside rules:, and would be overlooked there; \
                 move it under rules:",
            ),
            ("- rules\n", "risk_config.yaml:1: must be a group of keys, such as rules:"),
        ],
    );
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
    let (example, default) = (database(&folder).unwrap(), database(&bare).unwrap());
    assert_eq!(format!("{example:?}"), format!("{default:?}"), "database.yaml shows the defaults");

    let gateway = gateway(&folder).unwrap();
    assert_eq!(gateway.api_url, "https://api.topstepx.com");
    let accounts = load_accounts(&folder).unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(LoggingConfig::load(&folder).unwrap(), LoggingConfig::default());
    type AnyRules = BTreeMap<String, serde_json::Value>;
    let rules: RiskConfig<AnyRules> = load_risk_config(&folder, None, &RULES).unwrap().unwrap();
    assert!(rules.ignored_sections.is_empty() && !rules.strict_mode);
    let names: Vec<&str> = rules.rules.keys().map(String::as_str).collect();
    assert_eq!(names, ["daily_realized_loss", "daily_unrealized_loss", "max_contracts"]);
    let text = std::fs::read_to_string(root.join("config/gateway.yaml")).unwrap();
    assert!(text.contains("toponefutures, tx3funding."), "the list of firms is there");
}
