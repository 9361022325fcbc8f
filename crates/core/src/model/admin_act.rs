//! What an administrator, or the program itself, did that must leave a trace.

use jiff::Timestamp;

use super::AccountId;

/// An act for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAct {
    /// When.
    pub at: Timestamp,
    /// Who: a person's name for a session, a user of the machine, or `riskd` for the program itself.
    pub actor: String,
    /// What kind of act.
    pub kind: AdminActKind,
    /// The account, where it concerns one.
    pub account_id: Option<AccountId>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// What exactly, in words or as JSON.
    pub detail: Option<String>,
}

/// The kinds of acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminActKind {
    /// The daemon started.
    Start,
    /// The daemon stopped, or was told to.
    Stop,
    /// A config was read again, or was refused.
    Reload,
    /// A lockout was ended by hand.
    Unlock,
    /// An account was locked by hand.
    Lock,
    /// An account was flattened by hand.
    Flatten,
    /// A limit was made looser.
    Loosen,
    /// Somebody logged in as an administrator.
    LogIn,
    /// Somebody was refused.
    LogInRefused,
    /// Anything else that an administrator did.
    Admin,
}

impl AdminActKind {
    /// Its name in the trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::Unlock => "unlock",
            Self::Lock => "lock",
            Self::Flatten => "flatten",
            Self::Loosen => "loosen",
            Self::LogIn => "log_in",
            Self::LogInRefused => "log_in_refused",
            Self::Admin => "admin",
        }
    }
}
