// The decision record of one request as a path: asked → decided → candidates → attempts → answer; and what else might have been.

import { alert, call, copyButton, count, duration, facts, field, h, micros as money, moment, page, percent, state, table, tier } from "./lib.js";

export function drawRecord(record, { signal }) {
  const wentWell = record.ending === "answered";
  return h("div", {},
    h("ol", { class: "path" },
      h("li", {}, asked(record)),
      h("li", {}, decided(record)),
      h("li", {}, candidates(record)),
      record.attempts.length ? h("li", { class: record.attempts.some((one) => one.error) ? "bad" : "ok" }, attempts(record)) : null,
      h("li", { class: wentWell ? "ok" : "bad" }, answer(record))),
    whatIf(record, signal),
    h("p", { class: "row" },
      record.decision ? h("a", { class: "button", href: page("playground", { model: record.asked_for ?? "auto" }) }, "To the playground") : null,
      copyButton(() => JSON.stringify(record, null, 2), "Copy as JSON"),
      copyButton(`octoroute explain ${record.id}`, "Copy the command")));
}

function asked(record) {
  const one = record.request ?? {};
  return [h("h2", { class: "title" }, "Asked"), facts([
    ["When", `${moment(record.at)}, by ${record.key ?? "no key"}`],
    ["Model", h("code", {}, one.model ?? record.asked_for ?? "–")],
    ["Format", `${record.dialect ?? one.dialect}${record.stream ? ", streamed" : ""}`],
    ["Prompt", one.context_tokens === undefined ? null : `about ${count(one.context_tokens)} tokens, ${one.messages === 1 ? "one message" : `${count(one.messages)} messages`}`],
    ["With", [one.tools ? "tools" : null, one.images ? "images" : null, one.json ? "JSON output" : null, one.attachments ? "attachments" : null].filter(Boolean).join(", ")],
    ["Output limit", one.output_tokens ? count(one.output_tokens) : null],
    ["Needs", (record.constraints?.capabilities ?? []).join(", ")],
  ])];
}

function decided(record) {
  const one = record.decision;
  if (!one) return [h("h2", { class: "title" }, "Decided"), h("p", { class: "muted" }, "Nothing was decided: the request was refused before.")];
  const features = one.features ?? [];
  const top = Math.max(...features.map((feature) => Math.abs(feature.weight)), 1e-9);
  const thresholds = record.router?.thresholds;
  const excluded = record.constraints?.restrictions;
  return [h("h2", { class: "title" }, "Decided ", tier(one.tier), ` by ${one.strategy}`), h("p", {}, one.reason),
    one.confidence === null ? null : h("p", {}, `Score ${one.confidence.toFixed(3)}`, thresholds ? ` · balanced from ${thresholds.balanced}, deep from ${thresholds.deep}` : ""),
    features.length ? h("div", { class: "bars", role: "list", "aria-label": "What moved the score" }, features.slice(0, 12).map((feature) => h("div", { role: "listitem", class: "contents" },
      h("span", {}, feature.name), h("i", { class: feature.weight < 0 ? "minus" : "", "width%": (100 * Math.abs(feature.weight)) / top }), h("span", { class: "num small" }, (feature.weight > 0 ? "+" : "−") + Math.abs(feature.weight).toFixed(3))))) : null,
    record.router?.said ? h("p", { class: "muted" }, `The router said ${record.router.said.tier}: ${record.router.said.reason}`) : null,
    excluded ? h("p", { class: "small" }, "Restricted by the key or the request: ", h("code", {}, JSON.stringify(excluded))) : null];
}

function candidates(record) {
  const rows = record.candidates ?? [];
  if (!rows.length) return [h("h2", { class: "title" }, "Candidates"), h("p", { class: "muted" }, "None was looked for.")];
  return [h("h2", { class: "title" }, `Candidates: ${rows.filter((one) => one.chosen).length} of ${rows.length} in the plan`), table({ caption: "Candidates", rows, columns: [
    { title: "Endpoint", cell: (one) => [h("b", {}, one.id), h("span", { class: "sub mono" }, one.model)] },
    { title: "Tier", cell: (one) => tier(one.tier) },
    { title: "Part", cell: (one) => (one.id === record.endpoint ? h("span", { class: "pill ok" }, "answered") : one.chosen ? h("span", { class: "pill" }, "in the plan") : h("span", { class: "pill warn" }, "left out")) },
    { title: "Why", cell: (one) => one.reason },
    { title: "Would have cost", numeric: true, cell: (one) => record.output_tokens ? money(one.would_cost_micros) : "–" }] })];
}

