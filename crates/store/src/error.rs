//! What can go wrong with the state database.

use crate::writer::WriteFailure;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite refused.
    #[error("could not {doing}: {source}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
    /// A batch of writes could not be made durable. None of it is in the file.
    #[error("could not write to the state database ({failure}): {message}")]
    NotWritten {
        /// What kind of failure it was.
        failure: WriteFailure,
        /// SQLite's own words.
        message: String,
    },
    /// The writer has as many batches waiting as it takes. The batch was not accepted.
    #[error("the state database does not keep up: {waiting} batches of writes are waiting already")]
    WriterBusy {
        /// Batches waiting.
        waiting: usize,
    },
    /// The writer has stopped, or stopped before it came to this.
    #[error("the writer of the state database has stopped")]
    WriterStopped,
    /// The writer was asked to stop and is still at work.
    #[error("the writer of the state database did not finish within {patience_ms} ms; it goes on by itself")]
    WriterSlow {
        /// How long was waited, in milliseconds.
        patience_ms: u128,
    },
}
