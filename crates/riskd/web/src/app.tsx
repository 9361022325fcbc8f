import { useEffect, useRef } from "preact/hooks";
import { number } from "./lib/format.ts";
import { clock } from "./lib/time.ts";
import { face } from "./lib/trouble.ts";
import { AdminDialogs, AdminMenu, TokenForm } from "./parts/admin.tsx";
import { Banners } from "./parts/banner.tsx";
import { Help, helping } from "./parts/help.tsx";
import { Icon } from "./parts/icon.tsx";
import { Account } from "./pages/account.tsx";
import { Database } from "./pages/database.tsx";
import { History } from "./pages/history.tsx";
import { Log } from "./pages/log.tsx";
import { Notice } from "./pages/notice.tsx";
import { Overview } from "./pages/overview.tsx";
import { Rules } from "./pages/rules.tsx";
import { useKeys } from "./state/keys.ts";
import { account, barred, deskZone, doubt, found, overview } from "./state/live.ts";
import { go, route } from "./state/route.ts";
import { hush, spoken, toasts } from "./state/say.ts";
import { useStore } from "./state/store.ts";
import { choose, theme, type Theme } from "./state/theme.ts";

const PAGES: [string, string][] = [
  ["", "Accounts"],
  ["log", "Log"],
  ["history", "History"],
  ["rules", "Rules"],
  ["database", "Database"],
];

const THEMES: Theme[] = ["auto", "light", "dark"];

export function App() {
  const where = useStore(route);
  const doubts = useStore(doubt);
  const closed = useStore(barred);
  const here = where.path[0] ?? "";
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useKeys({
    "?": () => helping.set(true),
    t: nextTheme,
    ...Object.fromEntries(PAGES.map(([path], place) => [String(place + 1), () => go(`/${path}`)])),
  });
  const place = where.path.join("/");
  useEffect(() => {
    // A new page is read from its heading; the first one from the top.
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [place]);
  return (
    <div class="shell" data-stale={doubts.all} data-unpriced={doubts.unrealized}>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.querySelector<HTMLElement>("h1")?.focus())}>
        Skip to the page
      </a>
      <Top here={here} />
      <Banners />
      <main id="main" ref={main}>
        {closed ? <TokenForm /> : <Page path={where.path} />}
      </main>
      <Foot />
      <Toasts />
      <AdminDialogs />
      <Help />
      <Face here={here} />
    </div>
  );
}

function nextTheme() {
  choose(THEMES[(THEMES.indexOf(theme.get()) + 1) % THEMES.length] ?? "auto");
}

function Page({ path }: { path: string[] }) {
  switch (path[0]) {
    case undefined:
      return <Overview />;
    case "accounts":
      return <Account key={path[1]} id={Number(path[1])} />;
    case "log":
      return <Log />;
    case "history":
      return <History />;
    case "rules":
      return <Rules />;
    case "database":
      return <Database />;
    case "notice":
      return <Notice />;
    default:
      return (
        <>
          <h1 tabIndex={-1}>No such page</h1>
          <p>
            <a href="#/">All accounts</a>
          </p>
        </>
      );
  }
}

function Top({ here }: { here: string }) {
  const chosen = useStore(theme);
  return (
    <header class="top">
      <a class="brand" href="#/" aria-label="riskd, all accounts">
        <Icon name="shield" /> riskd
      </a>
      <nav aria-label="Pages">
        {PAGES.map(([path, name]) => (
          <a key={path} href={`#/${path}`} aria-current={here === path || (path === "" && here === "accounts") ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <div class="top-right">
        <Pulse />
        <button type="button" class="button small icon-only" aria-label={`Colours: ${chosen}. Change`} title={`Colours: ${chosen} (t)`} onClick={nextTheme}>
          <Icon name={chosen === "auto" ? "auto" : chosen === "light" ? "sun" : "moon"} />
        </button>
        <button type="button" class="button small icon-only" aria-label="Keys and signs" title="Keys and signs (?)" onClick={() => helping.set(true)}>
          <Icon name="question" />
        </button>
        <AdminMenu />
      </div>
    </header>
  );
}

/** Whether what is shown is live, and of what time it is. */
function Pulse() {
  const said = useStore(overview);
  const doubts = useStore(doubt);
  const troubles = useStore(found);
  const silent = troubles.some((trouble) => trouble.key === "silent");
  const time = said ? clock(Date.parse(said.at), deskZone()) : "";
  const word = silent ? "Stale" : !said ? "Connecting" : doubts.all ? "Broker down" : doubts.unrealized ? "No quotes" : said.daemon.protected ? "Live" : "Not protected";
  const kind = !said && !silent ? "wait" : word === "Live" ? "live" : "bad";
  return (
    <span class={`pulse ${kind}`}>
      <span class="dot" aria-hidden="true" />
      {word} <span class="num pulse-time">{time}</span>
    </span>
  );
}

function Foot() {
  const said = useStore(overview);
  return (
    <footer class="foot">
      <span>
        {said ? `riskd ${said.daemon.version} · schema v${said.daemon.schema_version} · ${number(said.accounts.length)} accounts · times of the desk in ${deskZone()}` : "riskd"}
      </span>
      <span>
        Charts by{" "}
        <a href="https://www.tradingview.com/" rel="noreferrer" target="_blank">
          TradingView Lightweight Charts™
        </a>{" "}
        · <a href="#/notice">Licences</a> · <a href="/api/v1/openapi.json">API</a>
      </span>
    </footer>
  );
}

function Toasts() {
  const shown = useStore(toasts);
  const words = useStore(spoken);
  return (
    <>
      <div class="toasts">
        {shown.map((each) => (
          <div key={each.id} class={`toast ${each.kind}`}>
            <Icon name={each.kind === "good" ? "check" : each.kind === "info" ? "clock" : "warning"} />
            <p>{each.text}</p>
            <button type="button" aria-label="Dismiss" onClick={() => hush(each.id)}>
              <Icon name="cross" />
            </button>
          </div>
        ))}
      </div>
      <div class="out-of-sight" role="status" aria-live="polite">
        {words}
      </div>
    </>
  );
}

/** The window's title and icon; they change in a tab that nobody looks at, too. */
function Face({ here }: { here: string }) {
  const where = useStore(route);
  const id = where.path[1];
  useEffect(() => {
    const put = () => {
      const name = here === "accounts" ? (account(Number(id))?.name ?? "Account") : (PAGES.find(([path]) => path === here)?.[1] ?? "Page");
      const locked = overview.get()?.accounts.filter((each) => each.lock !== null).length ?? 0;
      const { title, icon } = face(found.get(), locked, name);
      if (document.title !== title) {
        document.title = title;
      }
      const link = document.getElementById("icon");
      const address = `/favicon-${icon}.svg`;
      if (link?.getAttribute("href") !== address) {
        link?.setAttribute("href", address);
      }
    };
    put();
    const ends = [found.watch(put), overview.watch(put)];
    return () => ends.forEach((end) => end());
  }, [here, id]);
  return null;
}
