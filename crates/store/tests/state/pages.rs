//! The log newest first, a page at a time, whatever forms its times are written in.

use proptest::prelude::*;
use riskd_core::model::*;
use riskd_store::reader::EnforcementFilter;

use super::support::*;

/// One instant in one of the forms found in the wild.
fn written(time: Timestamp, form: usize) -> String {
    let naive = jiff::tz::TimeZone::UTC.to_datetime(time);
    match form {
        0 => naive.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        1 => naive.strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
        2 => naive.strftime("%Y-%m-%d %H:%M:%S%.f+00:00").to_string(),
        3 => time.display_with_offset(jiff::tz::Offset::constant(-8)).to_string(),
        4 => time.display_with_offset(jiff::tz::Offset::constant(13)).to_string(),
        _ => naive.strftime("%Y-%m-%dT%H:%M:%S%.f").to_string(),
    }
}

fn insert(state: &State, rows: &[(Timestamp, usize, bool, u8, i64)]) {
    let mut connection = state.sql();
    let transaction = connection.transaction().unwrap();
    for (time, form, success, rule, took) in rows {
        transaction
            .execute(
                "INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason, success, execution_time_ms)
                 VALUES (?1, 123, ?2, 'COOLDOWN', 'r', ?3, ?4)",
                (written(*time, *form), format!("RULE-{rule:03}"), success, took),
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

/// Every page, one after the other, as ids.
fn all_pages(state: &State, filter: &EnforcementFilter, size: usize) -> Vec<i64> {
    let reader = state.reader();
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let page = reader.enforcements(filter, before, size).unwrap();
        assert_eq!(page.unreadable, vec![]);
        assert!(page.rows.len() <= size);
        ids.extend(page.rows.iter().map(|row| row.id.unwrap().0));
        before = page.next;
        if before.is_none() {
            return ids;
        }
        assert_eq!(page.rows.len(), size, "only the last page may be short");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn pages_hold_every_row_once_in_the_order_of_instants(
        rows in proptest::collection::vec(
            (0_i64..500_000, 0..6_usize, any::<bool>(), 1_u8..3, 0_i64..2000), 0..60),
        size in 1..9_usize,
        since in 0_i64..500_000,
    ) {
        let state = State::new();
        let start = at("2026-11-17T00:00:00Z").as_second();
        let rows: Vec<_> = rows.into_iter().map(|(second, form, success, rule, took)| {
            (Timestamp::from_second(start + second).unwrap(), form, success, rule, took)
        }).collect();
        insert(&state, &rows);
        let since = Timestamp::from_second(start + since).unwrap();
        let everything = EnforcementFilter::default();
        let filters = [
            everything,
            EnforcementFilter { only_failed: true, ..everything },
            EnforcementFilter { only_failed: true, rule_id: RuleId::from_number(1), ..everything },
            EnforcementFilter { since: Some(since), slower_than_ms: Some(1000), ..everything },
            EnforcementFilter { account_id: Some(OTHER_ACCOUNT), ..everything },
        ];
        for filter in filters {
            let mut expected: Vec<(Timestamp, i64)> = rows.iter().zip(1..)
                .filter(|((time, _, success, rule, took), _)| {
                    (!filter.only_failed || !success)
                        && filter.rule_id.is_none_or(|_| *rule == 1)
                        && filter.account_id.is_none()
                        && filter.since.is_none_or(|since| *time >= since)
                        && filter.slower_than_ms.is_none_or(|least| *took > least)
                })
                .map(|((time, ..), id)| (*time, id))
                .collect();
            expected.sort_by(|one, other| other.cmp(one));
            let ids: Vec<i64> = expected.into_iter().map(|(_, id)| id).collect();
            prop_assert_eq!(all_pages(&state, &filter, size), ids, "{:?}", filter);
        }
    }
}

#[test]
fn rows_added_meanwhile_do_not_shift_the_next_page() {
    let state = State::new();
    let time = |minute| (at(&format!("2026-11-22T14:{minute}:00Z")), 0, false, 3, 5);
    insert(&state, &[time("10"), time("11"), time("12"), time("13")]);
    let filter = EnforcementFilter::default();
    let first = state.reader().enforcements(&filter, None, 2).unwrap();
    insert(&state, &[time("14"), time("15")]);
    let second = state.reader().enforcements(&filter, first.next, 2).unwrap();
    let ids = |rows: &[EnforcementLog]| rows.iter().map(|row| row.id.unwrap().0).collect::<Vec<_>>();
    assert_eq!((ids(&first.rows), ids(&second.rows), second.next), (vec![4, 3], vec![2, 1], None));
}

#[test]
fn a_row_without_a_readable_time_is_told_and_in_nobodys_way() {
    let state = State::new();
    insert(&state, &[(at("2026-11-22T14:10:00Z"), 0, true, 3, 5)]);
    state.run(
        "INSERT INTO enforcement_log (id, timestamp, account_id, rule_id, action, reason) VALUES
         (7, 'yesterday', 123, 'RULE-003', 'a', 'r'), (8, NULL, 123, 'RULE-003', 'a', 'r'),
         (9, 1763821805, 123, 'RULE-003', 'a', 'r')",
    );
    let page = state.reader().enforcements(&EnforcementFilter::default(), None, 10).unwrap();
    assert_eq!(page.rows.len(), 1);
    let told: Vec<_> = page.unreadable.iter().map(|row| row.rowid).collect();
    assert_eq!(told, [7, 9, 8]);
    assert_eq!(
        page.unreadable[0].to_string(),
        r#"table enforcement_log row 7: EnforcementLog.timestamp = "yesterday": must be a time, YYYY-MM-DD HH:MM:SS"#
    );
}

#[test]
fn what_is_new_comes_in_the_order_it_was_added() {
    let state = State::new();
    let rows = ["14:12", "14:10", "14:11"].map(|time| (at(&format!("2026-11-22T{time}:00Z")), 0, true, 3, 5));
    insert(&state, &rows);
    let new = state.reader().enforcements_after(EnforcementId(1), 10).unwrap().rows;
    assert_eq!(new.iter().map(|row| row.id.unwrap().0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(state.reader().enforcements_after(EnforcementId(0), 1).unwrap().rows.len(), 1);
}
