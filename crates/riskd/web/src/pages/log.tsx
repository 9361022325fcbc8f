import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, milliseconds, number, signed, words } from "../lib/format.ts";
import { fromAddress, NO_FILTER, SPAN_NAMES, toAddress, toQuestion, type LogFilter } from "../lib/log_query.ts";
import type { Enforcement, Latency, Page, RuleLatency } from "../lib/types.ts";
import { Chart, type Line } from "../parts/chart.tsx";
import { Outcome, SLOW } from "../parts/outcome.tsx";
import { AccountPicker } from "../parts/picker.tsx";
import { Empty, Failed, Time } from "../parts/values.tsx";
import { get, message } from "../state/api.ts";
import { useKeys } from "../state/keys.ts";
import { deskZone, now, on, overview } from "../state/live.ts";
import { useLoad, useThrottled } from "../state/load.ts";
import { replace, route } from "../state/route.ts";
import { useStore } from "../state/store.ts";

const SIZE = 100;

export function Log() {
  const where = useStore(route);
  const filter = fromAddress(where.query);
  const address = toAddress(filter).toString();
  const set = (change: Partial<LogFilter>) => {
    const tail = toAddress({ ...filter, ...change }).toString();
    replace(tail ? `#/log?${tail}` : "#/log");
  };
  const latency = useLoad("latency", () => get<Latency>("/enforcements/latency"));
  const refresh = useThrottled(latency.again, 2000);
  useEffect(() => on(["enforcement_action"], refresh), []);
  const known = useMemo(() => [...new Set([...(latency.data?.rules ?? []).map((rule) => rule.rule_id), ...(filter.rule ? [filter.rule] : [])])].sort(), [latency.data, filter.rule]);
  return (
    <div class="log-page">
      <div class="page-head">
        <h1 tabIndex={-1}>Enforcement log</h1>
      </div>
      <LatencyCharts latency={latency.data} error={latency.error} again={latency.again} />
      <form class="tools filters" aria-label="Filter the log" onSubmit={(event) => event.preventDefault()}>
        <AccountPicker label="Account" value={filter.account} all="All accounts" onPick={(account) => set({ account })} />
        <label class="field">
          Rule
          <select name="rule" value={filter.rule} onChange={(event) => set({ rule: event.currentTarget.value })}>
            <option value="">All rules</option>
            {known.map((rule) => (
              <option key={rule} value={rule}>
                {rule}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Took
          <select name="slow" value={filter.slow_ms} onChange={(event) => set({ slow_ms: event.currentTarget.value })}>
            <option value="">Any time</option>
            <option value="500">Over 500 ms</option>
            <option value="2000">Over 2 s</option>
            <option value="5000">Over 5 s</option>
          </select>
        </label>
        <label class="field">
          When
          <select name="since" value={filter.since} onChange={(event) => set({ since: event.currentTarget.value })}>
            <option value="">Ever</option>
            {Object.entries(SPAN_NAMES).map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="check">
          <input name="failed" type="checkbox" checked={filter.failed} onChange={(event) => set({ failed: event.currentTarget.checked })} /> Failed only
        </label>
        <button type="button" class="button" disabled={address === ""} onClick={() => set(NO_FILTER)}>
          Clear
        </button>
      </form>
      <Entries key={address} filter={filter} />
    </div>
  );
}

/** What has been read of the log, and where the older part goes on. */
interface Kept {
  items: Map<number, Enforcement>;
  next: string | number | null;
}

function added(before: Kept | null, items: readonly Enforcement[], next: Kept["next"]): Kept {
  return { items: new Map([...(before?.items ?? []), ...items.map((item) => [item.id, item] as const)]), next };
}

/** The newest page read again: rows it pushed out stay, unless so many came that there would be a gap. */
function fresh(before: Kept | null, page: Page<Enforcement>): Kept {
  const joins = before !== null && (before.items.size === 0 ? page.next_before === null : page.items.some((item) => before.items.has(item.id)));
  return joins ? added(before, page.items, before.next) : added(null, page.items, page.next_before);
}

/** The newest page follows the daemon; older ones are added below on demand. */
function Entries({ filter }: { filter: LogFilter }) {
  const ask = (before: string | number | null) => get<Page<Enforcement>>("/enforcements", toQuestion(filter, now(), before, SIZE));
  const first = useLoad("first", () => ask(null));
  const [kept, keep] = useState<Kept | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [selected, select] = useState<number | null>(null);
  const [open, setOpen] = useState<number | null>(null);
  const busy = useRef(false);
  const refresh = useThrottled(first.again, 500);
  useEffect(() => on(["enforcement_action", "lockout_cleared", "lockout_set"], refresh), []);
  useEffect(() => keep((before) => (first.data ? fresh(before, first.data) : before)), [first.data]);
  const items = useMemo(() => [...(kept?.items.values() ?? [])].sort((a, b) => b.id - a.id), [kept]);
  const next = kept?.next ?? null;
  const more = async () => {
    if (next === null || busy.current) {
      return;
    }
    busy.current = true;
    try {
      const page = await ask(next);
      setProblem(null);
      keep((before) => added(before, page.items, page.next_before));
    } catch (error) {
      setProblem(message(error));
    } finally {
      busy.current = false;
    }
  };
  const move = (step: number) => {
    const place = items.findIndex((item) => item.id === selected);
    const to = items[Math.min(Math.max(place + step, 0), items.length - 1)];
    if (to) {
      select(to.id);
      document.getElementById(`entry-${to.id}`)?.scrollIntoView({ block: "nearest" });
    }
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => setOpen(selected === open ? null : selected),
    Escape: () => (setOpen(null), select(null)),
    "/": () => document.querySelector<HTMLElement>(".filters input, .filters select")?.focus(),
  });
  if (first.error && !first.data) {
    return <Failed error={first.error} again={first.again} />;
  }
  if (!kept) {
    return <Empty>Reading the log…</Empty>;
  }
  if (items.length === 0) {
    return <Empty>No enforcement matches.</Empty>;
  }
  return (
    <section class="panel flush" aria-label="Entries, newest first">
      <table class="table entries">
        <thead>
          <tr>
            <th>Time</th>
            <th>Account</th>
            <th>Rule</th>
            <th>What was done, and why</th>
            <th>Outcome</th>
            <th class="right">Closed</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <Entry key={item.id} item={item} selected={item.id === selected} open={item.id === open} toggle={() => setOpen(item.id === open ? null : item.id)} />
          ))}
        </tbody>
      </table>
      {problem ? <Failed error={problem} again={() => void more()} /> : null}
      <p class="more">
        <span class="faint">{count(items.length, "entry", "entries")} shown. </span>
        {next === null ? <span class="faint">That is all.</span> : null}
        {next === null ? null : (
          <button type="button" class="button" onClick={() => void more()}>
            Show older
          </button>
        )}
      </p>
    </section>
  );
}

