// What the made-up daemon knows: the same for the same seed.

const ZONE = "America/New_York";
const CONTRACTS = [
  { id: "CON.F.US.MNQ.Z25", name: "MNQZ5", price: 21480.25, tick: 0.25, value: 0.5 },
  { id: "CON.F.US.EP.Z25", name: "ESZ5", price: 6012.5, tick: 0.25, value: 12.5 },
  { id: "CON.F.US.MES.Z25", name: "MESZ5", price: 6012.5, tick: 0.25, value: 1.25 },
  { id: "CON.F.US.MCLE.F26", name: "MCLF6", price: 71.34, tick: 0.01, value: 1 },
];

export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const cents = (amount) => Math.round(amount * 100) / 100;
const iso = (time) => new Date(time).toISOString();

/** When the trading day that holds `time` began: 22:00 UTC is near enough for a made-up day. */
function dayStart(time) {
  const start = new Date(time);
  start.setUTCHours(22, 0, 0, 0);
  return start.getTime() > time ? start.getTime() - 86_400_000 : start.getTime();
}

const NAMES = ["Eval 50K", "Eval 100K", "Eval 150K", "Funded 50K", "Funded 100K", "Practice"];

export function makeAccounts(count, seed, time) {
  const next = random(seed);
  return Array.from({ length: count }, (_, place) => makeAccount(place, count, next, time));
}

function makeAccount(place, count, next, time) {
  const start = dayStart(time);
  const limit = [500, 1000, 1500][place % 3];
  const account = {
    id: 8800 + place * 7 + 1,
    name: count > NAMES.length ? `${NAMES[place % 5]} #${String(place + 1).padStart(3, "0")}` : NAMES[place % NAMES.length],
    limit,
    trades: Math.floor(next() * 24),
    realized: cents((next() - 0.52) * limit * 1.5),
    positions: [],
    orders: [],
    lock: null,
    pending: 0,
    not_armed: place % 9 === 5 ? 1 : 0,
    start,
    time,
  };
  account.realized = Math.max(account.realized, -limit * 0.9);
  if (next() < 0.6) {
    const contract = CONTRACTS[place % CONTRACTS.length];
    const size = 1 + Math.floor(next() * 4);
    const side = next() < 0.5 ? "long" : "short";
    account.positions.push(makePosition(account.id * 10, contract, side, size, time - Math.floor(next() * 3_600_000)));
    account.orders.push({
      id: account.id * 10 + 1,
      contract_id: contract.id,
      name: contract.name,
      side: side === "long" ? "sell" : "buy",
      type: "stop",
      size,
      limit_price: null,
      stop_price: contract.price + (side === "long" ? -40 : 40) * contract.tick,
      state: "working",
      created_at: iso(time - 900_000),
    });
  }
  if (place === 1 || (count > 20 && next() < 0.02)) {
    account.realized = cents(-limit - next() * 40);
    account.positions = [];
    account.orders = [];
    account.lock = {
      rule_id: "RULE-003",
      reason: `Daily realized loss of $${(-account.realized).toFixed(2)} is at or past the limit of $${limit.toFixed(2)}`,
      locked_at: iso(time - 47 * 60_000),
      locked_until: iso(start + 86_400_000),
    };
  }
  if (place === 2) {
    account.realized = -limit * 0.86;
    account.trades = 11;
  }
  account.move = (turn) => move(account, turn, next);
  account.gauges = () => gauges(account);
  return account;
}

function makePosition(id, contract, side, size, opened) {
  return { id, contract_id: contract.id, name: contract.name, side, size, average_price: contract.price, last_price: contract.price, unrealized_pnl: 0, stale: false, opened_at: iso(opened), contract };
}

function move(account, turn, next) {
  for (const position of account.positions) {
    const { tick, value } = position.contract;
    const way = position.side === "long" ? 1 : -1;
    // Nobody enforces here: who comes near the limit turns back.
    const step = position.unrealized_pnl < -250 ? 2 * way : Math.round((next() - 0.5) * 6);
    position.last_price = cents(position.last_price + step * tick);
    const ticks = Math.round((position.last_price - position.average_price) / tick);
    position.unrealized_pnl = cents(Math.max(ticks * value * position.size * way, -298));
  }
  if (account.positions.length > 0 && next() < 0.02) {
    account.realized = Math.max(cents(account.realized + (next() - 0.5) * 40), -account.limit * 0.97);
    account.trades += 1;
  }
}

const unrealized = (account) => cents(account.positions.reduce((sum, position) => sum + (position.unrealized_pnl ?? 0), 0));
const contracts = (account) => account.positions.reduce((sum, position) => sum + position.size, 0);

