// A real Chromium, and what every test wants of it: a policy that is kept, and no error in the page.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

/** How long a poll goes on; a machine may be slow. */
export const DEADLINE_MS = 60_000;

export class Browser {
  static async open({ viewport = { width: 1440, height: 900 }, flags = [], ...rest } = {}) {
    const browser = new Browser();
    browser.folder = await mkdtemp(join(tmpdir(), "riskd-chromium-"));
    browser.context = await chromium.launchPersistentContext(browser.folder, {
      executablePath: process.env.RISKD_CHROMIUM ?? "/usr/bin/chromium",
      args: [...FLAGS, ...flags],
      viewport,
      timezoneId: "Europe/Berlin",
      locale: "en-US",
      ...rest,
    });
    browser.context.setDefaultTimeout(DEADLINE_MS);
    browser.errors = [];
    browser.context.on("page", (page) => browser.watch(page));
    browser.context.pages().forEach((page) => browser.watch(page));
    return browser;
  }

  watch(page) {
    page.on("pageerror", (error) => this.errors.push(`${page.url()}: ${error.stack}`));
    page.on("console", (message) => {
      // A refused request is shown in the page; what the policy refuses is a fault of the page.
      if (message.type() === "error" && !/Failed to load resource|WebSocket connection|net::ERR/.test(message.text())) {
        this.errors.push(`${page.url()}: ${message.text()}`);
      }
    });
    page.on("request", (request) => {
      const host = new URL(request.url()).hostname;
      if (host !== "127.0.0.1" && host !== "localhost" && host !== "") {
        this.errors.push(`The page asked ${request.url()}`);
      }
    });
  }

  async page(url) {
    const page = await this.context.newPage();
    await page.goto(url);
    return page;
  }

  async close() {
    await this.context.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Waits until `look` gives something true; says the last it saw when it never does. */
export async function until(what, look, deadline = DEADLINE_MS, pause = 40) {
  const end = performance.now() + deadline;
  let last;
  for (;;) {
    last = await look();
    if (last) {
      return last;
    }
    if (performance.now() > end) {
      throw new Error(`Waited ${deadline} ms in vain for ${what}; the last seen: ${JSON.stringify(last)}`);
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}
