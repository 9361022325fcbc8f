import { count } from "./format.ts";

/** What a reload came to, as the daemon says it. */
export interface Reloaded {
  at_once?: { account_id: number; section: string }[];
  waiting?: { account_id: number; section: string; until: string }[];
  at_the_next_start?: { account_id: number; section: string }[];
}

/** The same in a sentence. */
export function reloadInWords(said: Reloaded): string {
  const { at_once = [], waiting = [], at_the_next_start: later = [] } = said;
  const parts = [
    at_once.length > 0 && `${names(at_once)} ${at_once.length === 1 ? "holds" : "hold"} at once`,
    waiting.length > 0 && `${names(waiting)}, looser than before, ${waiting.length === 1 ? "waits" : "wait"} for the account’s next reset`,
    later.length > 0 && `${count(new Set(later.map((each) => each.account_id)).size, "account")} added or taken away at the next start`,
  ].filter(Boolean);
  return parts.length === 0 ? "Rules loaded anew: nothing has changed." : `Rules loaded anew: ${parts.join("; ")}.`;
}

/** `max_contracts`, or `max_contracts (3 accounts), global`. */
function names(changes: readonly { account_id: number; section: string }[]): string {
  const sections = new Map<string, number>();
  for (const { section } of changes) {
    sections.set(section, (sections.get(section) ?? 0) + 1);
  }
  return [...sections].map(([section, accounts]) => (accounts > 1 ? `${section} (${count(accounts, "account")})` : section)).join(", ");
}