function Entry({ item, selected, open, toggle }: { item: Enforcement; selected: boolean; open: boolean; toggle: () => void }) {
  const account = overview.get()?.accounts.find((each) => each.id === item.account_id);
  const zone = account?.time_zone ?? deskZone();
  return (
    <>
      <tr id={`entry-${item.id}`} class={`entry ${selected ? "selected" : ""}`} data-entry={item.id}>
        <td class="e-time">
          <Time at={item.at} zone={zone} full />
        </td>
        <td class="e-account">
          <a href={`#/accounts/${item.account_id}`}>{account?.name ?? item.account_id}</a>
        </td>
        <td class="e-rule num">{item.rule_id}</td>
        <td class="e-what">
          <button type="button" class="reveal" aria-expanded={open} onClick={toggle}>
            {words(item.action)}
          </button>
          <span class="faint">{item.reason}</span>
        </td>
        <td class="e-outcome">
          <Outcome item={item} />
        </td>
        <td class="e-closed right num">
          {item.positions_closed ? <span>{count(item.positions_closed, "position")}</span> : null}
          {item.orders_cancelled ? <span>{count(item.orders_cancelled, "order")}</span> : null}
        </td>
      </tr>
      {open ? (
        <tr class="details">
          <td colSpan={6}>
            <dl class="pairs">
              <Pair name="Entry" value={number(item.id)} />
              <Pair name="Status" value={words(item.status)} />
              <Pair name="Decision to proof" value={item.execution_time_ms === null ? "not yet proved" : milliseconds(item.execution_time_ms)} />
              <Pair name="P&L at the decision" value={item.pnl === null ? "–" : signed(item.pnl)} />
              <div>
                <dt>Locked until</dt>
                <dd>{item.lockout_until ? <Time at={item.lockout_until} zone={zone} full /> : "–"}</dd>
              </div>
              <Pair name="Orders cancelled" value={item.orders_cancelled === null ? "–" : number(item.orders_cancelled)} />
              {item.error ? <Pair name="Error" value={item.error} /> : null}
            </dl>
          </td>
        </tr>
      ) : null}
    </>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function LatencyCharts({ latency, error, again }: { latency: Latency | null; error: string | null; again: () => void }) {
  const lines = useMemo<Line[]>(
    () => [{ kind: "line", colour: "accent", title: "Mean", points: [...(latency?.trend ?? [])].sort((a, b) => a.day.localeCompare(b.day)).map((day) => ({ time: day.day, value: day.mean_ms })) }],
    [latency],
  );
  if (error && !latency) {
    return <Failed error={error} again={again} />;
  }
  if (!latency || latency.rules.length === 0) {
    return null;
  }
  return (
    <div class="halves">
      <section class="panel" aria-labelledby="by-rule">
        <h2 id="by-rule">From decision to proof, by rule</h2>
        <LatencyTable rules={latency.rules} />
      </section>
      <section class="panel" aria-labelledby="by-day">
        <h2 id="by-day">Mean by day</h2>
        <Chart label={`Mean time from decision to proof by day, the last: ${milliseconds(latency.trend.at(-1)?.mean_ms ?? null)}`} lines={lines} unit="ms" height={190} />
      </section>
    </div>
  );
}

/** Where a time stands between 10 ms and 10 s, each tenfold as wide as the last. */
const place = (ms: number) => ((Math.log10(Math.min(Math.max(ms, 10), 10_000)) - 1) / 3) * 100;

function LatencyTable({ rules }: { rules: readonly RuleLatency[] }) {
  return (
    <table class="table latency">
      <thead>
        <tr>
          <th>Rule</th>
          <th class="right">Times</th>
          <th class="right">Mean</th>
          <th class="spread-head">
            <span class="out-of-sight">Fastest to slowest</span>
            {SLOW.map((ms) => (
              <span key={ms} class="tick num" style={{ left: `${place(ms)}%` }} aria-hidden="true">
                {ms < 1000 ? `${ms} ms` : `${ms / 1000} s`}
              </span>
            ))}
          </th>
          <th class="right">Slowest</th>
        </tr>
      </thead>
      <tbody>
        {[...rules].sort((a, b) => b.mean_ms - a.mean_ms).map((rule) => (
          <tr key={rule.rule_id}>
            <th scope="row" class="num">
              {rule.rule_id}
            </th>
            <td class="right num">{number(rule.count)}</td>
            <td class="right num">{milliseconds(rule.mean_ms)}</td>
            <td class="spread" title={`${milliseconds(rule.min_ms)} to ${milliseconds(rule.max_ms)}, mean ${milliseconds(rule.mean_ms)}`}>
              {SLOW.map((ms) => (
                <span key={ms} class="spread-limit" style={{ left: `${place(ms)}%` }} />
              ))}
              <span class={`spread-range ${rule.max_ms > SLOW[1] ? "very-slow" : rule.max_ms > SLOW[0] ? "slow" : ""}`} style={{ left: `${place(rule.min_ms)}%`, width: `${Math.max(place(rule.max_ms) - place(rule.min_ms), 0.8)}%` }} />
              <span class="spread-mean" style={{ left: `${place(rule.mean_ms)}%` }} />
            </td>
            <td class="right num">{milliseconds(rule.max_ms)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

