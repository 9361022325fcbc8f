//! The oracle finds what is wrong: each of its judgements is shown to be able to fail.

use std::collections::BTreeMap;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::Goal;
use riskd_core::model::{
    AccountId, EnforcementAction, EnforcementId, EnforcementLog, EnforcementLogDraft, EnforcementStatus, Lockout,
    LockoutDraft, Price, RuleId, Side,
};
use riskd_sim::exchange::{AccountRecord, Exchange, ExchangeConfig, OrderTicket, contract_id};
use riskd_sim::oracle::{AccountTerms, BOUND_MS, DayTurn, Lasts, Oracle, REACT_MS, Term};

const ACCOUNT: AccountId = AccountId(1);
const RESET: &str = "2026-03-10T21:00:00Z";
const FLAT: Goal = Goal::Flat { cancel_orders: false };

/// An exchange and an oracle that watches it.
struct Scene {
    exchange: Exchange,
    oracle: Oracle,
    now: Timestamp,
}

impl Scene {
    fn new(terms: Vec<Term>) -> Self {
        let now = "2026-03-10T14:00:00Z".parse().unwrap();
        let accounts = vec![AccountRecord::new(ACCOUNT.0, "a")];
        let exchange = Exchange::new(ExchangeConfig { accounts, ..ExchangeConfig::default() });
        let zone = TimeZone::get("America/New_York").unwrap();
        let turn = DayTurn { reset: Time::constant(17, 0, 0, 0), zone };
        let held_to = AccountTerms { terms, turn, healthy: false, can_cancel: true };
        let oracle = Oracle::new(BTreeMap::from([(ACCOUNT, held_to)]), exchange.listings(), now);
        let mut scene = Self { exchange, oracle, now };
        scene.price("5000");
        scene.wait(BOUND_MS + 1_000);
        scene
    }

    fn price(&mut self, price: &str) {
        let contract = contract_id("MES").unwrap();
        self.exchange.tick(&contract, Price::parse(price).unwrap(), self.now).unwrap();
        self.spread();
    }

    fn buy(&mut self, size: i64) {
        let ticket = OrderTicket::market(ACCOUNT, contract_id("MES").unwrap(), Side::Buy, size);
        self.exchange.place(ticket, self.now).unwrap();
        self.spread();
    }

    fn spread(&mut self) {
        for event in self.exchange.take_events() {
            self.oracle.happened(&event, self.now, self.now);
        }
    }

    fn wait(&mut self, milliseconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_millis(milliseconds)).unwrap();
        self.oracle.time_passed(self.now, self.now);
    }

    fn lock(&mut self, rule: u8, until: Option<&str>) {
        let draft = LockoutDraft {
            account_id: ACCOUNT,
            reason: "a test".to_owned(),
            rule_id: RuleId::from_number(rule).unwrap(),
            locked_at: self.now,
            locked_until: until.map(|until| until.parse().unwrap()),
        };
        self.oracle.locked(&Lockout::new(draft).unwrap(), self.now, self.now);
    }

    fn decide(&mut self, rule: u8) {
        self.oracle.decided(ACCOUNT, RuleId::from_number(rule).unwrap(), false, "a test", self.now);
    }

    /// A row of RULE-001: pending with a goal, confirmed without.
    fn row(&mut self, id: i64, goal: Option<&Goal>) {
        let done = goal.is_none();
        let log = EnforcementLog::new(EnforcementLogDraft {
            id: Some(EnforcementId(id)),
            timestamp: self.now,
            account_id: ACCOUNT,
            rule_id: RuleId::MAX_CONTRACTS,
            action: EnforcementAction::CloseAllPositions,
            reason: "a test".to_owned(),
            success: done,
            status: if done { EnforcementStatus::Confirmed } else { EnforcementStatus::Pending },
            error_message: None,
            positions_closed: 0,
            orders_cancelled: 0,
            lockout_until: None,
            pnl_at_enforcement: None,
            execution_time_ms: done.then_some(1),
        });
        self.oracle.row(&log.unwrap(), goal, self.now);
    }

    fn found(&self, text: &str) {
        let violations = self.oracle.judgement().violations;
        assert!(violations.iter().any(|violation| violation.contains(text)), "{text:?} in {violations:#?}");
    }

    fn found_nothing(&self) {
        assert_eq!(self.oracle.judgement().violations, Vec::<String>::new());
    }
}

