//! The judge: keeps the true books of every account and holds the program's decisions against them.

use std::collections::BTreeMap;

use riskd_core::engine::Goal;
use riskd_core::model::{AccountId, ContractId, EnforcementLog, Lockout, RuleId, Timestamp, milliseconds_between};

use super::books::{Books, Worth};
use super::day::DayTurn;
use super::rows::{Record, Seen};
use super::terms::{Broken, Lasts, Moment, Term};
use crate::exchange::{ExchangeEvent, Listing};

/// Within this time a broken term has been decided about, with nothing in the way: news travels for some milliseconds.
pub const REACT_MS: i64 = 2_000;
/// Within this time of nothing being in the way, no term is broken any more, and a locked account is flat. News that
/// a hub lost is found by the glance that comes once a minute; the rest is for closing.
pub const BOUND_MS: i64 = 100_000;
/// How much longer than its seconds a pause may last, when its trade was learned of late.
const LATE_PAUSE_MS: i64 = 60_000;
/// Violations after which the rest is not worth reading.
const MOST_VIOLATIONS: usize = 5;

/// What one account is held to.
#[derive(Debug, Clone)]
pub struct AccountTerms {
    /// Its rules.
    pub terms: Vec<Term>,
    /// When its day turns.
    pub turn: DayTurn,
    /// Whether no news, however late or lost, could make it look broken: then nothing may ever touch it.
    pub healthy: bool,
    /// Whether orders can be cancelled; not on live accounts.
    pub can_cancel: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What went wrong, with time, account and numbers; empty when nothing did.
    pub violations: Vec<String>,
    /// Breaches that were decided and had cause.
    pub breaches: u64,
    /// Enforcements that the books showed to be done.
    pub confirmed: u64,
    /// Rules that were broken somewhere, with how often.
    pub broken: BTreeMap<RuleId, u64>,
}

/// The oracle.
#[derive(Debug)]
pub struct Oracle {
    accounts: BTreeMap<AccountId, Judged>,
    worth: BTreeMap<ContractId, Worth>,
    /// The last moment at which something was in the way.
    impeded_at: Timestamp,
    judgement: Judgement,
}

#[derive(Debug)]
struct Judged {
    terms: AccountTerms,
    /// The present trading day by the program's clock.
    day: (Timestamp, Timestamp),
    books: Books,
    record: Record,
    /// Since when each term is broken, and since when without doubt.
    broken: BTreeMap<(RuleId, Option<ContractId>), Since>,
    /// When a term was last broken, be it with doubt.
    last_broken: BTreeMap<RuleId, Timestamp>,
    last_decided: BTreeMap<RuleId, Timestamp>,
    /// Since when there is something in a locked account.
    occupied_since: Option<Timestamp>,
    /// Since when a stop of the program's stands for nothing.
    stray_since: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Since {
    at: Timestamp,
    certain_at: Option<Timestamp>,
    why: String,
    told: bool,
}

impl Oracle {
    /// An oracle that knows the contracts and what each account is held to.
    pub fn new<'a>(
        accounts: BTreeMap<AccountId, AccountTerms>,
        listings: impl Iterator<Item = &'a Listing>,
        now: Timestamp,
    ) -> Self {
        let worth = listings.map(|listing| {
            let contract = &listing.contract;
            let worth = Worth {
                tick_nanos: contract.tick_size.nanos(),
                tick_micros: contract.tick_value.micros(),
                // Without the letter of the month and the digit of the year: `ESM8`.
                root: contract.name[..contract.name.len().saturating_sub(2)].to_owned(),
                last_nanos: None,
            };
            (contract.contract_id.clone(), worth)
        });
        let judged = |terms: AccountTerms| Judged {
            day: terms.turn.around(now),
            terms,
            books: Books::default(),
            record: Record::default(),
            broken: BTreeMap::new(),
            last_broken: BTreeMap::new(),
            last_decided: BTreeMap::new(),
            occupied_since: None,
            stray_since: None,
        };
        let judgement = Judgement { violations: Vec::new(), breaches: 0, confirmed: 0, broken: BTreeMap::new() };
        Self {
            worth: worth.collect(),
            accounts: accounts.into_iter().map(|(id, terms)| (id, judged(terms))).collect(),
            impeded_at: now,
            judgement,
        }
    }