function gauge(rule_id, rule, unit, used, limit, contract_id = null) {
  return { rule_id, rule, unit, used, limit, left: unit === "dollars" ? cents(limit - used) : limit - used, fraction: used / limit, contract_id };
}

function gauges(account) {
  const open = account.positions[0];
  return [
    gauge("RULE-003", "daily_realized_loss", "dollars", Math.max(0, cents(-account.realized)), account.limit),
    gauge("RULE-004", "daily_unrealized_loss", "dollars", Math.max(0, -unrealized(account)), 300),
    gauge("RULE-001", "max_contracts", "contracts", contracts(account), 5),
    gauge("RULE-006", "trade_frequency_limit", "trades", account.trades, 30),
    ...(open ? [gauge("RULE-002", "max_contracts_per_instrument", "contracts", open.size, 4, open.contract_id)] : []),
  ];
}

export function summary(account) {
  const all = gauges(account);
  const nearest = (unit) => all.filter((each) => !unit || each.unit === unit).reduce((best, each) => (best && best.fraction >= each.fraction ? best : each), null);
  return {
    id: account.id,
    name: account.name,
    can_trade: true,
    certain: true,
    time_zone: ZONE,
    trading_day: new Date(account.start + 86_400_000).toISOString().slice(0, 10),
    day_starts_at: iso(account.start),
    day_ends_at: iso(account.start + 86_400_000),
    realized_pnl: account.realized,
    unrealized_pnl: unrealized(account),
    unpriced_positions: 0,
    positions: account.positions.length,
    contracts: contracts(account),
    orders: account.orders.length,
    lock: account.lock,
    pending_enforcements: account.pending,
    not_armed: account.not_armed,
    nearest: nearest(null),
    nearest_dollars: nearest("dollars"),
    nearest_contracts: nearest("contracts"),
  };
}

export function makeRules(account) {
  const limit = `$${account.limit.toFixed(2)}`;
  const rule = (rule_id, name, sentence, reason = null) => ({ rule_id, rule: name, sentence, armed: reason === null, reason });
  return [
    rule("RULE-001", "max_contracts", "Holding more than 5 contracts net closes everything."),
    rule("RULE-002", "max_contracts_per_instrument", "Holding more than 4 MNQ, 1 ES or 4 MES closes the excess; any other symbol is closed."),
    rule("RULE-003", "daily_realized_loss", `A realized loss of ${limit} or more in a trading day closes everything and locks the account until 17:00 America/New_York.`),
    rule("RULE-004", "daily_unrealized_loss", "Open positions that together lose $300.00 or more are closed."),
    rule("RULE-006", "trade_frequency_limit", "More than 30 trades in 60 minutes lock the account for 30 minutes."),
    rule("RULE-008", "no_stop_loss_grace", "A position without a working protective stop for 30 seconds is closed.", account.not_armed ? "The tick size of CON.F.US.EP.Z25 is not known yet, so a stop cannot be told from an entry." : null),
  ];
}

export function makeCurve(account, seed) {
  const next = random(seed + account.id);
  const points = [];
  const from = Math.max(account.start, account.time - 6 * 3_600_000);
  const steps = 360;
  let [realized, open] = [0, 0];
  for (let step = 0; step < steps; step += 1) {
    // It wanders, and is drawn the more to where it ends the nearer that is.
    if (next() < 0.05 || step === steps - 3) {
      realized = step >= steps - 20 ? account.realized : realized + (account.realized - realized) * Math.min(1, 6 / ((steps - step) * 0.05)) * next() + open * 0.4;
      open = 0;
    }
    open = cents(Math.max(open * 0.97 + (next() - 0.5) * 36, -260));
    points.push([Math.floor(from + ((account.time - from) / steps) * step), cents(Math.max(realized, -account.limit * 0.95)), open]);
  }
  points.push([account.time, account.realized, unrealized(account)]);
  return {
    points,
    limits: [
      { rule_id: "RULE-003", rule: "daily_realized_loss", of: "realized", value: -account.limit },
      { rule_id: "RULE-004", rule: "daily_unrealized_loss", of: "unrealized", value: -300 },
    ],
  };
}

export function makeHistory(account, days, seed) {
  const next = random(seed * 31 + account.id);
  const list = [];
  for (let back = days; back >= 0; back -= 1) {
    const date = new Date(account.start + 86_400_000 - back * 86_400_000);
    const realized_pnl = back === 0 ? account.realized : cents((next() - 0.46) * account.limit * 1.3);
    if (date.getUTCDay() !== 0 && date.getUTCDay() !== 6) {
      list.push({ date: date.toISOString().slice(0, 10), realized_pnl: Math.max(realized_pnl, -account.limit - 12), unrealized_pnl: cents((next() - 0.5) * 160) });
    }
  }
  const by = [...list].sort((a, b) => a.realized_pnl - b.realized_pnl);
  const extreme = (day) => (day ? { date: day.date, pnl: day.realized_pnl } : null);
  return { days: list, best: extreme(by.at(-1)), worst: extreme(by[0]) };
}