fn two_contracts(lock: Option<Lasts>) -> Vec<Term> {
    vec![Term::MaxContracts { limit: 2, gross: true, reduces: false, lock }]
}

#[test]
fn a_breach_that_nobody_decides_about_is_missed() {
    let mut scene = Scene::new(two_contracts(None));
    scene.buy(2);
    scene.wait(REACT_MS + 100);
    scene.found_nothing();
    scene.buy(1);
    scene.wait(REACT_MS);
    scene.found_nothing();
    scene.wait(100);
    scene.found("nothing was decided");
}

#[test]
fn a_breach_that_stays_is_found_though_it_was_decided_about() {
    let mut scene = Scene::new(two_contracts(None));
    scene.buy(3);
    scene.decide(1);
    scene.wait(BOUND_MS - 100);
    scene.found_nothing();
    scene.wait(200);
    scene.found("with nothing in the way");
}

#[test]
fn what_is_in_the_way_is_waited_for() {
    let mut scene = Scene::new(two_contracts(None));
    scene.buy(3);
    scene.oracle.impeded(scene.now);
    scene.wait(BOUND_MS);
    scene.found_nothing();
    scene.wait(1);
    scene.found("RULE-001 is broken");
}

#[test]
fn a_breach_without_cause_is_found_and_one_with_cause_is_not() {
    let mut scene = Scene::new(two_contracts(None));
    scene.buy(2);
    scene.decide(1);
    scene.found("RULE-001 was not broken");
    let mut scene = Scene::new(two_contracts(None));
    scene.buy(3);
    scene.decide(1);
    scene.found_nothing();
}

#[test]
fn money_counts_at_the_limit() {
    let terms = |dollars: i64| {
        vec![Term::UnrealizedLoss { limit_micros: dollars * 1_000_000, total: true, lock: Some(Lasts::ToReset) }]
    };
    // Bought at the ask, a tick above 5000, and 41 ticks of 1.25 dollars lower.
    for (limit, breaks) in [(51, true), (52, false)] {
        let mut scene = Scene::new(terms(limit));
        scene.buy(1);
        scene.price("4990.00");
        scene.wait(REACT_MS + 100);
        assert_eq!(!scene.oracle.judgement().violations.is_empty(), breaks, "limit {limit}");
    }
}

#[test]
fn a_lock_of_another_length_is_found() {
    let later = "2026-03-11T21:00:00Z";
    for (until, is_right) in [(Some(RESET), true), (None, false), (Some(later), false)] {
        let mut scene = Scene::new(two_contracts(Some(Lasts::ToReset)));
        scene.lock(1, until);
        if is_right { scene.found_nothing() } else { scene.found("expected 2026-03-10T21:00:00Z") }
    }
}

#[test]
fn a_lock_that_shortens_or_ends_early_is_found() {
    let mut terms = two_contracts(Some(Lasts::ToReset));
    terms.push(Term::RealizedLoss { limit_micros: 1, include_fees: false, lock: Some(Lasts::ForEver) });
    let mut scene = Scene::new(terms);
    scene.lock(3, None);
    scene.found_nothing();
    scene.lock(1, Some(RESET));
    scene.found("a lock shortened");
    let mut scene = Scene::new(two_contracts(Some(Lasts::ToReset)));
    scene.lock(1, Some(RESET));
    scene.oracle.unlocking(ACCOUNT, scene.now, scene.now);
    scene.found("ended early");
}

