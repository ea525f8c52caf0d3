// Money: what was spent and saved, by day, key, model, and tier; budgets, and when they will be used up.

import { add, alert, count, dollars, duration, empty, field, get, h, head, legend, link, meter, page, percent, query, short, stackedBars, table, tier, tile } from "./lib.js";

const RANGES = { "24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days" };
const GROUPS = { key: "key", model: "model", tier: "tier", endpoint: "endpoint", provider: "provider", reason: "reason" };
const TIERS = ["fast", "balanced", "deep", "none"];

export default async function money(main, { signal, go }) {
  const { from = "7d", by = "key" } = query();
  const controls = h("div", { class: "row filters" },
    field("Time", choice(RANGES, from, (value) => go(link({ from: value })))),
    field("By", choice(GROUPS, by, (value) => go(link({ by: value })))),
    h("a", { class: "button", href: `${document.documentElement.dataset.root}/admin/stats?${new URLSearchParams({ from, by, bucket: "day", format: "csv" })}`, download: `octoroute-${by}.csv` }, "CSV"));
  main.replaceChildren(head("Money", "what was spent, on what, and what it would have cost"), controls);
  const bucket = from === "24h" ? "hour" : "day";
  const [byTier, groups, budgets] = await Promise.all([
    get(`/admin/stats?${new URLSearchParams({ from, by: "tier", bucket })}`, { signal }),
    get(`/admin/stats?${new URLSearchParams({ from, by, bucket: "all" })}`, { signal }),
    get("/admin/budgets", { signal }).catch((error) => { if (error.name === "AbortError") throw error; return null; }),
  ]);
  const total = byTier.total;
  if (!total.requests) return main.append(h("div", { class: "panel" }, empty("No request in this time", "Costs appear here with the first answer. Choose a longer time, or ask something in the ", h("a", { href: page("playground") }, "playground"), ".")));
  const spent = Number(total.cost_usd);
  add(main,
    h("div", { class: "tiles" },
      tile(dollars(spent), `spent in ${RANGES[from] ?? "this time"}`),
      total.saved_usd === undefined || total.saved_usd === null ? null : tile(dollars(Number(total.saved_usd)), "saved against always deep"),
      tile(count(total.requests), "requests", page("requests", { from })),
      tile(dollars(spent / total.requests), "a request"),
      tile(short(total.input_tokens + total.output_tokens), "tokens")),
    total.priced < total.requests ? alert(`${count(total.requests - total.priced)} of ${count(total.requests)} requests have no known price; they are not in the sums. Set price in [[models.…]].`, "warn") : "",
    h("div", { class: "panel" }, h("h2", { class: "sr" }, "Cost by tier"), legend(TIERS.slice(0, 3)), overTime(byTier, bucket)),
    budgetTable(budgets),
    groupTable(groups, by, from, spent));
}

function choice(options, chosen, use) {
  return h("select", { onchange: (event) => use(event.target.value) }, Object.entries(options).map(([value, words]) => h("option", { value, selected: value === chosen }, words)));
}

function overTime(report, bucket) {
  const starts = new Map();
  const size = bucket === "hour" ? 3600e3 : 86_400e3;
  for (let at = Date.parse(report.from); at < Date.parse(report.to); at += size) starts.set(at - (at % size), {});
  for (const row of report.buckets) {
    const at = Date.parse(row.start);
    const parts = starts.get(at) ?? {};
    parts[row.tier || "none"] = Number(row.cost_usd);
    starts.set(at, parts);
  }
  const label = (at) => (bucket === "hour" ? `${String(new Date(at).getHours()).padStart(2, "0")}:00` : new Date(at).toLocaleDateString([], { day: "numeric", month: "short", timeZone: "UTC" }));
  const bars = [...starts].map(([at, parts]) => ({ label: label(at), parts }));
  return stackedBars({ bars, names: TIERS, format: dollars, words: `Cost by ${bucket} and tier` });
}

function groupTable(report, by, from, spent) {
  const rows = report.groups.toSorted((a, b) => b.cost_micros - a.cost_micros);
  return [h("h2", {}, `By ${GROUPS[by] ?? by}`), table({ caption: `Cost by ${by}`, rows, columns: [
    { title: GROUPS[by] ?? by, cell: (row) => h("a", { href: page("requests", { [by]: row[by], from }) }, by === "tier" && row.tier ? tier(row.tier) : row[by] || "none") },
    { title: "Cost", numeric: true, cell: (row) => (row.priced ? dollars(Number(row.cost_usd)) : "–") },
    { title: "Share", cell: (row) => [meter(row.cost_micros, Math.max(1, spent * 1e6)), " ", percent(row.cost_micros, spent * 1e6)] },
    { title: "Requests", numeric: true, cell: (row) => count(row.requests) },
    { title: "Errors", numeric: true, cell: (row) => percent(row.errors, row.requests) },
    { title: "Tokens in", numeric: true, cell: (row) => short(row.input_tokens) },
    { title: "out", numeric: true, cell: (row) => short(row.output_tokens) },
    { title: "p50", numeric: true, cell: (row) => duration(row.latency_p50_ms === null ? null : row.latency_p50_ms / 1e3) },
    { title: "p95", numeric: true, cell: (row) => duration(row.latency_p95_ms === null ? null : row.latency_p95_ms / 1e3) }] })];
}

// What is used of each window, and when it is used up if the spending goes on as it has in this window.
function budgetTable(told) {
  if (!told) return "";
  if (!told.windows.length) return h("div", { class: "panel small muted" }, "No budget is set. A budget stops spending before it is too much: ", h("code", {}, "[limits.everything] budget_usd = { day = 5.0 }"), ".");
  return [h("h2", {}, "Budgets and limits"), table({ caption: "Budgets and limits", rows: told.windows, columns: [
    { title: "Whose", cell: (row) => row.holder },
    { title: "Limit", cell: (row) => row.words },
    { title: "Used", cell: (row) => [meter(row.used + row.held, row.limit), " ", percent(row.used + row.held, row.limit)] },
    { title: "Left", numeric: true, cell: (row) => (row.is_money ? dollars(Math.max(0, row.limit - row.used - row.held) / 1e6) : count(Math.max(0, row.limit - row.used - row.held))) },
    { title: "At this pace", cell: (row) => forecast(row, told.at) },
    { title: "Begins anew", cell: (row) => (row.ends_at ? `in ${duration(row.ends_at - told.at)}` : "–") }] })];
}

function forecast(row, at) {
  if (!row.is_money || !row.ends_at || !row.used) return "–";
  const since = Math.max(60, at - row.begins_at), pace = row.used / since, left = row.limit - row.used;
  if (left <= 0) return h("span", { class: "pill bad" }, "used up");
  const until = left / pace;
  if (at + until >= row.ends_at) return h("span", { class: "pill ok" }, `${dollars((row.used + pace * (row.ends_at - at)) / 1e6)} at its end`);
  return h("span", { class: "pill warn" }, `used up in ${duration(until)}`);
}
