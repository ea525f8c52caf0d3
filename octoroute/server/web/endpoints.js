// Endpoints: their health with the reasons of each change, load against places, latency, errors, cost; and the switches.

import { ago, alert, call, count, dollars, duration, empty, every, facts, get, h, head, meter, moment, page, percent, say, state, table, tier } from "./lib.js";

const HOURS = 6;
const CLASSES = { closed: "ok", half_open: "warn", open: "bad" };

export default async function endpoints(main, { signal }) {
  const place = h("div", {});
  const notice = h("div", {});
  main.replaceChildren(head("Endpoints", `health of the last ${HOURS} hours; numbers of the last 24`), notice, place);
  let opened = null;

  const refresh = async () => {
    const [told, numbers, errors] = await Promise.all([
      get("/admin/providers", { signal }),
      statistics("endpoint", signal),
      statistics("endpoint,error", signal),
    ]);
    if (place.contains(document.activeElement) && document.activeElement.matches("button:disabled")) return;
    const rows = Object.entries(told.providers).flatMap(([provider, one]) => one.endpoints.map((endpoint) => ({ ...endpoint, provider, since: told.changes_since })));
    const order = { fast: 0, balanced: 1, deep: 2 };
    rows.sort((a, b) => (order[a.tier] ?? 3) - (order[b.tier] ?? 3) || b.priority - a.priority);
    for (const row of rows) {
      row.numbers = numbers?.groups.find((group) => group.endpoint === row.id);
      row.errors = errors?.groups.filter((group) => group.endpoint === row.id && group.error) ?? [];
    }
    if (!rows.length) return place.replaceChildren(h("div", { class: "panel" }, empty("No endpoint is configured", "Add one below [[models.fast]] in the ", h("a", { href: page("config") }, "configuration"), ".")));
    const focused = document.activeElement?.closest?.("tr")?.dataset.id;
    const drawn = table({ caption: "Endpoints", columns, rows, label: (row) => `endpoint ${row.id}`, open: (row, node) => { opened = opened === row.id ? null : row.id; toggle(node, row); } });
    place.replaceChildren(drawn);
    drawn.querySelectorAll("tbody tr").forEach((node, at) => {
      node.dataset.id = rows[at].id;
      if (rows[at].id === opened) toggle(node, rows[at]);
      if (rows[at].id === focused) node.focus();
    });
  };

  const toggle = (node, row) => {
    const open = main.querySelector("tr.detail");
    if (open) { const before = open.previousElementSibling; before?.setAttribute("aria-selected", "false"); open.remove(); if (before === node) return; }
    node.setAttribute("aria-selected", "true");
    node.after(h("tr", { class: "detail" }, h("td", { colspan: columns.length }, detail(row, act))));
  };

  const act = async (method, row, verb, button) => {
    button.disabled = true;
    notice.replaceChildren();
    try {
      const told = await call(method, `/admin/endpoints/${encodeURIComponent(row.id)}/${verb}`);
      notice.replaceChildren(h("div", { class: "panel", role: "status" }, verb === "test" ? `${row.id} answered in ${duration(told.latency_ms / 1e3)}.` : `${row.id} is ${verb}d.`));
      say(`${verb} ${row.id}`);
    } catch (error) {
      notice.replaceChildren(alert(error.fields?.suggestions ? `${row.id}: ${error.message}: ${error.fields.suggestions.join("; ")}` : error));
    }
    button.disabled = false;
    await refresh();
  };

  main.addEventListener("close-detail", () => { opened = null; main.querySelector("tr.detail")?.remove(); }, { signal });
  await every(5, refresh, signal);
}

