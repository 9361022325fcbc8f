//! How the broker answers: requests that arrive, orders that fill, looks that are taken.

use super::*;

impl World {
    pub(super) fn answer(&mut self, milliseconds: i64, request_id: RequestId, result: Result<(), RequestFailure>) {
        self.plan(milliseconds, Task::Input(Event::Answer { request_id, result }));
    }

    pub(super) fn arrive(&mut self, request: Request, sent_at: Timestamp) {
        match (&request.kind, request.account_id) {
            (RequestKind::Snapshot { trades_since }, Some(account_id)) => {
                self.serve_look(request.id, account_id, sent_at, *trades_since);
            }
            (RequestKind::DescribeContract(contract_id), _) => {
                let described = contract(contract_id.as_str());
                self.plan(FROM_BROKER_MS, Task::Input(Event::Contract(described)));
                self.answer(FROM_BROKER_MS, request.id, Ok(()));
            }
            (RequestKind::FindOrder { tag, .. }, Some(account_id)) => {
                if self.broker.looks.front() == Some(&Look::Failed) {
                    self.broker.looks.pop_front();
                    return self.answer(FROM_BROKER_MS, request.id, Err(lost()));
                }
                let account = self.broker.account(account_id);
                let all = account.orders.values().chain(&account.finished_stops);
                let found = all.filter(|order| order.custom_tag.as_ref() == Some(tag)).cloned().collect::<Vec<_>>();
                for order in found {
                    self.plan(FROM_BROKER_MS, Task::Input(Event::Order(order)));
                }
                self.answer(FROM_BROKER_MS, request.id, Ok(()));
            }
            (kind, Some(account_id)) => {
                let outcome = self.broker.outcomes.pop_front().unwrap_or(Outcome::Done);
                let done = match outcome {
                    Outcome::Refused(code) => Err(refused(code)),
                    Outcome::AcceptedNotDone => Ok(()),
                    _ => self.act(account_id, kind),
                };
                match outcome {
                    Outcome::AnswerLost => self.answer(TIMEOUT_MS, request.id, Err(lost())),
                    _ => self.answer(FROM_BROKER_MS, request.id, done),
                }
            }
            (kind, None) => panic!("{kind:?} needs an account"),
        }
    }

