import { useEffect, useMemo } from "preact/hooks";
import { count, signed } from "../lib/format.ts";
import { day } from "../lib/time.ts";
import type { Day, History as HistoryData } from "../lib/types.ts";
import { sorted } from "../lib/accounts.ts";
import { Chart, type Line } from "../parts/chart.tsx";
import { AccountPicker } from "../parts/picker.tsx";
import { Empty, Failed, Pnl } from "../parts/values.tsx";
import { get } from "../state/api.ts";
import { useKeys } from "../state/keys.ts";
import { on, overview } from "../state/live.ts";
import { useLoad, useThrottled } from "../state/load.ts";
import { go, replace, route } from "../state/route.ts";
import { useStore } from "../state/store.ts";

const SPANS = ["30", "90", "365"];

export function History() {
  const where = useStore(route);
  const said = useStore(overview);
  const accounts = sorted(said?.accounts ?? [], "risk");
  const id = where.path[1] ?? String(accounts[0]?.id ?? "");
  const days = SPANS.includes(where.query.get("days") ?? "") ? (where.query.get("days") ?? "30") : "30";
  const order = sorted(accounts, "name").map((each) => String(each.id));
  const step = (by: number) => {
    const next = order[order.indexOf(id) + by];
    if (next) {
      replace(`#/history/${next}?days=${days}`);
    }
  };
  useKeys({ j: () => step(1), k: () => step(-1), Escape: () => go(id ? `/accounts/${id}` : "/"), "/": () => document.querySelector<HTMLElement>(".tools select")?.focus() });
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>History</h1>
      </div>
      <div class="tools">
        <AccountPicker label="Account" value={id} onPick={(account) => replace(`#/history/${account}?days=${days}`)} />
        <div class="chips" role="group" aria-label="How far back">
          {SPANS.map((span) => (
            <button key={span} type="button" class="chip" aria-pressed={span === days} onClick={() => replace(`#/history/${id}?days=${span}`)}>
              {span} days
            </button>
          ))}
        </div>
      </div>
      {id ? <Days key={`${id} ${days}`} id={id} days={days} /> : <Empty>No account is watched.</Empty>}
    </>
  );
}

function Days({ id, days }: { id: string; days: string }) {
  const loaded = useLoad(`${id} ${days}`, () => get<HistoryData>(`/accounts/${encodeURIComponent(id)}/history`, new URLSearchParams({ days })));
  const refresh = useThrottled(loaded.again, 5000);
  useEffect(() => on(["GatewayUserTrade", "daily_reset"], refresh), []);
  const history = loaded.data;
  const lines = useMemo(() => linesOf(history?.days ?? []), [history]);
  if (loaded.error) {
    return <Failed error={loaded.error} again={loaded.again} />;
  }
  if (!history) {
    return <Empty>Reading…</Empty>;
  }
  const shown = [...history.days].sort((a, b) => b.date.localeCompare(a.date));
  if (shown.length === 0) {
    return <Empty>No trading day is recorded in the last {days} days.</Empty>;
  }
  const total = shown.reduce((sum, each) => sum + each.realized_pnl, 0);
  const wins = shown.filter((each) => each.realized_pnl > 0).length;
  const losses = shown.filter((each) => each.realized_pnl < 0).length;
  const kept = shown.some((each) => each.unrealized_pnl !== null);
  return (
    <>
      <dl class="figures cards">
        <Extreme name="Best day" found={history.best} />
        <Extreme name="Worst day" found={history.worst} />
        <div>
          <dt>Realized, all days</dt>
          <dd>
            <Pnl amount={total} big />
          </dd>
        </div>
        <div>
          <dt>Days</dt>
          <dd>
            <span class="big num">
              {wins} up, {losses} down
            </span>
            <span class="faint"> of {count(shown.length, "day")}</span>
          </dd>
        </div>
      </dl>
      <section class="panel" aria-labelledby="daily">
        <div class="panel-head">
          <h2 id="daily">Realized by trading day</h2>
          <ul class="legend">
            <li class="legend-gain">Gain</li>
            <li class="legend-loss">Loss</li>
            {kept ? <li class="legend-unrealized">Unrealized</li> : null}
          </ul>
        </div>
        <Chart label={`Realized profit and loss of ${shown.length} trading days, in all ${signed(total)}`} lines={lines} unit="dollars" height={240} />
      </section>
      <section class="panel flush" aria-label="Day by day">
        <table class="table">
          <thead>
            <tr>
              <th>Trading day</th>
              <th class="right">Realized</th>
              <th class="right">Unrealized</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((each) => (
              <tr key={each.date}>
                <th scope="row">
                  {day(each.date)} <span class="faint num">{each.date}</span>
                  {each.date === history.best?.date ? <span class="tag good">best</span> : null}
                  {each.date === history.worst?.date ? <span class="tag bad">worst</span> : null}
                </th>
                <td class="right">
                  <Pnl amount={each.realized_pnl} />
                </td>
                <td class="right">{each.unrealized_pnl === null ? <span class="faint">not kept</span> : <Pnl amount={each.unrealized_pnl} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {kept ? null : <p class="faint">Unrealized P&amp;L is kept by day where the config says database.track_unrealized_pnl: true.</p>}
    </>
  );
}

function Extreme({ name, found }: { name: string; found: HistoryData["best"] }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {found ? (
          <>
            <Pnl amount={found.pnl} big /> <span class="faint">{day(found.date)}</span>
          </>
        ) : (
          <span class="faint">none yet</span>
        )}
      </dd>
    </div>
  );
}

function linesOf(days: readonly Day[]): Line[] {
  const ordered = [...new Map(days.map((each) => [each.date, each])).values()].sort((a, b) => a.date.localeCompare(b.date));
  const bars: Line = { kind: "bars", colour: "gain", title: "Realized", points: ordered.map((each) => ({ time: each.date, value: each.realized_pnl, colour: each.realized_pnl < 0 ? "loss" : "gain" })) };
  const open = ordered.filter((each) => each.unrealized_pnl !== null);
  return open.length === 0 ? [bars] : [bars, { kind: "line", colour: "line-unrealized", title: "Unrealized", points: open.map((each) => ({ time: each.date, value: each.unrealized_pnl ?? 0 })) }];
}
