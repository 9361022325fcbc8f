//! The REST endpoints, and what their error codes mean.

/// One endpoint of the REST interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Log in with a user name and an API key.
    LoginKey,
    /// Exchange a token for a newer one.
    Validate,
    /// End the session.
    Logout,
    /// List accounts.
    SearchAccounts,
    /// Find contracts by text.
    SearchContracts,
    /// Describe one contract.
    ContractById,
    /// List every contract.
    AvailableContracts,
    /// Price history.
    RetrieveBars,
    /// Place an order.
    PlaceOrder,
    /// Change an order.
    ModifyOrder,
    /// Cancel an order.
    CancelOrder,
    /// Orders of a span of time.
    SearchOrders,
    /// Working orders, without suspended ones.
    SearchOpenOrders,
    /// One order.
    OrderById,
    /// Orders by filter, suspended ones included.
    QueryOrders,
    /// Open positions.
    SearchOpenPositions,
    /// Close a whole position.
    ClosePosition,
    /// Close part of a position.
    PartialClosePosition,
    /// Trades of a span of time.
    SearchTrades,
    /// Whether anybody is there.
    Ping,
}

/// Endpoints that fail together: the circuit breaker counts by group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Login, validation, logout.
    Auth,
    /// Accounts.
    Account,
    /// Contracts.
    Contract,
    /// Price history, which has a rate limit of its own.
    History,
    /// Orders.
    Order,
    /// Positions.
    Position,
    /// Trades.
    Trade,
    /// Ping.
    Status,
}

/// What a refusal means, whatever number the endpoint gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant's text says what it is")]
pub enum Meaning {
    UserNotFound,
    WrongPassword,
    InvalidCredentials,
    ApplicationNotFound,
    ApplicationVerificationFailed,
    InvalidDevice,
    AgreementsNotSigned,
    NoApiSubscription,
    KeyAuthenticationDisabled,
    InvalidSession,
    SessionNotFound,
    SessionExpired,
    AccountNotFound,
    OrderNotFound,
    PositionNotFound,
    ContractNotFound,
    ContractNotActive,
    Rejected,
    AccountRejected,
    AccountViolation,
    InsufficientFunds,
    OutsideTradingHours,
    InvalidSize,
    Pending,
    UnknownError,
    /// A code the gateway's documents do not list.
    Unlisted,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 20] = [
        Self::LoginKey,
        Self::Validate,
        Self::Logout,
        Self::SearchAccounts,
        Self::SearchContracts,
        Self::ContractById,
        Self::AvailableContracts,
        Self::RetrieveBars,
        Self::PlaceOrder,
        Self::ModifyOrder,
        Self::CancelOrder,
        Self::SearchOrders,
        Self::SearchOpenOrders,
        Self::OrderById,
        Self::QueryOrders,
        Self::SearchOpenPositions,
        Self::ClosePosition,
        Self::PartialClosePosition,
        Self::SearchTrades,
        Self::Ping,
    ];

    /// Its path below the host.
    pub const fn path(self) -> &'static str {
        match self {
            Self::LoginKey => "/api/Auth/loginKey",
            Self::Validate => "/api/Auth/validate",
            Self::Logout => "/api/Auth/logout",
            Self::SearchAccounts => "/api/Account/search",
            Self::SearchContracts => "/api/Contract/search",
            Self::ContractById => "/api/Contract/searchById",
            Self::AvailableContracts => "/api/Contract/available",
            Self::RetrieveBars => "/api/History/retrieveBars",
            Self::PlaceOrder => "/api/Order/place",
            Self::ModifyOrder => "/api/Order/modify",
            Self::CancelOrder => "/api/Order/cancel",
            Self::SearchOrders => "/api/Order/search",
            Self::SearchOpenOrders => "/api/Order/searchOpen",
            Self::OrderById => "/api/Order/searchById",
            Self::QueryOrders => "/api/Order/v2/query",
            Self::SearchOpenPositions => "/api/Position/searchOpen",
            Self::ClosePosition => "/api/Position/closeContract",
            Self::PartialClosePosition => "/api/Position/partialCloseContract",
            Self::SearchTrades => "/api/Trade/search",
            Self::Ping => "/api/Status/ping",
        }
    }

    /// The group it fails with.
    pub const fn group(self) -> Group {
        match self {
            Self::LoginKey | Self::Validate | Self::Logout => Group::Auth,
            Self::SearchAccounts => Group::Account,
            Self::SearchContracts | Self::ContractById | Self::AvailableContracts => Group::Contract,
            Self::RetrieveBars => Group::History,
            Self::PlaceOrder
            | Self::ModifyOrder
            | Self::CancelOrder
            | Self::SearchOrders
            | Self::SearchOpenOrders
            | Self::OrderById
            | Self::QueryOrders => Group::Order,
            Self::SearchOpenPositions | Self::ClosePosition | Self::PartialClosePosition => Group::Position,
            Self::SearchTrades => Group::Trade,
            Self::Ping => Group::Status,
        }
    }

    /// Whether asking twice does no more than asking once: such calls may be repeated.
    pub const fn is_query(self) -> bool {
        !matches!(
            self,
            Self::LoginKey
                | Self::Logout
                | Self::PlaceOrder
                | Self::ModifyOrder
                | Self::CancelOrder
                | Self::ClosePosition
                | Self::PartialClosePosition
        )
    }

    /// What `code` means on this endpoint. Source: the gateway's documents; the tables are those of its error enums.
    pub fn meaning(self, code: i32) -> Meaning {
        usize::try_from(code)
            .ok()
            .and_then(|code| code.checked_sub(1))
            .and_then(|index| self.meanings().get(index))
            .copied()
            .unwrap_or(Meaning::Unlisted)
    }

    /// The code by which this endpoint says `meaning`; absent when it cannot.
    pub fn code_of(self, meaning: Meaning) -> Option<i32> {
        let index = self.meanings().iter().position(|listed| *listed == meaning)?;
        i32::try_from(index + 1).ok()
    }

    /// Meanings of the codes from 1 on, in order.
    const fn meanings(self) -> &'static [Meaning] {
        use Meaning as M;
        match self {
            Self::LoginKey => &[
                M::UserNotFound,
                M::WrongPassword,
                M::InvalidCredentials,
                M::ApplicationNotFound,
                M::ApplicationVerificationFailed,
                M::InvalidDevice,
                M::AgreementsNotSigned,
                M::UnknownError,
                M::NoApiSubscription,
                M::KeyAuthenticationDisabled,
            ],
            Self::Validate => &[M::InvalidSession, M::SessionNotFound, M::SessionExpired, M::UnknownError],
            Self::Logout => &[M::InvalidSession, M::UnknownError],
            Self::PlaceOrder => &[
                M::AccountNotFound,
                M::Rejected,
                M::InsufficientFunds,
                M::AccountViolation,
                M::OutsideTradingHours,
                M::Pending,
                M::UnknownError,
                M::ContractNotFound,
                M::ContractNotActive,
                M::AccountRejected,
            ],
            Self::CancelOrder => {
                &[M::AccountNotFound, M::OrderNotFound, M::Rejected, M::Pending, M::UnknownError, M::AccountRejected]
            }
            Self::ModifyOrder => &[
                M::AccountNotFound,
                M::OrderNotFound,
                M::Rejected,
                M::Pending,
                M::UnknownError,
                M::AccountRejected,
                M::ContractNotFound,
            ],
            Self::ClosePosition => &[
                M::AccountNotFound,
                M::PositionNotFound,
                M::ContractNotFound,
                M::ContractNotActive,
                M::Rejected,
                M::Pending,
                M::UnknownError,
                M::AccountRejected,
            ],
            Self::PartialClosePosition => &[
                M::AccountNotFound,
                M::PositionNotFound,
                M::ContractNotFound,
                M::ContractNotActive,
                M::InvalidSize,
                M::Rejected,
                M::Pending,
                M::UnknownError,
                M::AccountRejected,
            ],
            Self::ContractById => &[M::ContractNotFound],
            Self::SearchOrders
            | Self::SearchOpenOrders
            | Self::OrderById
            | Self::QueryOrders
            | Self::SearchOpenPositions
            | Self::SearchTrades => &[M::AccountNotFound],
            Self::SearchAccounts
            | Self::SearchContracts
            | Self::AvailableContracts
            | Self::RetrieveBars
            | Self::Ping => &[],
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.path().trim_start_matches("/api/"))
    }
}

