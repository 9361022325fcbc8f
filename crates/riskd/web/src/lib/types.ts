/** What the daemon's API says, as agreed. Amounts are dollars, times RFC 3339 UTC. */

export type Unit = "dollars" | "contracts" | "trades";

export interface Gauge {
  rule_id: string;
  rule: string;
  unit: Unit;
  used: number;
  limit: number;
  left: number;
  fraction: number;
  contract_id: string | null;
}

export interface Lock {
  rule_id: string;
  reason: string;
  locked_at: string;
  /** Null: without end. */
  locked_until: string | null;
}

export interface Summary {
  id: number;
  name: string;
  /** Null until the broker said so. */
  can_trade: boolean | null;
  certain: boolean;
  time_zone: string;
  trading_day: string;
  day_starts_at: string;
  day_ends_at: string;
  realized_pnl: number;
  unrealized_pnl: number;
  unpriced_positions: number;
  positions: number;
  contracts: number;
  orders: number;
  lock: Lock | null;
  pending_enforcements: number;
  not_armed: number;
  nearest: Gauge | null;
  nearest_dollars?: Gauge | null;
  nearest_contracts?: Gauge | null;
}

export interface Link {
  up: boolean;
  since: string | null;
}

export interface Alarm {
  code: string;
  severity: "warning" | "critical";
  message: string;
  since: string | null;
}

export interface Daemon {
  version: string;
  started_at: string;
  phase: "opening" | "connecting" | "watching";
  schema_version: number;
  protected: boolean;
  links: { user: Link; market: Link };
  journal: { failing: boolean };
  alarms: Alarm[];
  rules_loaded_at: string | null;
}

export interface Overview {
  at: string;
  daemon: Daemon;
  accounts: Summary[];
}

export interface Position {
  id: number;
  contract_id: string;
  name: string | null;
  side: "long" | "short";
  size: number;
  average_price: number;
  last_price: number | null;
  unrealized_pnl: number | null;
  stale: boolean;
  opened_at: string | null;
}

export interface Order {
  id: number;
  contract_id: string;
  name: string | null;
  side: "buy" | "sell";
  type: string;
  size: number;
  limit_price: number | null;
  stop_price: number | null;
  state: string;
  created_at: string | null;
}

export interface Rule {
  rule_id: string;
  rule: string;
  sentence: string;
  armed: boolean;
  reason: string | null;
}

export interface Account extends Summary {
  gauges: Gauge[];
  positions_open: Position[];
  orders_open: Order[];
  rules: Rule[];
  fees: number | null;
}

export interface CurveLimit {
  rule_id: string;
  value: number;
  rule?: string;
  of?: "realized" | "unrealized";
}

export interface Curve {
  points: [number, number, number][];
  limits: CurveLimit[];
}

export interface Day {
  date: string;
  realized_pnl: number;
  unrealized_pnl: number | null;
}

export interface History {
  days: Day[];
  best: { date: string; pnl: number } | null;
  worst: { date: string; pnl: number } | null;
}

export interface Enforcement {
  id: number;
  at: string;
  account_id: number;
  rule_id: string;
  action: string;
  reason: string;
  success: boolean;
  status: string;
  execution_time_ms: number | null;
  positions_closed: number | null;
  orders_cancelled: number | null;
  lockout_until: string | null;
  pnl: number | null;
  error: string | null;
}

export interface Page<T> {
  items: T[];
  next_before: number | string | null;
}

export interface RuleLatency {
  rule_id: string;
  count: number;
  mean_ms: number;
  min_ms: number;
  max_ms: number;
}

export interface Latency {
  rules: RuleLatency[];
  trend: { day: string; count: number; mean_ms: number }[];
}

export interface RuleSet {
  strict_mode: boolean;
  accounts: { id: number; rules: Rule[] }[];
}

export interface Database {
  path: string;
  schema_version: number;
  head_version: number;
  size_bytes: number;
  wal_bytes: number;
  journal_mode: string;
  migrations: {
    version: number;
    applied_at: string;
    description: string;
    execution_time_ms: number | null;
    success: boolean;
    error: string | null;
  }[];
  backups: { path: string; version: number | null; size_bytes: number; made_at: string | null; verified: boolean | null }[];
  integrity: { checked_at: string | null; ok: boolean | null };
  tables: { name: string; rows: number }[];
}

export type StreamType =
  | "GatewayUserTrade"
  | "GatewayUserPosition"
  | "GatewayUserOrder"
  | "MarketQuote"
  | "lockout_set"
  | "lockout_cleared"
  | "enforcement_action"
  | "daily_reset"
  | "daemon_status";

export interface StreamMessage {
  type: StreamType;
  account_id: number | null;
  data: unknown;
}
