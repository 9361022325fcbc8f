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
const SAID = /^(not_protected|nothing_protected|link_down|broker_link_down|user_link_down|market_link_down|(user|market)_hub_down|journal_failing|disk_failing)$/;

const PHASES: Record<Daemon["phase"], string> = {
  opening: "riskd is opening its database.",
  connecting: "riskd has not reached the broker yet.",
  watching: "riskd runs, but it does not see the broker or has no rule armed.",
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
  if (!daemon.protected) {
    const why = daemon.alarms.find((alarm) => alarm.severity === "critical")?.message;
    add("critical", "unprotected", "Nothing is protected", `${why && daemon.phase === "watching" ? sentence(why) : PHASES[daemon.phase]} No limit is enforced until this is mended.`);
  }
  if (!daemon.links.user.up) {
    add("critical", "user-link", "Broker link down", "Fills, orders and positions are not seen. Values below are from before; riskd keeps reconnecting.", daemon.links.user.since);
  }
  if (daemon.journal.failing) {
    add("critical", "disk", "The disk is failing", "Enforcement goes on, but locks and the log cannot be written: a restart now would forget them. Free space or mend the disk.");
  }
  if (!daemon.links.market.up) {
    add("warning", "market-link", "Quote link down", "Unrealized P&L is from the last quotes seen and may be wrong.", daemon.links.market.since);
  }
  for (const alarm of daemon.alarms) {
    if (!SAID.test(alarm.code)) {
      add(alarm.severity, `alarm-${alarm.code}-${alarm.message}`, titleOf(alarm), sentence(alarm.message), alarm.since);
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
