/** Questions to the daemon. */

const BASE = "/api/v1";
/** A daemon on the same machine that takes longer than this is not well. */
const DEADLINE_MS = 10_000;

/** What the daemon refused, in its words. */
export class Refused extends Error {
  readonly status: number;
  readonly retryAfter: number | null;

  constructor(status: number, message: string, retryAfter: number | null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function ask(path: string, init: RequestInit): Promise<unknown> {
  let answer: Response;
  try {
    answer = await fetch(BASE + path, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS), ...init });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new Refused(0, late ? "riskd did not answer within 10 seconds." : "riskd does not answer.", null);
  }
  const text = await answer.text();
  let body: unknown = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    // Not JSON: the status alone tells.
  }
  if (!answer.ok) {
    const problem = body as { title?: string; detail?: string } | null;
    const retry = Number(answer.headers.get("retry-after"));
    const message = problem?.detail || problem?.title || `riskd answered with ${answer.status} ${answer.statusText}`.trim();
    throw new Refused(answer.status, message, retry > 0 ? retry : null);
  }
  return body;
}

export async function get<T>(path: string, query?: URLSearchParams): Promise<T> {
  const question = query?.toString();
  return (await ask(question ? `${path}?${question}` : path, {})) as T;
}

/** A change. The header is one that a page from elsewhere cannot set. */
export async function post<T>(path: string, body: object = {}): Promise<T> {
  const headers = { "content-type": "application/json", "x-riskd": "1" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })) as T;
}

export async function text(path: string): Promise<string> {
  const answer = await fetch(path, { credentials: "same-origin" });
  if (!answer.ok) {
    throw new Refused(answer.status, `riskd answered with ${answer.status}`, null);
  }
  return answer.text();
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
