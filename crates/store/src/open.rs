//! What a file is, told without writing to it.

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DatabaseKind {
    /// No file.
    Missing,
    /// An empty file, or a SQLite database without any table.
    Fresh,
    /// Ours, at head.
    Current {
        /// Its version.
        version: i64,
    },
    /// Ours, at an older version.
    Behind {
        /// Its version.
        version: i64,
    },
    /// Ours, of a newer program.
    Newer {
        /// Its version.
        version: i64,
    },
    /// Not ours: a directory, not SQLite, encrypted, another product's, or only part of ours.
    Foreign {
        /// What was found.
        reason: String,
    },
    /// A database that was cut off or whose pages make no sense.
    Damaged {
        /// What was found.
        reason: String,
    },
    /// A program died in the middle of a transaction: the next one to open it for writing (`riskd db migrate`, `riskd
    /// run`) undoes that, and only then can it be told what it is.
    NeedsRecovery,
}
