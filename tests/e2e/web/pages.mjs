// Drives the dashboard in a real browser: `node pages.mjs URL KEY TASK,TASK CHROMIUM`. Prints what each task saw as JSON.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const packages = createRequire(new URL("../node/package.json", import.meta.url));
const { chromium } = packages("playwright-core");
const axe = readFileSync(packages.resolve("axe-core"), "utf-8");
const [url, key, names, chrome, directory] = process.argv.slice(2);
const VIEWS = ["now", "requests", "endpoints", "routing", "money", "playground", "config"];
const browser = await chromium.launch({ executablePath: chrome, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const seen = {};
let told;

async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 850 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (message) => { if (message.type() === "error") told.problems.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => told.problems.push(`error: ${error.message}`));
  page.on("request", (request) => { if (!request.url().startsWith(url) && !request.url().startsWith("data:")) told.problems.push(`loads ${request.url()}`); });
  await page.goto(`${url}/?view=now`);
  told.login = new URL(page.url()).pathname;
  await page.fill("#key", key);
  await page.click("button");
  await page.waitForSelector("main h1");
  return page;
}
const open = async (page, view) => {
  await page.goto(`${url}/?view=${view}`);
  await page.waitForSelector("main h1");
  await page.waitForLoadState("domcontentloaded");
  await page.waitForFunction(() => document.querySelector("main table, main form, main textarea, main .empty, main [role=alert]"));
};
const rows = (page) => page.locator("main tbody tr:not(.detail)");

const tasks = {
  // Pictures of every page, light and dark, for docs/dashboard.md.
  async pictures() {
    for (const theme of ["light", "dark"]) {
      const page = await visitor({ colorScheme: theme });
      for (const view of VIEWS) {
        await open(page, view === "requests" ? "requests&tier=deep" : view);
        if (view === "requests" || view === "endpoints") { await rows(page).first().press("Enter"); await page.waitForSelector("tr.detail h2"); }
        if (view === "playground") {
          await page.fill("main textarea", "Write a Python function that merges overlapping intervals, with tests.");
          await page.selectOption("main select >> nth=1", "deep");
          await page.click("main button.primary");
        }
        await page.waitForTimeout(view === "playground" ? 4000 : 1500);
        await page.screenshot({ path: `${directory}/${view}-${theme}.png` });
      }
      await page.context().close();
    }
  },

  // Every page, light and dark, wide and narrow: nothing that axe finds, nothing wider than the screen, and the bytes it took.
  async looks() {
    told.axe = {};
    for (const [name, options] of Object.entries({ light: {}, dark: { colorScheme: "dark" }, phone: { viewport: { width: 390, height: 800 } } })) {
      const page = await visitor(options);
      for (const view of VIEWS) {
        await open(page, view);
        if (view === "requests" || view === "endpoints") { await rows(page).first().press("Enter"); await page.waitForSelector("tr.detail h2"); }
        if (name !== "phone") {
          await page.evaluate(axe);
          const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
          told.axe[`${view} ${name}`] = found.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 200)}`);
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) told.problems.push(`${view} ${name} is ${wide} px too wide`);
      }
      await page.context().close();
    }
  },

  // A request shows while it runs, and is cancelled from the table.
  async now() {
    const page = await visitor();
    await page.waitForSelector("main tbody tr button");
    told.before = await rows(page).count();
    told.row = await rows(page).first().innerText();
    await rows(page).first().locator("button").click();
    await page.waitForFunction(() => [...document.querySelectorAll("main tbody tr")].some((row) => row.innerText.includes("ended")));
    told.ended = await page.locator("main tbody tr", { hasText: "ended" }).count();
  },

  // While the gateway does not answer, the page says since when its numbers are old; then it goes on.
  async stale() {
    const page = await visitor();
    await page.clock.install();
    await open(page, "endpoints");
    await page.route("**/admin/**", (route) => route.abort());
    await page.clock.fastForward(6_000); // to the next time that the page asks
    await page.waitForSelector("body.stale");
    told.words = await page.locator("#live").innerText();
    told.seen = await page.locator("#live").boundingBox();
    await page.unroute("**/admin/**");
    await page.clock.fastForward(6_000);
    await page.waitForSelector("body:not(.stale)");
    told.problems = []; // what Chromium says of requests that were cut off
  },

  // The history by keyboard: filter, walk, open, decide again, close.
  async requests() {
    const page = await visitor();
    await open(page, "requests");
    told.all = await rows(page).count();
    await page.selectOption("main select >> nth=1", "deep");
    await page.waitForURL(/tier=deep/);
    await page.waitForFunction(() => {
      const shown = [...document.querySelectorAll("main tbody tr")];
      return shown.length && shown.every((row) => row.innerText.includes("deep"));
    });
    told.deep = await rows(page).count();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector("tr.detail .path");
    told.path = await page.locator("tr.detail .path h2").allInnerTexts();
    await page.click("tr.detail summary");
    await page.selectOption("tr.detail form select >> nth=1", "opus");
    await page.click("tr.detail form button");
    await page.waitForSelector("tr.detail [role=status] p, tr.detail [role=alert]");
    told.again = await page.locator("tr.detail [role=status]").innerText();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    told.closed = (await page.locator("tr.detail").count()) === 0;
    await page.keyboard.press("/");
    told.searching = await page.evaluate(() => document.activeElement.type);
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    told.help = await page.locator("dialog").innerText();
  },

  async endpoints() {
    const page = await visitor();
    await open(page, "endpoints");
    const row = page.locator("tr", { hasText: "home" }).first();
    await row.click();
    told.why = await page.locator("tr.detail").innerText();
    await page.click("tr.detail button.danger");
    await page.waitForFunction(() => document.querySelector("main tbody tr").innerText.includes("disabled"));
    await page.click("tr.detail button.primary");
    await page.waitForFunction(() => !document.querySelector("main tbody tr").innerText.includes("disabled"));
    await page.click("tr.detail button >> nth=0");
    await page.waitForSelector("main [role=status], main [role=alert]");
    told.test = await page.locator("main [role=status], main [role=alert]").first().innerText();
  },

  // Moving a threshold tells at once what would have changed.
  async routing() {
    const page = await visitor();
    await open(page, "routing");
    told.before = await page.locator("main section").innerText();
    await page.locator("main input[type=range] >> nth=1").fill("0.05");
    told.after = await page.locator("main section").innerText();
    told.hits = await page.locator("table", { hasText: "Reason or rule" }).innerText();
  },

  async money() {
    const page = await visitor();
    await open(page, "money");
    told.budgets = await page.locator("table", { hasText: "Begins anew" }).innerText();
    await page.selectOption("main select >> nth=1", "tier");
    await page.waitForURL(/by=tier/);
    await page.waitForSelector("main h2:has-text('By tier')");
    told.tiers = await page.locator("table", { hasText: "Share" }).innerText();
    const [file] = await Promise.all([page.waitForEvent("download"), page.click("main a:has-text('CSV')")]);
    told.csv = readFileSync(await file.path(), "utf-8").split("\n")[0];
  },

  async playground() {
    const page = await visitor();
    await open(page, "playground");
    await page.fill("main textarea", "Why is the sky blue?");
    await page.selectOption("main select >> nth=0", "auto");
    await page.selectOption("main select >> nth=1", "deep");
    await page.click("main button.primary");
    await page.waitForFunction(() => document.querySelectorAll("main .answers a").length === 2);
    told.answers = await page.locator("main .answers > .panel").allInnerTexts();
    await page.locator("main .answers a").first().click();
    await page.waitForSelector("main .path");
    told.record = await page.locator("main .path").innerText();
  },

  async config() {
    const page = await visitor();
    await open(page, "config");
    const before = await page.inputValue("main textarea");
    told.secret = before.includes(key);
    told.comment = before.includes("# kept");
    await page.fill("main textarea", before.replace("priority =", "wieght ="));
    await page.waitForSelector("main [role=alert]");
    told.wrong = await page.locator("main [role=alert]").innerText();
    told.problems = told.problems.filter((problem) => !problem.includes("status of 400")); // what Chromium says of a refused check
    told.blocked = await page.locator("main button.primary").isDisabled();
    await page.fill("main textarea", before.replace("priority = 2", "priority = 3"));
    await page.waitForFunction(() => !document.querySelector("main button.primary").disabled);
    told.changes = await page.locator("main pre").innerText();
    await page.click("main button.primary");
    await page.waitForFunction(() => document.querySelector("main [role=status]")?.innerText.includes("In use"));
    told.after = (await page.inputValue("main textarea")).includes("priority = 3");
  },

  async without_scripts() {
    const page = await visitor({ javaScriptEnabled: false });
    told.tables = {};
    for (const view of ["now", "requests", "endpoints", "money"]) {
      await page.click(`nav a:has-text("${view[0].toUpperCase()}${view.slice(1)}")`);
      told.tables[view] = await page.locator("main tbody tr").count();
    }
  },

  // What a person opens the dashboard for, and the clicks that it takes from the first page.
  async questions() {
    const page = await visitor();
    told.clicks = {};
    const ask = async (name, clicks, answer) => {
      await open(page, "now");
      let count = 0;
      const click = async (selector) => { count++; await page.click(selector); };
      const choose = async (selector, value) => { count++; await page.selectOption(selector, value); };
      await clicks({ click, choose });
      await page.waitForSelector(answer);
      told.clicks[name] = count;
    };
    const nav = (name) => `nav a:has-text("${name}")`;
    const row = "main tbody tr[tabindex]";
    await ask("What runs now, and for whom?", async () => {}, "main tbody tr:has-text('agents')");
    await ask("Why did this request go to deep?", async ({ click, choose }) => { await click(nav("Requests")); await choose("main select >> nth=1", "deep"); await page.waitForURL(/tier=deep/); await page.waitForSelector(`${row}:has-text("deep")`); await click(row); }, "tr.detail h2:has-text('Decided')");
    await ask("Which endpoints were passed over, and why?", async ({ click }) => { await click(nav("Requests")); await click(row); }, "tr.detail table:has-text('left out')");
    await ask("Why did the last one fail?", async ({ click, choose }) => { await click(nav("Requests")); await choose("main select >> nth=2", "failed"); await page.waitForURL(/ending=failed/); await page.waitForSelector(`${row}:has-text("failed")`); await click(row); }, "tr.detail code");
    await ask("When was endpoint home down, and why?", async ({ click }) => { await click(nav("Endpoints")); await click("main tr:has-text('home')"); }, "tr.detail table:has-text('open')");
    await ask("Which errors does an endpoint have?", async ({ click }) => { await click(nav("Endpoints")); await click("main tr:has-text('home')"); }, "tr.detail h2:has-text('Errors by cause')");
    await ask("Who spends most?", async ({ click }) => { await click(nav("Money")); }, "main h2:has-text('By key')");
    await ask("What does each tier cost?", async ({ click, choose }) => { await click(nav("Money")); await choose("main select >> nth=1", "tier"); }, "main h2:has-text('By tier')");
    await ask("Who is near a limit, and when is the budget used up?", async ({ click }) => { await click(nav("Money")); }, "main th:has-text('At this pace')");
    await ask("What would the deep tier answer?", async ({ click, choose }) => { await click(nav("Playground")); await choose("main select >> nth=1", "deep"); await page.fill("main textarea", "hello"); await click("main button.primary"); }, "main .answers .panel >> nth=1");
  },
};

try {
  for (const name of names.split(",")) {
    told = seen[name] = { problems: [] };
    await tasks[name]();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
