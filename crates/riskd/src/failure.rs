//! What a command says when it fails: what happened, what that means for the user's money and file, what to do next.

use serde::Serialize;

use crate::config::ConfigError;

/// How a command failed. Each kind has its exit code, and the codes never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// 1: it failed, and the file is unchanged.
    Failed,
    /// 2: wrong usage, or a config file that cannot be used.
    Usage,
    /// 3: verification found deviations.
    Deviations,
    /// 4: the database is newer than the program.
    NewerDatabase,
    /// 5: another process has it in use.
    InUse,
    /// 6: not a risk-manager database.
    NotOurs,
    /// 7: no space, or no permission.
    NoSpaceOrPermission,
}

impl FailureKind {
    /// The exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Deviations => 3,
            Self::NewerDatabase => 4,
            Self::InUse => 5,
            Self::NotOurs => 6,
            Self::NoSpaceOrPermission => 7,
        }
    }
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// All is well.
    pub const DONE: Self = Self(0);
    /// The command worked, and its answer is that there are deviations; it has already named them.
    pub const DEVIATIONS: Self = Self(FailureKind::Deviations.exit_code());

    /// The command worked through several things, and this is the worst that happened; it has already told of each.
    pub const fn worst(kind: FailureKind) -> Self {
        Self(kind.exit_code())
    }

    /// The exit code.
    pub const fn code(self) -> u8 {
        self.0
    }
}

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// The kind, which decides the exit code.
    pub kind: FailureKind,
    /// What happened, in a sentence.
    pub what: String,
    /// What it means for the account or the file, such as `The database is unchanged, still v1.`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// What to do next: a command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Failure {
    /// Says what happened.
    pub fn new(kind: FailureKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), meaning: None, next: None }
    }

    /// The same failure, with what it means for the user's money or file.
    pub fn meaning(self, meaning: impl Into<String>) -> Self {
        Self { meaning: Some(meaning.into()), ..self }
    }

    /// The same failure, with what to do next.
    pub fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// The lines a person reads, without a mark before them.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.what.clone()];
        lines.extend(self.meaning.iter().map(|meaning| format!("  {meaning}")));
        lines.extend(self.next.iter().map(|next| format!("  Next: {next}")));
        lines
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(FailureKind::Usage, error.to_string())
            .meaning("Nothing was started and nothing was changed.")
            .next("mend that place, then run the same command again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_documented_exit_code() {
        use FailureKind::{Deviations, Failed, InUse, NewerDatabase, NoSpaceOrPermission, NotOurs, Usage};
        let kinds = [Failed, Usage, Deviations, NewerDatabase, InUse, NotOurs, NoSpaceOrPermission];
        let codes: Vec<u8> = kinds.iter().map(|kind| kind.exit_code()).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((Exit::DONE.code(), Exit::DEVIATIONS.code()), (0, 3));
    }

    #[test]
    fn reads_top_down_from_what_to_next() {
        let failure = Failure::new(FailureKind::InUse, "data/state.db is in use by pid 42")
            .meaning("The database is unchanged, still v1.")
            .next("stop that process, then run: riskd db migrate");
        assert_eq!(
            failure.lines(),
            [
                "data/state.db is in use by pid 42",
                "  The database is unchanged, still v1.",
                "  Next: stop that process, then run: riskd db migrate"
            ]
        );
    }
}