function attempts(record) {
  const whole = Math.max(record.total_ms ?? 0, record.attempts.reduce((sum, one) => sum + one.took_ms, 0), 1);
  const width = 960, high = 24, left = 150;
  let at = (record.routing_ms ?? 0) + (record.queue_ms ?? 0);
  const bars = record.attempts.map((one, row) => {
    const x = left + (at / whole) * (width - left), size = Math.max(2, (one.took_ms / whole) * (width - left));
    at += one.took_ms;
    const isLast = row === record.attempts.length - 1 && !one.error;
    const rest = isLast ? Math.max(0, width - x - size) : 0;
    return h("g", {}, h("text", { x: left - 8, y: row * high + 16, "text-anchor": "end" }, one.endpoint.slice(0, 22)),
      rest ? h("rect", { class: "c-idle", x: x + size, y: row * high + 5, width: rest, height: 14 }, h("title", {}, "the answer, after its first event")) : null,
      h("rect", { class: one.error ? "c-bad" : one.rejected ? "c-warn" : "c-ok", x, y: row * high + 5, width: size, height: 14 }, h("title", {}, `${duration(one.took_ms / 1e3)} ${one.error ?? ""}`)));
  });
  return [h("h2", { class: "title" }, `Attempts: ${record.attempts.length}`),
    h("svg", { class: "plot", viewBox: `0 0 ${width} ${record.attempts.length * high + 4}`, role: "img", "aria-label": `${record.attempts.length} attempts in ${duration(whole / 1e3)}` }, bars),
    table({ caption: "Attempts", rows: record.attempts.map((one, number) => ({ ...one, number: number + 1 })), columns: [
      { title: "No.", numeric: true, cell: (one) => one.number },
      { title: "Endpoint", cell: (one) => one.endpoint },
      { title: "Took", numeric: true, cell: (one) => duration(one.took_ms / 1e3) },
      { title: "What came of it", cell: (one) => (one.error ? h("code", {}, one.error) : one.rejected ? `answered, and did not pass the check ${one.rejected}` : "answered") },
      { title: "Tokens", numeric: true, cell: (one) => (one.input_tokens === undefined ? "–" : `${count(one.input_tokens)} → ${count(one.output_tokens)}`) },
      { title: "Cost", numeric: true, cell: (one) => money(one.cost_micros) }] })];
}

function answer(record) {
  const others = record.alternatives ?? [];
  return [h("h2", { class: "title" }, "Answer ", state(record.ending), record.error ? [" ", h("code", {}, record.error)] : null), facts([
    ["Status", record.status || null],
    ["First token", record.first_event_ms === null ? null : duration(record.first_event_ms / 1e3)],
    ["Whole", duration(record.total_ms / 1e3)],
    ["Waited in the queue", record.queue_ms ? duration(record.queue_ms / 1e3) : null],
    ["Tokens", `${count(record.input_tokens)} in${record.cached_tokens ? ` (${count(record.cached_tokens)} from the provider's cache)` : ""}, ${count(record.output_tokens)} out${record.estimated ? ", estimated" : ""}`],
    ["Cost", money(record.cost_micros)],
    ["Response cache", record.cache],
    ["Cascade", record.cascade],
    ["Elsewhere", others.length ? others.map((one) => `${one.tier} ${money(one.cost_micros)}${record.cost_micros && one.cost_micros !== null ? ` (${percent(one.cost_micros, record.cost_micros)})` : ""}`).join(" · ") : null],
  ])];
}

// Decide again under other settings; nothing is sent to any endpoint.
function whatIf(record, signal) {
  if (!record.decision) return null;
  const thresholds = record.router?.thresholds ?? {};
  const balanced = h("input", { type: "number", step: "any", min: "0", max: "1", value: thresholds.balanced ?? "" });
  const deep = h("input", { type: "number", step: "any", min: "0", max: "1", value: thresholds.deep ?? "" });
  const down = h("select", {}, h("option", { value: "" }, "none"), (record.candidates ?? []).map((one) => h("option", { value: one.id }, one.id)));
  const strategy = h("select", {}, ["", "rule", "learned", "cascade"].map((name) => h("option", { value: name }, name || `as it was: ${record.router?.strategy ?? record.strategy}`)));
  const place = h("div", { role: "status" });
  const form = h("form", { class: "row", onsubmit: async (event) => {
    event.preventDefault();
    const body = {};
    if (balanced.value !== "" && deep.value !== "" && (Number(balanced.value) !== thresholds.balanced || Number(deep.value) !== thresholds.deep)) body.thresholds = { balanced: Number(balanced.value), deep: Number(deep.value) };
    if (down.value) body.unavailable = [down.value];
    if (strategy.value) body.strategy = strategy.value;
    try {
      const { now, same, error } = await call("POST", `/admin/requests/${encodeURIComponent(record.id)}/redecide`, body, { signal });
      place.replaceChildren(now ? h("p", {}, "Then ", tier(now.tier), ` by ${now.strategy}: ${now.reason}. First: `, h("b", {}, now.endpoint ?? "no endpoint"), same ? ", as it was." : ".") : alert(error));
    } catch (error) {
      if (error.name !== "AbortError") place.replaceChildren(alert(error));
    }
  } }, thresholds.deep === undefined ? null : [field("balanced from", balanced), field("deep from", deep)], field("Strategy", strategy), field("Endpoint down", down), h("button", {}, "Decide again"));
  return h("details", {}, h("summary", {}, "What if"), form, place);
}
