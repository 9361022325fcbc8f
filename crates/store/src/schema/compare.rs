//! How a database differs from what it must be.

use std::fmt;

use super::normalize::normalized;
use super::{Column, Inventory, Table};

/// One difference, naming the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deviation {
    /// A table is not there.
    MissingTable { table: String },
    /// A column is not there.
    MissingColumn { table: String, column: String },
    /// A column, or the table's key, is not what it must be.
    OtherColumn { table: String, column: String, expected: String, found: String },
    /// The columns are there in another order.
    ColumnOrder { table: String, expected: Vec<String>, found: Vec<String> },
    /// The table's ids are handed out in another way.
    OtherTable { table: String, expected: &'static str },
    /// An index is not there.
    MissingIndex { index: String },
    /// An index of this name is something else.
    OtherIndex { index: String, expected: String, found: String },
}

impl fmt::Display for Deviation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTable { table } => write!(formatter, "table {table} is missing"),
            Self::MissingColumn { table, column } => write!(formatter, "column {column} of {table} is missing"),
            Self::OtherColumn { table, column, expected, found } => {
                write!(formatter, "column {column} of {table} is {found}, expected {expected}")
            }
            Self::ColumnOrder { table, expected, found } => write!(
                formatter,
                "columns of {table} are in the order {}, expected {}",
                found.join(", "),
                expected.join(", ")
            ),
            Self::OtherTable { table, expected } => write!(formatter, "table {table} is not {expected}"),
            Self::MissingIndex { index } => write!(formatter, "index {index} is missing"),
            Self::OtherIndex { index, expected, found } => {
                write!(formatter, "index {index} is `{found}`, expected `{expected}`")
            }
        }
    }
}

/// Every difference of `found` from `expected`. What `found` has beyond it is the user's own and no difference.
pub(crate) fn compare(expected: &Inventory, found: &Inventory) -> Vec<Deviation> {
    let mut deviations = Vec::new();
    for (key, table) in &expected.tables {
        // Tables of SQLite's own come and go with the others.
        if !key.starts_with("sqlite_") {
            compare_table(table, found.tables.get(key), &mut deviations);
        }
    }
    for (key, index) in &expected.indexes {
        match found.indexes.get(key) {
            None => deviations.push(Deviation::MissingIndex { index: index.name.clone() }),
            Some(other) if other.sql != index.sql && normalized(&other.sql) != normalized(&index.sql) => deviations
                .push(Deviation::OtherIndex {
                    index: index.name.clone(),
                    expected: index.sql.clone(),
                    found: other.sql.clone(),
                }),
            Some(_) => {}
        }
    }
    deviations
}

/// The first difference that makes a file not ours: a table or a column that migrating cannot bring.
pub(crate) fn first_foreign_difference(expected: &Inventory, found: &Inventory) -> Option<Deviation> {
    compare(expected, found).into_iter().find(|deviation| match deviation {
        Deviation::MissingIndex { .. } | Deviation::OtherIndex { .. } => false,
        Deviation::MissingColumn { table, column } => !(table == "enforcement_log" && column == "execution_time_ms"),
        _ => true,
    })
}

fn compare_table(expected: &Table, found: Option<&Table>, deviations: &mut Vec<Deviation>) {
    let table = expected.name.clone();
    let Some(found) = found else {
        deviations.push(Deviation::MissingTable { table });
        return;
    };
    let mut complete = true;
    for column in &expected.columns {
        match found.column(&column.name) {
            None => {
                complete = false;
                deviations.push(Deviation::MissingColumn { table: table.clone(), column: column.name.clone() });
            }
            Some(other) if !same_column(column, other) => deviations.push(Deviation::OtherColumn {
                table: table.clone(),
                column: column.name.clone(),
                expected: column.to_string(),
                found: other.to_string(),
            }),
            Some(_) => {}
        }
    }
    let wanted: Vec<String> = expected.columns.iter().map(|column| column.name.to_lowercase()).collect();
    let order: Vec<String> =
        found.columns.iter().map(|column| column.name.to_lowercase()).filter(|name| wanted.contains(name)).collect();
    if complete && order != wanted {
        deviations.push(Deviation::ColumnOrder { table: table.clone(), expected: wanted, found: order });
    }
    if expected.autoincrement && !found.autoincrement {
        deviations.push(Deviation::OtherTable { table: table.clone(), expected: "AUTOINCREMENT" });
    }
    if expected.without_rowid != found.without_rowid {
        deviations.push(Deviation::OtherTable { table, expected: "a table with row ids" });
    }
}

fn same_column(expected: &Column, found: &Column) -> bool {
    // A key of one INTEGER column is never null, whether or not somebody wrote so.
    let implied = expected.key_position == 1 && expected.declared_type.eq_ignore_ascii_case("INTEGER");
    expected.name.eq_ignore_ascii_case(&found.name)
        && expected.declared_type.eq_ignore_ascii_case(&found.declared_type)
        && (expected.not_null == found.not_null || (implied && !expected.not_null))
        && expected.key_position == found.key_position
        && default_value(expected) == default_value(found)
}

/// The default in one form: outer brackets gone, truth values and numbers as numbers.
fn default_value(column: &Column) -> Option<String> {
    let mut text = normalized(column.default.as_deref()?);
    while let Some(inner) = text.strip_prefix("( ").and_then(|text| text.strip_suffix(" )")) {
        text = inner.to_owned();
    }
    match text.as_str() {
        "true" => return Some("1".into()),
        "false" => return Some("0".into()),
        "null" => return None,
        _ => {}
    }
    let number = text.replace(' ', "").parse::<f64>().ok();
    Some(number.map_or(text, |number| number.to_string()))
}
