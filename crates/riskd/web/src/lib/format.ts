/** Numbers and times as people read them: each with its unit, each time with its zone. */

import type { Gauge, Unit } from "./types.ts";

/** From this share of a limit on, an account is near it. */
export const NEAR = 0.8;

const MINUS = "\u2212";
const NARROW_SPACE = "\u202f";

const cents = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const price = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 8 });

/** `$1,234.50`, `−$80.00`. What rounds to nothing has no sign. */
export function dollars(amount: number): string {
  const text = cents.format(Math.abs(amount));
  return amount < 0 && text !== "0.00" ? `${MINUS}$${text}` : `$${text}`;
}

/** As `dollars`, with a plus where it is a gain. */
export function signed(amount: number): string {
  return amount >= 0.005 ? `+${dollars(amount)}` : dollars(amount);
}

/** `gain`, `loss` or `even`, by what `dollars` shows. */
export function tone(amount: number): "gain" | "loss" | "even" {
  return amount >= 0.005 ? "gain" : amount <= -0.005 ? "loss" : "even";
}

export function priceOf(amount: number | null): string {
  return amount === null ? "–" : amount < 0 ? MINUS + price.format(-amount) : price.format(amount);
}

/** `1 contract`, `2 contracts`. */
export function count(amount: number, noun: string, plural = `${noun}s`): string {
  return `${whole.format(amount)} ${amount === 1 ? noun : plural}`;
}

export function number(amount: number): string {
  return whole.format(amount);
}

/** An amount of a gauge with its unit. */
export function amountOf(unit: Unit, amount: number): string {
  switch (unit) {
    case "dollars":
      return dollars(amount);
    case "contracts":
      return count(amount, "contract");
    case "trades":
      return count(amount, "trade");
  }
}

/** How far a limit is: `$88.00 left of $500.00`. */
export function leftOf(gauge: Gauge): string {
  const limit = gauge.unit === "dollars" ? dollars(gauge.limit) : number(gauge.limit);
  if (gauge.left < 0) {
    return `${amountOf(gauge.unit, -gauge.left)} past the limit of ${limit}`;
  }
  // In profit there is more left than the limit.
  return `${amountOf(gauge.unit, gauge.left)} left ${gauge.left > gauge.limit ? "to the limit of" : "of"} ${limit}`;
}

/** `84 %`. Rounded down, so that 100 % is never shown before it is reached. */
export function percent(fraction: number): string {
  return `${whole.format(Math.floor(fraction * 100 + 1e-9))}${NARROW_SPACE}%`;
}

/** Whether a limit is broken: money at the limit, counts past it; or near. */
export function levelOf(gauge: Gauge): "reached" | "near" | "calm" {
  if (gauge.unit === "dollars" ? gauge.fraction >= 1 : gauge.left < 0) {
    return "reached";
  }
  return gauge.fraction >= NEAR ? "near" : "calm";
}

/** Names that would not fit, shorter. */
const SHORT: Record<string, string> = { max_contracts_per_instrument: "Max per instrument" };

/** `daily_realized_loss` → `Daily realized loss`. */
export function words(name: string): string {
  const short = SHORT[name];
  if (short) {
    return short;
  }
  const text = name.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `380 ms`, `2.4 s`. */
export function milliseconds(ms: number | null): string {
  if (ms === null) {
    return "–";
  }
  return ms < 1000 ? `${whole.format(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

export function bytes(amount: number): string {
  if (amount < 1024) {
    return `${whole.format(amount)} B`;
  }
  let value = amount;
  let unit = "B";
  for (unit of ["KiB", "MiB", "GiB", "TiB"]) {
    value /= 1024;
    if (value < 1023.95) {
      break;
    }
  }
  return `${value.toFixed(1)} ${unit}`;
}

/** What is left until then: `12s`, `4m 09s`, `3h 12m 44s`, `2d 03h 12m`. Never below zero, and never like a time of day. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const [days, hours, minutes, rest] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  if (days > 0) {
    return `${days}d ${two(hours)}h ${two(minutes)}m`;
  }
  if (hours > 0) {
    return `${hours}h ${two(minutes)}m ${two(rest)}s`;
  }
  return minutes > 0 ? `${minutes}m ${two(rest)}s` : `${rest}s`;
}

/** The same for a listener: `3 hours 12 minutes`. */
export function countdownInWords(ms: number): string {
  const minutes = Math.max(0, Math.ceil(ms / 60_000));
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  const parts = [days && count(days, "day"), hours && count(hours, "hour"), (rest || minutes === 0) && count(rest, "minute")];
  return parts.filter(Boolean).slice(0, 2).join(" ");
}

/** How long ago, roughly: `now`, `12 s ago`, `4 min ago`, `3 h ago`, `5 d ago`. */
export function ago(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) {
    return "now";
  }
  for (const [size, unit] of [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
  ] as const) {
    if (seconds >= size) {
      return `${Math.floor(seconds / size)} ${unit} ago`;
    }
  }
  return `${seconds} s ago`;
}
