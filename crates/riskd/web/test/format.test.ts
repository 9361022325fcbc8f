import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, count, countdown, countdownInWords, dollars, leftOf, levelOf, milliseconds, percent, priceOf, signed, tone, words } from "../src/lib/format.ts";
import type { Gauge } from "../src/lib/types.ts";

const cases: [string, string, string][] = [
  ["dollars", dollars(1234.5), "$1,234.50"],
  ["a loss", dollars(-80), "−$80.00"],
  ["a loss of less than half a cent has no sign", dollars(-0.004), "$0.00"],
  ["a gain", signed(80), "+$80.00"],
  ["nothing", signed(0), "$0.00"],
  ["nothing to speak of", signed(0.004), "$0.00"],
  ["one", count(1, "contract"), "1 contract"],
  ["none", count(0, "contract"), "0 contracts"],
  ["many", count(1200, "entry", "entries"), "1,200 entries"],
  ["a price", priceOf(21500.25), "21,500.25"],
  ["a price below nothing", priceOf(-37.63), "−37.63"],
  ["no price", priceOf(null), "–"],
  ["a share", percent(0.849), "84\u202f%"],
  ["almost is not there", percent(0.9999), "99\u202f%"],
  ["there, whatever the float says", percent(0.29 * 100 / 29), "100\u202f%"],
  ["past it", percent(1.25), "125\u202f%"],
  ["words", words("daily_realized_loss"), "Daily realized loss"],
  ["an action", words("CLOSE_ALL_AND_LOCKOUT"), "Close all and lockout"],
  ["short", milliseconds(380), "380 ms"],
  ["long", milliseconds(2400), "2.40 s"],
  ["very long", milliseconds(12_340), "12.3 s"],
  ["unknown", milliseconds(null), "–"],
  ["small", bytes(1023), "1,023 B"],
  ["larger", bytes(1024), "1.0 KiB"],
  ["never 1024 of one unit", bytes(1024 * 1024 - 1), "1.0 MiB"],
  ["a second is left until it is over", countdown(1), "1s"],
  ["over", countdown(-5000), "0s"],
  ["minutes", countdown(249_000), "4m 09s"],
  ["hours", countdown(11_564_000), "3h 12m 44s"],
  ["days", countdown(184_364_000), "2d 03h 12m"],
  ["said", countdownInWords(11_564_000), "3 hours 13 minutes"],
  ["said near the end", countdownInWords(1000), "1 minute"],
  ["now", ago(900), "now"],
  ["seconds", ago(12_900), "12 s ago"],
  ["minutes", ago(240_000), "4 min ago"],
  ["days", ago(5 * 86_400_000), "5 d ago"],
];

test("numbers are shown with their units", () => {
  for (const [name, is, wanted] of cases) {
    assert.equal(is, wanted, name);
  }
});

test("a tone is that of the number shown", () => {
  assert.deepEqual([-1, -0.004, 0, 0.004, 1].map(tone), ["loss", "even", "even", "even", "gain"]);
});

test("money at its limit is broken, a count only past it", () => {
  const level = (unit: Gauge["unit"], used: number, limit: number) =>
    levelOf({ rule_id: "RULE-001", rule: "x", unit, used, limit, left: limit - used, fraction: used / limit, contract_id: null });
  assert.deepEqual([level("dollars", 399, 500), level("dollars", 400, 500), level("dollars", 500, 500)], ["calm", "near", "reached"]);
  assert.deepEqual([level("contracts", 3, 5), level("contracts", 5, 5), level("contracts", 6, 5)], ["calm", "near", "reached"]);
});

test("what is left of a limit is said in its unit", () => {
  const gauge = (unit: Gauge["unit"], limit: number, left: number): Gauge => ({ rule_id: "RULE-003", rule: "x", unit, used: limit - left, limit, left, fraction: 0, contract_id: null });
  assert.equal(leftOf(gauge("dollars", 500, 88)), "$88.00 left of $500.00");
  assert.equal(leftOf(gauge("dollars", 500, -12.5)), "$12.50 past the limit of $500.00");
  assert.equal(leftOf(gauge("dollars", 500, 812)), "$812.00 left to the limit of $500.00");
  assert.equal(leftOf(gauge("contracts", 5, 1)), "1 contract left of 5");
  assert.equal(leftOf(gauge("trades", 30, 4)), "4 trades left of 30");
});
