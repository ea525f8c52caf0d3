// The shell: which page the address names, links without a reload, the keyboard, and the theme.

import { alert, fresh, h, query, root, say } from "./lib.js";

const PAGES = { now: "now", requests: "requests", endpoints: "endpoints", routing: "routing", money: "money", playground: "playground", config: "config" };
const main = document.getElementById("main");
let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const view = query().view in PAGES ? query().view : "now";
  for (const anchor of document.querySelectorAll("nav a")) {
    const isHere = new URL(anchor.href).searchParams.get("view") === view;
    if (isHere) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
    if (isHere) document.title = `${anchor.textContent} · octoroute`;
  }
  fresh();
  try {
    const { default: render } = await import(`./${PAGES[view]}.js`);
    if (!signal.aborted) await render(main, { signal, go });
  } catch (error) {
    if (!signal.aborted && error.name !== "AbortError") main.replaceChildren(alert(error));
  }
}

// go(address): as a link does. `replace`: without an entry in the history; `quiet`: without drawing the page anew.
export function go(address, { replace = false, quiet = false } = {}) {
  window.history[replace ? "replaceState" : "pushState"](null, "", address);
  return quiet ? Promise.resolve() : show();
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a[href]");
  if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || anchor.target || anchor.download) return;
  const url = new URL(anchor.href);
  if (url.origin !== location.origin || url.pathname !== `${root}/` || !url.searchParams.has("view")) return;
  event.preventDefault();
  go(url.href).then(() => main.focus({ preventScroll: true }));
});
addEventListener("popstate", show);

// The keyboard

const KEYS = [["/", "search"], ["j k", "next and previous row"], ["enter", "open the row"], ["esc", "close, or leave a field"], ["g then a letter", "go to a page: n, r, e, o, m, p, c"], ["t", "theme"], ["?", "this list"]];
const GO = { n: "now", r: "requests", e: "endpoints", o: "routing", m: "money", p: "playground", c: "config" };
let before = "";

function help() {
  const dialog = h("dialog", { "aria-label": "Keys", onclose: () => dialog.remove() }, h("h2", {}, "Keys"),
    h("dl", { class: "facts" }, KEYS.map(([key, words]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)])),
    h("form", { method: "dialog" }, h("button", {}, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}

function step(by) {
  const rows = [...main.querySelectorAll("tbody tr[tabindex]")];
  const at = rows.indexOf(document.activeElement);
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else main.dispatchEvent(new CustomEvent("close-detail"));
    return;
  }
  if (typing || document.querySelector("dialog[open]")) return;
  const action = before === "g" && GO[event.key] ? () => go(`${root}/?view=${GO[event.key]}`)
    : { "/": () => main.querySelector("input[type=search]")?.focus(), j: () => step(1), k: () => step(-1), "?": help, t: nextTheme }[event.key];
  before = event.key;
  if (!action) return;
  event.preventDefault();
  action();
});

// The theme: the system's, unless the reader chose one

const THEMES = ["system", "light", "dark"];
const stored = () => { try { return localStorage.getItem("theme") ?? "system"; } catch { return "system"; } };
const themeButton = h("button", { class: "plain", type: "button", onclick: () => nextTheme() });
function useTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  themeButton.textContent = `Theme: ${name}`;
}
function nextTheme() {
  const name = THEMES[(THEMES.indexOf(stored()) + 1) % THEMES.length];
  try { localStorage.setItem("theme", name); } catch { /* this browser keeps nothing */ }
  useTheme(name);
  say(`theme: ${name}`);
}

useTheme(stored());
document.getElementById("tools").prepend(themeButton, h("button", { class: "plain", type: "button", onclick: help, "aria-label": "Keys" }, "?"));
show();