    fn act(&mut self, account_id: AccountId, kind: &RequestKind) -> Result<(), RequestFailure> {
        match kind {
            RequestKind::ClosePosition(contract_id) => match self.broker.size(account_id, contract_id) {
                0 => Err(refused(2)),
                size => self.accept_market_order(account_id, contract_id, -size),
            },
            RequestKind::ReducePosition { contract_id, size } => {
                let held = self.broker.size(account_id, contract_id);
                match held.abs() {
                    0 => Err(refused(2)),
                    most if *size > most => Err(refused(5)),
                    _ => self.accept_market_order(account_id, contract_id, -held.signum() * size),
                }
            }
            RequestKind::CancelOrder(order_id) => {
                let order = self.broker.account(account_id).orders.remove(order_id).ok_or_else(|| refused(2))?;
                let mut draft = order.into_draft();
                draft.state = OrderState::Cancelled;
                let cancelled = Order::new(draft, &checks()).unwrap();
                self.plan(HUB_MS, Task::UserHub(Event::Order(cancelled)));
                Ok(())
            }
            RequestKind::PlaceStop { contract_id, side, size, stop_price, tag } => {
                self.accept_stop(account_id, contract_id, *side, *size, *stop_price, tag)
            }
            RequestKind::MoveStop { order_id, size, stop_price, limit_price } => {
                self.change_stop(account_id, *order_id, *size, *stop_price, *limit_price)
            }
            RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) | RequestKind::FindOrder { .. } => Ok(()),
        }
    }

    fn accept_stop(
        &mut self,
        account_id: AccountId,
        contract_id: &ContractId,
        side: Side,
        size: i64,
        stop: Price,
        tag: &std::sync::Arc<str>,
    ) -> Result<(), RequestFailure> {
        let last = self.broker.prices[contract_id];
        let account = self.broker.account(account_id);
        let is_used =
            account.orders.values().chain(&account.finished_stops).any(|known| known.custom_tag.as_ref() == Some(tag));
        if is_used || is_reached(side, stop, last) {
            return Err(refused(2));
        }
        let number = self.broker.number();
        let order = order(number, account_id, contract_id.as_str(), OrderType::Stop, side, size, OrderState::Working);
        let mut draft = order.into_draft();
        (draft.stop_price, draft.custom_tag) = (Some(stop), Some(tag.clone()));
        (draft.created_at, draft.updated_at) = (self.now, self.now);
        let working = Order::new(draft, &checks()).unwrap();
        self.broker.account(account_id).orders.insert(working.id, working.clone());
        self.plan(HUB_MS, Task::UserHub(Event::Order(working)));
        Ok(())
    }

    fn change_stop(
        &mut self,
        account_id: AccountId,
        order_id: OrderId,
        size: Option<i64>,
        stop: Option<Price>,
        limit: Option<Price>,
    ) -> Result<(), RequestFailure> {
        let order = self.broker.account(account_id).orders.get(&order_id).cloned().ok_or_else(|| refused(2))?;
        let mut draft = order.into_draft();
        draft.size = size.unwrap_or(draft.size);
        draft.stop_price = stop.or(draft.stop_price);
        draft.limit_price = limit.or(draft.limit_price);
        draft.updated_at = self.now;
        let last = self.broker.prices[&draft.contract_id];
        if draft.stop_price.is_some_and(|stop| is_reached(draft.side, stop, last)) {
            return Err(refused(3));
        }
        let changed = Order::new(draft, &checks()).map_err(|_| refused(3))?;
        let before = self.broker.account(account_id).orders.get(&order_id).and_then(|order| order.stop_price);
        self.loosened |= match changed.side {
            Side::Sell => changed.stop_price < before,
            _ => changed.stop_price > before,
        };
        self.broker.account(account_id).orders.insert(order_id, changed.clone());
        self.plan(HUB_MS, Task::UserHub(Event::Order(changed)));
        Ok(())
    }

    /// Fills every stop of the contract that the price has reached.
    pub(super) fn trigger_stops(&mut self, contract_id: &ContractId) {
        let last = self.broker.prices[contract_id];
        let is_due = |order: &&Order| {
            order.contract_id == *contract_id
                && order.state == OrderState::Working
                && matches!(order.order_type, OrderType::Stop | OrderType::StopLimit)
                && order.stop_price.is_some_and(|stop| is_reached(order.side, stop, last))
        };
        let accounts = self.broker.accounts.iter();
        let due: Vec<(AccountId, OrderId)> = accounts
            .flat_map(|(id, account)| account.orders.values().filter(is_due).map(|order| (*id, order.id)))
            .collect();
        for (account_id, order_id) in due {
            self.fill(account_id, order_id);
        }
    }

    fn accept_market_order(
        &mut self,
        account_id: AccountId,
        contract_id: &ContractId,
        change: i64,
    ) -> Result<(), RequestFailure> {
        let side = if change > 0 { Side::Buy } else { Side::Sell };
        // The trader of these tests trades at once: every market order that works is ours.
        self.doubled |= self.broker.account(account_id).orders.values().any(|order| {
            order.order_type == OrderType::Market && order.contract_id == *contract_id && order.side == side
        });
        let order_id = self.broker.number();
        let working = order(
            order_id,
            account_id,
            contract_id.as_str(),
            OrderType::Market,
            side,
            change.abs(),
            OrderState::Working,
        );
        let mut draft = working.into_draft();
        (draft.created_at, draft.updated_at) = (self.now, self.now);
        let working = Order::new(draft, &checks()).unwrap();
        self.broker.account(account_id).orders.insert(working.id, working.clone());
        self.plan(HUB_MS, Task::UserHub(Event::Order(working.clone())));
        let fill = Task::Fill { account_id, order_id: working.id };
        if self.broker.fill_ms == 0 {
            self.deliver(fill);
        } else {
            self.plan(self.broker.fill_ms, fill);
        }
        Ok(())
    }

    pub(super) fn fill(&mut self, account_id: AccountId, order_id: OrderId) {
        let Some(order) = self.broker.account(account_id).orders.remove(&order_id) else {
            return;
        };
        let before = self.broker.size(account_id, &order.contract_id);
        let change = if order.side == Side::Buy { order.size } else { -order.size };
        self.crossed_zero |= before == 0 || (before + change).signum() == -before.signum();
        let mut draft = order.clone().into_draft();
        (draft.state, draft.filled_size) = (OrderState::Filled, draft.size);
        let filled = Order::new(draft, &checks()).unwrap();
        self.broker.account(account_id).finished_stops.extend(filled.is_our_stop().then(|| filled.clone()));
        self.plan(HUB_MS, Task::UserHub(Event::Order(filled)));
        for event in self.broker.fill(account_id, &order.contract_id, change, self.now) {
            self.plan(HUB_MS, Task::UserHub(event));
        }
    }

    fn serve_look(
        &mut self,
        request_id: RequestId,
        account_id: AccountId,
        asked_at: Timestamp,
        since: Option<Timestamp>,
    ) {
        let look = self.broker.looks.pop_front().unwrap_or(Look::Answered);
        if look == Look::Failed {
            return self.answer(FROM_BROKER_MS, request_id, Err(lost()));
        }
        let orders: Vec<_> = self.broker.accounts[&account_id].orders.values().cloned().collect();
        let trades = self.broker.accounts[&account_id]
            .trades
            .values()
            .filter(|trade| since.is_some_and(|since| trade.execution_time >= since));
        let mut snapshot = Snapshot {
            account_id,
            asked_at,
            account: since.and(self.broker.accounts[&account_id].row.clone()),
            positions: self.broker.positions(account_id),
            orders,
            trades: trades.cloned().collect(),
            trades_since: since,
            refused: Vec::new(),
        };
        let refusal = |noun| Invalid::new(noun, "size", "x", "must be a decimal number");
        match look {
            Look::PositionsUnreadable => {
                snapshot.refused = snapshot.positions.drain(..).map(|_| refusal(Noun::Position)).collect();
            }
            Look::OrdersUnreadable => {
                snapshot.refused = snapshot.orders.drain(..).map(|_| refusal(Noun::Order)).collect();
            }
            Look::TradeUnreadable => snapshot.refused.push(refusal(Noun::Trade)),
            Look::Answered | Look::Failed => {}
        }
        let flat = self.broker.is_flat(account_id);
        let no_orders = self.broker.accounts[&account_id].orders.is_empty();
        self.served.insert(account_id, Served { asked_at, flat, no_orders });
        let delay = FROM_BROKER_MS + self.look_delay_ms;
        self.plan(delay, Task::Input(Event::Snapshot(Box::new(snapshot))));
        self.answer(delay, request_id, Ok(()));
    }
}

/// Whether the request changes anything at the broker.
pub(super) fn acts(kind: &RequestKind) -> bool {
    !matches!(kind, RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) | RequestKind::FindOrder { .. })
}

/// Whether a stop on this side is reached at the price.
fn is_reached(side: Side, stop: Price, last: Price) -> bool {
    if side == Side::Sell { last <= stop } else { last >= stop }
}

pub(super) fn refused(code: i32) -> RequestFailure {
    RequestFailure::Refused { code, message: "refused".to_owned() }
}

pub(super) fn lost() -> RequestFailure {
    RequestFailure::Unknown { message: "no answer in time".to_owned() }
}