impl Meaning {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::UserNotFound => "user not found",
            Self::WrongPassword => "password verification failed",
            Self::InvalidCredentials => "invalid credentials",
            Self::ApplicationNotFound => "application not found",
            Self::ApplicationVerificationFailed => "application verification failed",
            Self::InvalidDevice => "invalid device",
            Self::AgreementsNotSigned => "agreements not signed",
            Self::NoApiSubscription => "no API subscription",
            Self::KeyAuthenticationDisabled => "API key authentication disabled",
            Self::InvalidSession => "invalid session",
            Self::SessionNotFound => "session not found",
            Self::SessionExpired => "session expired",
            Self::AccountNotFound => "account not found",
            Self::OrderNotFound => "order not found",
            Self::PositionNotFound => "position not found",
            Self::ContractNotFound => "contract not found",
            Self::ContractNotActive => "contract not active",
            Self::Rejected => "rejected",
            Self::AccountRejected => "account rejected",
            Self::AccountViolation => "account violation",
            Self::InsufficientFunds => "insufficient funds",
            Self::OutsideTradingHours => "outside trading hours",
            Self::InvalidSize => "invalid size",
            Self::Pending => "pending",
            Self::UnknownError => "unknown error",
            Self::Unlisted => "a code the gateway does not document",
        }
    }

    /// Whether it says that what was to be closed or cancelled is gone already.
    pub const fn is_gone_already(self) -> bool {
        matches!(self, Self::PositionNotFound | Self::OrderNotFound)
    }
}

impl std::fmt::Display for Meaning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.text())
    }
}