    /// Something is in the way at this moment.
    pub fn impeded(&mut self, now: Timestamp) {
        self.impeded_at = now;
    }

    /// Whether it is not worth going on.
    pub fn has_seen_enough(&self) -> bool {
        self.judgement.violations.len() >= MOST_VIOLATIONS
    }

    /// The verdict so far.
    pub fn judgement(&self) -> Judgement {
        let confirmed = self.accounts.values().map(|judged| judged.record.confirmed).sum();
        Judgement { confirmed, ..self.judgement.clone() }
    }

    /// Notes that something is wrong.
    pub fn violation(&mut self, now: Timestamp, account_id: Option<AccountId>, what: &str) {
        if !self.has_seen_enough() {
            let whose = account_id.map_or_else(String::new, |id| format!(" account {id}:"));
            self.judgement.violations.push(format!("{now}{whose} {what}"));
        }
    }

    /// Something happened on the exchange. `clock` is what the program's clock shows.
    pub fn happened(&mut self, event: &ExchangeEvent, now: Timestamp, clock: Timestamp) {
        let account_id = match event {
            ExchangeEvent::Trade(trade) => {
                let (Some(judged), Some(worth)) =
                    (self.accounts.get_mut(&trade.account_id), self.worth.get(&trade.contract_id))
                else {
                    return;
                };
                if let Err(what) = judged.books.fill(trade, worth) {
                    self.violation(now, Some(trade.account_id), &what);
                }
                trade.account_id
            }
            ExchangeEvent::Order(order) => {
                let Some(judged) = self.accounts.get_mut(&order.account_id) else { return };
                judged.books.order(order);
                order.account_id
            }
            ExchangeEvent::Position(position) => {
                let Some(judged) = self.accounts.get_mut(&position.account_id) else { return };
                judged.books.position_ids.insert(position.contract_id.clone(), position.id);
                let held = judged.books.size(&position.contract_id);
                // Of a fill that turns a position round, both halves are told after both trades.
                if position.signed_size != held && position.signed_size != 0 {
                    let what = format!("the exchange tells {} of a position of {held}", position.signed_size);
                    self.violation(now, Some(position.account_id), &what);
                }
                return;
            }
            ExchangeEvent::Quote(quote) => {
                if let Some(worth) = self.worth.get_mut(&quote.contract_id) {
                    worth.last_nanos = Some(quote.last.nanos());
                }
                let holds = |judged: &Judged| judged.books.size(&quote.contract_id) != 0;
                let holders: Vec<AccountId> =
                    self.accounts.iter().filter(|(_, judged)| holds(judged)).map(|(id, _)| *id).collect();
                holders.into_iter().for_each(|account_id| self.look_at(account_id, now, clock));
                return;
            }
            ExchangeEvent::Account(account) => {
                let Some(judged) = self.accounts.get_mut(&account.id) else { return };
                let may_not_trade = !account.can_trade;
                if std::mem::replace(&mut judged.books.may_not_trade, may_not_trade) == may_not_trade {
                    return;
                }
                account.id
            }
            ExchangeEvent::MarketTrade { .. } => return,
        };
        self.look_at(account_id, now, clock);
    }

    /// Looks at every account; to be called about once a second, and after everything has happened.
    pub fn time_passed(&mut self, now: Timestamp, clock: Timestamp) {
        let account_ids: Vec<AccountId> = self.accounts.keys().copied().collect();
        account_ids.into_iter().for_each(|account_id| self.look_at(account_id, now, clock));
    }

    /// A rule was found broken by the program. `holds_a_lock` when it only holds a lockout.
    pub fn decided(&mut self, account_id: AccountId, rule_id: RuleId, holds_a_lock: bool, why: &str, now: Timestamp) {
        let sharp = self.is_sharp(now);
        let Some(judged) = self.accounts.get_mut(&account_id) else { return };
        let problem = if judged.terms.healthy {
            Some(format!("a healthy account was touched by {rule_id}: {why}"))
        } else if holds_a_lock {
            judged.record.locked.is_none().then(|| format!("held a lock that there is not: {why}"))
        } else {
            let recent = judged.last_broken.get(&rule_id).is_some_and(|at| milliseconds_between(*at, now) <= REACT_MS);
            // A stop that is moved is nobody's breach.
            let moves_a_stop = rule_id == RuleId::TRADE_MANAGEMENT;
            (sharp && !recent && !moves_a_stop).then(|| format!("{rule_id} was not broken: {why}"))
        };
        if !holds_a_lock {
            judged.last_decided.insert(rule_id, now);
            self.judgement.breaches += 1;
        }
        if let Some(what) = problem {
            self.violation(now, Some(account_id), &what);
        }
    }