const DEEDS = [
  ["RULE-003", "CLOSE_ALL_AND_LOCKOUT", "Daily realized loss of $512.50 is at or past the limit of $500.00"],
  ["RULE-002", "REDUCE_TO_LIMIT", "6 MNQ held, 4 allowed"],
  ["RULE-008", "CLOSE_POSITION", "No protective stop for 30 seconds on MNQZ5"],
  ["RULE-006", "COOLDOWN", "31 trades in 60 minutes, 30 allowed"],
  ["RULE-004", "CLOSE_POSITION", "Unrealized loss of $305.00 is at or past the limit of $300.00"],
  ["RULE-009", "CANCEL_ORDERS", "Order outside the session of 09:30 to 16:00 America/New_York"],
];

export function makeLog(accounts, seed, time) {
  const next = random(seed + 99);
  const total = 260;
  return Array.from({ length: total }, (_, place) => {
    const [rule_id, action, reason] = DEEDS[Math.floor(next() * DEEDS.length)];
    const failed = place === 4 || next() < 0.03;
    const slow = next() < 0.06;
    const locks = action === "CLOSE_ALL_AND_LOCKOUT" || action === "COOLDOWN";
    const at = time - place * 5_400_000 - Math.floor(next() * 3_600_000);
    return {
      id: 4000 + total - place,
      at: iso(at),
      account_id: accounts[Math.floor(next() * accounts.length)].id,
      rule_id,
      action,
      reason,
      success: !failed,
      status: failed ? "failed" : "confirmed",
      execution_time_ms: failed ? 5200 + Math.floor(next() * 2000) : Math.floor(slow ? 600 + next() * 2400 : 90 + next() * 300),
      positions_closed: action === "CANCEL_ORDERS" || action === "COOLDOWN" ? 0 : 1,
      orders_cancelled: action === "CLOSE_POSITION" ? 0 : Math.floor(next() * 3),
      lockout_until: locks ? iso(at + 3_600_000) : null,
      pnl: action === "CANCEL_ORDERS" ? null : -305,
      error: failed ? "The broker answered 503 three times; the position was flat at 14:03:31" : null,
    };
  });
}

export function makeLatency(log) {
  const group = (key) => {
    const groups = new Map();
    for (const item of log) {
      groups.set(key(item), [...(groups.get(key(item)) ?? []), item.execution_time_ms]);
    }
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  };
  const mean = (times) => times.reduce((sum, time) => sum + time, 0) / times.length;
  return {
    rules: group((item) => item.rule_id).map(([rule_id, times]) => ({ rule_id, count: times.length, mean_ms: mean(times), min_ms: Math.min(...times), max_ms: Math.max(...times) })),
    trend: group((item) => item.at.slice(0, 10)).map(([day, times]) => ({ day, count: times.length, mean_ms: mean(times) })),
  };
}

export function makeDatabase(time) {
  const at = iso(time - 12 * 86_400_000);
  return {
    path: "/var/lib/riskd/state.db",
    schema_version: 2,
    head_version: 2,
    size_bytes: 4_382_720,
    wal_bytes: 412_032,
    journal_mode: "wal",
    migrations: [
      { version: 1, applied_at: iso(time - 220 * 86_400_000), description: "Baseline schema - 9 tables from DATABASE_SCHEMA.md", execution_time_ms: null, success: true, error: null },
      { version: 2, applied_at: at, description: "Schema versioning, analytics indexes, daily unrealized P&L", execution_time_ms: 38, success: true, error: null },
    ],
    backups: [
      { path: "/var/lib/riskd/backups/state-v1-20251119T120000Z.db", version: 1, size_bytes: 4_181_504, made_at: at, verified: true },
      { path: "/var/lib/riskd/backups/state-v2-20251130T220000Z.db", version: 2, size_bytes: 4_370_432, made_at: iso(time - 86_400_000), verified: null },
    ],
    integrity: { checked_at: iso(time - 3_600_000), ok: true },
    tables: [
      ["lockouts", 6], ["daily_pnl", 1320], ["contract_cache", 14], ["trade_history", 18432], ["session_state", 6], ["positions", 4],
      ["orders", 3], ["enforcement_log", 260], ["reset_schedule", 6], ["schema_version", 2], ["daily_unrealized_pnl", 412],
    ].map(([name, rows]) => ({ name, rows })),
  };
}
