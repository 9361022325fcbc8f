//! Closing positions, whole or in part, now or after a delay.

use jiff::SignedDuration;
use riskd_core::model::{AccountId, ContractId, Side, Timestamp};

use super::matching::Meeting;
use super::orders::new_order;
use super::{CloseRefusal, Exchange, ExchangeEvent, OrderTicket};

/// A closing that was accepted and has not reached the market yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closing {
    account_id: AccountId,
    contract_id: ContractId,
    size: Option<i64>,
}

impl Exchange {
    /// Closes the whole position in a contract with a market order that can only make it smaller.
    ///
    /// Accepted does not mean done: with thin liquidity or a delay the position goes later.
    pub fn close(
        &mut self,
        account_id: AccountId,
        contract_id: &ContractId,
        now: Timestamp,
    ) -> Result<(), CloseRefusal> {
        self.accept_closing(account_id, contract_id, None, now)
    }

    /// Closes `size` contracts of a position. Live accounts cannot; nor can more be closed than is there.
    pub fn close_part(
        &mut self,
        account_id: AccountId,
        contract_id: &ContractId,
        size: i64,
        now: Timestamp,
    ) -> Result<(), CloseRefusal> {
        self.accept_closing(account_id, contract_id, Some(size), now)
    }

    /// When the next delayed closing is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.closings.keys().next().map(|(due, _)| *due)
    }

    /// Carries out what is due by now.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.closings.first_entry().filter(|entry| entry.key().0 <= now) {
            let closing = entry.remove();
            self.carry_out(&closing, now);
        }
    }

    fn accept_closing(
        &mut self,
        account_id: AccountId,
        contract_id: &ContractId,
        size: Option<i64>,
        now: Timestamp,
    ) -> Result<(), CloseRefusal> {
        let account = self.accounts.get(&account_id).ok_or(CloseRefusal::AccountNotFound)?;
        let listing = self.listings.get(contract_id).ok_or(CloseRefusal::ContractNotFound)?;
        if !listing.active {
            return Err(CloseRefusal::ContractNotActive);
        }
        let held = self.signed_size(account_id, contract_id).abs();
        if held == 0 {
            return Err(CloseRefusal::PositionNotFound);
        }
        if let Some(size) = size {
            if !(1..=held).contains(&size) {
                return Err(CloseRefusal::InvalidSize);
            }
            if !account.simulated {
                return Err(CloseRefusal::Rejected);
            }
        }
        if !self.is_open {
            return Err(CloseRefusal::Rejected);
        }
        let closing = Closing { account_id, contract_id: contract_id.clone(), size };
        if self.close_delay_ms > 0 {
            let due = now.checked_add(SignedDuration::from_millis(self.close_delay_ms)).unwrap_or(Timestamp::MAX);
            self.closings.insert((due, self.next_closing), closing);
            self.next_closing += 1;
        } else {
            self.carry_out(&closing, now);
        }
        Ok(())
    }

    /// Sends the market order. The position may be gone by now, or smaller: then there is less to do.
    fn carry_out(&mut self, closing: &Closing, now: Timestamp) {
        let held = self.signed_size(closing.account_id, &closing.contract_id);
        let size = closing.size.unwrap_or(held.abs()).min(held.abs());
        if size == 0 {
            return;
        }
        let side = if held > 0 { Side::Sell } else { Side::Buy };
        let id = self.take_order_id();
        let ticket = OrderTicket::market(closing.account_id, closing.contract_id.clone(), side, size);
        let mut order = new_order(id, &ticket, now);
        order.reduces_only = true;
        self.events.push(ExchangeEvent::Order(order.clone()));
        self.alive.insert(id, order);
        self.try_fill(id, Meeting::Arriving, now);
    }
}
