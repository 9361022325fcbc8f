//! Publishing: now and then the loop makes an immutable picture of what people see, and hands it over.
//!
//! The loop pays little for it. A picture is made of slices of a few accounts, one slice a turn, after what waits was
//! taken in; it is made ten times a second while somebody looks, and once a second otherwise. What matters at once, a
//! lockout or an enforcement, brings a new picture of its own account alone. Nothing here waits, and no lock is held: who
//! looks takes pictures from a queue, and when that is full, the picture is left out.
//!
//! Architecture invariant: nothing that people do comes back this way; see `daemon::admin` for what an admin asks.

mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use riskd_core::engine::{Action, Config, EngineState, Event, Hub, Notice, Severity, Write};
use riskd_core::model::{AccountId, RuleId};
use riskd_gateway::client::{EventReceiver, Gateway};
use tokio::sync::mpsc;

use super::notices::Counts;
use crate::alerts::Alerts;
pub use picture::{
    AccountPicture, GaugePicture, LinkPicture, LiveEvent, LiveNews, MarketPicture, Picture, PositionPicture,
    RulePicture,
};
use picture::{Plate, link, markets};

/// Time between two pictures while somebody looks.
const WHILE_WATCHED: Duration = Duration::from_millis(100);
/// Time between two pictures while nobody does.
const WHILE_ALONE: Duration = Duration::from_secs(1);
/// Accounts looked at in one turn of the loop.
const ACCOUNTS_A_SLICE: usize = 16;
/// Pictures and events that may wait for whoever hands them on; what comes beyond is left out.
const QUEUE_CAPACITY: usize = 4_096;

/// A way from the loop to those who look.
pub fn publishing() -> (Publisher, Published) {
    let (sender, messages) = mpsc::channel(QUEUE_CAPACITY);
    let interest = Arc::new(Interest::default());
    (Publisher::to(sender, Arc::clone(&interest)), Published { messages, interest })
}

/// The lookers' end.
#[derive(Debug)]
pub struct Published {
    /// Pictures and events, in the order in which they were made.
    pub messages: mpsc::Receiver<Message>,
    /// Who looks.
    pub interest: Arc<Interest>,
}

/// What the loop hands over.
#[derive(Debug, Clone)]
pub enum Message {
    /// A new picture.
    Picture(Arc<Picture>),
    /// Something happened.
    Live(Box<LiveEvent>),
}

/// Who looks, as the loop can tell without asking anybody.
#[derive(Debug, Default)]
pub struct Interest {
    watchers: AtomicUsize,
    looked: AtomicBool,
}

impl Interest {
    /// Somebody looked once.
    pub fn look(&self) {
        self.looked.store(true, Ordering::Relaxed);
    }

    /// Somebody watches from now on, until what this gives is dropped.
    pub fn watch(self: &Arc<Self>) -> Watch {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watch(Arc::clone(self))
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }
}

/// One who watches.
#[derive(Debug)]
pub struct Watch(Arc<Interest>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the loop knows beside the engine's state.
pub struct Surroundings<'a> {
    /// What was counted.
    pub counts: &'a Counts,
    /// Whether the state database takes no writes.
    pub journal_failing: bool,
    /// What waits to be taken in.
    pub inbox: &'a EventReceiver,
    /// The way to the broker.
    pub gateway: Option<&'a Gateway>,
    /// Who is told when something is wrong.
    pub alerts: Option<&'a Alerts>,
}

/// The loop's end.
#[derive(Debug)]
pub struct Publisher {
    sender: Option<mpsc::Sender<Message>>,
    interest: Arc<Interest>,
    names: BTreeMap<AccountId, String>,
    plates: BTreeMap<AccountId, Plate>,
    slow: BTreeMap<AccountId, BTreeMap<RuleId, (Severity, Timestamp)>>,
    /// Accounts of which a picture is wanted at once.
    urgent: BTreeSet<AccountId>,
    /// The accounts of the last picture.
    accounts: Vec<Arc<AccountPicture>>,
    /// Accounts that the picture under way has looked at, and the last of them.
    under_way: Option<Vec<Arc<AccountPicture>>>,
    next_at: Instant,
    number: u64,
    links: Option<(LinkPicture, LinkPicture)>,
    journal_failing_since: Option<Timestamp>,
    rules_loaded_at: Option<Timestamp>,
}

impl Publisher {
    /// A publisher that nobody reads.
    pub fn to_nobody() -> Self {
        Self::new(None, Arc::default())
    }

    fn to(sender: mpsc::Sender<Message>, interest: Arc<Interest>) -> Self {
        Self::new(Some(sender), interest)
    }