    /// A lockout was set. `clock` is what the program's clock shows.
    pub fn locked(&mut self, lockout: &Lockout, now: Timestamp, clock: Timestamp) {
        let Some(judged) = self.accounts.get_mut(&lockout.account_id) else { return };
        let may_trade_again = !judged.books.may_not_trade;
        let mut problem = judged.record.lock(lockout, may_trade_again).err();
        let term = judged.terms.terms.iter().find(|term| term.rule_id() == lockout.rule_id);
        let expected = match term.and_then(Term::lock) {
            Some(Lasts::ToReset) => Some(Some(judged.terms.turn.around(clock).1)),
            Some(Lasts::ForEver) => Some(None),
            Some(Lasts::AsLongAsForbidden) => Some(None),
            Some(Lasts::Pause { seconds }) => {
                let longest = seconds * 1_000 + LATE_PAUSE_MS;
                let fits = |until: &Timestamp| (0..=longest).contains(&milliseconds_between(clock, *until));
                lockout.locked_until.filter(fits).map(Some)
            }
            None => None,
        };
        if expected != Some(lockout.locked_until) {
            let lasts = |until: Option<Timestamp>| until.map_or("without end".to_owned(), |until| until.to_string());
            let expected = expected.map_or("no lockout".to_owned(), lasts);
            let what = format!("{} locked {}, expected {expected}", lockout.rule_id, lasts(lockout.locked_until));
            problem.get_or_insert(what);
        }
        if let Some(what) = problem {
            self.violation(now, Some(lockout.account_id), &what);
        }
    }

    /// The end of a lockout is being written down.
    pub fn unlocking(&mut self, account_id: AccountId, now: Timestamp, clock: Timestamp) {
        let Some(judged) = self.accounts.get_mut(&account_id) else { return };
        let may_trade_again = !judged.books.may_not_trade;
        if let Err(what) = judged.record.unlock(clock, may_trade_again) {
            self.violation(now, Some(account_id), &what);
        }
    }

    /// The end of a lockout is durable.
    pub fn unlocked(&mut self, account_id: AccountId) {
        if let Some(judged) = self.accounts.get_mut(&account_id) {
            judged.record.unlocked();
        }
    }

    /// A row of the log was written.
    pub fn row(&mut self, log: &EnforcementLog, goal: Option<&Goal>, now: Timestamp) {
        let Some(judged) = self.accounts.get_mut(&log.account_id) else { return };
        let of_rule = |term: &&Term| term.rule_id() == log.rule_id;
        let lock = judged.terms.terms.iter().find(of_rule).and_then(Term::lock);
        let may_repeat = matches!(lock, Some(Lasts::Pause { .. }));
        if let Err(what) = judged.record.row(log, goal, may_repeat) {
            self.violation(now, Some(log.account_id), &what);
        }
    }

    /// The program closes `size` contracts of a position, or all. `on_its_way` is what its earlier closes will still buy
    /// (or sell, negative).
    ///
    /// One for a position that somebody turned round meanwhile is on the side of the new position: together with the
    /// close of that one it reverses nothing, and does not count.
    pub fn closing(
        &mut self,
        account_id: AccountId,
        contract_id: &ContractId,
        size: Option<i64>,
        on_its_way: &[i64],
        now: Timestamp,
    ) {
        let Some(judged) = self.accounts.get(&account_id) else { return };
        if let Err(what) = judged.books.closing(contract_id, size, on_its_way) {
            self.violation(now, Some(account_id), &what);
        }
    }

