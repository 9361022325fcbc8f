// A made-up daemon that speaks the API: for states that are hard to make with a real one (four hundred accounts, a paused
// daemon, a broken link, a failing disk), and for looking at the page while it is worked on: `node e2e/fake.mjs 8765`.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { extname, join, normalize } from "node:path";
import { WebSocketServer } from "ws";
import { makeAccounts, makeCurve, makeDatabase, makeHistory, makeLatency, makeLog, makeRules, summary } from "./fake_data.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", "": "text/plain; charset=utf-8" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PASSWORD = "correct horse";

export class Fake {
  constructor({ accounts = 6, seed = 1, sessionMs = 900_000, walk = true, everyMs = 1000 } = {}) {
    const time = Date.now();
    this.accounts = makeAccounts(accounts, seed, time);
    this.log = makeLog(this.accounts, seed, time);
    this.database = makeDatabase(time);
    this.seed = seed;
    this.walk = walk;
    this.everyMs = everyMs;
    this.sessionMs = sessionMs;
    this.daemon = {
      version: "0.3.0",
      started_at: new Date(time - 4 * 3_600_000).toISOString(),
      phase: "watching",
      schema_version: 2,
      protected: true,
      links: { user: { up: true, since: iso(time - 4 * 3_600_000) }, market: { up: true, since: iso(time - 4 * 3_600_000) } },
      journal: { failing: false },
      alarms: [],
      rules_loaded_at: iso(time - 4 * 3_600_000),
    };
    this.token = null;
    this.sessions = new Map();
    this.posts = [];
    this.paused = false;
    this.pagerWorks = false;
    this.turn = 0;
  }

  async start(port = 0) {
    this.server = createServer((request, response) => void this.answer(request, response));
    this.sockets = new WebSocketServer({ noServer: true });
    this.server.on("upgrade", (request, socket, head) => {
      if (this.paused || request.url !== "/api/v1/stream") {
        return socket.destroy();
      }
      return this.sockets.handleUpgrade(request, socket, head, (opened) => this.tell(opened, "daemon_status", null, this.overview()));
    });
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    this.timer = setInterval(() => this.tick(), this.everyMs);
    return this;
  }

