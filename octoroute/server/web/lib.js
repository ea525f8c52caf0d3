// What every page uses: elements, the gateway's routes, numbers as people read them, tables, and plots.

export const root = document.documentElement.dataset.root ?? "";

// h("a", {href, class, onclick}, child, …): an element. Strings become text, so nothing is ever read as markup.
const SVG = new Set(["svg", "g", "rect", "line", "path", "text", "title", "circle", "polyline"]);
export function h(name, attributes = {}, ...children) {
  const inSvg = SVG.has(name);
  const node = inSvg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "width%") node.style.width = `${Math.max(0, Math.min(100, value))}%`;
    else if (key === "value" || key === "checked" || key === "selected") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  return add(node, ...children);
}

export function add(node, ...children) {
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// The gateway's routes

export class ApiError extends Error {
  constructor(status, fields) {
    super(fields?.error?.message ?? (status ? `the gateway answered ${status}` : "the gateway does not answer"));
    this.status = status;
    this.code = fields?.error?.code;
    this.problems = fields?.error?.problems ?? [];
    this.fields = fields;
  }
}

export async function call(method, path, body, { headers = {}, signal } = {}) {
  const isText = typeof body === "string";
  let response;
  try {
    response = await fetch(root + path, {
      method,
      signal,
      headers: { accept: "application/json", ...(body === undefined || isText ? {} : { "content-type": "application/json" }), ...headers },
      body: body === undefined || isText ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
  if (response.status === 401) location.assign(`${root}/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const fields = (response.headers.get("content-type") ?? "").includes("json") ? await response.json() : null;
  if (!response.ok) throw new ApiError(response.status, fields);
  return fields;
}
export const get = (path, options) => call("GET", path, undefined, options);

// The address holds a page's whole state

export const query = () => Object.fromEntries(new URLSearchParams(location.search));
export function link(changes, from = query()) {
  const kept = Object.entries({ ...from, ...changes }).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return `${root}/?${new URLSearchParams(kept)}`;
}
export const page = (view, changes = {}) => link({ view, ...changes }, {});

// Numbers

const grouped = new Intl.NumberFormat("en");
export const count = (value) => (value === null || value === undefined ? "–" : grouped.format(value));
export const short = (value) => {
  if (value === null || value === undefined) return "–";
  if (value < 10_000) return grouped.format(value);
  return value < 1e6 ? `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)} k` : `${(value / 1e6).toFixed(1)} M`;
};
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return seconds < 172_800 ? `${(seconds / 3600).toFixed(1)} h` : `${Math.round(seconds / 86_400)} days`;
}
export function dollars(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "$0";
  const size = Math.abs(value);
  return `${value < 0 ? "−" : ""}$${size < 0.01 ? size.toFixed(6).replace(/0+$/, "") : size < 100 ? size.toFixed(size < 1 ? 4 : 2) : grouped.format(Math.round(size))}`;
}
export const micros = (value) => dollars(value === null || value === undefined ? null : value / 1e6);
export const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part / whole < 0.1 && part ? 1 : 0)} %` : "–");
export const clock = (seconds) => (seconds ? new Date(seconds * 1e3).toLocaleTimeString([], { hour12: false }) : "–");
export function moment(seconds) {
  if (!seconds) return "–";
  const date = new Date(seconds * 1e3);
  const sameDay = date.toDateString() === new Date().toDateString();
  return sameDay ? clock(seconds) : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${clock(seconds)}`;
}
export function ago(seconds) {
  if (!seconds) return "never";
  const since = Math.max(0, Math.round(Date.now() / 1e3 - seconds));
  return since < 60 ? `${since} s ago` : `${duration(since)} ago`;
}

// Small parts

const TONES = { healthy: "ok", degraded: "warn", unhealthy: "bad", suspect: "warn", half_open: "warn", resting: "warn", circuit_open: "bad", disabled: "",
  answered: "ok", cancelled: "warn", abandoned: "warn", refused: "warn", failed: "bad", broken: "bad" };
export const tier = (name) => (name ? h("span", { class: `pill ${name}` }, name) : "–");
export const state = (name) => h("span", { class: `pill ${TONES[name] ?? ""}` }, (name ?? "–").replaceAll("_", " "));
export const meter = (part, whole) => {
  const share = whole ? part / whole : 0;
  return h("span", { class: `meter ${share >= 1 ? "bad" : share > 0.8 ? "warn" : ""}`, role: "img", "aria-label": `${part} of ${whole}` }, h("i", { "width%": share * 100 }));
};
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", onclick: async () => {
    await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  } }, label);
  return button;
}
export const empty = (title, ...words) => h("div", { class: "empty" }, h("b", {}, title), ...words);
export const alert = (error, tone = "") => h("div", { class: `alert ${tone}`, role: "alert" }, error.message ?? error,
  error.problems?.length ? h("ul", {}, error.problems.map((problem) => h("li", {}, problem))) : null);
export const head = (title, words, ...right) => h("div", { class: "head" }, h("h1", {}, title), h("p", {}, words ?? ""), right.length ? h("div", { class: "right" }, right) : null);
export const tile = (value, words, href) => h(href ? "a" : "div", { class: "tile", href }, h("b", {}, value), h("span", {}, words));
export const field = (label, input) => h("label", { class: "field" }, h("span", {}, label), input);
export const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
export const say = (text) => (document.getElementById("live").textContent = text);

// table({columns: [{title, cell, numeric, title_text}], rows, open}): `open(row)` makes rows that the keyboard reaches.
export function table({ caption, columns, rows, open, label }) {
  const body = h("tbody", {}, rows.map((row) => line(columns, row, open, label)));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", {},
    h("caption", { class: "sr" }, caption),
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.numeric ? "num" : null }, column.title)))), body));
}
export function line(columns, row, open, label) {
  const cells = columns.map((column) => h("td", { class: [column.numeric ? "num" : "", column.class ?? ""].join(" ").trim() || null }, column.cell(row)));
  if (!open) return h("tr", {}, cells);
  const node = h("tr", { tabindex: "0", "aria-label": label?.(row) }, cells);
  const act = (event) => { if (!event.target.closest("a, button, input, select")) open(row, node); };
  node.addEventListener("click", act);
  node.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === node) open(row, node); });
  return node;
}

// Plots are drawings of numbers that stand in a table beside them.

// stackedBars({bars: [{label, parts: {name: value}, href}], names, format, words}): one bar a label.
export function stackedBars({ bars, names, format, words }) {
  const width = 960, height = 210, left = 64, bottom = 22;
  const top = Math.max(...bars.map((bar) => names.reduce((sum, name) => sum + (bar.parts[name] ?? 0), 0)), 1e-12);
  const step = (width - left) / bars.length, scale = (height - bottom - 8) / top;
  const every = Math.ceil(bars.length / 12);
  const drawn = bars.map((bar, at) => {
    let y = height - bottom;
    const parts = names.map((name) => {
      const size = (bar.parts[name] ?? 0) * scale;
      y -= size;
      return size > 0 ? h("rect", { class: `c-${name}`, x: left + at * step + step * 0.12, y, width: step * 0.76, height: size },
        h("title", {}, `${bar.label} · ${name}: ${format(bar.parts[name])}`)) : null;
    });
    const word = at % every === 0 ? h("text", { x: left + at * step + step / 2, y: height - 6, "text-anchor": "middle" }, bar.label) : null;
    return h("g", {}, parts, word);
  });
  const lines = [0, 0.5, 1].map((share) => [
    h("line", { class: "axis", x1: left, x2: width, y1: height - bottom - share * top * scale, y2: height - bottom - share * top * scale }),
    h("text", { x: left - 6, y: height - bottom - share * top * scale + 4, "text-anchor": "end" }, format(top * share)),
  ]);
  return h("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words }, lines, drawn);
}
export const legend = (names) => h("div", { class: "legend" }, names.map((name) => h("span", {}, h("i", { class: name }), name)));

// stale(since): what is shown is of that moment, and the page says so until it is fresh.
export function stale(since, why) {
  document.body.classList.add("stale");
  say(`Of ${clock(since)}: ${why}. The page tries again by itself.`);
}
export function fresh() {
  if (!document.body.classList.contains("stale")) return;
  document.body.classList.remove("stale");
  say("");
}

// every(seconds, work): now and then again, while the page is open and seen; says so when the numbers are old.
export function every(seconds, work, signal) {
  let last = 0;
  const tick = async () => {
    if (signal.aborted) return;
    if (!document.hidden) {
      try {
        await work();
        last = Date.now();
        fresh();
      } catch (error) {
        if (signal.aborted) return;
        if (!last) throw error;
        stale(last / 1e3, error.message);
      }
    }
    setTimeout(() => tick().catch(() => {}), seconds * 1e3);
  };
  return tick();
}