    /// A look was served. Gives what the books show, to be handed to [`Oracle::saw`] when the answer arrives.
    pub fn look(&self, account_id: AccountId, asked_at: Timestamp) -> Option<Seen> {
        let books = &self.accounts.get(&account_id)?.books;
        Some(Seen {
            asked_at,
            sizes: books.holdings().map(|(id, size)| (id.clone(), size.abs())).collect(),
            position_ids: books.position_ids.clone(),
            orders: books.orders.clone(),
            stops: books.stops_of_the_program().collect(),
        })
    }

    /// The answer to a look arrived.
    pub fn saw(&mut self, account_id: AccountId, seen: Seen) {
        if let Some(judged) = self.accounts.get_mut(&account_id) {
            judged.record.saw(seen);
        }
    }

    /// The program starts with this in its database.
    pub fn started(&mut self, account_id: AccountId, lockout: Option<&Lockout>, pending: Vec<(EnforcementLog, Goal)>) {
        if let Some(judged) = self.accounts.get_mut(&account_id) {
            judged.record.remember(lockout, pending);
        }
    }

    /// What the program's lockout must be now.
    pub fn expected_lock(&self, account_id: AccountId) -> Option<(RuleId, Option<Timestamp>)> {
        let locked = self.accounts.get(&account_id)?.record.locked.as_ref()?;
        Some((locked.rule_id, locked.until))
    }

    /// Rows of an account that are not confirmed.
    pub fn pending(&self, account_id: AccountId) -> usize {
        self.accounts.get(&account_id).map_or(0, |judged| judged.record.pending().count())
    }

    /// Whether orders of an account can be cancelled.
    pub fn can_cancel(&self, account_id: AccountId) -> bool {
        self.accounts.get(&account_id).is_some_and(|judged| judged.terms.can_cancel)
    }

    /// Realized P&L of the account's day, in millionths of a dollar, by the program's clock.
    pub fn realized_micros(&self, account_id: AccountId, clock: Timestamp) -> i64 {
        self.accounts.get(&account_id).map_or(0, |judged| {
            let (from, to) = judged.terms.turn.around(clock);
            judged.books.realized_micros(from, to).0
        })
    }

    /// Contracts held of an account, with sign.
    pub fn sizes(&self, account_id: AccountId) -> BTreeMap<ContractId, i64> {
        let holdings = |judged: &Judged| judged.books.holdings().map(|(id, size)| (id.clone(), size)).collect();
        self.accounts.get(&account_id).map(holdings).unwrap_or_default()
    }

    /// Whether nothing was in the way for so long that the program must know everything.
    pub fn is_sharp(&self, now: Timestamp) -> bool {
        milliseconds_between(self.impeded_at, now) > BOUND_MS
    }

    fn look_at(&mut self, account_id: AccountId, now: Timestamp, clock: Timestamp) {
        let (impeded_at, sharp) = (self.impeded_at, self.is_sharp(now));
        let Some(judged) = self.accounts.get_mut(&account_id) else { return };
        if clock < judged.day.0 || clock >= judged.day.1 {
            judged.day = judged.terms.turn.around(clock);
        }
        let moment = Moment { books: &judged.books, worth: &self.worth, day: judged.day, clock };
        let mut present = Vec::new();
        for term in &judged.terms.terms {
            present.extend(term.broken(&moment).into_iter().map(|broken| (term.rule_id(), term.lock(), broken)));
        }
        judged.broken.retain(|(rule_id, contract_id), _| {
            present.iter().any(|(rule, _, broken)| rule == rule_id && broken.contract_id == *contract_id)
        });
        let mut problems = Vec::new();
        for (rule_id, lock, broken) in present {
            if judged.notice(rule_id, broken, now) {
                *self.judgement.broken.entry(rule_id).or_default() += 1;
            }
            problems.extend(judged.missed(rule_id, lock, impeded_at, sharp, now));
        }
        problems.extend(judged.left_over(impeded_at, now));
        problems.extend(judged.stray_stop(impeded_at, now));
        for what in problems {
            self.violation(now, Some(account_id), &what);
        }
    }
}

