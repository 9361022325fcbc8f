//! The list of versions and its scripts against each other.
#![allow(clippy::unwrap_used)]

use rusqlite::Connection;
use xxhash_rust::xxh3::xxh3_128;

use super::fresh::replay;
use super::normalize::normalized;
use super::versions::Version;
use super::*;

/// Every script that was released, with the hash it was released with. Lines are added here, never changed.
const RELEASED: [(&str, &str, u128); 16] = [
    ("v1/schema.sql", VERSIONS[0].schema, 0x1d35b111_1463515b_87458a3f_ec400bb8),
    ("v2/schema.sql", VERSIONS[1].schema, 0x776f9a29_f88eeae6_52f72c37_2d27e149),
    ("v2/up.sql", VERSIONS[1].script.unwrap().up, 0x41d9386b_a7da0f3f_413accb2_a4fc7b50),
    ("v2/down.sql", VERSIONS[1].script.unwrap().down, 0xb7c9572a_4eaea445_dfe316d5_589d4c34),
    ("v2/add_execution_time_ms/up.sql", ADD_EXECUTION_TIME.up, 0x23c6f53a_17ae78f0_c56881bc_40277d49),
    ("v2/add_execution_time_ms/down.sql", ADD_EXECUTION_TIME.down, 0xf2e8c9d5_9167f8d7_e20c781b_cdaa737d),
    ("features/analytics_indexes/up.sql", FEATURES[0].script.up, 0x2edd4f9f_41fdb082_5f5a654b_b9e614d4),
    ("features/analytics_indexes/down.sql", FEATURES[0].script.down, 0x91d38c45_f65c87ad_38c52b1b_a4235d4f),
    ("features/daily_unrealized_pnl/up.sql", FEATURES[1].script.up, 0x36625a2b_5ddd9058_562687e1_f32fbd7f),
    ("features/daily_unrealized_pnl/down.sql", FEATURES[1].script.down, 0x78ab3185_bd77499c_4e9dde5c_0e490318),
    ("features/drawdown_marks/up.sql", FEATURES[2].script.up, 0x58f2469f_19145f1b_dd18476d_b0918f3b),
    ("features/drawdown_marks/down.sql", FEATURES[2].script.down, 0x8476362f_415510f7_fb262ba0_a03e67ce),
    ("features/rule_commitments/up.sql", FEATURES[3].script.up, 0xeccfd231_eeedc7df_652ca105_dae194f0),
    ("features/rule_commitments/down.sql", FEATURES[3].script.down, 0x342357bc_10cffe52_e0f82f86_93b21e00),
    ("features/audit_trail/up.sql", FEATURES[4].script.up, 0x0337dcec_d5289a07_6482e18c_9e2fe74d),
    ("features/audit_trail/down.sql", FEATURES[4].script.down, 0x901703a3_db164a64_a3301118_86b9ccb2),
];

#[test]
fn released_scripts_do_not_change() {
    assert_eq!(changed(&RELEASED), Vec::<String>::new(), "released scripts never change: add a version instead");
    let (name, script, hash) = RELEASED[2];
    let longer = format!("{script} ");
    assert_eq!(changed(&[(name, &longer, hash)]).len(), 1, "even a space is a change");
}

/// The scripts that are not those of their hash, each with the hash that it has.
fn changed(released: &[(&str, &str, u128)]) -> Vec<String> {
    let changed = released.iter().filter(|(_, script, hash)| xxh3_128(script.as_bytes()) != *hash);
    changed.map(|(name, script, _)| format!("{name} {:#034x}", xxh3_128(script.as_bytes()))).collect()
}

