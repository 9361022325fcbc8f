/** The order in which a risk desk wants to see accounts, and what state each is in. */

import { levelOf, NEAR } from "./format.ts";
import type { Gauge, Summary, Unit } from "./types.ts";

export type Key = "risk" | "dollars" | "contracts" | "realized" | "unrealized" | "name";
export type Filter = "all" | "locked" | "near" | "unarmed" | "open";

export type State =
  | { kind: "closing"; label: "Closing now" }
  | { kind: "locked"; label: "Locked" }
  | { kind: "uncertain"; label: "Being checked" }
  | { kind: "barred"; label: "Can\u2019t trade" }
  | { kind: "unarmed"; label: string }
  | { kind: "past"; label: "Past a limit" }
  | { kind: "near"; label: "Near a limit" }
  | { kind: "armed"; label: "Armed" };

/** The one thing to know first about an account. */
export function stateOf(account: Summary): State {
  if (account.pending_enforcements > 0) {
    return { kind: "closing", label: "Closing now" };
  }
  if (account.lock) {
    return { kind: "locked", label: "Locked" };
  }
  if (!account.certain) {
    return { kind: "uncertain", label: "Being checked" };
  }
  if (account.can_trade === false) {
    return { kind: "barred", label: "Can\u2019t trade" };
  }
  if (account.nearest && levelOf(account.nearest) === "reached") {
    return { kind: "past", label: "Past a limit" };
  }
  if (account.not_armed > 0) {
    return { kind: "unarmed", label: account.not_armed === 1 ? "1 rule not armed" : `${account.not_armed} rules not armed` };
  }
  if ((account.nearest?.fraction ?? 0) >= NEAR) {
    return { kind: "near", label: "Near a limit" };
  }
  return { kind: "armed", label: "Armed" };
}

/** The nearest limit of one unit. */
export function nearestOf(account: Summary, unit: Unit): Gauge | null {
  const named = unit === "dollars" ? account.nearest_dollars : unit === "contracts" ? account.nearest_contracts : undefined;
  if (named !== undefined) {
    return named;
  }
  return account.nearest?.unit === unit ? account.nearest : null;
}

function urgency(account: Summary): number {
  return account.pending_enforcements > 0 ? 0 : account.lock ? 1 : 2;
}

const left = (gauge: Gauge | null) => gauge?.left ?? Number.POSITIVE_INFINITY;

const ORDERS: Record<Key, (a: Summary, b: Summary) => number> = {
  risk: (a, b) => urgency(a) - urgency(b) || (b.nearest?.fraction ?? -1) - (a.nearest?.fraction ?? -1),
  dollars: (a, b) => compare(left(nearestOf(a, "dollars")), left(nearestOf(b, "dollars"))),
  contracts: (a, b) => compare(left(nearestOf(a, "contracts")), left(nearestOf(b, "contracts"))),
  realized: (a, b) => a.realized_pnl - b.realized_pnl,
  unrealized: (a, b) => a.unrealized_pnl - b.unrealized_pnl,
  name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
};

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Sorted, worst first; equal ones by id, so that rows do not dance. Leaves what it was given as it was. */
export function sorted(accounts: readonly Summary[], key: Key): Summary[] {
  return [...accounts].sort((a, b) => ORDERS[key](a, b) || a.id - b.id);
}

export function passes(account: Summary, filter: Filter): boolean {
  switch (filter) {
    case "all":
      return true;
    case "locked":
      return account.lock !== null || account.pending_enforcements > 0;
    case "near":
      return (account.nearest?.fraction ?? 0) >= NEAR;
    case "unarmed":
      return account.not_armed > 0 || !account.certain || account.can_trade === false;
    case "open":
      return account.positions > 0 || account.orders > 0;
  }
}

/** By name or id, each word anywhere. */
export function matches(account: { id: number; name: string }, search: string): boolean {
  const text = `${account.name} ${account.id}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/**
 * Keeps an order that a person is pointing at: accounts stay where they were, new ones come last.
 * Whoever has just been locked or is being closed still moves: that must not wait for a pointer.
 */
export function held(wanted: readonly Summary[], before: readonly { id: number; urgent: boolean }[]): Summary[] {
  const places = new Map(before.map((row, place) => [row.id, row.urgent ? place : place + before.length]));
  const moved = wanted.some((account) => urgency(account) < 2 && (places.get(account.id) ?? Number.POSITIVE_INFINITY) >= before.length);
  if (moved || before.length === 0) {
    return [...wanted];
  }
  const last = before.length * 2;
  return [...wanted].sort((a, b) => (places.get(a.id) ?? last) - (places.get(b.id) ?? last));
}

export function urgent(account: Summary): boolean {
  return urgency(account) < 2;
}

/** Rows to draw of a long list: those in view, and some on each side. */
export function slice(total: number, height: number, top: number, view: number, spare = 6): { from: number; to: number } {
  const from = Math.max(0, Math.floor(top / height) - spare);
  return { from: Math.min(from, total), to: Math.min(total, Math.ceil((top + view) / height) + spare) };
}
