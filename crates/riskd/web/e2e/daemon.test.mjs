// The page against riskd itself, which watches its own simulator, on which a trader trades through the gateway.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { Browser, until } from "./browser.mjs";
import { Daemon, PASSWORD, RULES } from "./daemon.mjs";

let browser;
let daemon;
let page;

before(async () => {
  daemon = await Daemon.start();
  browser = await Browser.open();
});

after(async () => {
  await browser?.close();
  await daemon?.stop();
});

afterEach(async () => {
  for (const each of browser.context.pages().slice(1)) {
    await each.close();
  }
  // Each test begins logged out.
  await browser.context.clearCookies();
  assert.deepEqual(browser.errors.splice(0), [], "no error, nothing against the policy, nothing asked from elsewhere");
});

async function open(address = "#/") {
  page = await browser.page(`${daemon.url}/${address}`);
  await page.waitForSelector(".pulse.live");
  return page;
}

const text = (selector) => page.locator(selector).first().innerText();
const flat = (id) => until("it to be flat", async () => (await daemon.api(`/accounts/${id}`)).contracts === 0);

test("a fill is on the screen within a second", async (t) => {
  const steady = daemon.account("steady");
  await open();
  await page.waitForSelector(`[data-account="${steady.id}"]`);
  const times = [];
  for (let turn = 0; turn < 10; turn += 1) {
    const wanted = turn % 2 === 0 ? "1 contract" : "Flat";
    const seen = page.waitForFunction(([id, words]) => document.querySelector(`[data-account="${id}"] .c-market`)?.textContent.startsWith(words), [steady.id, wanted], { polling: "raf" });
    // A market order is filled before it is answered.
    await daemon.trade(steady, turn % 2, 1);
    const filled = performance.now();
    await seen;
    times.push(performance.now() - filled);
  }
  const slowest = Math.max(...times);
  t.diagnostic(`slowest of ten: ${slowest.toFixed(0)} ms from the broker's answer to the screen, mean ${(times.reduce((sum, time) => sum + time) / 10).toFixed(0)} ms`);
  assert.ok(!process.env.RISKD_STRICT || slowest < 1000, `${slowest} ms`);
});

test("a breach is in the log while one watches, and the filter finds it", async () => {
  const sizer = daemon.account("over-sizer");
  await open("#/log");
  await daemon.trade(sizer, 0, 8);
  const row = page.locator("[data-entry]", { hasText: "over-sizer" }).first();
  await row.waitFor();
  await until("it confirmed", async () => /Confirmed/.test(await row.innerText()));
  assert.match(await row.innerText(), /RULE-001[\s\S]*8 contracts held/);
  await flat(sizer.id);
  const filters = page.locator("form.filters");
  await filters.getByLabel("Account").selectOption(String(daemon.account("holder").id));
  await until("nothing of another account", async () => /No enforcement matches/.test(await text("main")));
  await filters.getByLabel("Account").selectOption(String(sizer.id));
  await filters.getByLabel("Rule").selectOption("RULE-001");
  await until("the entry", async () => (await page.locator("[data-entry]").count()) > 0);
  await filters.getByLabel("Failed only").check();
  await until("none that failed", async () => /No enforcement matches/.test(await text("main")));
});

test("an account that loses is locked before one's eyes, and counts down to the reset", async () => {
  const bleeder = daemon.account("bleeder");
  await open(`#/accounts/${bleeder.id}`);
  await page.waitForSelector(".chart canvas");
  let side = 0;
  await until(
    "a losing trade",
    async () => {
      await daemon.trade(bleeder, side, 1);
      side = 1 - side;
      return (await daemon.api(`/accounts/${bleeder.id}`)).lock;
    },
    undefined,
    500,
  );
  await page.waitForSelector(".lock-panel");
  assert.match(await text(".lock-title"), /^Locked until .*17:00:00 E[SD]T · (\d+h )?(\d+m )?\d+s left$/);
  const seen = new Set();
  await until("three different counts", async () => seen.add(await text(".lock-title .countdown")).size >= 3);
  await until("the deed", async () => /Close all and lockout/.test(await text(".deeds")));
  await flat(bleeder.id);
  await until("the title", async () => /^1 locked – bleeder – riskd$/.test(await page.title()));
});

