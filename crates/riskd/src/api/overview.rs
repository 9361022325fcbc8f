//! The overview: the daemon and every account, in the order in which people want to see them.

use jiff::Timestamp;
use riskd_core::engine::Severity;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{AccountSummary, time};
use crate::alerts::{self, Alerts};
use crate::daemon::Phase;
use crate::daemon::publish::{AccountPicture, LinkPicture, Picture};

/// The daemon and every account.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Overview {
    /// When this was so.
    #[schema(format = DateTime)]
    pub(super) at: String,
    /// The daemon.
    pub(super) daemon: DaemonView,
    /// Every account: locked and pending ones first, then by nearness to a limit.
    pub(super) accounts: Vec<AccountSummary>,
}

/// The daemon.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DaemonView {
    /// Its version.
    pub(super) version: &'static str,
    /// When it was started.
    #[schema(format = DateTime)]
    pub(super) started_at: String,
    /// How far it is: `opening`, `connecting`, `watching`.
    pub(super) phase: PhaseView,
    /// The version of the database's schema.
    pub(super) schema_version: i64,
    /// Whether everything that protects works: it watches, and both links to the broker are up.
    pub(super) protected: bool,
    /// The links to the broker.
    pub(super) links: LinksView,
    /// The state database's writes.
    pub(super) journal: JournalView,
    /// What should worry people, the worst first.
    pub(super) alarms: Vec<Alarm>,
    /// When the rules in force were loaded; null before they were.
    #[schema(format = DateTime)]
    pub(super) rules_loaded_at: Option<String>,
}

/// How far the daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PhaseView {
    /// Opening the database, and migrating where needed.
    Opening,
    /// Reaching the broker.
    Connecting,
    /// Events are taken in.
    Watching,
}

impl From<Phase> for PhaseView {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Opening => Self::Opening,
            Phase::Connecting => Self::Connecting,
            Phase::Watching => Self::Watching,
        }
    }
}

/// The links to the broker.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct LinksView {
    /// Accounts, orders, positions, trades.
    pub(super) user: LinkView,
    /// Quotes.
    pub(super) market: LinkView,
}

/// A link to the broker.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct LinkView {
    /// Whether it is up.
    pub(super) up: bool,
    /// Since when; null before the daemon watches.
    #[schema(format = DateTime)]
    pub(super) since: Option<String>,
}

/// The state database's writes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct JournalView {
    /// Whether it takes none. Protection goes on; nothing is unlocked meanwhile.
    pub(super) failing: bool,
}

/// Something that should worry people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Alarm {
    /// Its stable name.
    pub(super) code: &'static str,
    /// How bad it is.
    pub(super) severity: AlarmSeverity,
    /// What it is and what it means.
    pub(super) message: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub(super) since: String,
}

/// How bad an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AlarmSeverity {
    /// Protection does not work as it should.
    Critical,
    /// Worth a look.
    Warning,
}

impl AlarmSeverity {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// What the overview needs besides a picture.
pub(super) struct Frame {
    pub(super) phase: Phase,
    pub(super) started_at: Timestamp,
    pub(super) now: Timestamp,
}

impl Overview {
    pub(super) fn of(picture: Option<&Picture>, frame: &Frame) -> Self {
        let mut accounts: Vec<&AccountPicture> =
            picture.iter().flat_map(|picture| picture.accounts.iter()).map(AsRef::as_ref).collect();
        accounts.sort_by(|one, other| {
            let needs_eyes = |account: &AccountPicture| account.lockout.is_some() || account.pending_enforcements > 0;
            let nearness = |account: &AccountPicture| {
                account.gauges.first().map_or(f64::NEG_INFINITY, |nearest| nearest.gauge.fraction())
            };
            needs_eyes(other).cmp(&needs_eyes(one)).then_with(|| nearness(other).total_cmp(&nearness(one)))
        });
        Self {
            at: time(picture.map_or(frame.now, |picture| picture.at)),
            daemon: DaemonView::of(picture, frame),
            accounts: accounts.into_iter().map(AccountSummary::of).collect(),
        }
    }
}

impl DaemonView {
    fn of(picture: Option<&Picture>, frame: &Frame) -> Self {
        let link = |link: Option<LinkPicture>| LinkView {
            up: link.is_some_and(|link| link.up),
            since: link.map(|link| time(link.since)),
        };
        let links_up = picture.is_some_and(|picture| picture.user_link.up && picture.market_link.up);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: time(frame.started_at),
            phase: frame.phase.into(),
            schema_version: riskd_store::HEAD_VERSION,
            protected: frame.phase == Phase::Watching && links_up,
            links: LinksView {
                user: link(picture.map(|picture| picture.user_link)),
                market: link(picture.map(|picture| picture.market_link)),
            },
            journal: JournalView { failing: picture.is_some_and(|picture| picture.journal_failing_since.is_some()) },
            alarms: picture.map(alarms).unwrap_or_else(|| vec![not_watching(frame)]),
            rules_loaded_at: picture.map(|picture| time(picture.rules_loaded_at)),
        }
    }
}

