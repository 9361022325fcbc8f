import { useEffect, useState } from "preact/hooks";
import type { State } from "../lib/accounts.ts";
import { countdown, countdownInWords, leftOf, levelOf, percent, signed, tone, words } from "../lib/format.ts";
import { known, moment, near } from "../lib/time.ts";
import type { Gauge, Lock } from "../lib/types.ts";
import { now } from "../state/live.ts";
import { Icon, type IconName } from "./icon.tsx";

/** A profit or a loss: sign, colour and unit. */
export function Pnl({ amount, big = false }: { amount: number; big?: boolean }) {
  return <span class={`num ${tone(amount)} ${big ? "big" : ""}`}>{signed(amount)}</span>;
}

/** A time in its zone; the whole of it on hover. */
export function Time({ at, zone, full = false }: { at: string | null; zone: string; full?: boolean }) {
  const time = at ? Date.parse(at) : Number.NaN;
  if (Number.isNaN(time)) {
    return <span class="faint">–</span>;
  }
  const text = full ? moment(time, zone, now()) : near(time, zone, now());
  return (
    <time class="num" dateTime={at ?? ""} title={`${moment(time, zone, 0)} (${known(zone)})`}>
      {text}
    </time>
  );
}

/** Draws anew every second, on the daemon's clock. */
export function useSeconds(active = true): number {
  const [time, set] = useState(now());
  useEffect(() => {
    if (!active) {
      return;
    }
    set(now());
    const timer = setInterval(() => set(now()), 250);
    return () => clearInterval(timer);
  }, [active]);
  return time;
}

/** What is left of a lockout, counting down. */
export function Countdown({ until }: { until: string }) {
  useSeconds();
  const left = Date.parse(until) - now();
  return (
    <span class="num countdown" role="timer" aria-label={left > 0 ? `${countdownInWords(left)} left` : "ends now"}>
      {left > 0 ? countdown(left) : "ends now"}
    </span>
  );
}

export function LockLeft({ lock }: { lock: Lock }) {
  return lock.locked_until ? <Countdown until={lock.locked_until} /> : <span class="countdown">without end</span>;
}

const STATE_ICONS: Record<State["kind"], IconName> = {
  closing: "closing",
  locked: "lock",
  uncertain: "question",
  barred: "barred",
  unarmed: "off",
  past: "warning",
  near: "warning",
  armed: "shield",
};

export function StateBadge({ state, lock }: { state: State; lock?: Lock | null }) {
  return (
    <span class={`badge badge-${state.kind}`}>
      <Icon name={STATE_ICONS[state.kind]} />
      <span>{state.label}</span>
      {state.kind === "locked" && lock ? <LockLeft lock={lock} /> : null}
    </span>
  );
}

/** A bar: how much of a limit is used. */
export function Bar({ gauge }: { gauge: Gauge }) {
  const share = Math.min(Math.max(gauge.fraction, 0), 1);
  return (
    <span class={`bar ${levelOf(gauge)}`} aria-hidden="true">
      <span class="bar-fill" style={{ width: `${share * 100}%` }} />
    </span>
  );
}

/** A limit with its name, its bar, and what is left in its unit. */
export function GaugeLine({ gauge }: { gauge: Gauge }) {
  const level = levelOf(gauge);
  return (
    <div class={`gauge ${level}`}>
      <div class="gauge-head">
        <span class="gauge-name">
          {words(gauge.rule)}
          {gauge.contract_id ? <span class="faint"> {gauge.contract_id}</span> : null}
        </span>
        <span class="faint">{gauge.rule_id}</span>
      </div>
      <Bar gauge={gauge} />
      <div class="gauge-foot">
        <span class="num strong">
          {leftOf(gauge)}
        </span>
        <span class="num faint">{percent(Math.max(gauge.fraction, 0))} used</span>
      </div>
    </div>
  );
}

export function Empty({ children }: { children: preact.ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** An error in its place, with a way to try again. */
export function Failed({ error, again }: { error: string; again: () => void }) {
  return (
    <div class="refusal" role="alert">
      <Icon name="warning" /> <span>{error}</span>{" "}
      <button type="button" class="button small" onClick={again}>
        Try again
      </button>
    </div>
  );
}
