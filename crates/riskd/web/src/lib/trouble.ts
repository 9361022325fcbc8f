/** What stands over everything else on the screen. */

import type { Alarm, Daemon } from "./types.ts";

/** A daemon that says nothing for this long is not live: it speaks every second. */
export const SILENT_MS = 3000;

export interface Trouble {
  key: string;
  severity: "critical" | "warning";
  title: string;
  detail: string;
  since: string | null;
}

export interface Heard {
  /** Null before the first word of the daemon. */
  daemon: Daemon | null;
  silentMs: number;
  /** The time of what is shown. */
  at: string | null;
}

/** Alarms that say what is said here in better words. */
const SAID = new Set(["not_watching", "user_link_down", "market_link_down", "journal_failing"]);

const PHASES: Record<Daemon["phase"], string> = {
  opening: "riskd is opening its database.",
  connecting: "riskd has not reached the broker yet.",
  watching: "riskd runs, but says that it protects nothing.",
};

/** All there is, worst first. */
export function troubles(heard: Heard): Trouble[] {
  const found: Trouble[] = [];
  const add = (severity: Trouble["severity"], key: string, title: string, detail: string, since: string | null = null) =>
    found.push({ key, severity, title, detail, since });
  if (heard.silentMs >= SILENT_MS) {
    add(
      "critical",
      "silent",
      heard.daemon ? "Stale: riskd has gone silent" : "riskd does not answer",
      "It may be paused, stopped or overloaded. Whether limits are enforced right now is unknown. If you hold positions, watch them at the broker.",
      heard.at,
    );
  }
  const daemon = heard.daemon;
  if (!daemon) {
    return found;
  }
  const { user, market } = daemon.links;
  const watching = daemon.phase === "watching";
  if (!watching || (!daemon.protected && user.up && market.up)) {
    const why = daemon.alarms.find((alarm) => alarm.severity === "critical" && !SAID.has(alarm.code))?.message;
    add("critical", "unprotected", "Nothing is protected", `${why && watching ? sentence(why) : PHASES[daemon.phase]} No limit is enforced until this is mended.`);
  }
  if (watching && !user.up) {
    add("critical", "user-link", "Nothing is protected: broker link down", "Fills, orders and positions are not seen as they happen; what is below is from before. riskd keeps reconnecting. Watch open positions at the broker.", user.since);
  }
  if (daemon.journal.failing) {
    add("critical", "disk", "The disk is failing", "The state database takes no writes. Enforcement goes on, but a restart now would forget new locks and log rows; nothing is unlocked meanwhile. Free space or mend the disk.");
  }
  if (watching && !market.up) {
    add("critical", "market-link", "Partly protected: quote link down", "Open losses are reckoned with old prices; limits on unrealized P&L may act late. Realized limits still hold.", market.since);
  }
  const seen = new Map<string, number>();
  for (const alarm of daemon.alarms) {
    if (!SAID.has(alarm.code)) {
      // Not by its words: they carry numbers that change.
      const turn = (seen.get(alarm.code) ?? 0) + 1;
      seen.set(alarm.code, turn);
      add(alarm.severity, `alarm-${alarm.code}${turn > 1 ? `-${turn}` : ""}`, titleOf(alarm), sentence(alarm.message), alarm.since);
    }
  }
  return found.sort((a, b) => Number(a.severity === "warning") - Number(b.severity === "warning"));
}

function titleOf(alarm: Alarm): string {
  const text = alarm.code.replaceAll(/[_-]/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/** Which values are not to be trusted as they stand. */
export function doubtful(heard: Heard): { all: boolean; unrealized: boolean } {
  const all = heard.silentMs >= SILENT_MS || heard.daemon?.links.user.up === false;
  return { all, unrealized: all || heard.daemon?.links.market.up === false };
}

export type Face = "ok" | "warn" | "alarm" | "stale";

/** The window's title and icon, for who looks at another tab. */
export function face(found: readonly Trouble[], locked: number, page: string): { title: string; icon: Face } {
  const worst = found[0];
  if (worst?.key === "silent") {
    return { title: `STALE \u2013 riskd`, icon: "stale" };
  }
  if (worst?.severity === "critical") {
    return { title: `ALARM: ${worst.title} \u2013 riskd`, icon: "alarm" };
  }
  if (locked > 0) {
    return { title: `${locked} locked \u2013 ${page} \u2013 riskd`, icon: "warn" };
  }
  return { title: `${page} \u2013 riskd`, icon: worst ? "warn" : "ok" };
}
