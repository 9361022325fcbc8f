//! What has to be done to this very file: SQL pieces, each with its undo.

use crate::error::StoreError;
use crate::schema::{
    ADD_EXECUTION_TIME, BASELINE_DESCRIPTION, Deviation, Feature, FeatureParts, Features, Inventory, Script,
    VERSION_TABLE, VERSIONS, VersionTable, compare, expected_of, expected_of_features, quoted,
};

/// A piece of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The SQL to run.
    pub(crate) up: String,
    /// The SQL that undoes it.
    pub(crate) down: String,
    /// Whether an attempt before this one has run it and left it in place.
    pub(crate) already_done: bool,
    /// What it mends, where it does more than the version asks for.
    pub(crate) mends: Option<String>,
}

/// The pieces of a migration or of features turned on later, by step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) core: Vec<Piece>,
    /// What versions after v2 bring, with their numbers. Part of the core step.
    pub(crate) later: Vec<(i64, Piece)>,
    /// What each feature that is on still needs, be it nothing.
    pub(crate) features: Vec<(Feature, Vec<Piece>)>,
}

impl Plan {
    /// What brings a file of this inventory from its version to head.
    ///
    /// # Errors
    ///
    /// [`StoreError::NameTaken`] where an object of the user's own has a name that is needed.
    pub(crate) fn to_head(
        inventory: &Inventory,
        versions: &VersionTable,
        features: Features,
    ) -> Result<Self, StoreError> {
        // A version table that is there in full has an index to check too.
        let found = versions.version();
        let present = if matches!(versions, VersionTable::Full(_)) { found.max(2) } else { 1 };
        let mut core = index_pieces(&expected_of(present, Features::NONE), inventory, true)?;
        let lacks_times =
            inventory.tables.get("enforcement_log").is_some_and(|table| table.column("execution_time_ms").is_none());
        if lacks_times {
            let mends = "column execution_time_ms of enforcement_log (was missing)".to_owned();
            core.push(Piece::from_script(ADD_EXECUTION_TIME, Some(mends)));
        }
        if found < 2 {
            core.push(version_table_piece(inventory, versions)?);
        }
        let after = VERSIONS.iter().filter(|version| version.number > found.max(2));
        let later = after
            .filter_map(|version| version.script.map(|script| (version.number, Piece::from_script(script, None))))
            .collect();
        let plan = Self::of_features(inventory, features)?;
        Ok(Self { core, later, ..plan })
    }

    /// What the features still need.
    pub(crate) fn of_features(inventory: &Inventory, features: Features) -> Result<Self, StoreError> {
        let mut plan = Self::default();
        for parts in features.parts() {
            plan.features.push((parts.feature, feature_pieces(parts, inventory)?));
        }
        Ok(plan)
    }

    /// What a feature still needs; nothing where it is off.
    pub(crate) fn of_feature(&self, feature: Feature) -> &[Piece] {
        let found = self.features.iter().find(|(planned, _)| *planned == feature);
        found.map_or(&[], |(_, pieces)| pieces)
    }

    fn feature_step(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        self.features.iter().flat_map(|(_, pieces)| pieces)
    }

    /// The pieces of the core step, in order.
    pub(crate) fn core_step(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        self.core.iter().chain(self.later.iter().map(|(_, piece)| piece))
    }

    /// The pieces in the order in which they run.
    pub(crate) fn pieces(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        self.core_step().chain(self.feature_step())
    }

    /// The SQL that runs for a version, as `schema_version.migration_script` holds it. What belongs to no version, such as
    /// features and mends, goes with the first of the versions that are gone through.
    pub(crate) fn migration_script(&self, version: i64, first: i64) -> String {
        self.pieces_of(version, first).map(|piece| piece.up.as_str()).collect()
    }

    /// The SQL that would undo it, as `schema_version.rollback_script` holds it.
    pub(crate) fn rollback_script(&self, version: i64, first: i64) -> String {
        self.pieces_of(version, first).rev().map(|piece| piece.down.as_str()).collect()
    }

    fn pieces_of(&self, version: i64, first: i64) -> impl DoubleEndedIterator<Item = &Piece> {
        let of_none = self.core.iter().chain(self.feature_step()).filter(move |_| version == first);
        of_none.chain(self.later.iter().filter(move |(number, _)| *number == version).map(|(_, piece)| piece))
    }
}

impl Piece {
    fn from_script(script: Script, mends: Option<String>) -> Self {
        Self { up: script.up.into(), down: script.down.into(), already_done: false, mends }
    }

    fn new(up: String, down: String, mends: Option<String>) -> Self {
        Self { up, down, already_done: false, mends }
    }
}

/// What a feature still needs in a file of this inventory.
fn feature_pieces(parts: &FeatureParts, inventory: &Inventory) -> Result<Vec<Piece>, StoreError> {
    let expected = expected_of_features(Features::NONE.with(parts.feature, true));
    let Some(table) = parts.table else { return index_pieces(&expected, inventory, false) };
    match compare_tables(&expected, inventory) {
        None => index_pieces(&expected, inventory, false),
        Some(Deviation::MissingTable { .. }) if inventory.holder_of(table).is_none() => {
            for index in expected.indexes.values() {
                require_free(&index.name, inventory)?;
            }
            Ok(vec![Piece::from_script(parts.script, None)])
        }
        Some(_) => Err(StoreError::NameTaken {
            name: table.into(),
            taken_by: inventory.holder_of(table).unwrap_or_else(|| "another object".into()),
            needed_for: format!("what `{}` turns on", parts.key),
        }),
    }
}

