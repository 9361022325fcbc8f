// Four hundred accounts whose prices all move four times a second, as often as riskd ever tells, for minutes: frames, long tasks, memory. `scripts/e2e --only 400 --minutes 10`.
// Fails where the page stutters or grows.

import { Browser, until } from "./browser.mjs";
import { Fake } from "./fake.mjs";

const minutes = Number(process.argv[2] ?? 1);
/** Frames a second that a person calls smooth, on the slowest of machines with other work to do. */
const LEAST_FRAMES = 20;
/** What the page may have grown by, after a collection, from the end of the first tenth on. */
const MOST_GROWN = 12 * 1024 * 1024;

const fake = await new Fake({ accounts: 400, everyMs: 250 }).start();
const browser = await Browser.open();
const page = await browser.page(`${fake.url}/#/`);
await page.waitForSelector("[data-account]");
const session = await browser.context.newCDPSession(page);
await session.send("HeapProfiler.enable");
const heap = async () => {
  await session.send("HeapProfiler.collectGarbage");
  return (await session.send("Runtime.getHeapUsage")).usedSize;
};

// The page counts its own frames while it is scrolled up and down as a person would.
await page.evaluate(() => {
  window.seen = { gaps: [], tasks: [], updates: 0 };
  new PerformanceObserver((list) => window.seen.tasks.push(...list.getEntries().map((each) => each.duration))).observe({ type: "longtask" });
  new MutationObserver(() => (window.seen.updates += 1)).observe(document.querySelector(".rows"), { subtree: true, childList: true, characterData: true, attributes: true });
  let last = performance.now();
  const frame = (time) => {
    window.seen.gaps.push(time - last);
    last = time;
    const end = document.documentElement.scrollHeight - innerHeight;
    scrollTo(0, (end * (1 - Math.cos(time / 4000))) / 2);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
});

const take = () =>
  page.evaluate(() => {
    const { gaps, tasks, updates } = window.seen;
    window.seen.gaps = [];
    window.seen.tasks = [];
    window.seen.updates = 0;
    const sorted = gaps.sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    const time = gaps.reduce((sum, gap) => sum + gap, 0);
    return {
      frames: gaps.length,
      fps: (gaps.length * 1000) / time,
      p50: at(0.5),
      p95: at(0.95),
      p99: at(0.99),
      worst: at(1),
      longTasks: tasks.length,
      longest: Math.max(0, ...tasks),
      updates,
      rows: document.querySelectorAll("[data-account]").length,
      nodes: document.querySelectorAll("*").length,
    };
  });

const [rounds, heaps] = [[], []];
const start = performance.now();
const end = start + minutes * 60_000;
const step = Math.max(5000, (minutes * 60_000) / 10);
while (performance.now() < end - 100) {
  const due = Math.min(performance.now() + step, end);
  await until("the round's end", () => performance.now() >= due, step * 2);
  const round = await take();
  heaps.push(await heap());
  await take(); // The collection's own pause does not count.
  rounds.push(round);
  console.log(
    `${((performance.now() - start) / 60_000).toFixed(1)} min: ${round.fps.toFixed(1)} frames/s, gap p50 ${round.p50.toFixed(1)} p95 ${round.p95.toFixed(1)} p99 ${round.p99.toFixed(1)} worst ${round.worst.toFixed(0)} ms, ` +
      `${round.longTasks} long tasks (longest ${round.longest.toFixed(0)} ms), ${round.rows} rows and ${round.nodes} elements in the page, heap ${(heaps.at(-1) / 1048576).toFixed(1)} MiB`,
  );
}
const slowest = Math.min(...rounds.map((round) => round.fps));
const grown = heaps.at(-1) - heaps[0];
const still = rounds.some((round) => round.updates === 0);
console.log(`Slowest round ${slowest.toFixed(1)} frames/s; heap grown by ${(grown / 1048576).toFixed(1)} MiB over ${minutes} min.`);
const faults = [
  [slowest < LEAST_FRAMES, `fewer than ${LEAST_FRAMES} frames a second`],
  [grown > MOST_GROWN, "the page grows"],
  [still, "the page stood still"],
  [browser.errors.length > 0, browser.errors.join("\n")],
].filter(([is]) => is);
for (const [, words] of faults) {
  console.error(`Not smooth: ${words}`);
}
await browser.close();
await fake.stop();
process.exitCode = faults.length > 0 ? 1 : 0;
