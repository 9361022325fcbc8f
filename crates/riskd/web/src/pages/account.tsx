import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { stateOf } from "../lib/accounts.ts";
import { count, dollars, leftOf, levelOf, percent, priceOf, signed, words } from "../lib/format.ts";
import { day, minute, moment } from "../lib/time.ts";
import type { Account as AccountData, Curve, Enforcement, Gauge, Page, Summary } from "../lib/types.ts";
import { want } from "../parts/admin.tsx";
import { Chart, type Line } from "../parts/chart.tsx";
import { Icon } from "../parts/icon.tsx";
import { Outcome } from "../parts/outcome.tsx";
import { RuleList } from "../parts/rule_list.tsx";
import { Empty, Failed, GaugeLine, LockLeft, Pnl, StateBadge, Time } from "../parts/values.tsx";
import { get } from "../state/api.ts";
import { useKeys } from "../state/keys.ts";
import { now, on, overview } from "../state/live.ts";
import { useLoad, useThrottled } from "../state/load.ts";
import { go } from "../state/route.ts";
import { useStore } from "../state/store.ts";

const EVENTS = ["GatewayUserTrade", "GatewayUserPosition", "GatewayUserOrder", "MarketQuote", "lockout_set", "lockout_cleared", "enforcement_action", "daily_reset"] as const;

export function Account({ id }: { id: number }) {
  const said = useStore(overview);
  const live = said?.accounts.find((each) => each.id === id);
  const details = useLoad(`account ${id}`, () => get<AccountData>(`/accounts/${id}`));
  const log = useLoad(`log ${id}`, () => get<Page<Enforcement>>("/enforcements", new URLSearchParams({ account: String(id), limit: "8" })));
  const refresh = useThrottled(details.again, 400);
  const refreshLog = useThrottled(log.again, 600);
  useEffect(
    () =>
      on(EVENTS, (message) => {
        if (message.account_id === id || message.account_id === null) {
          refresh();
          if (message.type === "enforcement_action" || message.type === "lockout_set") {
            refreshLog();
          }
        }
      }),
    [id],
  );
  // Once a second with the daemon's word, for what no event tells (quotes, ages).
  useEffect(() => refresh(), [said]);
  useEffect(() => refreshLog(), [live?.pending_enforcements, live?.lock?.locked_at]);
  useKeys({ Escape: () => go("/"), Backspace: () => go("/") });

  const data = details.data;
  const shown: Summary | null = live ?? data;
  if (!shown) {
    return (
      <>
        <BackLink />
        <h1 tabIndex={-1}>Account {id}</h1>
        {details.error ? <Failed error={details.error} again={details.again} /> : said ? <Empty>Looking for account {id}…</Empty> : null}
      </>
    );
  }
  return (
    <>
      <BackLink />
      <Hero account={shown} />
      <div class="columns">
        <div class="column-wide">
          <DayCurve account={shown} />
          <Positions data={data} zone={shown.time_zone} />
          <Orders data={data} zone={shown.time_zone} />
          <section class="panel" aria-labelledby="done">
            <h2 id="done">What was done</h2>
            {log.error ? <Failed error={log.error} again={log.again} /> : null}
            {log.data?.items.length ? (
              <ol class="deeds">
                {log.data.items.map((item) => (
                  <li key={item.id}>
                    <Time at={item.at} zone={shown.time_zone} />
                    <div class="deed">
                      {words(item.action)} <span class="faint">{item.rule_id}</span>
                      <div class="faint">{item.reason}</div>
                    </div>
                    <Outcome item={item} />
                  </li>
                ))}
              </ol>
            ) : (
              <Empty>Nothing yet.</Empty>
            )}
            <p class="more">
              <a href={`#/log?account=${id}`}>All of it</a> · <a href={`#/history/${id}`}>History by day</a>
            </p>
          </section>
        </div>
        <div class="column-narrow">
          <section class="panel" aria-labelledby="limits">
            <h2 id="limits">Limits</h2>
            <div class="fresh">
              {data?.gauges.length ? (
                [...data.gauges].sort(byUse).map((gauge) => <GaugeLine key={`${gauge.rule_id} ${gauge.rule} ${gauge.contract_id}`} gauge={gauge} />)
              ) : (
                <Empty>No limit is in use.</Empty>
              )}
            </div>
          </section>
          <section class="panel" aria-labelledby="rules">
            <h2 id="rules">Rules</h2>
            {data ? <RuleList rules={data.rules} /> : null}
          </section>
        </div>
      </div>
    </>
  );
}

const byUse = (a: Gauge, b: Gauge) => b.fraction - a.fraction;

