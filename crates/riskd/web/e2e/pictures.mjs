// Every page, light, dark and at phone width: `scripts/e2e --pictures DIR`.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Browser } from "./browser.mjs";
import { Fake } from "./fake.mjs";

const [folder = "pictures", only = ""] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const fake = await new Fake({ accounts: 6 }).start();
const many = await new Fake({ accounts: 400 }).start();
const [danger, locked] = [fake.accounts[2].id, fake.accounts[1].id];

const PAGES = {
  overview: [fake, "#/", "[data-account]"],
  "overview-400": [many, "#/", "[data-account]"],
  account: [fake, `#/accounts/${danger}`, ".chart canvas"],
  locked: [fake, `#/accounts/${locked}`, ".chart canvas"],
  log: [fake, "#/log", "[data-entry]"],
  history: [fake, `#/history/${danger}?days=30`, ".chart canvas"],
  rules: [fake, "#/rules", ".rules li"],
  database: [fake, "#/database", ".table"],
  "log-in": [fake, "#/", "[data-account]", async (page) => page.getByRole("button", { name: "Admin" }).click()],
  help: [fake, "#/", "[data-account]", async (page) => page.keyboard.press("?")],
  "not-protected": [
    fake,
    "#/",
    "[data-account]",
    async (page) => {
      fake.daemon.protected = false;
      fake.daemon.links.user = { up: false, since: new Date().toISOString() };
      fake.daemon.journal.failing = true;
      fake.status();
      await page.waitForSelector("[data-trouble=user-link]");
    },
  ],
  stale: [
    fake,
    `#/accounts/${danger}`,
    ".chart canvas",
    async (page) => {
      fake.paused = true;
      await page.waitForSelector("[data-trouble=silent]");
    },
  ],
};

const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1440, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1440, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

for (const [look, options] of Object.entries(LOOKS)) {
  const browser = await Browser.open(options);
  for (const [name, [server, address, ready, act]] of Object.entries(PAGES)) {
    if (only && !`${name}-${look}`.includes(only)) {
      continue;
    }
    const page = await browser.page(`${server.url}/${address}`);
    await page.waitForSelector(ready);
    await act?.(page);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const whole = !["overview-400", "log-in", "help", "not-protected", "stale", "log"].includes(name);
    await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: whole });
    await page.close();
    fake.paused = false;
    Object.assign(fake.daemon, { protected: true, journal: { failing: false } });
    fake.daemon.links.user = fake.daemon.links.market;
  }
  for (const error of browser.errors) {
    console.error(error);
    process.exitCode = 1;
  }
  await browser.close();
}
await fake.stop();
await many.stop();
