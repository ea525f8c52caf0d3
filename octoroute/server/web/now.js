// Now: the requests under way, newest first, as the gateway tells them; each can be cancelled.

import { call, copyButton, count, dollars, duration, empty, fresh, get, h, head, page, root, say, stale, state, table, tier, tile } from "./lib.js";

const LEFT_FOR_MS = 6000; // how long a request that has ended stays, so that a quick one is seen at all

export default async function now(main, { signal }) {
  const tiles = h("div", { class: "tiles" });
  const place = h("div", {});
  const subtitle = h("p", { class: "note" }, "connecting …");
  main.replaceChildren(h("div", { class: "head" }, h("h1", {}, "Now"), subtitle), tiles, place);
  const known = new Map(); // id → row, with the moment at which it was last told
  let view = null, toldAt = 0;

  const draw = () => {
    if (!view) return;
    const shown = [...known.values()].filter((row) => !row.left || Date.now() - row.left < LEFT_FOR_MS).sort((a, b) => b.started_at - a.started_at);
    for (const [id, row] of known) if (row.left && Date.now() - row.left >= LEFT_FOR_MS) known.delete(id);
    tiles.replaceChildren(
      tile(count(view.in_flight), "in flight"),
      tile(count(view.queued), "in the queue"),
      tile(count(new Set(view.requests.map((row) => row.endpoint).filter(Boolean)).size), "endpoints at work", page("endpoints")),
      tile(dollars(sum(view.requests.map((row) => row.cost_usd))), "cost so far, of these"),
    );
    subtitle.textContent = view.workers > 1 ? `worker ${view.worker}, one of ${view.workers}: each knows its own requests` : "the requests under way, newest first";
    if (!shown.length) return place.replaceChildren(quiet());
    const focused = document.activeElement?.closest?.("tr")?.dataset.id;
    const drawn = table({ caption: "Requests under way", columns: columns(), rows: shown, open: null });
    drawn.querySelectorAll("tbody tr").forEach((node, at) => {
      const row = shown[at];
      node.dataset.id = row.id;
      if (row.fresh) node.className = "new";
      row.fresh = false;
    });
    place.replaceChildren(drawn);
    if (focused) place.querySelector(`tr[data-id="${CSS.escape(focused)}"] button`)?.focus();
  };

  const take = (told) => {
    view = told;
    const ids = new Set(told.requests.map((row) => row.id));
    for (const row of told.requests) known.set(row.id, { ...row, fresh: !known.has(row.id) });
    for (const [id, row] of known) if (!ids.has(id) && !row.left) row.left = Date.now();
    toldAt = Date.now() / 1e3;
    fresh();
    draw();
  };

  take(await get("/admin/live", { signal }));
  const source = new EventSource(`${root}/admin/live`);
  source.addEventListener("live", (event) => take(JSON.parse(event.data)));
  source.addEventListener("error", () => stale(toldAt, "the gateway does not answer"));
  const ticking = setInterval(draw, 500); // elapsed times go on between two events
  signal.addEventListener("abort", () => { source.close(); clearInterval(ticking); });
}

const sum = (values) => (values.some((value) => value !== null) ? values.reduce((total, value) => total + (value ?? 0), 0) : null);

function columns() {
  return [
    { title: "Age", numeric: true, cell: (row) => duration(Math.max(0, (row.left ?? Date.now()) / 1e3 - row.started_at)) },
    { title: "Key", cell: (row) => row.key ?? h("span", { class: "muted" }, "–") },
    { title: "Asked for", class: "mono", cell: (row) => row.model || "–" },
    { title: "Tier", cell: (row) => [tier(row.tier), h("span", { class: "sub clip", title: row.why ?? "" }, row.why ?? "deciding …")] },
    { title: "Endpoint", cell: (row) => [row.endpoint ?? "–", h("span", { class: "sub mono clip" }, row.endpoint_model ?? "")] },
    { title: "State", cell: (row) => (row.left ? h("a", { href: page("requests", { id: row.id }) }, "ended") : row.queue_position ? `queue, place ${row.queue_position}` : state(row.state)) },
    { title: "Attempt", numeric: true, cell: (row) => h("span", { title: row.failed.map((one) => `${one.endpoint}: ${one.error ?? one.rejected}`).join("\n") || null },
      `${row.attempt}${row.max_attempts ? ` of ${row.max_attempts}` : ""}`) },
    { title: "First token", numeric: true, cell: (row) => duration(row.first_token_s) },
    { title: "Tokens/s", numeric: true, cell: (row) => row.tokens_per_second ?? "–" },
    { title: "Cost", numeric: true, cell: (row) => `${row.estimated && row.cost_usd ? "≈ " : ""}${dollars(row.cost_usd)}` },
    { title: "Action", cell: (row) => (row.left ? "" : h("button", { class: "danger", type: "button", "aria-label": `Cancel ${row.id}`, onclick: (event) => cancel(row, event.target) }, "Cancel")) },
  ];
}

async function cancel(row, button) {
  button.disabled = true;
  try {
    await call("POST", `/admin/live/${encodeURIComponent(row.id)}/cancel`);
    say(`cancelled ${row.id}`);
  } catch (error) {
    button.replaceWith(h("span", { class: "small" }, error.status === 403 ? "needs the role operator" : error.message));
  }
}

function quiet() {
  const curl = `curl ${location.origin}${root}/v1/chat/completions -H 'authorization: Bearer KEY' \\\n  -H 'content-type: application/json' \\\n  -d '{"model": "auto", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}'`;
  return h("div", { class: "panel" }, empty("Nothing is being asked right now",
    "A request shows here as soon as it arrives. Ask from the ", h("a", { href: page("playground") }, "playground"), ", or from a terminal:",
    h("pre", {}, curl), copyButton(curl), " ", h("a", { class: "button", href: page("requests") }, "What has been asked")));
}