async function statistics(by, signal) {
  try {
    return await get(`/admin/stats?by=${by}&bucket=all&from=24h`, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null; // without a history there are no numbers, and everything else still is
  }
}

const columns = [
  { title: "Endpoint", cell: (row) => [h("b", {}, row.id), h("span", { class: "sub mono" }, row.model)] },
  { title: "Tier", cell: (row) => tier(row.tier) },
  { title: "State", cell: (row) => [state(row.enabled ? row.status : "disabled"), h("span", { class: "sub" }, row.last_error ?? "")] },
  { title: `${HOURS} hours`, cell: (row) => strip(row) },
  { title: "In flight", cell: (row) => (row.max_in_flight ? [meter(row.in_flight, row.max_in_flight), ` ${row.in_flight} of ${row.max_in_flight}`] : count(row.in_flight)) },
  { title: "Requests", numeric: true, cell: (row) => (row.numbers ? h("a", { href: page("requests", { endpoint: row.id, from: "24h" }) }, count(row.numbers.requests)) : "–") },
  { title: "Errors", numeric: true, cell: (row) => (row.numbers ? h("a", { href: page("requests", { endpoint: row.id, ending: "failed", from: "24h" }) }, percent(row.numbers.errors, row.numbers.requests)) : "–") },
  { title: "First token p50", numeric: true, cell: (row) => duration(row.numbers && row.numbers.first_token_p50_ms !== null ? row.numbers.first_token_p50_ms / 1e3 : null) },
  { title: "p95", numeric: true, cell: (row) => duration(row.numbers && row.numbers.first_token_p95_ms !== null ? row.numbers.first_token_p95_ms / 1e3 : null) },
  { title: "Cost", numeric: true, cell: (row) => (row.numbers?.priced ? dollars(Number(row.numbers.cost_usd)) : "–") },
];

// The changes of the circuit as one strip: what it was between two changes.
function strip(row) {
  const to = Date.now() / 1e3, from = to - HOURS * 3600, width = 120;
  const changes = row.circuit_changes;
  const known = Math.max(from, row.since);
  const x = (at) => ((Math.max(at, from) - from) / (to - from)) * width;
  const parts = [h("rect", { class: "c-idle", x: 0, y: 0, width, height: 12 })];
  let at = known, was = "closed";
  for (const change of [...changes, { at: to, after: null }]) {
    if (change.at > at) parts.push(h("rect", { class: `c-${CLASSES[was] ?? "ok"}`, x: Math.min(x(at), width - 3), y: 0, width: Math.max(was === "closed" ? 0.8 : 3, x(change.at) - x(at)), height: 12 }));
    at = Math.max(at, change.at);
    was = change.after;
  }
  const openings = changes.filter((change) => change.after === "open" && change.at > from).length;
  return h("svg", { viewBox: `0 0 ${width} 12`, width: 120, height: 12, role: "img", "aria-label": `opened ${openings} times in ${HOURS} hours` }, parts);
}

function detail(row, act) {
  const changes = [...row.circuit_changes].reverse();
  const button = (verb, words, tone) => h("button", { type: "button", class: tone, onclick: (event) => act("POST", row, verb, event.target) }, words);
  return h("div", { class: "split" },
    h("div", {}, h("h2", { class: "title" }, row.id),
      facts([["Address", h("code", {}, row.base_url)], ["Provider", row.provider], ["Priority", count(row.priority)], ["Last success", ago(row.last_success)], ["Last failure", row.last_failure ? `${ago(row.last_failure)}: ${row.last_error ?? "it has answered since"}` : "none"],
        ["Failures in a row", count(row.failure_count)], ["Tokens", row.numbers ? `${count(row.numbers.input_tokens)} in, ${count(row.numbers.output_tokens)} out` : null]]),
      h("p", { class: "row" }, button("test", "Test"), row.enabled ? button("disable", "Drain and disable", "danger") : button("enable", "Enable", "primary"))),
    h("div", {}, h("h2", { class: "title" }, "Why it opened and closed"),
      changes.length ? table({ caption: `Changes of the circuit of ${row.id}`, rows: changes.slice(0, 20), columns: [
        { title: "When", class: "nowrap", cell: (one) => moment(one.at) },
        { title: "Circuit", cell: (one) => h("span", { class: `pill ${CLASSES[one.after]}` }, one.after.replace("_", " ")) },
        { title: "Why", cell: (one) => one.cause || (one.after === "closed" ? "it answered" : "its next request is a trial") },
        { title: "By", cell: (one) => (one.request_id ? h("a", { href: page("requests", { id: one.request_id }) }, "a request") : "a health check") }] })
        : h("p", { class: "muted" }, "Its circuit has not changed since the gateway started."),
      row.errors.length ? [h("h2", { class: "title" }, "Errors by cause"), table({ caption: `Errors of ${row.id}`, rows: row.errors, columns: [
        { title: "Error", class: "mono", cell: (one) => h("a", { href: page("requests", { endpoint: row.id, error: one.error, from: "24h" }) }, one.error) },
        { title: "Requests", numeric: true, cell: (one) => count(one.requests) }] })] : null));
}