fn not_watching(frame: &Frame) -> Alarm {
    let doing = match frame.phase {
        Phase::Opening => "the state database is being opened",
        Phase::Connecting => "the broker is being reached",
        Phase::Watching => "the first look at the accounts is under way",
    };
    Alarm {
        code: "not_watching",
        severity: AlarmSeverity::Critical,
        message: format!("Nothing is protected yet: {doing}."),
        since: time(frame.started_at),
    }
}

/// What should worry people, the worst first.
pub(super) fn alarms(picture: &Picture) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let mut raise = |code, severity, since, message: String| {
        alarms.push(Alarm { code, severity, message, since: time(since) });
    };
    use AlarmSeverity::{Critical, Warning};
    if !picture.user_link.up {
        let message = "The link to the broker's user hub is down: fills and positions are not seen as they happen.";
        raise("broker_link_down", Critical, picture.user_link.since, message.to_owned());
    }
    if !picture.market_link.up {
        let message = "The link to the broker's market hub is down: open losses are reckoned with old prices.";
        raise("broker_link_down", Critical, picture.market_link.since, message.to_owned());
    }
    if let Some(since) = picture.journal_failing_since {
        let message = "The state database takes no writes: protection goes on, nothing is unlocked meanwhile.";
        raise("journal_failing", Critical, since, message.to_owned());
    }
    for account in picture.accounts.iter() {
        if let Some((severity, since)) = account.slow_enforcement {
            let (severity, code) = match severity {
                Severity::Warning => (Warning, "enforcement_slow"),
                Severity::Critical => (Critical, "enforcement_slow"),
                Severity::Failure => (Critical, "enforcement_failed"),
            };
            let message = format!("Account {}: the broker has not confirmed an enforcement in time.", account.name);
            raise(code, severity, since, message);
        }
    }
    let uncertain = picture.accounts.iter().filter(|account| !account.certain).count();
    if uncertain > 0 && picture.user_link.up {
        let message = format!("{uncertain} accounts: positions and orders are not known for certain yet.");
        raise("account_uncertain", Warning, picture.user_link.since, message);
    }
    let not_armed = picture.accounts.iter().filter(|account| account.not_armed().next().is_some()).count();
    if not_armed > 0 {
        let message = format!("{not_armed} accounts have rules that are not armed; each account's page says why.");
        raise("rules_not_armed", Warning, picture.rules_loaded_at, message);
    }
    for market in picture.markets.iter().filter(|market| market.stale && picture.market_link.up) {
        let name = market.name.as_deref().unwrap_or(market.contract_id.as_str());
        let message = format!("{name}: the newest quote is old; open positions are valued with it.");
        raise("quotes_stale", Warning, market.quoted_at.unwrap_or(picture.market_link.since), message);
    }
    // What the watchers of the alerts found, where it is not said already: they count over an hour, and see the chores.
    let found = picture.alerts.as_ref().map(Alerts::alarms).unwrap_or_default();
    for alarm in found {
        let severity = match alarm.severity {
            alerts::Severity::Critical => Critical,
            alerts::Severity::Warning => Warning,
            // Good to know is no alarm.
            alerts::Severity::Info => continue,
        };
        if alarms.iter().all(|said| said.code != alarm.code.name()) {
            alarms.push(Alarm { code: alarm.code.name(), severity, message: alarm.message, since: time(alarm.since) });
        }
    }
    alarms.sort_by_key(|alarm| alarm.severity);
    alarms
}
