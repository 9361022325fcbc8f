//! One enforcement, as the log keeps it.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{AccountId, EnforcementId, Invalid, Money, Noun, RuleId, reads_as_draft};

/// What an enforcement does. The text is what `enforcement_log.action` holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EnforcementAction {
    /// Closes one position.
    ClosePosition,
    /// Closes every position of the account.
    CloseAllPositions,
    /// Closes down to the limit, largest position first.
    ReduceToLimit,
    /// Cancels one order.
    CancelOrder,
    /// Cancels orders.
    CancelOrders,
    /// Closes all, cancels all, locks.
    CloseAllAndLockout,
    /// Locks for a time, closing nothing.
    Cooldown,
    /// Places a protective stop.
    PlaceStop,
    /// Moves a protective stop.
    MoveStop,
    /// What an older program wrote.
    Other(Cow<'static, str>),
}

impl EnforcementAction {
    const KNOWN: [(Self, &'static str); 9] = [
        (Self::ClosePosition, "CLOSE_POSITION"),
        (Self::CloseAllPositions, "CLOSE_ALL_POSITIONS"),
        (Self::ReduceToLimit, "REDUCE_TO_LIMIT"),
        (Self::CancelOrder, "CANCEL_ORDER"),
        (Self::CancelOrders, "CANCEL_ORDERS"),
        (Self::CloseAllAndLockout, "CLOSE_ALL_AND_LOCKOUT"),
        (Self::Cooldown, "COOLDOWN"),
        (Self::PlaceStop, "PLACE_STOP"),
        (Self::MoveStop, "MOVE_STOP"),
    ];

    /// The text in the log.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(text) => text,
            known => Self::KNOWN.iter().find(|(action, _)| action == known).map_or("", |(_, text)| text),
        }
    }

    /// Reads the text in the log; what is not known is kept as it is.
    pub fn from_text(text: &str) -> Self {
        Self::KNOWN
            .iter()
            .find(|(_, known)| *known == text)
            .map_or_else(|| Self::Other(Cow::Owned(text.to_owned())), |(action, _)| action.clone())
    }
}

impl std::fmt::Display for EnforcementAction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How far an enforcement has come. Kept in `enforcement_log.details`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnforcementStatus {
    /// Decided and durable, not yet confirmed by the broker: `success` is false, and a restart goes on with it.
    Pending,
    /// The broker showed the result. Rows of older programs count as this too.
    #[default]
    Confirmed,
}

impl EnforcementStatus {
    /// The text in `details.status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
        }
    }

    /// Reads the text in `details.status`; anything else is what an older program finished.
    pub fn from_text(text: &str) -> Self {
        if text == Self::Pending.as_str() { Self::Pending } else { Self::Confirmed }
    }
}

/// The fields of an [`EnforcementLog`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnforcementLogDraft {
    /// The row; absent before it is stored.
    pub id: Option<EnforcementId>,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// The account it protects.
    pub account_id: AccountId,
    /// The rule that was breached.
    pub rule_id: RuleId,
    /// What is done about it.
    pub action: EnforcementAction,
    /// Why, with the numbers.
    pub reason: String,
    /// Whether the broker showed the result. Never true because a request was merely accepted.
    pub success: bool,
    /// How far it has come.
    pub status: EnforcementStatus,
    /// The last thing that went wrong, if anything did.
    pub error_message: Option<String>,
    /// Positions closed or reduced.
    pub positions_closed: i64,
    /// Orders cancelled.
    pub orders_cancelled: i64,
    /// End of the lockout it set; absent when it set none or one without end.
    pub lockout_until: Option<Timestamp>,
    /// The P&L that breached, in dollars.
    pub pnl_at_enforcement: Option<Money>,
    /// Milliseconds from decision to confirmed; absent until then, and in rows written before v2.
    pub execution_time_ms: Option<i64>,
}

/// A row of the enforcement log that can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnforcementLog(EnforcementLogDraft);
reads_as_draft!(EnforcementLog, EnforcementLogDraft);

impl EnforcementLog {
    /// Refuses negative counts and a negative time. That the rule is known is what [`RuleId`] stands for.
    pub fn new(draft: EnforcementLogDraft) -> Result<Self, Invalid> {
        for (field, value) in [
            ("positions_closed", Some(draft.positions_closed)),
            ("orders_cancelled", Some(draft.orders_cancelled)),
            ("execution_time_ms", draft.execution_time_ms),
        ] {
            if let Some(value) = value.filter(|value| *value < 0) {
                return Err(Invalid::new(Noun::EnforcementLog, field, value, "must not be negative"));
            }
        }
        Ok(Self(draft))
    }
}
