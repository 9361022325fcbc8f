import { Component } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { held, matches, nearestOf, passes, slice, sorted, stateOf, urgent, type Filter, type Key } from "../lib/accounts.ts";
import { amountOf, count, dollars, leftOf, levelOf, number, percent, signed, tone, words } from "../lib/format.ts";
import type { Gauge, Summary } from "../lib/types.ts";
import { overview } from "../state/live.ts";
import { useKeys } from "../state/keys.ts";
import { go, replace, route } from "../state/route.ts";
import { useStore } from "../state/store.ts";
import { Icon } from "../parts/icon.tsx";
import { Bar, Empty, Pnl, StateBadge } from "../parts/values.tsx";

const FILTERS: [Filter, string][] = [
  ["all", "All"],
  ["locked", "Locked"],
  ["near", "Near a limit"],
  ["unarmed", "Not fully protected"],
  ["open", "In the market"],
];

const COLUMNS: { key: Key | null; label: string; class: string; hint?: string }[] = [
  { key: "name", label: "Account", class: "c-name" },
  { key: null, label: "State", class: "c-state" },
  { key: "risk", label: "Nearest limit", class: "c-near", hint: "Locked first, then by the share of the limit used" },
  { key: "dollars", label: "Dollars left", class: "c-dollars" },
  { key: "contracts", label: "Contracts left", class: "c-contracts" },
  { key: "realized", label: "Realized today", class: "c-realized" },
  { key: "unrealized", label: "Unrealized", class: "c-unrealized" },
  { key: null, label: "In the market", class: "c-market" },
];

/** How long after the pointer last moved over the list its order is held. */
const HOLD_MS = 2500;

export function Overview() {
  const said = useStore(overview);
  const where = useStore(route);
  const [key, setKey] = useState<Key>("risk");
  const filter = (where.query.get("show") ?? "all") as Filter;
  const [search, setSearch] = useState(where.query.get("search") ?? "");
  const [selected, select] = useState<number | null>(null);
  const pointed = useRef(-Infinity);
  const before = useRef<{ id: number; urgent: boolean }[]>([]);
  const box = useRef<HTMLInputElement>(null);
  const accounts = said?.accounts ?? [];

  const rows = useMemo(() => {
    const wanted = sorted(accounts.filter((each) => passes(each, filter) && matches(each, search)), key);
    const hold = performance.now() - pointed.current < HOLD_MS && key === "risk";
    const kept = hold ? held(wanted, before.current) : wanted;
    before.current = kept.map((each) => ({ id: each.id, urgent: urgent(each) }));
    return kept;
  }, [said, key, filter, search]);

  const show = (next: Filter, text: string) => {
    const query = new URLSearchParams();
    if (next !== "all") {
      query.set("show", next);
    }
    if (text) {
      query.set("search", text);
    }
    before.current = [];
    const tail = query.toString();
    replace(tail ? `#/?${tail}` : "#/");
  };
  const move = (step: number) => {
    const place = rows.findIndex((each) => each.id === selected);
    const next = rows[place < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(place + step, 0), rows.length - 1)];
    if (next) {
      select(next.id);
    }
  };
  const clear = () => {
    setSearch("");
    show(filter, "");
    box.current?.blur();
    select(null);
  };
  const open = () => selected !== null && go(`/accounts/${selected}`);
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Home: () => select(rows[0]?.id ?? null),
    End: () => select(rows.at(-1)?.id ?? null),
    Enter: open,
    "/": () => box.current?.focus(),
    Escape: clear,
  });

  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>Accounts</h1>
        <Totals accounts={accounts} />
      </div>
      <div class="tools">
        <div class="chips" role="group" aria-label="Which accounts">
          {FILTERS.map(([name, label]) => (
            <button key={name} type="button" class="chip" aria-pressed={filter === name} onClick={() => show(name, search)}>
              {label} <span class="num chip-count">{number(name === "all" ? accounts.length : accounts.filter((each) => passes(each, name)).length)}</span>
            </button>
          ))}
        </div>
        <label class="search">
          <Icon name="search" />
          <span class="out-of-sight">Search accounts by name or id</span>
          <input
            ref={box}
            type="search"
            placeholder="Name or id"
            value={search}
            onInput={(event) => {
              setSearch(event.currentTarget.value);
              show(filter, event.currentTarget.value);
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter" || event.key === "ArrowDown") {
                event.preventDefault();
                event.currentTarget.blur();
                select(rows[0]?.id ?? null);
              }
            }}
          />
        </label>
        <label class="sort-phone">
          Sort by
          <select value={key} onChange={(event) => setKey(event.currentTarget.value as Key)}>
            {COLUMNS.map((column) => (column.key ? <option value={column.key}>{column.label}</option> : null))}
          </select>
        </label>
      </div>
      <div
        class="grid"
        role="grid"
        tabIndex={0}
        aria-label="Accounts"
        aria-rowcount={rows.length + 1}
        aria-activedescendant={selected === null ? undefined : `account-${selected}`}
        onPointerMove={() => (pointed.current = performance.now())}
        onPointerLeave={() => (pointed.current = -Infinity)}
      >
        <div class="grid-head" role="row" aria-rowindex={1}>
          {COLUMNS.map((column) => (
            <div
              key={column.label}
              role="columnheader"
              class={column.class}
              title={column.hint}
              aria-sort={column.key === null ? undefined : column.key === key ? (column.key === "risk" ? "descending" : "ascending") : "none"}
            >
              {column.key ? (
                <button type="button" class="sort" onClick={() => setKey(column.key ?? "risk")}>
                  {column.label}
                  {column.key === key ? <Icon name="down" /> : null}
                </button>
              ) : (
                column.label
              )}
            </div>
          ))}
        </div>
        <Rows rows={rows} selected={selected} />
      </div>
      {said && rows.length === 0 ? (
        <Empty>
          {accounts.length > 0
            ? "No account matches. Esc clears the search."
            : said.daemon.phase === "watching"
              ? "No account is watched. config/accounts.yaml names them."
              : "riskd is starting. The accounts appear once it has reached the broker."}
        </Empty>
      ) : null}
    </>
  );
}