#[test]
fn every_script_in_the_folder_is_released_and_hashed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut found = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                found.push(path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    let mut known: Vec<&str> = RELEASED.iter().map(|(name, ..)| *name).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn no_script_ends_a_transaction_or_looks_away() {
    for (name, script, _) in RELEASED {
        let words = normalized(script);
        for word in ["begin", "commit", "rollback", "savepoint", "pragma", "exists", "vacuum"] {
            assert!(!words.split(' ').any(|found| found == word), "{name} says {word}");
        }
    }
}

#[test]
fn versions_have_no_gap_no_duplicate_and_end_at_head() {
    assert_eq!(first_defect(VERSIONS, HEAD_VERSION), None);
}

#[test]
fn a_gap_a_duplicate_and_a_forgotten_head_are_found() {
    let version = |number, has_script: bool| Version {
        number,
        description: "some",
        schema: "",
        script: has_script.then_some(ADD_EXECUTION_TIME),
    };
    let cases: [(&[Version], &str); 6] = [
        (&[version(1, false), version(3, true)], "version 3 follows 1"),
        (&[version(1, false), version(2, true), version(2, true)], "version 2 follows 2"),
        (&[version(2, true)], "the first version is 2"),
        (&[version(1, false)], "the last version is 1, head is 2"),
        (&[version(1, false), version(2, false)], "version 2 has no script"),
        (&[], "there is no version"),
    ];
    for (versions, defect) in cases {
        assert_eq!(first_defect(versions, 2).as_deref(), Some(defect));
    }
}

fn first_defect(versions: &[Version], head: i64) -> Option<String> {
    let (Some(first), Some(last)) = (versions.first(), versions.last()) else {
        return Some("there is no version".into());
    };
    if first.number != 1 {
        return Some(format!("the first version is {}", first.number));
    }
    for pair in versions.windows(2) {
        if pair[1].number != pair[0].number + 1 {
            return Some(format!("version {} follows {}", pair[1].number, pair[0].number));
        }
        if pair[1].script.is_none() {
            return Some(format!("version {} has no script", pair[1].number));
        }
    }
    (last.number != head).then(|| format!("the last version is {}, head is {head}", last.number))
}

/// A database of each version, as SQL: what users have. The last is made when its version is released.
#[test]
fn every_version_has_a_fixture() {
    assert_eq!(forgotten_fixtures(VERSIONS), Vec::<String>::new());
    let next = Version { number: 99, description: "some", schema: "", script: None };
    assert_eq!(forgotten_fixtures(&[next]), ["tests/fixtures/v99.sql"]);
}

fn forgotten_fixtures(versions: &[Version]) -> Vec<String> {
    let crate_folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = versions.iter().map(|version| format!("tests/fixtures/v{}.sql", version.number));
    names.filter(|name| !crate_folder.join(name).is_file()).collect()
}

#[test]
fn the_schema_of_head_equals_the_replay_of_every_migration() {
    for features in [Features::NONE, Features::ALL, Features::default()] {
        let connection = Connection::open_in_memory().unwrap();
        replay(&connection, features, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let replayed = Inventory::read(&connection).unwrap();
        assert_eq!(replayed, expected_of(HEAD_VERSION, features));
    }
}

#[test]
fn what_is_read_from_a_script_is_what_sqlite_makes_of_it() {
    for version in VERSIONS {
        let made = Inventory::of_scripts(&[version.schema]).unwrap();
        assert_eq!(expected_of(version.number, Features::NONE), made, "v{}", version.number);
    }
    for parts in FEATURES {
        let (before, name) = (Inventory::of_scripts(&[VERSIONS[1].schema]).unwrap(), parts.name);
        let mut made = Inventory::of_scripts(&[VERSIONS[1].schema, parts.script.up]).unwrap();
        made.tables.retain(|key, _| !before.tables.contains_key(key));
        made.indexes.retain(|key, _| !before.indexes.contains_key(key));
        assert_eq!(expected_of_features(Features::NONE.with(parts.feature, true)), made, "{name}");
    }
}

#[test]
fn each_version_leads_to_its_schema_and_back() {
    for pair in VERSIONS.windows(2) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(pair[0].schema).unwrap();
        let before = Inventory::read(&connection).unwrap();
        let script = pair[1].script.unwrap();
        connection.execute_batch(script.up).unwrap();
        assert_eq!(Inventory::read(&connection).unwrap(), Inventory::of_scripts(&[pair[1].schema]).unwrap());
        connection.execute_batch(script.down).unwrap();
        assert_eq!(Inventory::read(&connection).unwrap(), before);
    }
}

#[test]
fn a_fresh_database_is_head_in_one_commit_or_nothing() {
    let connection = Connection::open_in_memory().unwrap();
    create_fresh(&connection, Features::ALL, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let inventory = Inventory::read(&connection).unwrap();
    assert_eq!(compare(&expected_of(HEAD_VERSION, Features::ALL), &inventory), []);
    let versions = VersionTable::read(&connection, &inventory).unwrap();
    assert_eq!(versions.version(), HEAD_VERSION);
    assert!(versions.rows().iter().all(|row| row.success && row.applied_at == "1970-01-01T00:00:00.000Z"));
    // Where a name is taken, nothing at all is made.
    let taken = Connection::open_in_memory().unwrap();
    taken.execute_batch("CREATE TABLE reset_schedule (x)").unwrap();
    create_fresh(&taken, Features::ALL, jiff::Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(Inventory::read(&taken).unwrap().tables.len(), 1);
}

#[test]
fn a_failed_row_gives_way_and_a_successful_one_never_does() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(VERSIONS[1].schema).unwrap();
    let row = |success, error: Option<&str>| VersionRow {
        version: 2,
        applied_at: "x".into(),
        description: "y".into(),
        migration_script: None,
        rollback_script: None,
        execution_time_ms: None,
        success,
        error_message: error.map(Into::into),
    };
    let version = || {
        let inventory = Inventory::read(&connection).unwrap();
        VersionTable::read(&connection, &inventory).unwrap().version()
    };
    insert_baseline(&connection, "x", None).unwrap();
    assert!(record(&connection, &row(false, Some("broken"))).unwrap());
    assert_eq!(version(), 1, "only success counts");
    assert!(record(&connection, &row(false, Some("broken again"))).unwrap());
    assert!(record(&connection, &row(true, None)).unwrap());
    assert_eq!(version(), 2);
    assert!(!record(&connection, &row(false, Some("too late"))).unwrap());
    assert!(!record(&connection, &row(true, None)).unwrap(), "applied already");
    assert_eq!(version(), 2);
}

#[test]
fn the_bundled_sqlite_is_one_without_the_log_reset_fault() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}