/// The piece that brings the version table to its eight columns, whatever form it has.
pub(crate) fn version_table_piece(inventory: &Inventory, versions: &VersionTable) -> Result<Piece, StoreError> {
    let script = VERSIONS[1].script.expect("v2 has a script");
    match versions {
        VersionTable::Absent => {
            if inventory.holder_of(VERSION_TABLE).is_some() {
                return Err(name_taken(VERSION_TABLE, inventory));
            }
            require_free("idx_schema_version_applied", inventory)?;
            Ok(Piece::from_script(script, None))
        }
        // An attempt that failed has made it, to record its failure.
        VersionTable::Full(_) => Ok(Piece { already_done: true, ..Piece::from_script(script, None) }),
        VersionTable::TwoColumns(rows) => {
            let table = &inventory.tables[VERSION_TABLE];
            let hanging: Vec<&str> = hanging_on_version_table(inventory);
            let hanging = hanging.iter().map(|sql| format!("{sql};\n")).collect::<String>();
            let mut up = format!("DROP TABLE schema_version;\n{}{hanging}", script.up);
            let mut down = format!("{}{};\n{hanging}", script.down, table.sql);
            for row in rows {
                let applied_at = if row.applied_at.is_empty() {
                    "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')".to_owned()
                } else {
                    literal(&row.applied_at)
                };
                up.push_str(&format!(
                    "INSERT INTO schema_version (version, applied_at, description) VALUES ({}, {applied_at}, {});\n",
                    row.version,
                    literal(BASELINE_DESCRIPTION)
                ));
                down.push_str(&format!(
                    "INSERT INTO schema_version (version, applied_at) VALUES ({}, {});\n",
                    row.version,
                    if row.applied_at.is_empty() { "NULL".into() } else { literal(&row.applied_at) }
                ));
            }
            Ok(Piece::new(up, down, Some("schema_version (had two columns of its eight)".into())))
        }
        VersionTable::Other(difference) => Err(StoreError::NameTaken {
            name: VERSION_TABLE.into(),
            taken_by: format!("a table that {difference}"),
            needed_for: "the history of versions".into(),
        }),
    }
}

/// The user's own indexes and triggers on the version table: they go with it and must come back.
fn hanging_on_version_table(inventory: &Inventory) -> Vec<&str> {
    let on_it = |table: &str| table.eq_ignore_ascii_case(VERSION_TABLE);
    let indexes = inventory.indexes.values().filter(|index| on_it(&index.table)).map(|index| index.sql.as_str());
    let triggers = inventory.others.values().filter(|other| other.kind == "trigger" && on_it(&other.table));
    indexes.chain(triggers.map(|trigger| trigger.sql.as_str())).collect()
}

/// Makes the indexes that are missing, and makes those again that have our name and another definition.
fn index_pieces(expected: &Inventory, found: &Inventory, missing_is_a_defect: bool) -> Result<Vec<Piece>, StoreError> {
    let mut pieces = Vec::new();
    for deviation in compare(expected, found) {
        match deviation {
            Deviation::MissingIndex { index } => {
                require_free(&index, found)?;
                let up = format!("{};\n", expected.indexes[&index.to_lowercase()].sql);
                let mends = missing_is_a_defect.then(|| format!("index {index} (was missing)"));
                pieces.push(Piece::new(up, format!("DROP INDEX {};\n", quoted(&index)), mends));
            }
            Deviation::OtherIndex { index, .. } => {
                let key = index.to_lowercase();
                let (right, wrong) = (&expected.indexes[&key], &found.indexes[&key]);
                if !right.table.eq_ignore_ascii_case(&wrong.table) {
                    return Err(name_taken(&index, found));
                }
                let drop = format!("DROP INDEX {};\n", quoted(&index));
                pieces.push(Piece::new(
                    format!("{drop}{};\n", right.sql),
                    format!("{drop}{};\n", wrong.sql),
                    Some(format!("index {index} (was `{}`)", wrong.sql)),
                ));
            }
            Deviation::MissingTable { .. }
            | Deviation::MissingColumn { .. }
            | Deviation::OtherColumn { .. }
            | Deviation::ColumnOrder { .. }
            | Deviation::OtherTable { .. } => {}
        }
    }
    Ok(pieces)
}

/// The first way in which the tables differ.
fn compare_tables(expected: &Inventory, found: &Inventory) -> Option<Deviation> {
    compare(expected, found)
        .into_iter()
        .find(|deviation| !matches!(deviation, Deviation::MissingIndex { .. } | Deviation::OtherIndex { .. }))
}

fn require_free(name: &str, inventory: &Inventory) -> Result<(), StoreError> {
    if inventory.holder_of(name).is_some() { Err(name_taken(name, inventory)) } else { Ok(()) }
}

fn name_taken(name: &str, inventory: &Inventory) -> StoreError {
    StoreError::NameTaken {
        name: name.into(),
        taken_by: inventory.holder_of(name).unwrap_or_else(|| "another object".into()),
        needed_for: "this version of the schema".into(),
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
