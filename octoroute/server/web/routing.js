// Routing: what decides, where scores lie, and what moving the thresholds would have changed; what escalated, and what could be cheaper.

import { add, copyButton, count, dollars, empty, field, get, h, head, legend, micros, page, percent, say, table, tier } from "./lib.js";

const BINS = 40;
const TIERS = ["fast", "balanced", "deep"];

export default async function routing(main, { signal }) {
  main.replaceChildren(head("Routing", "what decided, and what other thresholds would have changed"));
  const [reasons, scores, analysis] = await Promise.all([
    get("/admin/stats?by=strategy,reason,tier&bucket=all&from=7d", { signal }),
    get("/admin/scores", { signal }),
    get("/admin/analysis", { signal }),
  ]);
  if (!reasons.total.requests) return main.append(h("div", { class: "panel" }, empty("Nothing has been decided yet", "Ask for the model ", h("code", {}, "auto"), ", here in the ", h("a", { href: page("playground") }, "playground"), ".")));
  add(main, scores.requests.length ? whatIf(scores) : h("div", { class: "panel small muted" }, "No request was decided by a score: the strategies learned and cascade have one."), hits(reasons), escalations(analysis), advice(analysis));
}

// The scores as bars, with the two thresholds as sliders; the table tells what would have changed.
function whatIf({ requests, thresholds }) {
  const now = thresholds ?? { balanced: 0.33, deep: 0.66 };
  const plot = h("div", {}), result = h("div", {}), toml = h("code", {});
  const slider = (name) => h("input", { type: "range", min: 0, max: 1, step: 0.005, value: now[name], "aria-label": `${name} from`, oninput: () => draw(name) });
  const sliders = { balanced: slider("balanced"), deep: slider("deep") };
  const shown = { balanced: h("output", {}), deep: h("output", {}) };

  function draw(moved) {
    const at = { balanced: Number(sliders.balanced.value), deep: Number(sliders.deep.value) };
    if (at.balanced > at.deep) {
      const other = moved === "deep" ? "balanced" : "deep";
      at[other] = at[moved ?? "deep"];
      sliders[other].value = at[other];
    }
    for (const name of ["balanced", "deep"]) shown[name].textContent = at[name].toFixed(3);
    const of = (score) => (score >= at.deep ? "deep" : score >= at.balanced ? "balanced" : "fast");
    plot.replaceChildren(histogram(requests, of, at));
    result.replaceChildren(changes(requests, of));
    toml.textContent = `[routing.learned]\nthresholds = { balanced = ${at.balanced.toFixed(3)}, deep = ${at.deep.toFixed(3)} }`;
  }
  draw();
  return h("section", { class: "panel" }, h("h2", { class: "title" }, `Scores of the last ${count(requests.length)} requests`), legend(TIERS), plot,
    h("div", { class: "row filters" }, field("balanced from", h("span", { class: "row centre" }, sliders.balanced, shown.balanced)), field("deep from", h("span", { class: "row centre" }, sliders.deep, shown.deep)),
      h("button", { type: "button", onclick: () => { sliders.balanced.value = now.balanced; sliders.deep.value = now.deep; draw(); say("thresholds as they are"); } }, "As it is"),
      copyButton(() => toml.textContent, "Copy for the configuration"), h("a", { class: "button", href: page("config") }, "To the configuration")),
    result, h("p", { class: "small muted" }, "Costs are those of the same tokens at the first priced endpoint of the other tier; another model would have answered in other words. What the answers were worth is not known here."));
}

function histogram(requests, of, at) {
  const width = 960, height = 170, bottom = 20, bins = Array.from({ length: BINS }, () => ({ fast: 0, balanced: 0, deep: 0 }));
  for (const one of requests) bins[Math.min(BINS - 1, Math.floor(one.score * BINS))][of(one.score)]++;
  const top = Math.max(...bins.map((bin) => bin.fast + bin.balanced + bin.deep), 1), step = width / BINS;
  const bars = bins.map((bin, number) => {
    let y = height - bottom;
    return TIERS.map((name) => {
      const size = (bin[name] / top) * (height - bottom - 6);
      y -= size;
      return size ? h("rect", { class: `c-${name}`, x: number * step + 1, y, width: step - 2, height: size }, h("title", {}, `${(number / BINS).toFixed(3)} to ${((number + 1) / BINS).toFixed(3)}: ${bin[name]} ${name}`)) : null;
    });
  });
  const marks = ["balanced", "deep"].map((name) => h("line", { class: `mark ${name}`, x1: at[name] * width, x2: at[name] * width, y1: 0, y2: height - bottom }));
  const words = [0, 0.25, 0.5, 0.75, 1].map((score) => h("text", { x: score * width, y: height - 4, "text-anchor": score === 0 ? "start" : score === 1 ? "end" : "middle" }, String(score)));
  return h("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Scores by tier" }, bars, marks, words);
}

