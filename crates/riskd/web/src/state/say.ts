/** Short messages: shown for a while, and read out once. */

import { Store } from "./store.ts";

export interface Said {
  id: number;
  text: string;
  kind: "info" | "good" | "warning" | "critical";
}

export const toasts = new Store<readonly Said[]>([]);
/** What a screen reader hears next. */
export const spoken = new Store("");

const SHOWN_MS = 9000;
/** More than this many at once would only be noise: the newest count. */
const MOST = 3;
let last = 0;

export function say(text: string, kind: Said["kind"]): void {
  last += 1;
  const id = last;
  toasts.set([...toasts.get(), { id, text, kind }].slice(-MOST));
  speak(text);
  setTimeout(() => hush(id), kind === "critical" || kind === "warning" ? SHOWN_MS * 2 : SHOWN_MS);
}

export function hush(id: number): void {
  toasts.set(toasts.get().filter((each) => each.id !== id));
}

const waiting: string[] = [];
let busy = false;

/** Read out in its turn, one every four seconds; where many wait, only how many. */
export function speak(text: string): void {
  waiting.push(text);
  if (!busy) {
    next();
  }
}

function next(): void {
  if (waiting.length === 0) {
    busy = false;
    return;
  }
  busy = true;
  const many = waiting.length;
  spoken.set(many > 3 ? `${many} things happened. The last: ${waiting[many - 1]}` : (waiting[0] ?? ""));
  waiting.splice(0, many > 3 ? many : 1);
  setTimeout(next, 4000);
}