function BackLink() {
  return (
    <a class="back" href="#/">
      <Icon name="back" /> Accounts <kbd>Esc</kbd>
    </a>
  );
}

/** What a trader with two seconds must see: locked or not, how much is lost, how much is left. */
function Hero({ account }: { account: Summary }) {
  const state = stateOf(account);
  const near = account.nearest;
  return (
    <section class={`hero is-${state.kind}`} aria-label="How the account stands">
      <div class="hero-head">
        <h1 tabIndex={-1}>{account.name}</h1>
        <span class="faint num">{account.name === String(account.id) ? "" : account.id}</span>
        <StateBadge state={state} />
        <span class="faint hero-day">
          Trading day {day(account.trading_day)}, until {minute(Date.parse(account.day_ends_at), account.time_zone)} · times in {account.time_zone}
        </span>
      </div>
      {account.lock ? <LockPanel account={account} /> : null}
      {account.pending_enforcements > 0 ? (
        <p class="hero-line danger-text">
          <Icon name="closing" /> {count(account.pending_enforcements, "enforcement")} under way: positions are being closed and orders cancelled until the broker shows them gone.
        </p>
      ) : null}
      {account.certain ? null : (
        <p class="hero-line">
          <Icon name="question" /> riskd is comparing its books with the broker’s. Values may change in a moment.
        </p>
      )}
      <dl class="figures">
        <div>
          <dt>Realized today</dt>
          <dd class="fresh">
            <Pnl amount={account.realized_pnl} big />
          </dd>
        </div>
        <div>
          <dt>Unrealized</dt>
          <dd class="fresh priced">
            <Pnl amount={account.unrealized_pnl} big />
            {account.unpriced_positions > 0 ? <span class="faint"> {count(account.unpriced_positions, "position")} without a quote</span> : null}
          </dd>
        </div>
        <div class="figure-wide">
          <dt>Nearest limit{near ? `: ${words(near.rule)}` : ""}</dt>
          <dd class="fresh">
            {near ? (
              <span class={`big num ${levelOf(near)}`}>
                {leftOf(near)} <span class="faint small">{percent(Math.max(0, near.fraction))} used</span>
              </span>
            ) : (
              <span class="big faint">none in use</span>
            )}
          </dd>
        </div>
        <div>
          <dt>In the market</dt>
          <dd class="fresh">
            <span class="big num">{account.contracts === 0 ? "Flat" : count(account.contracts, "contract")}</span>
            <span class="faint num"> {count(account.orders, "order")}</span>
          </dd>
        </div>
      </dl>
    </section>
  );
}

function LockPanel({ account }: { account: Summary }) {
  const lock = account.lock;
  if (!lock) {
    return null;
  }
  const until = lock.locked_until ? Date.parse(lock.locked_until) : null;
  return (
    <div class="lock-panel">
      <Icon name="lock" />
      <div class="lock-words">
        <p class="lock-title">
          Locked {until === null ? "without end" : `until ${moment(until, account.time_zone, now())}`}
          {until === null ? null : (
            <>
              {" · "}
              <LockLeft lock={lock} /> left
            </>
          )}
        </p>
        <p>
          {lock.reason} <span class="faint">({lock.rule_id}, since {moment(Date.parse(lock.locked_at), account.time_zone, now())})</span>
        </p>
        <p class="faint">Any new fill is closed and any new order cancelled at once.</p>
      </div>
      <button type="button" class="button" onClick={() => want({ what: "unlock", account: account.id, name: account.name })}>
        Unlock…
      </button>
    </div>
  );
}

/** From this many points on the curve is asked for anew, thinned by the daemon. */
const MANY_POINTS = 4000;

function DayCurve({ account }: { account: Summary }) {
  const curve = useLoad(`curve ${account.id} ${account.trading_day}`, () => get<Curve>(`/accounts/${account.id}/curve`));
  const said = useStore(overview);
  const extra = useRef<[number, number, number][]>([]);
  const [turn, draw] = useState(0);
  useEffect(() => {
    extra.current = [];
  }, [curve.data]);
  useEffect(() => {
    if (!said || !curve.data) {
      return;
    }
    extra.current.push([Date.parse(said.at), account.realized_pnl, account.unrealized_pnl]);
    draw((before) => before + 1);
    if (extra.current.length > MANY_POINTS) {
      curve.again();
    }
  }, [said]);
  const lines = useMemo(() => curveLines([...(curve.data?.points ?? []), ...extra.current], curve.data), [curve.data, turn]);
  const limits = curve.data?.limits ?? [];
  const label = `Profit and loss today: realized ${signed(account.realized_pnl)}, unrealized ${signed(account.unrealized_pnl)}. ${limits.map((limit) => `Limit of ${limit.rule_id} at ${dollars(limit.value)}.`).join(" ")}`;
  return (
    <section class="panel" aria-labelledby="curve">
      <div class="panel-head">
        <h2 id="curve">Today’s P&amp;L against its limits</h2>
        <ul class="legend">
          <li class="legend-realized">Realized</li>
          <li class="legend-unrealized">Unrealized</li>
          <li class="legend-limit">Limit</li>
        </ul>
      </div>
      {curve.error ? <Failed error={curve.error} again={curve.again} /> : null}
      <div class="fresh">
        <Chart label={label} lines={lines} unit="dollars" zone={account.time_zone} />
      </div>
    </section>
  );
}