function Totals({ accounts }: { accounts: readonly Summary[] }) {
  const realized = accounts.reduce((sum, each) => sum + each.realized_pnl, 0);
  const unrealized = accounts.reduce((sum, each) => sum + each.unrealized_pnl, 0);
  const contracts = accounts.reduce((sum, each) => sum + each.contracts, 0);
  return (
    <dl class="totals">
      <div>
        <dt>Realized today</dt>
        <dd class="fresh">
          <Pnl amount={realized} />
        </dd>
      </div>
      <div>
        <dt>Unrealized</dt>
        <dd class="fresh priced">
          <Pnl amount={unrealized} />
        </dd>
      </div>
      <div>
        <dt>Open</dt>
        <dd class="num fresh">{count(contracts, "contract")}</dd>
      </div>
    </dl>
  );
}

/** Only the rows in view are in the document: four hundred accounts cost as much as forty. */
function Rows({ rows, selected }: { rows: readonly Summary[]; selected: number | null }) {
  const body = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(44);
  const [view, setView] = useState({ from: 0, to: 40 });
  const measure = useCallback(() => {
    const element = body.current;
    if (!element) {
      return;
    }
    const row = Number.parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 44;
    const next = slice(rows.length, row, Math.max(0, -element.getBoundingClientRect().top), innerHeight);
    setHeight(row);
    setView((before) => (before.from === next.from && before.to === next.to ? before : next));
  }, [rows.length]);
  useLayoutEffect(measure, [measure]);
  useEffect(() => {
    let frame = 0;
    const later = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        measure();
      });
    };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    return () => {
      removeEventListener("scroll", later);
      removeEventListener("resize", later);
      cancelAnimationFrame(frame);
    };
  }, [measure]);
  useEffect(() => {
    const place = rows.findIndex((each) => each.id === selected);
    const element = body.current;
    if (place < 0 || !element) {
      return;
    }
    const top = element.getBoundingClientRect().top + place * height;
    const covered = (document.querySelector<HTMLElement>(".top")?.offsetHeight ?? 0) + (document.querySelector<HTMLElement>(".banners")?.offsetHeight ?? 0) + height;
    if (top < covered) {
      scrollBy({ top: top - covered });
    } else if (top + height > innerHeight - height) {
      scrollBy({ top: top + height * 2 - innerHeight });
    }
  }, [selected]);
  return (
    <div class="rows" role="rowgroup" ref={body} style={{ height: `${rows.length * height}px` }}>
      {rows.slice(view.from, view.to).map((account, place) => (
        <Row key={account.id} account={account} place={view.from + place} top={(view.from + place) * height} selected={account.id === selected} />
      ))}
    </div>
  );
}

