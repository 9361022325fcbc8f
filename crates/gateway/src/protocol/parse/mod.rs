//! Payloads into nouns and events: puts up with every form seen in practice, and refuses the rest by name.
//!
//! Accepted: bare objects, `{action, data}` wrappers, one row or a list of them, fields that are absent or null, numbers
//! as strings. Numbers are read from their text, exactly; nothing passes through a float. What cannot be read becomes
//! [`Event::Refused`] with as much as could be made out, and its payload, secrets out, is handed back for the log:
//! never a crash, never a silent skip.
//!
//! Architecture invariant: synchronous, no clock, no I/O. "Now" and the account of the subscription come in with the
//! [`Context`].

mod fields;
mod known;
mod rows;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use riskd_core::engine::{Event, Refusal};
use riskd_core::model::{
    Account, AccountId, Checks, Contract, ContractId, DEFAULT_CLOCK_SKEW_MS, Invalid, Noun, Order, Position, Quote,
    Trade, may_trade_below_zero,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::redact::redact;
use super::wire::{decode_text, event};
use known::Known;

/// Contract ids kept for reuse; far above the number of contracts that exist at one time.
const INTERNED_LIMIT: usize = 4_096;

/// Wrappers and lists inside each other beyond which a payload is refused.
const NESTING_LIMIT: usize = 8;

/// Where a payload came from: decides what an absent time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A hub sent it because something changed: an absent time is now.
    Hub,
    /// An answer of the REST interface: an absent time of change is the time of creation.
    Rest,
}

/// What the reader of a payload knows beyond the payload.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The present moment.
    pub now: Timestamp,
    /// Where it came from.
    pub source: Source,
    /// The account it must be about when it does not say: the only one subscribed to, or the one asked about.
    pub account_id: Option<AccountId>,
}

/// What came out of payloads.
#[derive(Debug, Default)]
pub struct Parsed {
    /// In the order of the payload; refused rows among them, as [`Event::Refused`].
    pub events: Vec<Event>,
    /// For each refused row, what to write to the log.
    pub refused: Vec<RefusedPayload>,
    /// Payloads that say nothing we need: unknown methods, quotes that only change a volume.
    pub ignored: u64,
}

/// A payload that failed its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPayload {
    /// What was wrong with it.
    pub refusal: Refusal,
    /// Its text, secrets out, cut when long.
    pub payload: String,
}

impl RefusedPayload {
    /// Takes the secrets out of the payload. `account_id` is the account it must be about if it does not say.
    pub fn new(account_id: Option<AccountId>, invalid: Invalid, payload: &str) -> Self {
        let account_id = match invalid.noun {
            Noun::Quote | Noun::Contract => None,
            noun => rows::account_of(noun, payload).or(account_id),
        };
        Self { refusal: Refusal { account_id, invalid }, payload: redact(payload) }
    }

    /// Writes it to the log.
    pub fn log(&self) {
        tracing::warn!(
            noun = %self.refusal.invalid.noun,
            error = %self.refusal.invalid,
            account_id = self.refusal.account_id.map(|id| id.0),
            payload = %self.payload,
            "a payload failed its checks"
        );
    }
}

/// What a position row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionNews {
    /// It is open.
    Open(Position),
    /// It is closed.
    Closed {
        /// The account that held it.
        account_id: AccountId,
        /// The contract it held.
        contract_id: ContractId,
    },
}

/// Reads payloads. Cloned parsers share what they know of accounts and positions, so that an update which leaves
/// something out can be completed from what REST said before.
#[derive(Debug, Clone)]
pub struct Parser {
    contract_ids: HashSet<ContractId>,
    known: Arc<Known>,
    clock_skew_ms: i64,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(DEFAULT_CLOCK_SKEW_MS)
    }
}

impl Parser {
    /// A parser that lets times lie `clock_skew_ms` ahead of now.
    pub fn new(clock_skew_ms: i64) -> Self {
        Self { contract_ids: HashSet::new(), known: Arc::new(Known::default()), clock_skew_ms }
    }

    /// Reads what a hub sent: the method it called and the arguments, a JSON array.
    pub fn hub_event(&mut self, target: &str, arguments: Option<&RawValue>, context: &Context, parsed: &mut Parsed) {
        let noun = match target {
            event::USER_ACCOUNT => Noun::Account,
            event::USER_ORDER => Noun::Order,
            event::USER_POSITION => Noun::Position,
            event::USER_TRADE => Noun::Trade,
            event::QUOTE => Noun::Quote,
            _ => {
                parsed.ignored += 1;
                return;
            }
        };
        let text = arguments.map_or("null", RawValue::get);
        let mut walk = Walk { noun, context: *context, contract_id: None, items: 0, parsed };
        if let Err(invalid) = self.walk(&mut walk, text, None, 0) {
            walk.refuse(invalid, text);
        } else if walk.items == 0 {
            walk.refuse(Invalid::absent(noun, "payload", "must carry at least one object"), text);
        }
    }

    /// Says that something arrived that was not even a message. It may have been a position, so it counts as one.
    pub fn unreadable(&mut self, noun: Noun, context: &Context, text: &str, parsed: &mut Parsed) {
        let mut walk = Walk { noun, context: *context, contract_id: None, items: 0, parsed };
        walk.refuse(Invalid::new(noun, "payload", excerpt(text), "must be a message of the hub protocol"), text);
    }

    /// Reads one account row.
    pub fn account(&mut self, row: &str, context: &Context) -> Result<Account, Invalid> {
        rows::account(self, row, context)
    }

    /// Reads one contract row.
    pub fn contract(&mut self, row: &str) -> Result<Contract, Invalid> {
        rows::contract(self, row)
    }

