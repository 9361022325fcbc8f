/** The filters of the enforcement log, in the page's address and in the API's question. */

export interface LogFilter {
  account: string;
  rule: string;
  failed: boolean;
  slow_ms: string;
  since: string;
}

export const NO_FILTER: LogFilter = { account: "", rule: "", failed: false, slow_ms: "", since: "" };

const SPANS: Record<string, number> = { "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000, "30d": 2_592_000_000 };

export const SPAN_NAMES: Record<string, string> = { "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days" };

/** From the address of the page. What is not understood is left out. */
export function fromAddress(query: URLSearchParams): LogFilter {
  const digits = (name: string) => (/^\d+$/.test(query.get(name) ?? "") ? (query.get(name) ?? "") : "");
  const since = query.get("since") ?? "";
  return {
    account: digits("account"),
    rule: query.get("rule") ?? "",
    failed: query.get("failed") === "true",
    slow_ms: digits("slow_ms"),
    since: since in SPANS || !Number.isNaN(Date.parse(since)) ? since : "",
  };
}

export function toAddress(filter: LogFilter): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value) {
      query.set(name, String(value));
    }
  }
  return query;
}

/** For the API: spans become times. */
export function toQuestion(filter: LogFilter, now: number, before: string | number | null, limit: number): URLSearchParams {
  const query = toAddress(filter);
  const span = SPANS[filter.since];
  if (span !== undefined) {
    query.set("since", new Date(now - span).toISOString());
  }
  if (before !== null) {
    query.set("before", String(before));
  }
  query.set("limit", String(limit));
  return query;
}