    fn new(sender: Option<mpsc::Sender<Message>>, interest: Arc<Interest>) -> Self {
        Self {
            sender,
            interest,
            names: BTreeMap::new(),
            plates: BTreeMap::new(),
            slow: BTreeMap::new(),
            urgent: BTreeSet::new(),
            accounts: Vec::new(),
            under_way: None,
            next_at: Instant::now(),
            number: 0,
            links: None,
            journal_failing_since: None,
            rules_loaded_at: None,
        }
    }

    /// Says what accounts are called; those without a name go by the broker's.
    pub fn name_accounts(&mut self, names: impl IntoIterator<Item = (AccountId, String)>) {
        self.names.extend(names.into_iter().filter(|(_, name)| !name.trim().is_empty()));
    }

    /// Forgets what was said of rules and time zones: others were loaded.
    pub fn rules_changed(&mut self, at: Timestamp) {
        self.plates.clear();
        self.rules_loaded_at = Some(at);
        self.due_now();
    }

    /// Makes the next picture due at once.
    pub fn due_now(&mut self) {
        self.next_at = Instant::now();
    }

    /// Makes the next picture due in an hour, unless something happens: for whoever wants nothing but that.
    pub fn put_off(&mut self) {
        self.next_at = Instant::now() + Duration::from_secs(3_600);
    }

    /// How long the loop may sleep before [`Publisher::turn`] is wanted.
    pub fn sleep(&self, now: Instant) -> Duration {
        if self.sender.is_none() {
            return Duration::MAX;
        }
        if self.under_way.is_some() || !self.urgent.is_empty() {
            return Duration::ZERO;
        }
        self.next_at.saturating_duration_since(now)
    }

    /// What those who watch are told of an event, before the engine takes it; absent while nobody watches.
    pub fn news_of(&self, event: &Event) -> Option<(AccountId, LiveNews)> {
        if self.sender.is_none() || self.interest.watchers() == 0 {
            return None;
        }
        match event {
            Event::Trade(trade) => Some((trade.account_id, LiveNews::Trade(trade.clone()))),
            Event::Position(position) => Some((position.account_id, LiveNews::Position(position.clone()))),
            Event::PositionClosed { account_id, contract_id } => {
                Some((*account_id, LiveNews::PositionClosed(contract_id.clone())))
            }
            Event::Order(order) => Some((order.account_id, LiveNews::Order(order.clone()))),
            Event::Account(_)
            | Event::Contract(_)
            | Event::Quote(_)
            | Event::Refused(_)
            | Event::Snapshot(_)
            | Event::Link { .. }
            | Event::Answer { .. }
            | Event::LockoutCleared { .. }
            | Event::LockoutNotCleared { .. }
            | Event::Unlock { .. }
            | Event::TimePassed => None,
        }
    }

    /// Tells those who watch.
    pub fn tell(&self, at: Timestamp, account_id: Option<AccountId>, what: LiveNews) {
        self.send(Message::Live(Box::new(LiveEvent { at, account_id, what })));
    }

    /// Looks at what a step asked for: what people must see at once is marked, what happened is told.
    pub fn observe(&mut self, action: &Action, at: Timestamp) {
        if self.sender.is_none() {
            return;
        }
        let watched = self.interest.watchers() > 0;
        let (account_id, news) = match action {
            Action::Store(Write::PutEnforcement { log, .. }) => {
                (log.account_id, watched.then(|| LiveNews::Enforcement(log.clone())))
            }
            Action::Notice(Notice::LockoutSet(lockout)) => {
                (lockout.account_id, watched.then(|| LiveNews::LockoutSet(lockout.clone())))
            }
            Action::Notice(Notice::LockoutCleared(account_id)) => (*account_id, Some(LiveNews::LockoutCleared)),
            Action::Notice(Notice::DailyReset { account_id, day, realized_pnl }) => {
                (*account_id, Some(LiveNews::DailyReset { day: *day, realized_pnl: *realized_pnl }))
            }
            Action::Notice(Notice::EnforcementConfirmed(log)) => {
                if let Some(slow) = self.slow.get_mut(&log.account_id) {
                    slow.remove(&log.rule_id);
                }
                (log.account_id, None)
            }
            Action::Notice(Notice::EnforcementSlow { account_id, rule_id, severity, .. }) => {
                let slow = self.slow.entry(*account_id).or_default().entry(*rule_id).or_insert((*severity, at));
                slow.0 = slow.0.max(*severity);
                (*account_id, None)
            }
            Action::Store(_) | Action::Send(_) | Action::WatchQuotes(_) | Action::Notice(_) => return,
        };
        self.urgent.insert(account_id);
        if let Some(news) = news.filter(|_| watched) {
            self.tell(at, Some(account_id), news);
        }
    }