    /// Reads one order row.
    pub fn order(&mut self, row: &str, context: &Context) -> Result<Order, Invalid> {
        rows::order(self, row, context, false)
    }

    /// Reads one position row.
    pub fn position(&mut self, row: &str, context: &Context) -> Result<PositionNews, Invalid> {
        rows::position(self, row, context, false)
    }

    /// Reads one trade row.
    pub fn trade(&mut self, row: &str, context: &Context) -> Result<Trade, Invalid> {
        rows::trade(self, row, context)
    }

    /// Reads the data of one quote; nothing when no price changed. `contract_id` is what stood before the data.
    pub fn quote(
        &mut self,
        contract_id: Option<ContractId>,
        row: &str,
        context: &Context,
    ) -> Result<Option<Quote>, Invalid> {
        rows::quote(self, contract_id, row, context)
    }

    fn walk(&mut self, walk: &mut Walk<'_>, text: &str, action: Option<i64>, depth: usize) -> Result<(), Invalid> {
        if depth > NESTING_LIMIT {
            return Err(Invalid::new(walk.noun, "payload", excerpt(text), "must not be nested so deeply"));
        }
        match text.as_bytes().first() {
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| not_an_object(walk.noun, text))?;
                for item in items {
                    if let Err(invalid) = self.walk(walk, item.get(), action, depth + 1) {
                        walk.refuse(invalid, item.get());
                    }
                }
                Ok(())
            }
            Some(b'{') => {
                let wrapper: Wrapper<'_> = serde_json::from_str(text).map_err(|_| not_an_object(walk.noun, text))?;
                match wrapper.data.filter(|data| data.get().starts_with(['{', '['])) {
                    Some(data) => self.walk(walk, data.get(), wrapper.action().or(action), depth + 1),
                    None => self.row(walk, text, action),
                }
            }
            // The gateway puts a contract's id before the data of a quote; an account's id is understood the same way.
            Some(_) if depth == 1 && walk.items == 0 => self.key(walk, text),
            _ => Err(not_an_object(walk.noun, text)),
        }
    }

    fn row(&mut self, walk: &mut Walk<'_>, row: &str, action: Option<i64>) -> Result<(), Invalid> {
        walk.items += 1;
        let deleted = action == Some(DELETED);
        let context = &walk.context;
        let event = match walk.noun {
            Noun::Account => self.account(row, context).map(Event::Account),
            Noun::Order => rows::order(self, row, context, deleted).map(Event::Order),
            Noun::Position => rows::position(self, row, context, deleted).map(|news| match news {
                PositionNews::Open(position) => Event::Position(position),
                PositionNews::Closed { account_id, contract_id } => Event::PositionClosed { account_id, contract_id },
            }),
            Noun::Trade => self.trade(row, context).map(Event::Trade),
            _ => match self.quote(walk.contract_id.clone(), row, context) {
                Ok(Some(quote)) => Ok(Event::Quote(quote)),
                Ok(None) => {
                    walk.parsed.ignored += 1;
                    return Ok(());
                }
                Err(invalid) => Err(invalid),
            },
        };
        match event {
            Ok(event) => walk.parsed.events.push(event),
            Err(invalid) => walk.refuse(invalid, row),
        }
        Ok(())
    }

    fn key(&mut self, walk: &mut Walk<'_>, text: &str) -> Result<(), Invalid> {
        let key = decode_text(text).ok_or_else(|| not_an_object(walk.noun, text))?;
        if walk.noun == Noun::Quote {
            walk.contract_id = Some(self.intern(&key, Noun::Quote)?);
            return Ok(());
        }
        let id: i64 = key.parse().map_err(|_| not_an_object(walk.noun, text))?;
        walk.context.account_id = Some(AccountId(id));
        Ok(())
    }

    fn intern(&mut self, text: &str, noun: Noun) -> Result<ContractId, Invalid> {
        if let Some(known) = self.contract_ids.get(text) {
            return Ok(known.clone());
        }
        let id = ContractId::new(text, noun)?;
        if self.contract_ids.len() >= INTERNED_LIMIT {
            self.contract_ids.clear();
        }
        self.contract_ids.insert(id.clone());
        Ok(id)
    }

    fn checks(&self, context: &Context, contract_id: &ContractId) -> Checks {
        Checks { now: context.now, clock_skew_ms: self.clock_skew_ms, allows_negative_price: false }
            .allowing_negative_price(may_trade_below_zero(contract_id))
    }
}

/// The action of a wrapper that takes its row away; 0 creates and 1 updates. Source: the gateway's order updates.
const DELETED: i64 = 2;

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Wrapper<'_> {
    fn action(&self) -> Option<i64> {
        self.action.and_then(|raw| raw.get().trim_matches('"').parse().ok())
    }
}

/// One payload on its way through the parser.
struct Walk<'a> {
    noun: Noun,
    context: Context,
    contract_id: Option<ContractId>,
    /// Rows and refusals so far.
    items: usize,
    parsed: &'a mut Parsed,
}

impl Walk<'_> {
    fn refuse(&mut self, invalid: Invalid, text: &str) {
        self.items += 1;
        let refused = RefusedPayload::new(self.context.account_id, invalid, text);
        self.parsed.events.push(Event::Refused(refused.refusal.clone()));
        self.parsed.refused.push(refused);
    }
}

fn not_an_object(noun: Noun, text: &str) -> Invalid {
    Invalid::new(noun, "payload", excerpt(text), "must be a JSON object")
}

/// The beginning of a text, secrets out, short enough for an error.
fn excerpt(text: &str) -> Cow<'static, str> {
    const LIMIT: usize = 80;
    let clean = redact(text);
    match clean.char_indices().nth(LIMIT) {
        Some((end, _)) => Cow::Owned(format!("{}…", &clean[..end])),
        None => Cow::Owned(clean),
    }
}
