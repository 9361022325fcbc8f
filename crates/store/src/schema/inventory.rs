//! What a database holds, as plain data.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::VERSION_TABLE;
use super::normalize::{normalized, quoted};
use crate::StoreError;

/// Tables, indexes and other objects of a database. Names are keys in lower case, as SQLite compares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) indexes: BTreeMap<String, Index>,
    /// Views, triggers and virtual tables.
    pub(crate) others: BTreeMap<String, Other>,
}

/// An ordinary table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The name as it was written.
    pub(crate) name: String,
    /// Columns that are stored, in order; generated ones left out.
    pub(crate) columns: Vec<Column>,
    /// Whether ids are never used twice.
    pub(crate) autoincrement: bool,
    /// Whether rows have no id of their own.
    pub(crate) without_rowid: bool,
    /// The text that made it.
    pub(crate) sql: String,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) declared_type: String,
    pub(crate) not_null: bool,
    pub(crate) default: Option<String>,
    /// Place in the primary key, from 1; 0 outside it.
    pub(crate) key_position: i64,
}

/// An index that a statement made (those of a key are part of their table).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) sql: String,
}

/// A view, a trigger or a virtual table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Other {
    /// `view`, `trigger` or `virtual table`.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) sql: String,
}

impl Inventory {
    /// What the database of `connection` holds.
    pub(crate) fn read(connection: &Connection) -> Result<Self, StoreError> {
        Self::read_inner(connection).map_err(StoreError::sqlite("read the schema"))
    }

    fn read_inner(connection: &Connection) -> rusqlite::Result<Self> {
        let mut inventory = Self::default();
        let mut statement = connection
            .prepare("SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_schema ORDER BY name")?;
        let objects = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<rusqlite::Result<Vec<(String, String, String, String)>>>()?;
        for (kind, name, table, sql) in objects {
            let key = name.to_lowercase();
            match kind.as_str() {
                "table" if mentions(&sql, "VIRTUAL") && normalized(&sql).starts_with("create virtual ") => {
                    inventory.others.insert(key, Other { kind: "virtual table".into(), name, table, sql });
                }
                "table" => {
                    inventory.tables.insert(key, read_table(connection, name, sql)?);
                }
                "index" if sql.is_empty() => {}
                "index" => {
                    inventory.indexes.insert(key, Index { name, table, sql });
                }
                // A trigger may have the name of a table.
                _ => {
                    inventory.others.insert(format!("{kind} {key}"), Other { kind, name, table, sql });
                }
            }
        }
        Ok(inventory)
    }

    /// What `scripts` leave behind in an empty database.
    #[cfg(test)]
    pub(crate) fn of_scripts(scripts: &[&str]) -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory().map_err(StoreError::sqlite("open a database in memory"))?;
        connection.execute_batch(&scripts.concat()).map_err(StoreError::sqlite("run a script of our own"))?;
        Self::read(&connection)
    }

    /// The same without the table of versions and what hangs on it.
    pub(crate) fn without_version_table(&self) -> Self {
        let mut rest = self.clone();
        rest.tables.remove(VERSION_TABLE);
        rest.indexes.retain(|_, index| !index.table.eq_ignore_ascii_case(VERSION_TABLE));
        rest
    }

    /// The text of every object, in order of their kinds and names.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables.values().map(|table| table.sql.as_str());
        let indexes = self.indexes.values().map(|index| index.sql.as_str());
        tables.chain(indexes).chain(self.others.values().map(|other| other.sql.as_str()))
    }

    /// Takes the objects of `other` in.
    pub(crate) fn add(&mut self, other: &Self) {
        self.tables.extend(other.tables.clone());
        self.indexes.extend(other.indexes.clone());
    }

    /// What has `name`, said in words, whether table, index, view or virtual table. Triggers have names of their own.
    pub(crate) fn holder_of(&self, name: &str) -> Option<String> {
        let key = name.to_lowercase();
        if self.tables.contains_key(&key) {
            return Some(format!("a table {name} of other columns"));
        }
        if let Some(index) = self.indexes.get(&key) {
            return Some(format!("an index on the table {}", index.table));
        }
        let other = self.others.get(&key).or_else(|| self.others.get(&format!("view {key}")))?;
        Some(format!("a {}", other.kind))
    }
}

impl Table {
    /// The column of this name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// Whether the text holds `word`, given in capitals, in whatever case.
fn mentions(sql: &str, word: &str) -> bool {
    sql.as_bytes().windows(word.len()).any(|letters| letters.eq_ignore_ascii_case(word.as_bytes()))
}

fn read_table(connection: &Connection, name: String, sql: String) -> rusqlite::Result<Table> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid",
    )?;
    let columns = statement
        .query_map([&name], |row| {
            Ok(Column {
                name: row.get(0)?,
                declared_type: row.get(1)?,
                not_null: row.get(2)?,
                default: row.get(3)?,
                key_position: row.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // Most tables mention neither, and taking a text apart costs more than reading the table.
    let words =
        if mentions(&sql, "AUTOINCREMENT") || mentions(&sql, "ROWID") { normalized(&sql) } else { String::new() };
    let autoincrement = words.split(' ').any(|word| word == "autoincrement");
    let without_rowid = words.rsplit(')').next().is_some_and(|tail| tail.contains("without rowid"));
    Ok(Table { name, columns, autoincrement, without_rowid, sql })
}

/// How a column is written, for messages.
impl std::fmt::Display for Column {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.declared_type)?;
        if self.key_position > 0 {
            write!(formatter, " (key {})", self.key_position)?;
        }
        if self.not_null {
            write!(formatter, " NOT NULL")?;
        }
        match &self.default {
            Some(default) => write!(formatter, " DEFAULT {default}"),
            None => Ok(()),
        }
    }
}

/// A list of columns for a query.
pub(crate) fn column_list(columns: &[String]) -> String {
    columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}