    /// One slice of work, if any is due. Called once a turn of the loop.
    pub fn turn(&mut self, engine: &EngineState, config: &Config, at: Timestamp, around: &Surroundings<'_>) {
        if self.sender.is_none() {
            return;
        }
        let links_changed = self
            .links
            .is_none_or(|(user, market)| user.up != engine.is_up(Hub::User) || market.up != engine.is_up(Hub::Market));
        if !self.urgent.is_empty() {
            self.renew_urgent(engine, config, at);
            self.publish(engine, config, at, around);
        } else if links_changed && self.number > 0 {
            self.publish(engine, config, at, around);
        }
        let now = Instant::now();
        if self.under_way.is_none() && self.next_at <= now {
            let watched = self.interest.looked.swap(false, Ordering::Relaxed) || self.interest.watchers() > 0;
            self.next_at = now + if watched { WHILE_WATCHED } else { WHILE_ALONE };
            self.under_way = Some(Vec::with_capacity(config.accounts.len()));
        }
        let Some(mut done) = self.under_way.take() else { return };
        let last = done.last().map(|account| account.account_id);
        let rest = config.accounts.keys().filter(|id| last.is_none_or(|last| **id > last));
        let slice: Vec<AccountId> = rest.take(ACCOUNTS_A_SLICE).copied().collect();
        let is_last = slice.len() < ACCOUNTS_A_SLICE;
        done.extend(slice.into_iter().filter_map(|account_id| self.look_at(engine, config, account_id, at)));
        if is_last {
            self.accounts = done;
            self.publish(engine, config, at, around);
        } else {
            self.under_way = Some(done);
        }
    }

    /// Looks once more at the accounts of which a picture is wanted at once, a slice at most.
    fn renew_urgent(&mut self, engine: &EngineState, config: &Config, at: Timestamp) {
        for _ in 0..ACCOUNTS_A_SLICE {
            let Some(account_id) = self.urgent.pop_first() else { break };
            let Some(renewed) = self.look_at(engine, config, account_id, at) else { continue };
            for accounts in [Some(&mut self.accounts), self.under_way.as_mut()].into_iter().flatten() {
                if let Ok(place) = accounts.binary_search_by_key(&account_id, |account| account.account_id) {
                    accounts[place] = Arc::clone(&renewed);
                }
            }
        }
    }

    fn look_at(
        &mut self,
        engine: &EngineState,
        config: &Config,
        account_id: AccountId,
        at: Timestamp,
    ) -> Option<Arc<AccountPicture>> {
        let account = config.accounts.get(&account_id)?;
        let name = self.names.get(&account_id);
        let plate = self.plates.entry(account_id).or_insert_with(|| Plate::of(account, name.cloned()));
        let slow = self.slow.get(&account_id).and_then(|rules| rules.values().copied().max());
        AccountPicture::of(engine, config, account_id, plate, slow, at).map(Arc::new)
    }

    fn publish(&mut self, engine: &EngineState, config: &Config, at: Timestamp, around: &Surroundings<'_>) {
        if self.accounts.len() < config.accounts.len() {
            return;
        }
        let never = LinkPicture { up: false, since: at };
        let (user, market) = self.links.unwrap_or((never, never));
        let links = (link(engine, Hub::User, user, at), link(engine, Hub::Market, market, at));
        self.links = Some(links);
        self.journal_failing_since = around.journal_failing.then(|| self.journal_failing_since.unwrap_or(at));
        self.number += 1;
        let picture = Picture {
            at,
            number: self.number,
            user_link: links.0,
            market_link: links.1,
            journal_failing_since: self.journal_failing_since,
            rules_loaded_at: *self.rules_loaded_at.get_or_insert(at),
            accounts: self.accounts.as_slice().into(),
            markets: markets(engine, config, at),
            counts: Arc::new(around.counts.clone()),
            queue_depth: around.inbox.depth(),
            quotes_conflated: around.inbox.conflated(),
            gateway: around.gateway.cloned(),
            alerts: around.alerts.cloned(),
        };
        self.send(Message::Picture(Arc::new(picture)));
    }

    fn send(&self, message: Message) {
        if let Some(sender) = &self.sender {
            // Full: those who look are behind, and the next picture tells them everything. Gone: nobody looks any more.
            let _left_out = sender.try_send(message);
        }
    }
}
