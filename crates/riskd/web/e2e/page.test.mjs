// The page against the made-up daemon: what it shows, how it is used, and what it says when things go wrong.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Browser, until } from "./browser.mjs";
import { Fake } from "./fake.mjs";

let browser;
let fake;
let page;

before(async () => {
  browser = await Browser.open();
});

after(() => browser?.close());

beforeEach(async () => {
  await browser.context.clearCookies();
});

afterEach(async () => {
  for (const each of browser.context.pages().slice(1)) {
    await each.close();
  }
  await fake?.stop();
  fake = undefined;
  assert.deepEqual(browser.errors.splice(0), [], "no error, nothing against the policy, nothing asked from elsewhere");
});

async function open(address = "#/", options = {}) {
  fake = await new Fake(options).start();
  page = await browser.page(`${fake.url}/${address}`);
  await page.waitForSelector(".pulse.live, .token");
  return page;
}

const rows = () => page.$$eval("[data-account]", (all) => all.sort((a, b) => a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex")).map((row) => Number(row.dataset.account)));
const text = (selector) => page.locator(selector).first().innerText();
const icon = () => page.getAttribute("#icon", "href");

test("accounts stand in the order of danger, and a lock moves one to the top while one watches", async () => {
  await open("#/", { walk: false });
  const wanted = fake.accounts.filter((each) => !each.lock).map((each) => ({ id: each.id, fraction: Math.max(...each.gauges().map((gauge) => gauge.fraction)) }));
  wanted.sort((a, b) => b.fraction - a.fraction || a.id - b.id);
  const locked = fake.accounts.filter((each) => each.lock).map((each) => each.id);
  await until("the order of danger", async () => JSON.stringify(await rows()) === JSON.stringify([...locked, ...wanted.map((each) => each.id)]));
  const last = wanted.at(-1).id;
  fake.lock(last, { seconds: 90 });
  await page.waitForSelector(`[data-account="${last}"].is-locked`);
  const place = await page.getAttribute(`[data-account="${last}"]`, "aria-rowindex");
  assert.ok(Number(place) <= 3, `locked ones stand on top, this one in row ${place}`);
  assert.match(await text(".toast.critical"), /is locked until \d\d:\d\d E[SD]T: Daily realized loss/);
  await until("the title", async () => /^2 locked – Accounts/.test(await page.title()) && (await icon()) === "/favicon-warn.svg");
});

test("a lockout counts down to its end, in the account's zone", async () => {
  await open(`#/accounts/8815`);
  fake.lock(8815, { seconds: 3700 });
  const title = await page.waitForSelector(".lock-title");
  assert.match(await title.innerText(), /^Locked until \w{3} \d+, \d\d:\d\d:\d\d E[SD]T · 1h 0[01]m \d\ds left$/);
  const seen = new Set();
  await until("three different counts", async () => seen.add(await text(".lock-title .countdown")).size >= 3);
  assert.match(await page.getAttribute(".lock-title .countdown", "aria-label"), /^1 hour \d minutes? left$/);
  fake.lock(8815, { seconds: 0 });
  await until("the end", async () => /ends now/.test(await text(".lock-title")));
  fake.lock(8815, { seconds: null });
  await until("a lock without end", async () => /Locked without end/.test(await text(".lock-title")));
});

test("a change is on the screen within a second of the daemon's word", async (t) => {
  await open("#/", { walk: false });
  await page.waitForSelector('[data-account="8801"]');
  const times = [];
  for (let turn = 1; turn <= 10; turn += 1) {
    const wanted = `−$${turn}.25`;
    const seen = page.waitForFunction((words) => document.querySelector('[data-account="8801"] .c-realized')?.textContent.includes(words), wanted, { polling: "raf" });
    fake.find(8801).realized = -turn - 0.25;
    const said = performance.now();
    fake.status();
    await seen;
    times.push(performance.now() - said);
  }
  const slowest = Math.max(...times);
  t.diagnostic(`slowest of ten: ${slowest.toFixed(0)} ms from the daemon's word to the screen`);
  assert.ok(!process.env.RISKD_STRICT || slowest < 1000, `${slowest} ms`);
});

test("the log is filtered, and the filter is in the address", async () => {
  await open("#/log");
  await page.waitForSelector("[data-entry]");
  const filters = page.locator("form.filters");
  const shown = () => page.$$eval("[data-entry]", (all) => all.map((row) => ({ rule: row.querySelector(".e-rule").innerText, account: row.querySelector(".e-account").innerText, outcome: row.querySelector(".e-outcome").innerText })));
  await filters.getByLabel("Rule").selectOption("RULE-003");
  await until("only RULE-003", async () => (await shown()).every((row) => row.rule === "RULE-003"));
  await filters.getByLabel("Account").selectOption("8801");
  await until("only that account", async () => (await shown()).every((row) => row.rule === "RULE-003" && row.account === "Eval 50K"));
  assert.match(page.url(), /#\/log\?account=8801&rule=RULE-003$/);
  await page.reload();
  await until("the same after loading again", async () => (await shown()).length > 0 && (await shown()).every((row) => row.account === "Eval 50K"));
  await page.getByRole("button", { name: "Clear" }).click();
  await filters.getByLabel("Failed only").check();
  await until("only failed ones", async () => (await shown()).length > 0 && (await shown()).every((row) => row.outcome.includes("Failed")));
  await page.getByRole("button", { name: "Clear" }).click();
  await filters.getByLabel("Took").selectOption("500");
  await until("only slow ones", async () => (await shown()).length > 0 && (await shown()).every((row) => row.outcome.includes("(slow)")));
  await filters.getByLabel("When").selectOption("1h");
  await until("none of the last hour", async () => /No enforcement matches/.test(await text("main")));
});

test("the log goes on page by page, and follows the daemon meanwhile", async () => {
  await open("#/log");
  const count = () => page.locator("[data-entry]").count();
  await until("a page", async () => (await count()) === 100);
  await page.getByRole("button", { name: "Show older" }).click();
  await until("two pages", async () => (await count()) === 200);
  fake.lock(8815);
  await until("the new one on top", async () => (await text("[data-entry] .e-account")) === "Eval 150K" && (await count()) === 201);
  await page.getByRole("button", { name: "Show older" }).click();
  await until("all, each once", async () => (await count()) === 261);
  assert.match(await text(".more"), /That is all/);
  await page.locator("[data-entry] .reveal").first().click();
  assert.match(await text(".details"), /Decision to proof\s*231 ms/);
});

test("an admin logs in and unlocks with a reason", async () => {
  await open("#/accounts/8808");
  await page.getByRole("button", { name: "Unlock" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Admin password").fill("wrong");
  await page.keyboard.press("Enter");
  await until("the refusal", async () => /not the admin password/.test(await dialog.innerText()));
  await dialog.getByLabel("Admin password").fill("correct horse");
  await page.keyboard.press("Enter");
  await dialog.getByLabel("Reason").waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Unlock" }).isDisabled(), "not without a reason");
  await dialog.getByLabel("Reason").fill("test of the desk");
  await page.keyboard.press("Enter");
  await until("the account unlocked", async () => (await page.locator(".lock-panel").count()) === 0);
  assert.deepEqual(fake.posts.at(-1), { path: "/admin/accounts/8808/unlock", body: { reason: "test of the desk" } });
  assert.equal(await page.evaluate(() => document.cookie), "", "no script can read the session");
  assert.deepEqual(await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage)]), [[], []]);
});

test("an admin is told when the session's time is up", async () => {
  await open("#/", { sessionMs: 2500 });
  await page.getByRole("button", { name: "Admin" }).click();
  await page.getByLabel("Admin password").fill("correct horse");
  await page.keyboard.press("Enter");
  await until("the end of the session told", async () => /Logged out: the admin session ended at \d\d:\d\d E[SD]T/.test(await page.locator(".toasts").innerText()));
  await page.getByRole("dialog").waitFor({ state: "detached" });
});

test("a test alert says what each channel answered", async () => {
  await open();
  await page.getByRole("button", { name: "Admin" }).click();
  await page.getByLabel("Admin password").fill("correct horse");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Admin" }).click();
  await page.getByRole("button", { name: "Send a test alert" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Send" }).click();
  await until("the channel that failed", async () => /1 of 2 channels took no message\. pager: no answer/.test(await dialog.innerText()));
  fake.pagerWorks = true;
  await dialog.getByRole("button", { name: "Send" }).click();
  await until("both", async () => /taken by desk \(118 ms\), pager/.test(await text(".toasts")));
});

test("stopping asks twice", async () => {
  await open();
  await page.getByRole("button", { name: "Admin" }).click();
  await page.getByLabel("Admin password").fill("correct horse");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Admin" }).click();
  await page.getByRole("button", { name: "Stop riskd" }).click();
  const stop = page.getByRole("dialog").getByRole("button", { name: "Stop riskd" });
  await page.getByLabel("Reason").fill("maintenance");
  assert.ok(await stop.isDisabled());
  await page.getByLabel("Type stop").fill("stop");
  await stop.click();
  await until("it asked", async () => fake.posts.some((post) => post.path === "/admin/stop" && post.body.reason === "maintenance"));
});

test("a daemon that goes silent cannot be overlooked, and its return is seen", async () => {
  await open("#/accounts/8815");
  fake.paused = true;
  await page.waitForSelector("[data-trouble=silent]");
  assert.match(await text("[data-trouble=silent]"), /Stale: riskd has gone silent/);
  await until("the title", async () => (await page.title()) === "STALE – riskd" && (await icon()) === "/favicon-stale.svg");
  const box = await page.locator("[data-trouble=silent]").boundingBox();
  assert.equal(box.width, await page.evaluate(() => document.documentElement.clientWidth), "as wide as the window");
  const colour = () => page.locator(".figures .fresh .num").first().evaluate((element) => getComputedStyle(element).color);
  await until("grey values", async () => (await colour()) === "rgb(107, 116, 115)");
  await until("it said aloud", async () => /gone silent/.test(await page.locator("[role=status]").innerText()));
  fake.paused = false;
  await page.waitForSelector("[data-trouble=silent]", { state: "detached" });
  await page.waitForSelector(".pulse.live");
});

test("a daemon that is gone comes back by itself", async () => {
  await open();
  const port = new URL(fake.url).port;
  await fake.stop();
  await page.waitForSelector("[data-trouble=silent]");
  fake = await new Fake().start(Number(port));
  await page.waitForSelector(".pulse.live");
});

test("what is broken at the daemon is said as wide as the window", async () => {
  await open();
  const down = { up: false, since: new Date().toISOString() };
  const up = fake.daemon.links.user;
  const cases = [
    [() => (fake.daemon.protected = false), "unprotected", "Nothing is protected", "ALARM: Nothing is protected – riskd"],
    [() => (fake.daemon.links.user = down), "user-link", "Nothing is protected: broker link down", "ALARM: Nothing is protected: broker link down – riskd"],
    [() => (fake.daemon.journal.failing = true), "disk", "The disk is failing", "ALARM: The disk is failing – riskd"],
    [() => (fake.daemon.links.market = down), "market-link", "Partly protected: quote link down", "ALARM: Partly protected: quote link down – riskd"],
    [() => (fake.daemon.alarms = [{ code: "backup_failed", severity: "critical", message: "no room", since: null }]), "alarm-backup_failed", "Backup failed", "ALARM: Backup failed – riskd"],
  ];
  for (const [make, key, words, title] of cases) {
    make();
    fake.status();
    await page.waitForSelector(`[data-trouble="${key}"]`);
    assert.match(await text(`[data-trouble="${key}"]`), new RegExp(words));
    await until(`the title ${title}`, async () => (await page.title()) === title);
    Object.assign(fake.daemon, { protected: true, journal: { failing: false }, alarms: [], links: { user: up, market: up } });
    fake.status();
    await page.waitForSelector(`[data-trouble="${key}"]`, { state: "detached" });
  }
});

test("hands stay on the keyboard", async () => {
  await open("#/", { walk: false });
  await page.waitForSelector("[data-account]");
  const order = await rows();
  const selected = () => page.$eval("[aria-selected=true]", (row) => Number(row.dataset.account));
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("k");
  assert.equal(await selected(), order[1]);
  await page.keyboard.press("Enter");
  await until("the account", () => page.url().endsWith(`#/accounts/${order[1]}`));
  await page.keyboard.press("Escape");
  await until("the way back", () => page.url().endsWith("#/"));
  await page.keyboard.press("/");
  await page.keyboard.type("practice");
  await until("what was searched", async () => (await rows()).length === 1);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await until("the account that was found", () => /accounts\/8836$/.test(page.url()));
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys and signs" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("4");
  await until("the rules", () => page.url().endsWith("#/rules"));
});

test("light or dark is a choice, and is kept", async () => {
  await open();
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.keyboard.press("t");
  await page.keyboard.press("t");
  assert.notEqual(await background(), light);
  await page.reload();
  await page.waitForSelector(".pulse.live");
  assert.notEqual(await background(), light);
  assert.deepEqual(await page.evaluate(() => Object.entries(localStorage)), [["riskd-theme", "dark"]]);
  await page.evaluate(() => localStorage.clear());
});

test("four hundred accounts cost as much as forty", async () => {
  await open("#/", { accounts: 400 });
  await page.waitForSelector("[data-account]");
  assert.equal(await page.getAttribute("[role=grid]", "aria-rowcount"), "401");
  assert.ok((await page.locator("[data-account]").count()) < 60);
  await page.keyboard.press("End");
  await page.waitForSelector('[aria-rowindex="401"][aria-selected=true]');
  const box = await page.locator('[aria-rowindex="401"]').boundingBox();
  assert.ok(box.y > 0 && box.y + box.height <= 900, "the last row is in view");
  await page.keyboard.press("Home");
  await page.waitForSelector('[aria-rowindex="2"][aria-selected=true]');
  await page.keyboard.press("/");
  await page.keyboard.type("#123");
  await until("one of them", async () => (await rows()).length === 1);
});

test("a token opens what is closed", async () => {
  await open();
  fake.token = "trader";
  await page.reload();
  await page.getByLabel("Trader token").fill("no");
  await page.getByRole("button", { name: "Watch" }).click();
  await until("the refusal", async () => /does not know this token/.test(await text(".token")));
  await page.getByLabel("Trader token").fill("trader");
  await page.getByRole("button", { name: "Watch" }).click();
  await page.waitForSelector("[data-account]");
  assert.doesNotMatch(page.url(), /trader/);
});

const PAGES = { "#/": "[data-account]", "#/accounts/8808": ".chart canvas", "#/accounts/8815": ".chart canvas", "#/log": "[data-entry]", "#/history/8815": ".chart canvas", "#/rules": ".rules li", "#/database": ".table", "#/notice": ".notice" };

test("every page fits a phone and passes the checks of accessibility, light and dark", async (t) => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await open("#/", { walk: false });
  const violations = [];
  for (const [address, ready] of Object.entries(PAGES)) {
    for (const [colorScheme, width] of [["light", 1440], ["dark", 1440], ["light", 390]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      await page.goto(`${fake.url}/${address}`);
      await page.waitForSelector(ready);
      const where = `${address} ${colorScheme} ${width}`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(wide, 0, `${where} does not scroll sideways`);
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      violations.push(...found.violations.flatMap((each) => each.nodes.map((node) => `${where}: ${each.id}: ${node.html.slice(0, 160)} ${node.failureSummary.split("\n")[1] ?? ""}`)));
    }
  }
  assert.deepEqual(violations, []);
  t.diagnostic(`${Object.keys(PAGES).length} pages, three looks each`);
  await page.setViewportSize({ width: 1440, height: 900 });
});