  async stop() {
    clearInterval(this.timer);
    for (const socket of this.sockets.clients) {
      socket.terminate();
    }
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  overview() {
    return { at: iso(Date.now()), daemon: this.daemon, accounts: this.accounts.map(summary) };
  }

  tell(socket, type, account_id, data) {
    socket.send(JSON.stringify({ type, account_id, data }));
  }

  broadcast(type, account_id, data) {
    const text = JSON.stringify({ type, account_id, data });
    for (const socket of this.sockets.clients) {
      socket.send(text);
    }
  }

  /** Time goes by: prices move, and the daemon says how things stand. */
  tick() {
    if (this.paused) {
      return;
    }
    this.turn += 1;
    if (this.walk) {
      for (const account of this.accounts) {
        account.move(this.turn);
      }
    }
    this.status();
  }

  status() {
    this.broadcast("daemon_status", null, this.overview());
  }

  find(id) {
    return this.accounts.find((account) => account.id === id);
  }

  /** Locks an account as the daemon would: log row, events, status. */
  lock(id, { seconds = 3600, reason = "Daily realized loss −$512.50 is at or past −$500.00" } = {}) {
    const account = this.find(id);
    const time = Date.now();
    account.lock = { rule_id: "RULE-003", reason, locked_at: iso(time), locked_until: seconds === null ? null : iso(time + seconds * 1000) };
    account.positions = [];
    account.orders = [];
    const item = {
      id: this.log[0].id + 1,
      at: iso(time),
      account_id: id,
      rule_id: "RULE-003",
      action: "CLOSE_ALL_AND_LOCKOUT",
      reason,
      success: true,
      status: "confirmed",
      execution_time_ms: 231,
      positions_closed: 1,
      orders_cancelled: 1,
      lockout_until: account.lock.locked_until,
      pnl: -512.5,
      error: null,
    };
    this.log.unshift(item);
    this.broadcast("lockout_set", id, account.lock);
    this.broadcast("enforcement_action", id, item);
    this.status();
  }

  async answer(request, response) {
    if (this.paused) {
      return; // As a stopped process: taken by the kernel, never answered.
    }
    const url = new URL(request.url, this.url);
    try {
      if (!url.pathname.startsWith("/api/")) {
        await this.file(url, response);
      } else if (request.method === "POST") {
        await this.change(url.pathname.slice(7), request, response);
      } else {
        this.read(url.pathname.slice(7), url.searchParams, request, response);
      }
    } catch (error) {
      problem(response, 500, String(error));
    }
  }

  async file(url, response) {
    const path = normalize(url.pathname === "/" ? "/index.html" : url.pathname);
    try {
      const body = await readFile(join(DIST, path));
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "content-security-policy": POLICY, "x-content-type-options": "nosniff", "cache-control": "no-cache" });
      response.end(body);
    } catch {
      problem(response, 404, "No such file.");
    }
  }

  read(path, query, request, response) {
    if (this.token && cookie(request, "riskd_token") !== this.token) {
      return problem(response, 401, "A token is needed.");
    }
    const [, id, part] = path.match(/^\/accounts\/(\d+)(\/\w+)?$/) ?? [];
    const account = id ? this.find(Number(id)) : undefined;
    if (id && !account) {
      return problem(response, 404, `No account ${id} is watched.`);
    }
    switch (id ? `/account${part ?? ""}` : path) {
      case "/overview":
        return json(response, this.overview());
      case "/account":
        return json(response, { ...summary(account), gauges: account.gauges(), positions_open: account.positions, orders_open: account.orders, rules: makeRules(account), fees: 12.4 });
      case "/account/curve":
        return json(response, makeCurve(account, this.seed));
      case "/account/history":
        return json(response, makeHistory(account, Number(query.get("days") ?? 30), this.seed));
      case "/enforcements":
        return json(response, this.page(query));
      case "/enforcements/latency":
        return json(response, makeLatency(this.log));
      case "/rules":
        return json(response, { strict_mode: false, accounts: this.accounts.map((each) => ({ id: each.id, rules: makeRules(each) })) });
      case "/database":
        return json(response, this.database);
      case "/admin/session":
        return json(response, this.session(request));
      default:
        return problem(response, 404, "No such thing.");
    }
  }

  page(query) {
    const wanted = this.log.filter(
      (item) =>
        (!query.get("account") || item.account_id === Number(query.get("account"))) &&
        (!query.get("rule") || item.rule_id === query.get("rule")) &&
        (query.get("failed") !== "true" || !item.success) &&
        (!query.get("slow_ms") || (item.execution_time_ms ?? 0) > Number(query.get("slow_ms"))) &&
        (!query.get("since") || Date.parse(item.at) >= Date.parse(query.get("since"))) &&
        (!query.get("before") || item.id < Number(query.get("before"))),
    );
    const limit = Number(query.get("limit") ?? 100);
    const items = wanted.slice(0, limit);
    return { items, next_before: wanted.length > limit ? items.at(-1).id : null };
  }

  session(request) {
    const until = this.sessions.get(cookie(request, "riskd_admin"));
    return until > Date.now() ? { logged_in: true, expires_at: iso(until) } : { logged_in: false, expires_at: null };
  }

  async change(path, request, response) {
    let text = "";
    for await (const piece of request) {
      text += piece;
    }
    if (request.headers["x-riskd"] !== "1" || request.headers["content-type"] !== "application/json") {
      return problem(response, 403, "A cross-site request.");
    }
    const body = JSON.parse(text || "{}");
    this.posts.push({ path, body });
    if (path === "/session") {
      return body.token === this.token ? json(response, {}, { "set-cookie": `riskd_token=${body.token}; HttpOnly; SameSite=Strict; Path=/` }) : problem(response, 401, "The token is not known.");
    }
    if (path === "/admin/login") {
      if (body.password !== PASSWORD) {
        return problem(response, 401, "The password is wrong.");
      }
      const name = `s${this.sessions.size}`;
      this.sessions.set(name, Date.now() + this.sessionMs);
      return json(response, { expires_at: iso(Date.now() + this.sessionMs) }, { "set-cookie": `riskd_admin=${name}; HttpOnly; SameSite=Strict; Path=/` });
    }
    if (!this.session(request).logged_in) {
      return problem(response, 401, "Log in first.");
    }
    if (path === "/admin/logout") {
      this.sessions.delete(cookie(request, "riskd_admin"));
    }
    const [, id] = path.match(/^\/admin\/accounts\/(\d+)\/unlock$/) ?? [];
    if (id) {
      this.find(Number(id)).lock = null;
      this.broadcast("lockout_cleared", Number(id), {});
      this.status();
    }
    if (path === "/admin/alerts/test") {
      return json(response, { channels: [{ channel: "desk", kind: "discord", delivered: true, answer: "204 No Content", took_ms: 118 }, { channel: "pager", kind: "webhook", delivered: this.pagerWorks, answer: "no answer within 10 s", took_ms: 10_000 }] });
    }
    return json(response, {});
  }
}

function cookie(request, name) {
  return request.headers.cookie?.match(new RegExp(`(?:^|; )${name}=([^;]*)`))?.[1];
}

function iso(time) {
  return new Date(time).toISOString();
}

function json(response, body, headers = {}) {
  response.writeHead(200, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function problem(response, status, detail) {
  response.writeHead(status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify({ type: "about:blank", title: "Refused", status, detail }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fake = await new Fake({ accounts: Number(process.argv[3] ?? 6) }).start(Number(process.argv[2] ?? 8765));
  console.log(`${fake.url} (admin password: ${PASSWORD})`);
}