#[test]
fn a_locked_account_that_is_not_flat_is_found() {
    let mut scene = Scene::new(two_contracts(Some(Lasts::ToReset)));
    scene.lock(1, Some(RESET));
    scene.buy(1);
    scene.wait(1);
    scene.wait(BOUND_MS + 1);
    scene.found("locked, and not empty");
}

#[test]
fn a_lock_that_is_set_while_an_older_one_ends_stays() {
    for again in [false, true] {
        let mut scene = Scene::new(two_contracts(Some(Lasts::ToReset)));
        scene.lock(1, Some(RESET));
        scene.now = RESET.parse().unwrap();
        scene.oracle.unlocking(ACCOUNT, scene.now, scene.now);
        if again {
            scene.lock(1, Some("2026-03-11T21:00:00Z"));
        }
        scene.oracle.unlocked(ACCOUNT);
        scene.oracle.decided(ACCOUNT, RuleId::MAX_CONTRACTS, true, "a test", scene.now);
        if again { scene.found_nothing() } else { scene.found("held a lock that there is not") }
    }
}

#[test]
fn a_close_beside_one_on_its_way_is_found_and_not_beside_one_for_the_other_side() {
    // (contracts to close, what is on its way, wrong)
    for (size, on_its_way, wrong) in [
        (None, vec![], false),
        (None, vec![-1], true),
        (Some(2), vec![-1], false),
        (Some(2), vec![-1, -1], true),
        // For a short position that was turned round since.
        (None, vec![1], false),
        (Some(2), vec![1, -2], true),
    ] {
        let mut scene = Scene::new(two_contracts(None));
        scene.buy(3);
        scene.oracle.closing(ACCOUNT, &contract_id("MES").unwrap(), size, &on_its_way, scene.now);
        if wrong { scene.found("that is on its way") } else { scene.found_nothing() }
    }
}

#[test]
fn a_second_row_and_a_row_confirmed_without_proof_are_found() {
    let mut scene = Scene::new(two_contracts(None));
    scene.row(1, Some(&FLAT));
    scene.found_nothing();
    scene.row(2, Some(&FLAT));
    scene.found("a second row for one breach");
    let mut scene = Scene::new(two_contracts(None));
    scene.buy(1);
    scene.row(1, Some(&FLAT));
    let seen = scene.oracle.look(ACCOUNT, scene.now).unwrap();
    scene.oracle.saw(ACCOUNT, seen);
    scene.row(1, None);
    scene.found("confirmed before the books showed");
}

#[test]
fn a_position_without_a_stop_and_a_stop_without_a_position_are_found() {
    let terms = || vec![Term::Stops { stop_ticks: 10, breakeven_ticks: 10, activation_ticks: 20, distance_ticks: 10 }];
    let stop = |scene: &mut Scene, size: i64| {
        let contract = contract_id("MES").unwrap();
        let ticket = OrderTicket {
            custom_tag: Some(format!("riskd-stop-{size}")),
            ..OrderTicket::stop(ACCOUNT, contract, Side::Sell, size, Price::parse("4990").unwrap())
        };
        scene.exchange.place(ticket, scene.now).unwrap();
        scene.spread();
    };
    let mut scene = Scene::new(terms());
    scene.buy(2);
    scene.wait(REACT_MS + 1);
    scene.found("RULE-012 is broken for 2001 ms and nothing was decided: 2 CON.F.US.MES.M18 and stops for 0");

    let mut scene = Scene::new(terms());
    scene.buy(2);
    scene.decide(12);
    stop(&mut scene, 1);
    scene.wait(BOUND_MS + 1);
    scene.found("and stops for 1");

    let mut scene = Scene::new(terms());
    scene.buy(2);
    scene.decide(12);
    stop(&mut scene, 2);
    scene.wait(BOUND_MS + 1);
    scene.found_nothing();
    scene.exchange.close(ACCOUNT, &contract_id("MES").unwrap(), scene.now).unwrap();
    scene.spread();
    scene.wait(BOUND_MS);
    scene.found_nothing();
    scene.wait(1_001);
    scene.found("of the program's stands for no position");
}