interface RowProps {
  account: Summary;
  place: number;
  top: number;
  selected: boolean;
}

class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return next.place !== this.props.place || next.top !== this.props.top || next.selected !== this.props.selected || !same(next.account, this.props.account);
  }

  override render({ account, place, top, selected }: RowProps) {
    const state = stateOf(account);
    const near = account.nearest;
    return (
      <div
        id={`account-${account.id}`}
        class={`row is-${state.kind} ${selected ? "selected" : ""}`}
        role="row"
        aria-rowindex={place + 2}
        aria-selected={selected}
        data-account={account.id}
        style={{ transform: `translateY(${top}px)` }}
      >
        <div class="c-name" role="rowheader">
          <a href={`#/accounts/${account.id}`} tabIndex={-1}>
            {account.name}
          </a>
          {account.name === String(account.id) ? null : <span class="faint num">{account.id}</span>}
        </div>
        <div class="c-state" role="gridcell">
          <StateBadge state={state} lock={account.lock} />
        </div>
        <div class="c-near fresh" role="gridcell">
          {near ? (
            <>
              <span class="near-line">
                <span class="near-name">{words(near.rule)}</span>
                <span class={`num near-share ${levelOf(near)}`}>{percent(Math.max(0, near.fraction))}</span>
              </span>
              <Bar gauge={near} />
            </>
          ) : (
            <span class="faint">No limit in use</span>
          )}
        </div>
        <Left class="c-dollars" gauge={nearestOf(account, "dollars")} label="dollars" />
        <Left class="c-contracts" gauge={nearestOf(account, "contracts")} label="contracts" />
        <div class="c-realized num fresh" role="gridcell">
          <span class="cell-label">Realized</span>
          <span class={tone(account.realized_pnl)}>{signed(account.realized_pnl)}</span>
        </div>
        <div class="c-unrealized num fresh priced" role="gridcell">
          <span class="cell-label">Unrealized</span>
          <span class={tone(account.unrealized_pnl)}>{signed(account.unrealized_pnl)}</span>
          {account.unpriced_positions > 0 ? (
            <abbr class="faint" title={`${count(account.unpriced_positions, "position")} without a quote, not counted`}>
              {" "}+?
            </abbr>
          ) : null}
        </div>
        <div class="c-market num fresh" role="gridcell">
          {account.contracts === 0 && account.orders === 0 ? (
            <span class="faint">Flat</span>
          ) : (
            <>
              {count(account.contracts, "contract")}
              <span class="faint second">{count(account.orders, "order")}</span>
            </>
          )}
        </div>
      </div>
    );
  }
}

function Left({ gauge, label, ...rest }: { gauge: Gauge | null; label: string; class: string }) {
  return (
    <div class={`${rest.class} num fresh`} role="gridcell" title={gauge ? `${words(gauge.rule)} (${gauge.rule_id}): ${leftOf(gauge)}` : `No limit in ${label}`}>
      {gauge ? (
        <>
          <span class={`left ${levelOf(gauge)}`}>{gauge.left < 0 ? `${amountOf(gauge.unit, -gauge.left)} past` : amountOf(gauge.unit, gauge.left)}</span>
          <span class="faint"> {beside(gauge)}</span>
        </>
      ) : (
        <span class="faint">–</span>
      )}
    </div>
  );
}

/** What stands beside how much is left; in profit more is left than the limit. */
function beside(gauge: Gauge): string {
  const limit = gauge.unit === "dollars" ? dollars(gauge.limit) : number(gauge.limit);
  return gauge.left < 0 ? limit : gauge.left > gauge.limit ? "to limit" : `of ${limit}`;
}

function same(a: Summary, b: Summary): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