impl Judged {
    /// Takes note of a broken term. Says whether it was not broken before.
    fn notice(&mut self, rule_id: RuleId, broken: Broken, now: Timestamp) -> bool {
        self.last_broken.insert(rule_id, now);
        let key = (rule_id, broken.contract_id);
        let is_new = !self.broken.contains_key(&key);
        let since = self.broken.entry(key).or_insert_with(|| Since {
            at: now,
            certain_at: None,
            why: String::new(),
            told: false,
        });
        since.why = broken.why;
        if broken.for_certain {
            since.certain_at.get_or_insert(now);
        } else {
            since.certain_at = None;
        }
        is_new
    }

    /// What was not done about broken terms of a rule.
    fn missed(
        &mut self,
        rule_id: RuleId,
        lock: Option<Lasts>,
        impeded_at: Timestamp,
        sharp: bool,
        now: Timestamp,
    ) -> Vec<String> {
        let is_locked = self.record.locked.is_some();
        let decided_at = self.last_decided.get(&rule_id).copied();
        // A position that another rule closes needs no stop any more.
        let needs_a_stop = rule_id == RuleId::TRADE_MANAGEMENT;
        let is_under_way = self.record.pending().any(|log| needs_a_stop || log.rule_id == rule_id);
        let mut problems = Vec::new();
        for ((_, _), since) in self.broken.range_mut((rule_id, None)..).take_while(|((rule, _), _)| *rule == rule_id) {
            let Some(certain_at) = since.certain_at.filter(|_| !since.told) else { continue };
            let broken_ms = milliseconds_between(certain_at, now);
            // One that goes and comes back while its enforcement is under way is part of it.
            let decided = is_locked
                || is_under_way
                || decided_at.is_some_and(|at| milliseconds_between(since.at, at) >= -REACT_MS);
            // A term that is broken for good is mended by the lock alone.
            let is_mended = lock.is_some() && is_locked;
            let in_peace_ms = milliseconds_between(certain_at.max(impeded_at), now);
            let problem = if sharp && certain_at > impeded_at && broken_ms > REACT_MS && !decided {
                Some(format!("{rule_id} is broken for {broken_ms} ms and nothing was decided"))
            } else if in_peace_ms > BOUND_MS && !is_mended {
                Some(format!("{rule_id} is broken for {broken_ms} ms, {in_peace_ms} of them with nothing in the way"))
            } else {
                None
            };
            if let Some(problem) = problem {
                since.told = true;
                problems.push(format!("{problem}: {}", since.why));
            }
        }
        problems
    }

    /// A stop of the program's that stands for no position.
    fn stray_stop(&mut self, impeded_at: Timestamp, now: Timestamp) -> Option<String> {
        let Some(order_id) = self.books.strays().next() else {
            self.stray_since = None;
            return None;
        };
        let since = *self.stray_since.get_or_insert(now);
        let in_peace_ms = milliseconds_between(since.max(impeded_at), now);
        (in_peace_ms > BOUND_MS).then(|| {
            // Told once.
            self.stray_since = Some(now);
            format!("stop {order_id} of the program's stands for no position for {in_peace_ms} ms")
        })
    }

    /// What is left in a locked account.
    fn left_over(&mut self, impeded_at: Timestamp, now: Timestamp) -> Option<String> {
        let is_pause = |locked: &super::rows::Locked| {
            let of_rule = |term: &&Term| term.rule_id() == locked.rule_id;
            let lock = self.terms.terms.iter().find(of_rule).and_then(Term::lock);
            matches!(lock, Some(Lasts::Pause { .. }))
        };
        // What was held when a pause began may stay.
        if self.record.locked.as_ref().is_some_and(is_pause) {
            self.occupied_since = None;
            return None;
        }
        let is_occupied = !self.books.is_flat() || (self.terms.can_cancel && !self.books.orders.is_empty());
        if self.record.locked.is_none() || !is_occupied {
            self.occupied_since = None;
            return None;
        }
        let since = *self.occupied_since.get_or_insert(now);
        let in_peace_ms = milliseconds_between(since.max(impeded_at), now);
        (in_peace_ms > BOUND_MS).then(|| {
            // Told once.
            self.occupied_since = Some(now);
            let sizes: Vec<String> = self.books.holdings().map(|(id, size)| format!("{size} {id}")).collect();
            let orders = self.books.orders.len();
            format!("locked, and not empty for {in_peace_ms} ms: holds [{}], {orders} orders", sizes.join(", "))
        })
    }
}
