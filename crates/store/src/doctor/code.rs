//! The names of all that can be found. They never change: scripts and `docs/doctor.md` know them.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$attribute:meta])* $variant:ident => $name:literal,)*) => {
        /// Which sort of thing was found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingCode {
            $($(#[$attribute])* $variant,)*
        }

        impl FindingCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name, as documents and scripts have it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    /// The file is damaged.
    Damaged => "damaged",
    /// A transaction of a dead program waits to be undone.
    NeedsRecovery => "needs_recovery",
    /// The schema is of an older version.
    VersionBehind => "version_behind",
    /// A table is not there.
    TableMissing => "table_missing",
    /// A table's ids or rows are kept in another way.
    TableChanged => "table_changed",
    /// A column is not there.
    ColumnMissing => "column_missing",
    /// A column is of another type, default or key, or stands elsewhere.
    ColumnChanged => "column_changed",
    /// An index is not there.
    IndexMissing => "index_missing",
    /// An index of our name is something else.
    IndexChanged => "index_changed",
    /// The rows of `schema_version` are not what was released.
    HistoryChanged => "history_changed",
    /// Times whose text sorts wrongly though their instant is known.
    TimeForm => "time_form",
    /// Times without a zone in a form that sorts wrongly.
    TimeNaive => "time_naive",
    /// Values in a column of times that are no time.
    TimeUnreadable => "time_unreadable",
    /// A row that the types refuse.
    RowUnreadable => "row_unreadable",
    /// So many free pages that giving them back pays.
    FreePages => "free_pages",
    /// A file that others than its owner may read or write.
    FileOpenToOthers => "file_open_to_others",
    /// A file or folder that this user may not write.
    NotWritable => "not_writable",
    /// A write-ahead log that nobody has open and that holds committed rows.
    LogLeft => "log_left",
    /// A journal, log or index of a log that holds nothing and that nobody has open.
    SideFileLeft => "side_file_left",
    /// A lock file that nobody holds.
    LockFileLeft => "lock_file_left",
    /// A copy that a dead program left half written.
    PartialCopy => "partial_copy",
    /// A database that a restore moved aside long ago.
    FailedCopy => "failed_copy",
    /// A backup that no longer holds what it held.
    BackupUnverified => "backup_unverified",
    /// Statistics that keep a documented query from its index, or whose absence does.
    StatisticsMislead => "statistics_mislead",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
