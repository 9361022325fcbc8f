//! What people read, word for word.

use super::support::Ground;

#[test]
fn a_database_from_v1_to_v2_and_back() {
    let ground = Ground::v1();
    insta::assert_snapshot!(ground.session(&[
        &["db", "status"],
        &["status"],
        &["db", "verify"],
        &["db", "migrate"],
        &["db", "migrate"],
        &["db", "verify"],
        &["db", "status"],
        &["db", "backups"],
        &["db", "rollback"],
        &["db", "status"],
        &["log"],
    ]));
}

#[test]
fn accounts_and_their_log() {
    let ground = Ground::v2();
    insta::assert_snapshot!(ground.session(&[
        &["status"],
        &["log"],
        &["log", "--failed"],
        &["log", "--rule", "3"],
        &["log", "--slow"],
        &["log", "--slow=2000"],
        &["log", "--since", "2026-11-20T14:45"],
        &["log", "--account", "999"],
        &["log", "--limit", "1"],
        &["log", "--rule", "99"],
        &["log", "--since", "yesterday"],
    ]));
}

#[test]
fn backups_by_hand_and_put_back() {
    let ground = Ground::v2();
    insta::assert_snapshot!(ground.session(&[
        &["db", "backup", "--to", "mine.db"],
        &["db", "backup", "--to", "mine.db"],
        &["db", "verify", "mine.db"],
        &["db", "restore", "mine.db", "--yes"],
        &["db", "restore", "no-such.db"],
        &["db", "backups", "elsewhere/state.db"],
        &["db", "rollback", "elsewhere/state.db"],
    ]));
}

#[test]
fn refusals_say_what_is_there_and_what_to_do() {
    let ground = Ground::v2();
    std::fs::write(ground.path("letter.db"), "Dear Sir or Madam, this is no database at all.").unwrap();
    std::fs::create_dir(ground.path("folder.db")).unwrap();
    ground.sql("other.db", "CREATE TABLE accounts (id TEXT)");
    ground
        .sql("data/state.db", "INSERT INTO schema_version (version, applied_at, description) VALUES (3, 'x', 'later')");
    insta::assert_snapshot!(ground.session(&[
        &["db", "migrate", "missing.db"],
        &["db", "migrate", "letter.db"],
        &["db", "status", "folder.db"],
        &["db", "verify", "other.db"],
        &["db", "migrate"],
        &["db", "status"],
        &["status"],
    ]));
}

#[test]
fn a_name_that_is_taken_is_named() {
    let ground = Ground::v1();
    ground.sql("data/state.db", "CREATE VIEW idx_positions_updated AS SELECT 1");
    insta::assert_snapshot!(ground.session(&[&["db", "status"], &["db", "migrate"]]));
}

#[test]
fn deviations_are_named_one_by_one() {
    let ground = Ground::v2();
    ground.sql(
        "data/state.db",
        "DROP INDEX idx_positions_updated; DROP INDEX idx_orders_state;
         CREATE INDEX idx_orders_state ON orders(side)",
    );
    insta::assert_snapshot!(ground.session(&[&["db", "verify"]]));
}

#[test]
fn the_optional_table_follows_the_config() {
    let ground = Ground::v1();
    std::fs::create_dir(ground.path("config")).unwrap();
    std::fs::write(
        ground.path("config/database.yaml"),
        "database:\n  track_unrealized_pnl: true\n  migration: { create_backup: false }\n",
    )
    .unwrap();
    insta::assert_snapshot!(ground.session(&[&["db", "migrate"], &["db", "backups"], &["db", "verify"]]));
}

#[test]
fn rows_that_cannot_be_read_are_warned_of() {
    let ground = Ground::v2();
    ground.sql(
        "data/state.db",
        "INSERT INTO positions VALUES (2, 123, 'C', 1, -1, 1.0, '2026-11-20 14:00:00', '2026-11-20 14:00:00');
         INSERT INTO positions VALUES
            (3, 123, 'CON.F.US.CLE.Z26', 1, 1, -37.63, '2026-11-20 14:00:00', '2026-11-20 14:00:00');
         UPDATE lockouts SET locked_until = 'soon';
         INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason) VALUES ('?', 1, 'RULE-001', 'a', 'r')",
    );
    insta::assert_snapshot!(ground.session(&[&["status"], &["log"]]));
}

#[test]
fn every_help_documents_the_exit_codes() {
    let ground = Ground::empty();
    for command in ["status", "plan", "migrate", "verify", "doctor", "backup", "backups", "restore", "rollback"] {
        let help = ground.run(&["db", command, "--help"]);
        assert_eq!(help.code, 0);
        for code in 0..=7 {
            assert!(help.out.contains(&format!("\n  {code}  ")), "db {command}: {code}");
        }
        assert!(help.out.contains("Examples:\n  riskd db"), "{}", help.out);
        assert!(help.out.contains("--json"), "{}", help.out);
    }
}
