/** The daemon's word, second by second. */

import type { Overview, StreamMessage, StreamType, Summary } from "../lib/types.ts";
import { doubtful, SILENT_MS, troubles, type Heard, type Trouble } from "../lib/trouble.ts";
import { get, Refused } from "./api.ts";
import { Store } from "./store.ts";

export const overview = new Store<Overview | null>(null);
export const found = new Store<readonly Trouble[]>([]);
export const doubt = new Store<{ all: boolean; unrealized: boolean }>({ all: false, unrealized: false });
/** The daemon wants a trader's token first. */
export const barred = new Store(false);

/** The daemon's clock less ours, so that a countdown ends when the daemon says. */
let skewMs = 0;
let heardAt = performance.now();
let waitMs = 500;
let socket: WebSocket | null = null;
let timer = 0;

type Listener = (message: StreamMessage) => void;
const listeners = new Map<StreamType, Set<Listener>>();

/** The daemon's time. */
export function now(): number {
  return Date.now() + skewMs;
}

export function silentMs(): number {
  return performance.now() - heardAt;
}

export function on(types: readonly StreamType[], listener: Listener): () => void {
  for (const type of types) {
    const set = listeners.get(type) ?? new Set();
    listeners.set(type, set.add(listener));
  }
  return () => types.forEach((type) => listeners.get(type)?.delete(listener));
}

export function account(id: number): Summary | undefined {
  return overview.get()?.accounts.find((each) => each.id === id);
}

/** The zone of times that belong to no account: that of the accounts where they share one, or UTC. */
export function deskZone(): string {
  const zones = new Set(overview.get()?.accounts.map((each) => each.time_zone));
  return zones.size === 1 ? ([...zones][0] ?? "UTC") : "UTC";
}

function take(said: Overview): void {
  heardAt = performance.now();
  const at = Date.parse(said.at);
  if (!Number.isNaN(at)) {
    skewMs = at - Date.now();
  }
  overview.set(said);
  judge();
}

/** Looks again at how things stand; also when nothing came. */
function judge(): void {
  const said = overview.get();
  const heard: Heard = { daemon: said?.daemon ?? null, silentMs: silentMs(), at: said?.at ?? null };
  const next = troubles(heard);
  if (JSON.stringify(next) !== JSON.stringify(found.get())) {
    found.set(next);
  }
  const doubts = doubtful(heard);
  if (doubts.all !== doubt.get().all || doubts.unrealized !== doubt.get().unrealized) {
    doubt.set(doubts);
  }
}

function isOverview(data: unknown): data is Overview {
  const said = data as Partial<Overview> | null;
  return typeof said?.at === "string" && Array.isArray(said.accounts) && typeof said.daemon === "object";
}

function hear(text: string): void {
  let said: StreamMessage;
  try {
    said = JSON.parse(text) as StreamMessage;
  } catch {
    return;
  }
  if (said.type === "daemon_status" && isOverview(said.data)) {
    waitMs = 500;
    take(said.data);
  }
  for (const listener of listeners.get(said.type) ?? []) {
    listener(said);
  }
}

function connect(): void {
  clearTimeout(timer);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(`${scheme}//${location.host}/api/v1/stream`);
  socket = opened;
  opened.onmessage = (event) => {
    if (socket === opened && typeof event.data === "string") {
      hear(event.data);
    }
  };
  opened.onclose = () => {
    if (socket === opened) {
      socket = null;
      // For ever, and never slower than every five seconds: somebody may be waiting for it.
      timer = window.setTimeout(begin, waitMs);
      waitMs = Math.min(waitMs * 2, 5000);
    }
  };
}

/** Asks once over HTTP, which tells whether a token is wanted, then listens. */
export async function begin(): Promise<void> {
  clearTimeout(timer);
  try {
    const said = await get<Overview>("/overview");
    barred.set(false);
    if (isOverview(said)) {
      take(said);
    }
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      barred.set(true);
      heardAt = performance.now();
      return;
    }
  }
  connect();
}

export function start(): void {
  void begin();
  setInterval(() => {
    if (barred.get()) {
      return;
    }
    judge();
    // A link that is open and says nothing for long may be dead without knowing it.
    if (silentMs() > SILENT_MS * 5 && socket?.readyState === WebSocket.OPEN) {
      heardAt = Math.min(heardAt, performance.now() - SILENT_MS);
      const dead = socket;
      socket = null;
      dead.close();
      waitMs = 500;
      timer = window.setTimeout(begin, waitMs);
    }
  }, 250);
}
