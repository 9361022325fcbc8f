//! What a script of ours makes, read from its text.
//!
//! Running it in a database in memory would say the same, and cost every start of the program some milliseconds. The scripts
//! are ours and plain: a table has a column a line, and nothing in them needs more than this reads. A test holds it against
//! SQLite for every script there is.

use super::{Column, Index, Inventory, Table};

impl Inventory {
    /// Takes in what `script` makes: tables and indexes. Whatever else a script does is not looked at.
    pub(super) fn take_in_script(&mut self, script: &str) {
        for statement in script.split(';').map(str::trim) {
            if let Some(rest) = statement.strip_prefix("CREATE TABLE ") {
                self.take_in_table(statement, rest);
            } else if let Some(rest) = statement.strip_prefix("CREATE INDEX ")
                && let Some((name, rest)) = rest.split_once(" ON ")
                && let Some((table, _)) = rest.split_once('(')
            {
                let (name, table) = (name.trim().to_owned(), table.trim().to_owned());
                self.indexes.insert(name.to_lowercase(), Index { name, table, sql: statement.to_owned() });
            }
        }
    }

    fn take_in_table(&mut self, statement: &str, rest: &str) {
        let Some((name, body)) = rest.split_once('(') else { return };
        let Some((body, tail)) = body.rsplit_once(')') else { return };
        let mut table = Table {
            name: name.trim().to_owned(),
            columns: Vec::new(),
            autoincrement: false,
            without_rowid: tail.contains("WITHOUT ROWID"),
            sql: statement.to_owned(),
        };
        let mut key = "";
        for definition in definitions(body) {
            match definition.strip_prefix("PRIMARY KEY") {
                Some(columns) => key = columns.trim_matches(|letter: char| "( )".contains(letter)),
                None => table.columns.extend(column(definition)),
            }
            table.autoincrement |= definition.contains("AUTOINCREMENT");
        }
        for (position, name) in (1..).zip(key.split(',').map(str::trim)) {
            if let Some(column) = table.columns.iter_mut().find(|column| column.name == name) {
                column.key_position = position;
            }
        }
        if table.autoincrement {
            let sequence = sequence_of_sqlite();
            self.tables.insert(sequence.name.clone(), sequence);
        }
        self.tables.insert(table.name.to_lowercase(), table);
    }
}

/// What stands between the commas of a table, those in brackets left alone.
fn definitions(body: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    body.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .map(str::trim)
}

/// A column by its definition: name, type, and what follows.
fn column(definition: &str) -> Option<Column> {
    let mut words = definition.split_whitespace();
    let (name, declared_type) = (words.next()?, words.next()?);
    let rest: Vec<&str> = words.collect();
    let says = |two: [&str; 2]| rest.windows(2).any(|words| words == two);
    let default = rest.iter().position(|word| *word == "DEFAULT").and_then(|at| rest.get(at + 1));
    Some(Column {
        name: name.to_owned(),
        declared_type: declared_type.to_owned(),
        not_null: says(["NOT", "NULL"]),
        default: default.map(|text| (*text).to_owned()),
        key_position: says(["PRIMARY", "KEY"]).into(),
    })
}

/// The table that SQLite makes by itself for AUTOINCREMENT.
fn sequence_of_sqlite() -> Table {
    let column = |name: &str| Column {
        name: name.to_owned(),
        declared_type: String::new(),
        not_null: false,
        default: None,
        key_position: 0,
    };
    Table {
        name: "sqlite_sequence".to_owned(),
        columns: vec![column("name"), column("seq")],
        autoincrement: false,
        without_rowid: false,
        sql: "CREATE TABLE sqlite_sequence(name,seq)".to_owned(),
    }
}
