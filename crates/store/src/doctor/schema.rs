//! Drift: what differs by definition from the schema that the file's version asks for.

use super::{Finding, FindingCode, Patient};
use crate::error::StoreError;
use crate::migrate::Plan;
use crate::schema::{
    ADD_EXECUTION_TIME, Deviation, Feature, Features, HEAD_VERSION, Script, VERSION_TABLE, compare, expected_of,
};
use crate::verify::{definition_drift, history_deviations};

/// Objects that are not ours, said in words. Columns of the user's own in tables of ours are among them.
pub(super) fn own_objects(patient: &Patient<'_>) -> Result<Vec<String>, StoreError> {
    let expected = expected_of(HEAD_VERSION, Features::ALL);
    let found = &patient.seen.inventory;
    let mut own = Vec::new();
    for (key, table) in found.tables.iter().filter(|(key, _)| !key.starts_with("sqlite_")) {
        match expected.tables.get(key) {
            None => own.push(format!("table {}", table.name)),
            Some(ours) if key != VERSION_TABLE => {
                let extra = table.columns.iter().filter(|column| ours.column(&column.name).is_none());
                own.extend(extra.map(|column| format!("column {} of {}", column.name, table.name)));
            }
            Some(_) => {}
        }
    }
    let extra = found.indexes.iter().filter(|(key, _)| !expected.indexes.contains_key(*key));
    own.extend(extra.map(|(_, index)| format!("index {} on {}", index.name, index.table)));
    own.extend(found.others.values().map(|other| match other.kind.as_str() {
        "trigger" => format!("trigger {} on {}", other.name, other.table),
        kind => format!("{kind} {}", other.name),
    }));
    Ok(own)
}

/// Each deviation, and the history's.
pub(super) fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let migrate = "run `riskd db migrate`";
    if patient.version < HEAD_VERSION {
        findings.push(Finding {
            code: FindingCode::VersionBehind,
            place: patient.paths.database.display().to_string(),
            explanation: format!("the schema is v{}, this program writes v{HEAD_VERSION}", patient.version),
            mend: migrate.into(),
            mendable: false,
            count: None,
        });
    }
    for deviation in definition_drift(&patient.seen.inventory, patient.version, patient.options.features)? {
        let mut finding = of_deviation(&deviation);
        finding.mendable = patient.version == HEAD_VERSION && mends(patient, &deviation).is_some();
        if finding.mendable {
            finding.mend = "`riskd db doctor --fix` makes it as it must be; no row is lost".into();
        } else if patient.version < HEAD_VERSION && is_mended_by_migrating(&deviation) {
            finding.mend = migrate.into();
        }
        findings.push(finding);
    }
    if patient.version >= 2 {
        findings.extend(history_deviations(&patient.seen.versions).into_iter().map(|explanation| Finding {
            code: FindingCode::HistoryChanged,
            place: VERSION_TABLE.into(),
            explanation,
            mend:
                "nothing depends on it but the record itself; a backup from before the change has the original".into(),
            mendable: false,
            count: None,
        }));
    }
    Ok(())
}

/// The SQL that mends every deviation that can be mended, each with the finding it mends.
pub(super) fn mending(patient: &Patient<'_>) -> Result<Vec<(Finding, String)>, StoreError> {
    if patient.version < HEAD_VERSION {
        return Ok(Vec::new());
    }
    let drift = definition_drift(&patient.seen.inventory, patient.version, patient.options.features)?;
    let sql = drift.iter().filter_map(|deviation| Some((of_deviation(deviation), mends(patient, deviation)?)));
    Ok(sql.collect())
}

