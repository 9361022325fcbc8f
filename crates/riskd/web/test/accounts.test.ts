import assert from "node:assert/strict";
import { test } from "node:test";
import { held, matches, nearestOf, passes, slice, sorted, stateOf, type Key } from "../src/lib/accounts.ts";
import type { Gauge, Lock, Summary } from "../src/lib/types.ts";

function gauge(fraction: number, unit: Gauge["unit"] = "dollars", limit = 500): Gauge {
  return { rule_id: "RULE-003", rule: "daily_realized_loss", unit, used: limit * fraction, limit, left: limit * (1 - fraction), fraction, contract_id: null };
}

const LOCK: Lock = { rule_id: "RULE-003", reason: "x", locked_at: "2026-01-15T19:00:00Z", locked_until: null };

function account(id: number, change: Partial<Summary> = {}): Summary {
  return {
    id,
    name: `Eval ${id}`,
    can_trade: true,
    certain: true,
    time_zone: "America/New_York",
    trading_day: "2026-01-15",
    day_starts_at: "2026-01-14T22:00:00Z",
    day_ends_at: "2026-01-15T22:00:00Z",
    realized_pnl: 0,
    unrealized_pnl: 0,
    unpriced_positions: 0,
    positions: 0,
    contracts: 0,
    orders: 0,
    lock: null,
    pending_enforcements: 0,
    not_armed: 0,
    nearest: null,
    ...change,
  };
}

const ids = (accounts: readonly Summary[]) => accounts.map((each) => each.id);

test("danger comes first: being closed, locked, then by the share of the limit used", () => {
  const given = [
    account(1, { nearest: gauge(0.5) }),
    account(2),
    account(3, { lock: LOCK }),
    account(4, { nearest: gauge(0.95) }),
    account(5, { pending_enforcements: 1, lock: LOCK }),
    account(6, { nearest: gauge(0.5) }),
  ];
  assert.deepEqual(ids(sorted(given, "risk")), [5, 3, 4, 1, 6, 2]);
  assert.deepEqual(ids(given), [1, 2, 3, 4, 5, 6], "what was given stays");
});

test("each column has its order", () => {
  const given = [
    account(1, { name: "B 10", realized_pnl: 5, unrealized_pnl: -3, nearest_dollars: gauge(0.1), nearest_contracts: gauge(0.8, "contracts", 5) }),
    account(2, { name: "B 9", realized_pnl: -7, unrealized_pnl: 4, nearest_dollars: gauge(0.9), nearest_contracts: null }),
    account(3, { name: "A", realized_pnl: 0, unrealized_pnl: 0, nearest_dollars: null, nearest_contracts: gauge(0.2, "contracts", 5) }),
  ];
  const wanted: [Key, number[]][] = [
    ["dollars", [2, 1, 3]],
    ["contracts", [1, 3, 2]],
    ["realized", [2, 3, 1]],
    ["unrealized", [1, 3, 2]],
    ["name", [3, 2, 1]],
  ];
  for (const [key, order] of wanted) {
    assert.deepEqual(ids(sorted(given, key)), order, key);
  }
});

test("one thing is said of an account: the worst", () => {
  const everything = { pending_enforcements: 1, lock: LOCK, certain: false, can_trade: false, not_armed: 2, nearest: gauge(0.9) };
  const wanted: [Partial<Summary>, string][] = [
    [everything, "Closing now"],
    [{ ...everything, pending_enforcements: 0 }, "Locked"],
    [{ ...everything, pending_enforcements: 0, lock: null }, "Being checked"],
    [{ can_trade: false, not_armed: 2 }, "Can’t trade"],
    [{ not_armed: 2, nearest: gauge(0.9) }, "2 rules not armed"],
    [{ not_armed: 1 }, "1 rule not armed"],
    [{ not_armed: 1, nearest: gauge(1) }, "Past a limit"],
    [{ nearest: gauge(1, "contracts", 5) }, "Near a limit"],
    [{ nearest: gauge(0.8) }, "Near a limit"],
    [{ nearest: gauge(0.79) }, "Armed"],
    [{}, "Armed"],
  ];
  for (const [change, label] of wanted) {
    assert.equal(stateOf(account(1, change)).label, label);
  }
});

test("the nearest limit of a unit falls back to the nearest of all", () => {
  assert.equal(nearestOf(account(1, { nearest: gauge(0.5) }), "dollars")?.fraction, 0.5);
  assert.equal(nearestOf(account(1, { nearest: gauge(0.5) }), "contracts"), null);
  assert.equal(nearestOf(account(1, { nearest: gauge(0.5), nearest_dollars: null }), "dollars"), null, "what the daemon says counts");
});

test("filters and search", () => {
  const locked = account(1, { lock: LOCK });
  assert.deepEqual((["all", "locked", "near", "unarmed", "open"] as const).map((filter) => passes(locked, filter)), [true, true, false, false, false]);
  assert.ok(passes(account(1, { orders: 1 }), "open") && passes(account(1, { can_trade: false }), "unarmed") && passes(account(1, { pending_enforcements: 1 }), "locked"));
  for (const [search, found] of [["", true], ["eval", true], ["EVAL 12", true], ["12 ev", true], ["13", false]] as const) {
    assert.equal(matches({ id: 12, name: "Eval 12" }, search), found, search);
  }
});

test("the order is held under a pointer, but not for who is locked just then", () => {
  const before = [1, 2, 3].map((id) => ({ id, urgent: false }));
  const wanted = [account(3), account(1), account(4), account(2)];
  assert.deepEqual(ids(held(wanted, before)), [1, 2, 3, 4], "new ones last");
  const now = [account(3, { lock: LOCK }), account(1), account(2)];
  assert.deepEqual(ids(held(now, before)), [3, 1, 2]);
  const still = [{ id: 3, urgent: true }, { id: 1, urgent: false }, { id: 2, urgent: false }];
  assert.deepEqual(ids(held([account(3, { lock: LOCK }), account(2), account(1)], still)), [3, 1, 2], "who was locked before holds nothing up");
  assert.deepEqual(ids(held(wanted, [])), ids(wanted));
});

test("only what is in view is drawn", () => {
  assert.deepEqual(slice(400, 44, 0, 880), { from: 0, to: 26 });
  assert.deepEqual(slice(400, 44, 4400, 880), { from: 94, to: 126 });
  assert.deepEqual(slice(400, 44, 1e6, 880), { from: 400, to: 400 });
  assert.deepEqual(slice(3, 44, 0, 880), { from: 0, to: 3 });
});