function changes(requests, of) {
  const rows = TIERS.map((name) => ({ name, was: requests.filter((one) => one.tier === name), would: requests.filter((one) => of(one.score) === name) }));
  const costIn = (one, name) => (name === one.tier ? one.cost_micros : one.elsewhere[name]) ?? 0;
  const cost = (list, where) => list.reduce((sum, one) => sum + costIn(one, where(one)), 0);
  const before = cost(requests, (one) => one.tier), after = cost(requests, (one) => of(one.score));
  const moved = requests.filter((one) => of(one.score) !== one.tier).length;
  const shares = table({ caption: "What would have changed", rows, columns: [
    { title: "Tier", cell: (row) => tier(row.name) },
    { title: "It was", numeric: true, cell: (row) => percent(row.was.length, requests.length) },
    { title: "It would be", numeric: true, cell: (row) => percent(row.would.length, requests.length) },
    { title: "Between, 95 %", numeric: true, cell: (row) => interval(row.would.length, requests.length) },
    { title: "Cost it was", numeric: true, cell: (row) => micros(cost(row.was, () => row.name)) },
    { title: "would be", numeric: true, cell: (row) => micros(cost(row.would, () => row.name)) }] });
  return h("div", {}, shares, h("p", {}, moved
    ? [h("b", {}, `${count(moved)} of ${count(requests.length)}`), ` would have gone to another tier; the cost of ${micros(before)} would be `, h("b", {}, micros(after)), before ? ` (${percent(after, before)}).` : "."]
    : "Nothing would change."));
}

// Wilson's interval: what share the next requests of this kind would have.
function interval(part, whole) {
  const z = 1.96, share = part / whole, middle = (share + (z * z) / (2 * whole)) / (1 + (z * z) / whole);
  const half = (z / (1 + (z * z) / whole)) * Math.sqrt((share * (1 - share)) / whole + (z * z) / (4 * whole * whole));
  return `${(100 * (middle - half)).toFixed(0)} – ${(100 * (middle + half)).toFixed(0)} %`;
}

function hits(report) {
  return [h("h2", {}, "What decided, in 7 days"), table({ caption: "Decisions by strategy and reason", rows: report.groups, columns: [
    { title: "Strategy", cell: (row) => row.strategy || "none" },
    { title: "Reason or rule", cell: (row) => h("a", { href: page("requests", { strategy: row.strategy, reason: row.reason, from: "7d" }) }, row.reason || "none") },
    { title: "Tier", cell: (row) => tier(row.tier) },
    { title: "Requests", numeric: true, cell: (row) => count(row.requests) },
    { title: "Share", numeric: true, cell: (row) => percent(row.requests, report.total.requests) },
    { title: "Errors", numeric: true, cell: (row) => percent(row.errors, row.requests) },
    { title: "Cost", numeric: true, cell: (row) => (row.priced ? dollars(Number(row.cost_usd)) : "–") }] })];
}

const KINDS = { cascade: "a cascade's check", stuck: "a tool loop was stuck", tier_not_available: "the tier could not answer" };
function escalations(analysis) {
  const rows = analysis.escalations;
  return [h("h2", {}, "What escalated, and why"), rows.length ? table({ caption: "Escalations", rows, columns: [
    { title: "Why", cell: (row) => KINDS[row.kind] ?? row.kind },
    { title: "From", cell: (row) => (row.asked_for ? tier(row.asked_for) : row.check || row.reason || "–") },
    { title: "To", cell: (row) => tier(row.tier) },
    { title: "Requests", numeric: true, cell: (row) => count(row.requests) },
    { title: "Share", numeric: true, cell: (row) => (row.share === null ? "–" : percent(row.share, 1)) },
    { title: "Cost", numeric: true, cell: (row) => dollars(Number(row.cost_usd)) }] })
    : h("p", { class: "muted" }, "No cascade has escalated, and no answer came from a bigger tier than was asked for, in this week.")];
}

function advice(analysis) {
  const found = [
    ...analysis.cheaper_tier.map((one) => h("li", {}, tier(one.tier), " → ", tier(one.cheaper_tier), ` for ${one.key || "requests without a key"}: ${one.why}`)),
    ...analysis.unused_endpoints.map((one) => h("li", {}, "No request went to ", h("a", { href: page("endpoints") }, one.endpoint), ", in ", tier(one.tier))),
    ...analysis.anomalies.found.map((one) => h("li", {}, `${one.what} of ${Object.values(one.group).filter(Boolean).join(", ") || "all requests"}: ${one.before} before, ${one.now} now`)),
  ];
  return found.length ? [h("h2", {}, "Worth a look"), h("ul", {}, found)] : null;
}
