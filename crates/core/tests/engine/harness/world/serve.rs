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
            RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) => Ok(()),
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
    matches!(kind, RequestKind::ClosePosition(_) | RequestKind::ReducePosition { .. } | RequestKind::CancelOrder(_))
}

pub(super) fn refused(code: i32) -> RequestFailure {
    RequestFailure::Refused { code, message: "refused".to_owned() }
}

pub(super) fn lost() -> RequestFailure {
    RequestFailure::Unknown { message: "no answer in time".to_owned() }
}
