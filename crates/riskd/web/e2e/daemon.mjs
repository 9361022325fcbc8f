// riskd itself beside its own simulator, and a trader who trades through the gateway as any client would.

import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until } from "./browser.mjs";

export const PASSWORD = "correct horse battery";
/** Of that password, as `riskd admin set-password` would write it. */
const HASH = "$argon2id$v=19$m=19456,t=2,p=1$ftqzSwMp1kAotwSYCbUTDQ$97jXEStQbiQzHGvwDir77xtQ6eNoXtUmoxVD9ochppY";

export const RULES = `rules:
  max_contracts: {limit: 5, close_all: true, lockout_on_breach: false}
  daily_realized_loss: {loss_limit: 500, action: CLOSE_ALL_AND_LOCKOUT, lockout_until: daily_reset}
  daily_unrealized_loss: {loss_limit: 5000}
`;
/** Of the account that is to be locked: the first losing trade does it. */
const TIGHT = `rules:
  daily_realized_loss: {loss_limit: 1, action: CLOSE_ALL_AND_LOCKOUT, lockout_until: daily_reset}
`;

export class Daemon {
  static async start() {
    const daemon = new Daemon();
    daemon.folder = await mkdtemp(join(tmpdir(), "riskd-e2e-"));
    daemon.children = [];
    daemon.sim = await daemon.startSimulator();
    daemon.token = (await daemon.gateway("Auth/loginKey", { userName: daemon.sim.user_name, apiKey: daemon.sim.api_key })).token;
    daemon.accounts = (await daemon.gateway("Account/search", { onlyActiveAccounts: true })).accounts;
    // The contract whose morning the simulator plays.
    daemon.contract = (await daemon.gateway("Contract/search", { searchText: "ES", live: false })).contracts.find((each) => /^ES[A-Z]\d/.test(each.name));
    daemon.port = await freePort();
    daemon.url = `http://127.0.0.1:${daemon.port}`;
    await daemon.configure();
    await daemon.run();
    return daemon;
  }

  async startSimulator() {
    const child = this.spawn(["sim", "--json", "--listen", "127.0.0.1:0", "--no-traders", "--speed", "20"]);
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) {
      return JSON.parse(line);
    }
    throw new Error(`The simulator said nothing:\n${child.said}`);
  }

  async write(name, text) {
    await mkdir(join(this.folder, name, ".."), { recursive: true });
    await writeFile(join(this.folder, name), text, { mode: 0o600 });
  }

  async configure() {
    const write = (name, text) => this.write(name, text);
    await write("secrets/gateway.key", this.sim.api_key);
    await write("secrets/admin.password", `${HASH}\n`);
    await chmod(join(this.folder, "secrets"), 0o700);
    await write("config/gateway.yaml", `gateway:\n  api_url: "${this.sim.api_url}"\n  hub_url: "${this.sim.api_url.replace("http", "ws")}"\n  user_name: "${this.sim.user_name}"\n  api_key_file: "secrets/gateway.key"\n`);
    await write("config/accounts.yaml", `accounts:\n${this.accounts.map((each) => `  - id: ${each.id}\n    name: "${each.name}"\n${each.name === "bleeder" ? '    risk_config: "config/tight.yaml"\n' : ""}`).join("")}`);
    await write("config/risk_config.yaml", RULES);
    await write("config/tight.yaml", TIGHT);
    await write("config/database.yaml", 'database:\n  path: "data/state.db"\n  track_unrealized_pnl: true\n');
    await write("config/api.yaml", `api:\n  listen: "127.0.0.1:${this.port}"\n  admin_password_file: "secrets/admin.password"\n`);
  }

  async run() {
    this.process = this.spawn(["run"]);
    await until("riskd to watch", async () => {
      if (this.process.exitCode !== null) {
        throw new Error(`riskd ended:\n${this.process.said}`);
      }
      return (await fetch(`${this.url}/readyz`).catch(() => null))?.ok;
    });
  }

  spawn(args) {
    const child = spawn(process.env.RISKD, args, { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    child.said = "";
    child.stderr.on("data", (text) => (child.said += text));
    this.children.push(child);
    return child;
  }

  /** A question to the broker, as a trader's own program would ask it. */
  async gateway(endpoint, body) {
    const answer = await fetch(`${this.sim.api_url}/api/${endpoint}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.token ?? ""}` },
      body: JSON.stringify(body),
    });
    const said = await answer.json();
    if (!said.success) {
      throw new Error(`${endpoint}: ${JSON.stringify(said)}`);
    }
    return said;
  }

  /** A market order: 0 buys, 1 sells. */
  async trade(account, side, size) {
    const order = { accountId: account.id, contractId: this.contract.id, type: 2, side, size };
    return until("a price", () => this.gateway("Order/place", order).catch((error) => (/no price yet/.test(error.message) ? null : Promise.reject(error))), undefined, 500);
  }

  account(name) {
    return this.accounts.find((each) => each.name === name);
  }

  api(path) {
    return fetch(`${this.url}/api/v1${path}`).then((answer) => answer.json());
  }

  async stop() {
    for (const child of [...this.children].reverse()) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((done) => child.once("exit", done));
        child.kill("SIGCONT");
        child.kill("SIGKILL");
        await ended;
      }
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
