import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, dateOf, day, instant, known, minute, moment, near } from "../src/lib/time.ts";

const WINTER = Date.parse("2026-01-15T19:03:22Z");
const NEW_YORK = "America/New_York";

test("a time names its zone", () => {
  assert.equal(clock(WINTER, NEW_YORK), "14:03:22 EST");
  assert.equal(minute(WINTER, "UTC"), "19:03 UTC");
  assert.equal(clock(Date.parse("2026-07-15T04:00:00Z"), NEW_YORK), "00:00:00 EDT", "midnight is not 24:00");
  assert.equal(clock(WINTER, "America/Chicago"), "13:03:22 CST");
});

test("the night the clocks are set forward has no 02:30", () => {
  assert.equal(clock(Date.parse("2026-03-08T06:59:59Z"), NEW_YORK), "01:59:59 EST");
  assert.equal(clock(Date.parse("2026-03-08T07:00:00Z"), NEW_YORK), "03:00:00 EDT");
});

test("a zone that is not known is UTC, and says so", () => {
  assert.equal(known("Mars/Olympus"), "UTC");
  assert.equal(known(""), "UTC");
  assert.equal(clock(WINTER, "Mars/Olympus"), "19:03:22 UTC");
});

test("another day and another year are named", () => {
  const next = WINTER + 86_400_000;
  assert.equal(near(WINTER, NEW_YORK, WINTER), "14:03:22 EST");
  assert.equal(near(WINTER, NEW_YORK, next), "Jan 15, 14:03:22 EST");
  assert.equal(moment(WINTER, NEW_YORK, Date.parse("2028-01-15T12:00:00Z")), "Jan 15 2026, 14:03:22 EST");
  assert.equal(dateOf(Date.parse("2026-01-16T03:00:00Z"), NEW_YORK), "2026-01-15");
});

test("a trading day is a day without a zone", () => {
  assert.equal(day("2026-03-02"), "Mon, Mar 2");
  assert.equal(day("nonsense"), "nonsense");
  assert.equal(instant("nonsense"), null);
  assert.equal(instant(null), null);
});