/// The SQL that mends a deviation, where there is one that is always right.
fn mends(patient: &Patient<'_>, deviation: &Deviation) -> Option<String> {
    let (found, features) = (&patient.seen.inventory, patient.options.features);
    let expected = expected_of(patient.version, Features::ALL);
    match deviation {
        Deviation::MissingIndex { index } => {
            let right = expected.indexes.get(&index.to_lowercase())?;
            let can = found.holder_of(index).is_none() && found.tables.contains_key(&right.table.to_lowercase());
            can.then(|| format!("{};\n", right.sql))
        }
        Deviation::OtherIndex { index, .. } => {
            let key = index.to_lowercase();
            let (right, wrong) = (expected.indexes.get(&key)?, found.indexes.get(&key)?);
            // On another table it is somebody's own, whatever its name.
            let same_table = right.table.eq_ignore_ascii_case(&wrong.table);
            same_table.then(|| format!("DROP INDEX {};\n{};\n", crate::schema::quoted(&wrong.name), right.sql))
        }
        Deviation::MissingTable { table } if let Some(feature) = Feature::of_table(table) => {
            let plan = Plan::of_features(found, Features::NONE.with(feature, features.has(feature))).ok()?;
            Some(plan.pieces().map(|piece| piece.up.as_str()).collect())
        }
        Deviation::MissingColumn { table, column } if is_execution_time(table, column) => {
            let Script { up, .. } = ADD_EXECUTION_TIME;
            Some(up.to_owned())
        }
        Deviation::MissingTable { .. }
        | Deviation::MissingColumn { .. }
        | Deviation::OtherColumn { .. }
        | Deviation::ColumnOrder { .. }
        | Deviation::OtherTable { .. } => None,
    }
}

/// Whether migrating an older file makes this right.
fn is_mended_by_migrating(deviation: &Deviation) -> bool {
    match deviation {
        Deviation::MissingIndex { .. } | Deviation::OtherIndex { .. } => true,
        Deviation::MissingColumn { table, column } => is_execution_time(table, column),
        Deviation::MissingTable { .. }
        | Deviation::OtherColumn { .. }
        | Deviation::ColumnOrder { .. }
        | Deviation::OtherTable { .. } => false,
    }
}

fn is_execution_time(table: &str, column: &str) -> bool {
    (table, column) == ("enforcement_log", "execution_time_ms")
}

fn of_deviation(deviation: &Deviation) -> Finding {
    let by_hand = "put a backup from before the change back, or change it by hand while nothing runs";
    let rename = "rename what has the name, then run `riskd db doctor --fix`";
    let (code, place, mend) = match deviation {
        Deviation::MissingTable { table } => (FindingCode::TableMissing, table.clone(), by_hand),
        Deviation::MissingColumn { table, column } => {
            (FindingCode::ColumnMissing, format!("{table}.{column}"), by_hand)
        }
        Deviation::OtherColumn { table, column, .. } => {
            (FindingCode::ColumnChanged, format!("{table}.{column}"), by_hand)
        }
        Deviation::ColumnOrder { table, .. } => (FindingCode::ColumnChanged, table.clone(), by_hand),
        Deviation::OtherTable { table, .. } => (FindingCode::TableChanged, table.clone(), by_hand),
        Deviation::MissingIndex { index } => (FindingCode::IndexMissing, index.clone(), rename),
        Deviation::OtherIndex { index, .. } => (FindingCode::IndexChanged, index.clone(), rename),
    };
    Finding { code, place, explanation: deviation.to_string(), mend: mend.into(), mendable: false, count: None }
}

/// Whether a table of ours has all its columns, so that its rows can be read.
pub(super) fn is_readable(patient: &Patient<'_>, table: &str) -> Result<bool, StoreError> {
    let expected = expected_of(HEAD_VERSION, Features::ALL);
    let lacks = compare(&expected, &patient.seen.inventory).into_iter().any(|deviation| match deviation {
        Deviation::MissingTable { table: lacking } | Deviation::OtherTable { table: lacking, .. } => lacking == table,
        Deviation::MissingColumn { table: lacking, column } => {
            lacking == table && !is_execution_time(&lacking, &column)
        }
        _ => false,
    });
    Ok(!lacks)
}
