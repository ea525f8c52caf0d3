// Requests: the history with its filters in the address; a row opens to its decision record, drawn as a path.

import { drawRecord } from "./record.js";
import { alert, count, duration, empty, field, get, h, head, line, link, micros, moment, page, query, say, state, table, tier } from "./lib.js";

const FILTERS = ["key", "tier", "model", "endpoint", "reason", "ending", "error", "status"];
const TIMES = { "": "any time", "1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days" };

export default async function requests(main, { signal, go }) {
  const asked = query();
  if (asked.id && !asked.from && !FILTERS.some((name) => asked[name])) return one(main, asked.id, { signal, go });
  const notice = h("div", {}), place = h("div", {});
  main.replaceChildren(head("Requests", "what was asked, which endpoint answered, and why"), filters(asked, go), notice, place);
  const wanted = (cursor) => `/admin/requests?${new URLSearchParams([...Object.entries(asked).filter(([name, value]) => name !== "view" && value), ["limit", 50], ...(cursor ? [["cursor", cursor]] : [])])}`;
  let told;
  try {
    told = await get(wanted(), { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return notice.replaceChildren(alert(error));
  }
  if (!told.data.length) return place.replaceChildren(h("div", { class: "panel" }, Object.keys(asked).length > 1
    ? empty("No request fits these filters", h("a", { href: page("requests") }, "Show all requests"))
    : empty("Nothing has been asked yet", "Each request leaves a row here, with the decision behind it. Ask something in the ", h("a", { href: page("playground") }, "playground"), ".")));
  const open = (row, node) => toggle(main, node, row.id, { signal, go });
  const drawn = table({ caption: "Requests", columns, rows: told.data, open, label: (row) => `request ${row.id}` });
  const more = h("button", { type: "button" }, "Older requests");
  const body = drawn.querySelector("tbody");
  let cursor = told.next;
  more.hidden = !cursor;
  more.addEventListener("click", async () => {
    const next = await get(wanted(cursor), { signal });
    body.append(...next.data.map((row) => line(columns, row, open, (one) => `request ${one.id}`)));
    cursor = next.next;
    more.hidden = !cursor;
    say(`${next.data.length} more requests`);
  });
  place.replaceChildren(drawn, more);
  main.addEventListener("close-detail", () => close(main), { signal });
}

const columns = [
  { title: "Time", class: "nowrap", cell: (row) => h("span", { title: new Date(row.at * 1e3).toISOString() }, moment(row.at)) },
  { title: "Key", cell: (row) => row.key ?? h("span", { class: "muted" }, "–") },
  { title: "Asked for", class: "mono", cell: (row) => row.asked_for ?? "–" },
  { title: "Tier", cell: (row) => [tier(row.tier), h("span", { class: "sub" }, row.reason ?? row.strategy ?? "")] },
  { title: "Endpoint", cell: (row) => [row.endpoint ?? "–", row.attempts.length > 1 ? h("span", { class: "sub" }, `after ${row.attempts.slice(0, -1).map((one) => one.endpoint).join(", ")}`) : null] },
  { title: "Ending", cell: (row) => [state(row.ending), h("span", { class: "sub mono" }, row.error ?? (row.status === 200 ? "" : row.status))] },
  { title: "First token", numeric: true, cell: (row) => duration(seconds(row.first_event_ms)) },
  { title: "Whole", numeric: true, cell: (row) => duration(seconds(row.total_ms)) },
  { title: "Tokens", numeric: true, cell: (row) => `${count(row.input_tokens)} → ${count(row.output_tokens)}` },
  { title: "Cost", numeric: true, cell: (row) => `${row.estimated && row.cost_micros ? "≈ " : ""}${micros(row.cost_micros)}` },
];
const seconds = (milliseconds) => (milliseconds === null || milliseconds === undefined ? null : milliseconds / 1e3);

function filters(asked, go) {
  const set = (name, value) => go(link({ [name]: value, id: name === "id" ? value : "", cursor: "" }));
  const search = h("input", { type: "search", value: asked.id ?? "", placeholder: "beginning of a request id", "aria-label": "Request id" });
  const form = h("form", { class: "row filters", onsubmit: (event) => { event.preventDefault(); set("id", search.value.trim()); } },
    field("Find", search),
    field("Text", h("input", { type: "text", value: asked.q ?? "", placeholder: "words in kept bodies", onchange: (event) => set("q", event.target.value.trim()) })),
    field("Time", h("select", { onchange: (event) => set("from", event.target.value) }, Object.entries(TIMES).map(([value, words]) => h("option", { value, selected: value === (asked.from ?? "") }, words)))),
    field("Tier", h("select", { onchange: (event) => set("tier", event.target.value) }, ["", "fast", "balanced", "deep"].map((value) => h("option", { value, selected: value === (asked.tier ?? "") }, value || "any")))),
    field("Ending", h("select", { onchange: (event) => set("ending", event.target.value) }, ["", "answered", "failed", "broken", "refused", "abandoned"].map((value) => h("option", { value, selected: value === (asked.ending ?? "") }, value || "any")))));
  const others = FILTERS.filter((name) => asked[name] && name !== "tier" && name !== "ending");
  return h("div", {}, form, others.length ? h("p", { class: "row centre filters" }, others.map((name) => h("a", { class: "button", href: link({ [name]: "" }), "aria-label": `Remove the filter ${name}` }, `${name}: ${asked[name]} ✕`))) : null);
}

function close(main) {
  const open = main.querySelector("tr.detail");
  const row = open?.previousElementSibling;
  open?.remove();
  row?.setAttribute("aria-selected", "false");
  row?.focus();
}

async function toggle(main, node, id, page_) {
  const wasOpen = node.nextElementSibling?.classList.contains("detail");
  close(main);
  if (wasOpen) return;
  node.setAttribute("aria-selected", "true");
  const cell = h("td", { colspan: columns.length }, h("p", { class: "muted" }, "reading …"));
  node.after(h("tr", { class: "detail" }, cell));
  try {
    cell.replaceChildren(drawRecord(await get(`/admin/requests/${encodeURIComponent(id)}`, page_), page_));
  } catch (error) {
    if (error.name !== "AbortError") cell.replaceChildren(alert(error));
  }
}

async function one(main, id, page_) {
  main.replaceChildren(head("Request", h("span", { class: "mono" }, id), h("a", { class: "button", href: page("requests") }, "All requests")));
  try {
    main.append(h("div", { class: "panel" }, drawRecord(await get(`/admin/requests/${encodeURIComponent(id)}`, page_), page_)));
  } catch (error) {
    if (error.status !== 404) throw error;
    await page_.go(link({ id, from: "30d" }), { replace: true }); // the beginning of an id, perhaps
  }
}
