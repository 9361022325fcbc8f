//! `database.yaml`, and the folder around the files.

use std::path::Path;

use riskd::config::{ConfigError, ConfigFolder, DatabaseConfig};
use riskd_store::{Feature, Features};

use crate::{refusals, written};

pub(crate) fn load(folder: &ConfigFolder) -> Result<DatabaseConfig, ConfigError> {
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
        let config = load(&written.folder).unwrap();
        assert_eq!(config.path, base.join("data/state.db"));
        assert_eq!(config.backup.directory, base.join("data/backups"));
        assert_eq!((config.backup.retention_days, config.backup.max_backups), (30, 10));
        assert_eq!(config.schema.current_version, 2);
        assert!(config.schema.auto_migrate && config.schema.backup_before_migrate);
        assert!(
            !config.track_unrealized_pnl && !config.track_drawdown && config.track_commitments && config.audit_trail
        );
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
  track_drawdown: true
  track_commitments: false
  audit_trail: false
  retention: { trade_history: 1, daily_pnl: 2, enforcement_log: 3, daily_unrealized_pnl: 36500 }
  cleanup: { schedule: \"30 3 * * 1\" }
  indexes: { analytics_enabled: false, monitor_usage: no, slow_query_threshold_ms: 1 }
  backup: { directory: /srv/backups, retention_days: 5, max_backups: 1 }
  migration: { require_confirmation: false, create_backup: false, verify_after: false }
monitoring:
  enforcement: { slow_threshold_ms: 7, critical_threshold_ms: 7, timeout_ms: 86400000 }
";
    let written = written("database.yaml", text);
    let config = load(&written.folder).unwrap();
    assert_eq!(config.path, written.base.path().join("other/mine.db"));
    assert!(!config.schema.auto_migrate && !config.schema.backup_before_migrate && !config.wants_backup());
    assert!(config.track_unrealized_pnl && config.track_drawdown && !config.track_commitments && !config.audit_trail);
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
        assert_eq!(load(&written("database.yaml", &text).folder).unwrap().wants_backup(), wanted);
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
        load,
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
        let words = written.words(&load(&written.folder).unwrap_err());
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
    let error = load(&ConfigFolder::open(Some(&folder)).unwrap()).unwrap_err().to_string();
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

#[test]
fn tables_beyond_the_users_document_are_for_the_daemon_and_for_whoever_has_a_config() {
    let has = |features: Features, feature| features.has(feature);
    let written = written("database.yaml", "database:\n");
    for path in [None, Some(Path::new("some.db"))] {
        let config = DatabaseConfig::load(&written.folder, path).unwrap();
        assert!(has(config.features(), Feature::RuleCommitments) && !has(config.features(), Feature::DrawdownMarks));
    }
    std::fs::remove_file(&written.file).unwrap();
    for path in [None, Some(Path::new("some.db"))] {
        let config = DatabaseConfig::load(&written.folder, path).unwrap();
        assert_eq!(config.features(), Features::default(), "a command");
        assert!(
            [Feature::RuleCommitments, Feature::AuditTrail].iter().all(|f| has(config.features_with(false), *f)),
            "the daemon"
        );
        assert!(
            has(config.features_with(true), Feature::DrawdownMarks)
                && !has(config.features_with(false), Feature::DrawdownMarks)
        );
    }
}
