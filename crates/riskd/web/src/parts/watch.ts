/** Says what happened to an account, once, on whatever page one is. */

import { words } from "../lib/format.ts";
import { minute } from "../lib/time.ts";
import type { Overview, Summary } from "../lib/types.ts";
import { overview } from "../state/live.ts";
import { say } from "../state/say.ts";

let before: Map<number, Summary> | null = null;

/** From what was to what is: `null` where nothing is worth a word. */
export function change(was: Summary, is: Summary): { text: string; kind: "critical" | "good" } | null {
  if (is.lock && is.lock.locked_at !== was.lock?.locked_at) {
    const until = is.lock.locked_until ? `until ${minute(Date.parse(is.lock.locked_until), is.time_zone)}` : "without end";
    return { text: `${is.name} is locked ${until}: ${is.lock.reason}`, kind: "critical" };
  }
  if (was.lock && !is.lock) {
    return { text: `${is.name} is no longer locked.`, kind: "good" };
  }
  if (is.pending_enforcements > 0 && was.pending_enforcements === 0 && !is.lock) {
    return { text: `${is.name}: closing${is.nearest ? ` (${words(is.nearest.rule).toLowerCase()})` : ""}.`, kind: "critical" };
  }
  return null;
}

export function watchAccounts(): void {
  overview.watch(() => {
    const said: Overview | null = overview.get();
    if (!said) {
      return;
    }
    for (const account of before ? said.accounts : []) {
      const was = before?.get(account.id);
      const changed = was ? change(was, account) : null;
      if (changed) {
        say(changed.text, changed.kind);
      }
    }
    before = new Map(said.accounts.map((account) => [account.id, account]));
  });
}
