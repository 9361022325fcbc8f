import { milliseconds } from "../lib/format.ts";
import type { Enforcement } from "../lib/types.ts";
import { Icon } from "./icon.tsx";

/** From here on an enforcement was slow, critically slow, as good as failed. */
export const SLOW = [500, 2000, 5000] as const;

export function isPending(item: Enforcement): boolean {
  return !item.success && /pending|open|progress/i.test(item.status);
}

/** How an enforcement ended, and how long it took. */
export function Outcome({ item }: { item: Enforcement }) {
  const took = item.execution_time_ms;
  const slow = took === null || took <= SLOW[0] ? "" : took <= SLOW[1] ? "slow" : "very-slow";
  const kind = item.success ? "confirmed" : isPending(item) ? "pending" : "failed";
  return (
    <span class={`outcome ${kind} ${slow}`}>
      <Icon name={kind === "confirmed" ? "check" : kind === "pending" ? "closing" : "cross"} />
      <span>{kind === "confirmed" ? "Confirmed" : kind === "pending" ? "Under way" : "Failed"}</span>
      {took === null ? null : (
        <span class="num took">
          {milliseconds(took)}
          {slow ? " (slow)" : ""}
        </span>
      )}
    </span>
  );
}