test("the admin logs in and out", async () => {
  await open();
  await page.getByRole("button", { name: "Admin" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Admin password").fill("not the password");
  await page.keyboard.press("Enter");
  await until("the refusal", async () => /not the admin password/.test(await dialog.innerText()));
  await dialog.getByLabel("Admin password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Admin" }).click();
  assert.match(await text(".menu-list"), /Logged in until \d\d:\d\d E[SD]T/);
  assert.equal(await page.evaluate(() => document.cookie), "", "no script can read the session");
  await page.getByRole("button", { name: "Log out" }).click();
  await until("the goodbye", async () => /Logged out/.test(await text(".toasts")));
  assert.equal((await daemon.api("/admin/session")).logged_in, false);
});

async function logIn() {
  await page.getByRole("button", { name: "Admin" }).click();
  await page.getByLabel("Admin password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

test("the admin unlocks with a reason", async () => {
  const bleeder = daemon.account("bleeder");
  await open(`#/accounts/${bleeder.id}`);
  await logIn();
  await page.getByRole("button", { name: "Unlock" }).click();
  await page.getByLabel("Reason").fill("an end-to-end test");
  await page.keyboard.press("Enter");
  await page.locator(".lock-panel").waitFor({ state: "detached" });
  assert.equal((await daemon.api(`/accounts/${bleeder.id}`)).lock, null);
});

test("the admin loads the rules anew: all of them, or nothing", async () => {
  await open("#/rules");
  await until("the rule as it was", async () => /Above 5 contracts/.test(await text("main")));
  await logIn();
  const reload = async () => {
    await page.getByRole("button", { name: "Admin" }).click();
    await page.getByRole("button", { name: "Reload rules" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Reload" }).click();
  };
  await daemon.write("config/risk_config.yaml", RULES.replace("limit: 5", "limit: five"));
  await reload();
  await until("the refusal, with its place", async () => /Nothing was changed: .*risk_config\.yaml/.test(await page.getByRole("dialog").innerText()));
  await page.keyboard.press("Escape");
  await daemon.write("config/risk_config.yaml", RULES.replace("limit: 5", "limit: 4"));
  await reload();
  await until("what became of it", async () => /Rules loaded anew: max_contracts \(5 accounts\) hold at once/.test(await text(".toasts")));
  await until("the rule as it is", async () => /Above 4 contracts/.test(await text("main")));
});

test("a page from elsewhere can neither read nor act", async () => {
  const elsewhere = createServer((_, response) => response.setHeader("content-type", "text/html").end("<h1>Elsewhere</h1>"));
  await new Promise((done) => elsewhere.listen(0, "127.0.0.1", done));
  const stranger = await Browser.open({ flags: ["--host-resolver-rules=MAP rebound.test 127.0.0.1"] });
  try {
    // Logged in, as the victim would be: what protects must not be that nobody is.
    const own = await stranger.page(`${daemon.url}/#/`);
    await own.getByRole("button", { name: "Admin" }).click();
    await own.getByLabel("Admin password").fill(PASSWORD);
    await own.keyboard.press("Enter");
    await own.getByRole("dialog").waitFor({ state: "detached" });
    const bad = await stranger.page(`http://127.0.0.1:${elsewhere.address().port}/`);
    const statuses = [];
    bad.on("response", (response) => response.url().startsWith(daemon.url) && statuses.push(response.status()));
    const tries = await bad.evaluate(async (url) => {
      const attempt = (path, init) => fetch(`${url}/api/v1${path}`, { credentials: "include", ...init }).then(async (answer) => `${answer.type} ${answer.status} ${await answer.text()}`).catch(() => "refused");
      const body = JSON.stringify({ reason: "from elsewhere" });
      return {
        read: await attempt("/overview"),
        act: await attempt("/admin/stop", { method: "POST", body, headers: { "content-type": "application/json", "x-riskd": "1" } }),
        blind: await attempt("/admin/stop", { method: "POST", body, mode: "no-cors", headers: { "content-type": "text/plain" } }),
        stream: await new Promise((done) => {
          const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/stream`);
          socket.onmessage = (event) => done(event.data);
          socket.onclose = () => done("refused");
        }),
      };
    }, daemon.url);
    assert.equal(tries.read, "refused");
    assert.equal(tries.act, "refused");
    assert.equal(tries.stream, "refused");
    assert.match(tries.blind, /^(refused|opaque 0 )$/);
    assert.ok(statuses.every((status) => status >= 400), `only refusals: ${statuses}`);
    assert.ok((await fetch(`${daemon.url}/healthz`)).ok, "it goes on");
    // A name of the stranger's that suddenly means this machine.
    const rebound = await stranger.context.newPage();
    const answer = await rebound.goto(`http://rebound.test:${daemon.port}/api/v1/overview`);
    assert.ok(answer.status() >= 400, `a foreign name got ${answer.status()}`);
    assert.doesNotMatch(await answer.text(), /steady/);
  } finally {
    await stranger.close();
    await new Promise((done) => elsewhere.close(done));
  }
});

test("every page stands, with what the daemon really says", async () => {
  const id = daemon.account("bleeder").id;
  for (const [address, ready, words] of [
    ["#/", `[data-account="${id}"]`, /bleeder/],
    [`#/accounts/${id}`, ".gauge", /Daily realized loss/],
    ["#/log", "[data-entry]", /RULE-003/],
    [`#/history/${id}?days=30`, ".chart canvas", /Worst day/],
    ["#/rules", ".rules li", /Above 4 contracts/],
    ["#/database", ".table", /Sound[\s\S]*schema_version/],
    ["#/notice", ".notice", /TradingView/],
  ]) {
    await page?.close().catch(() => {});
    await open(address);
    await page.waitForSelector(ready);
    await until(`${words} on ${address}`, async () => words.test(await text("main")));
  }
});

test("a daemon that is paused is seen to be, and its return too", async () => {
  await open(`#/accounts/${daemon.account("steady").id}`);
  daemon.process.kill("SIGSTOP");
  try {
    await page.waitForSelector("[data-trouble=silent]");
    await until("the title", async () => (await page.title()) === "STALE – riskd" && (await page.getAttribute("#icon", "href")) === "/favicon-stale.svg");
  } finally {
    daemon.process.kill("SIGCONT");
  }
  await page.waitForSelector("[data-trouble=silent]", { state: "detached" });
  await page.waitForSelector(".pulse.live");
});

test("a broker that is gone is said to be", async () => {
  await open();
  const simulator = daemon.children[0];
  simulator.kill("SIGKILL");
  await page.waitForSelector("[data-trouble=user-link]");
  assert.match(await text("[data-trouble=user-link]"), /Nothing is protected: broker link down/);
});

test("the admin stops it, and the page says what that means", async () => {
  page = await browser.page(`${daemon.url}/#/`);
  await page.waitForSelector("[data-trouble=user-link]");
  await logIn();
  await page.getByRole("button", { name: "Admin" }).click();
  await page.getByRole("button", { name: "Stop riskd" }).click();
  await page.getByLabel("Reason").fill("the end of the test");
  await page.getByLabel("Type stop").fill("stop");
  await page.getByRole("dialog").getByRole("button", { name: "Stop riskd" }).click();
  await until("the warning", async () => /Nothing is enforced from now on/.test(await text(".toasts")));
  await until("it to end", () => daemon.process.exitCode !== null);
  await page.waitForSelector("[data-trouble=silent]");
});
