import assert from "node:assert/strict";
import { test } from "node:test";
import { fromAddress, toAddress, toQuestion } from "../src/lib/log_query.ts";
import { reloadInWords } from "../src/lib/reload.ts";
import { grouped } from "../src/lib/rules.ts";
import { doubtful, face, troubles } from "../src/lib/trouble.ts";
import type { Daemon } from "../src/lib/types.ts";

const SINCE = "2026-01-15T19:00:00Z";

function daemon(change: Partial<Daemon> = {}): Daemon {
  const up = { up: true, since: SINCE };
  return { version: "1", started_at: SINCE, phase: "watching", schema_version: 2, protected: true, links: { user: up, market: up }, journal: { failing: false }, alarms: [], rules_loaded_at: SINCE, ...change };
}

const down = { up: false, since: SINCE };
const up = { up: true, since: SINCE };
const heard = (change: Partial<Daemon> = {}, silentMs = 500) => ({ daemon: daemon(change), silentMs, at: SINCE });
const keys = (change: Partial<Daemon>, silentMs = 500) => troubles(heard(change, silentMs)).map((trouble) => trouble.key);

test("what is wrong is said, worst first", () => {
  assert.deepEqual(keys({}), []);
  assert.deepEqual(keys({}, 2999), []);
  assert.deepEqual(keys({}, 3000), ["silent"]);
  assert.deepEqual(keys({ protected: false }), ["unprotected"]);
  assert.deepEqual(keys({ links: { user: up, market: down }, journal: { failing: true } }), ["disk", "market-link"]);
  assert.deepEqual(keys({ links: { user: up, market: down }, protected: false }), ["market-link"], "partly is not nothing");
  assert.deepEqual(keys({ phase: "connecting", protected: false, links: { user: down, market: down } }), ["unprotected"]);
  assert.deepEqual(keys({ links: { user: down, market: down }, protected: false, journal: { failing: true } }, 9000), ["silent", "user-link", "disk", "market-link"]);
});

test("alarms of the daemon's own are shown, once", () => {
  const alarms: Daemon["alarms"] = [
    { code: "slow_query", severity: "warning", message: "a query took 400 ms", since: null },
    { code: "user_link_down", severity: "critical", message: "the link is down", since: null },
    { code: "backup_failed", severity: "critical", message: "no room", since: SINCE },
  ];
  const found = troubles(heard({ alarms }));
  assert.deepEqual(found.map((trouble) => `${trouble.title}: ${trouble.detail}`), ["Backup failed: No room.", "Slow query: A query took 400 ms."]);
});

test("before the daemon's first word only its silence can be told", () => {
  assert.deepEqual(troubles({ daemon: null, silentMs: 100, at: null }), []);
  assert.equal(troubles({ daemon: null, silentMs: 3000, at: null })[0]?.title, "riskd does not answer");
});

test("values are doubted as far as they must be", () => {
  assert.deepEqual(doubtful(heard()), { all: false, unrealized: false });
  assert.deepEqual(doubtful(heard({ links: { user: up, market: down } })), { all: false, unrealized: true });
  assert.deepEqual(doubtful(heard({ links: { user: down, market: up } })), { all: true, unrealized: true });
  assert.deepEqual(doubtful(heard({}, 3000)), { all: true, unrealized: true });
});

test("the window's title tells it in another tab", () => {
  const look = (change: Partial<Daemon>, silentMs = 0, locked = 0) => face(troubles(heard(change, silentMs)), locked, "Log");
  assert.deepEqual(look({}), { title: "Log – riskd", icon: "ok" });
  assert.deepEqual(look({}, 0, 2), { title: "2 locked – Log – riskd", icon: "warn" });
  assert.deepEqual(look({ protected: false }, 0, 2), { title: "ALARM: Nothing is protected – riskd", icon: "alarm" });
  assert.deepEqual(look({ protected: false }, 4000), { title: "STALE – riskd", icon: "stale" });
  assert.deepEqual(look({ alarms: [{ code: "quotes_stale", severity: "warning", message: "x", since: null }] }), { title: "Log – riskd", icon: "warn" });
});

test("the log's filters go through the address and come back", () => {
  const filter = { account: "12", rule: "RULE-003", failed: true, slow_ms: "500", since: "24h" };
  assert.deepEqual(fromAddress(toAddress(filter)), filter);
  assert.deepEqual(fromAddress(new URLSearchParams("account=x&slow_ms=-1&since=yesterday&failed=1")), { account: "", rule: "", failed: false, slow_ms: "", since: "" });
  const now = Date.parse("2026-01-15T19:00:00Z");
  assert.equal(toQuestion(filter, now, 77, 100).toString(), "account=12&rule=RULE-003&failed=true&slow_ms=500&since=2026-01-14T19%3A00%3A00.000Z&before=77&limit=100");
});

test("what a reload came to is said in a sentence", () => {
  assert.equal(reloadInWords({}), "Rules loaded anew: nothing has changed.");
  const until = SINCE;
  assert.equal(
    reloadInWords({
      at_once: [1, 2].map((account_id) => ({ account_id, section: "max_contracts" })),
      waiting: [{ account_id: 1, section: "daily_realized_loss", until }],
      at_the_next_start: [{ account_id: 3, section: "account" }],
    }),
    "Rules loaded anew: max_contracts (2 accounts) hold at once; daily_realized_loss, looser than before, waits for the account’s next reset; 1 account added or taken away at the next start.",
  );
});

test("accounts under the same rules stand together, what is not armed first", () => {
  const rule = (armed: boolean) => ({ rule_id: "RULE-001", rule: "max_contracts", sentence: "s", armed, reason: armed ? null : "no tick size" });
  const groups = grouped([1, 2, 3].map((id) => ({ id, rules: [rule(id !== 3)] })));
  assert.deepEqual(groups.map((group) => group.accounts), [[3], [1, 2]]);
});
