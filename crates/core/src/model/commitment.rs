//! What a trader has committed to: a rule's section as it was armed.

use jiff::Timestamp;

use super::AccountId;

/// A rule's section of the config as it is in force for an account, whatever the file says by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// The account.
    pub account_id: AccountId,
    /// The rule's section, such as `max_contracts`.
    pub rule: String,
    /// The section as armed, as JSON.
    pub config: String,
    /// When it was armed.
    pub armed_at: Timestamp,
    /// When a looser section that is waiting takes effect; absent when none waits.
    pub loosens_at: Option<Timestamp>,
}
