/** The admin's session: a cookie that scripts cannot read; here is only until when. */

import { minute } from "../lib/time.ts";
import { get, post } from "./api.ts";
import { deskZone, now } from "./live.ts";
import { say } from "./say.ts";
import { Store } from "./store.ts";

interface Session {
  logged_in: boolean;
  expires_at: string | null;
}

/** Until when, in the daemon's time; null: not logged in. */
export const session = new Store<number | null>(null);
let timer = 0;

function take(said: { expires_at: string | null } | null): void {
  clearTimeout(timer);
  const until = said?.expires_at ? Date.parse(said.expires_at) : Number.NaN;
  session.set(Number.isNaN(until) ? null : until);
  if (!Number.isNaN(until)) {
    timer = window.setTimeout(check, Math.min(Math.max(until - now(), 0) + 250, 2 ** 31 - 1));
  }
}

/** Asks the daemon; says so where the session has ended by itself. */
export async function check(): Promise<void> {
  const before = session.get();
  try {
    const said = await get<Session>("/admin/session");
    take(said.logged_in ? said : null);
  } catch {
    if (before !== null && now() >= before) {
      take(null);
    }
  }
  if (before !== null && session.get() === null) {
    say(`Logged out: the admin session ended at ${minute(Math.min(before, now()), deskZone())}.`, "warning");
  }
}

export async function logIn(password: string): Promise<void> {
  take(await post<{ expires_at: string }>("/admin/login", { password }));
}

export async function logOut(): Promise<void> {
  await post("/admin/logout");
  take(null);
  say("Logged out.", "info");
}

/** After a 401: the session is over, whatever we thought. */
export function lost(): void {
  if (session.get() !== null) {
    take(null);
    say("Logged out: the daemon no longer knows this admin session.", "warning");
  }
}