function curveLines(points: [number, number, number][], curve: Curve | null): Line[] {
  const seconds = new Map<number, [number, number, number]>();
  for (const point of points) {
    seconds.set(Math.floor(point[0] / 1000), point);
  }
  const ordered = [...seconds].sort((a, b) => a[0] - b[0]);
  const limits = (of: "realized" | "unrealized") =>
    (curve?.limits ?? [])
      .filter((limit) => (limit.of ?? (limit.rule_id === "RULE-003" ? "realized" : "unrealized")) === of)
      .map((limit) => ({ value: limit.value, title: `${of} limit` }));
  return [
    { kind: "line", colour: "line-unrealized", title: "Unrealized", points: ordered.map(([time, point]) => ({ time, value: point[2] })), limits: limits("unrealized") },
    { kind: "step", colour: "line-realized", title: "Realized", points: ordered.map(([time, point]) => ({ time, value: point[1] })), limits: limits("realized") },
  ];
}

function Positions({ data, zone }: { data: AccountData | null; zone: string }) {
  return (
    <section class="panel" aria-labelledby="positions">
      <h2 id="positions">Positions</h2>
      {data && data.positions_open.length === 0 ? <Empty>Flat.</Empty> : null}
      {data?.positions_open.length ? (
        <div class="scroll" tabIndex={0} role="group" aria-labelledby="positions">
          <table class="table fresh">
            <thead>
              <tr>
                <th>Contract</th>
                <th>Side</th>
                <th class="right">Size</th>
                <th class="right">Average</th>
                <th class="right">Last</th>
                <th class="right">Unrealized</th>
                <th>Opened</th>
              </tr>
            </thead>
            <tbody>
              {data.positions_open.map((position) => (
                <tr key={position.id}>
                  <th scope="row" title={position.contract_id}>
                    {position.name ?? position.contract_id}
                  </th>
                  <td>{words(position.side)}</td>
                  <td class="right num">{position.size}</td>
                  <td class="right num">{priceOf(position.average_price)}</td>
                  <td class={`right num priced ${position.stale ? "old" : ""}`}>
                    {priceOf(position.last_price)}
                    {position.stale && position.last_price !== null ? <span class="tag">old quote</span> : null}
                  </td>
                  <td class={`right priced ${position.stale ? "old" : ""}`}>{position.unrealized_pnl === null ? <span class="tag">no quote yet</span> : <Pnl amount={position.unrealized_pnl} />}</td>
                  <td>
                    <Time at={position.opened_at} zone={zone} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </section>
  );
}

function Orders({ data, zone }: { data: AccountData | null; zone: string }) {
  return (
    <section class="panel" aria-labelledby="orders">
      <h2 id="orders">Working orders</h2>
      {data && data.orders_open.length === 0 ? <Empty>None.</Empty> : null}
      {data?.orders_open.length ? (
        <div class="scroll" tabIndex={0} role="group" aria-labelledby="orders">
          <table class="table fresh">
            <thead>
              <tr>
                <th>Contract</th>
                <th>Side</th>
                <th>Type</th>
                <th class="right">Size</th>
                <th class="right">Limit</th>
                <th class="right">Stop</th>
                <th>State</th>
                <th>Placed</th>
              </tr>
            </thead>
            <tbody>
              {data.orders_open.map((order) => (
                <tr key={order.id}>
                  <th scope="row" title={order.contract_id}>
                    {order.name ?? order.contract_id}
                  </th>
                  <td>{words(order.side)}</td>
                  <td>{words(order.type)}</td>
                  <td class="right num">{order.size}</td>
                  <td class="right num">{priceOf(order.limit_price)}</td>
                  <td class="right num">{priceOf(order.stop_price)}</td>
                  <td>{words(order.state)}</td>
                  <td>
                    <Time at={order.created_at} zone={zone} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </section>
  );
}

