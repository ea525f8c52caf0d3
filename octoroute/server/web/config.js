// Configuration: the file, checked while it is edited, compared with what runs, and put in its place in one step.

import { alert, call, copyButton, get, h, head, say } from "./lib.js";

export default async function config(main, { signal }) {
  const told = await get("/admin/config", { signal });
  const text = told.text ?? JSON.stringify(told.config, null, 2);
  const isToml = told.text !== undefined;
  const type = isToml ? "application/toml" : "application/json";
  const editor = h("textarea", { class: "mono", rows: 32, spellcheck: "false", "aria-label": "Configuration", value: text });
  const notice = h("div", { role: "status" }), changes = h("pre", { hidden: true }), title = h("h2", { hidden: true }, "Changes");
  const save = h("button", { class: "primary", type: "button", disabled: true, onclick: () => apply("PUT", "/admin/config", editor.value) }, "Save and use");
  const undo = h("button", { type: "button", disabled: true, onclick: () => { editor.value = text; changed(); } }, "Undo");

  async function apply(method, path, body) {
    try {
      const done = await call(method, path, body, { headers: body === undefined ? {} : { "content-type": type } });
      const restart = done.needs_restart?.length ? ` These take effect at the next start: ${done.needs_restart.join(", ")}.` : "";
      say("the configuration is in use");
      await config(main, { signal });
      main.querySelector("[role=status]").replaceChildren(h("div", { class: "panel" }, `In use: ${done.endpoints} endpoints.${done.backup ? ` The old file is ${done.backup}.` : ""}${restart}`, done.warnings.map((one) => h("p", {}, one))));
    } catch (error) {
      notice.replaceChildren(alert(error));
    }
  }

  let waiting = null;
  async function check() {
    if (editor.value === text) return notice.replaceChildren();
    try {
      const done = await call("POST", "/admin/config/check", editor.value, { headers: { "content-type": type }, signal });
      notice.replaceChildren(done.warnings.length ? alert({ message: "It can be used, with warnings:", problems: done.warnings }, "warn") : h("div", { class: "panel" }, `It can be used: ${done.endpoints} endpoints.`));
      save.disabled = false;
    } catch (error) {
      if (error.name === "AbortError") return;
      notice.replaceChildren(alert(error));
      save.disabled = true;
    }
  }
  function changed() {
    const lines = difference(text.split("\n"), editor.value.split("\n"));
    changes.hidden = title.hidden = !lines.length;
    changes.textContent = lines.join("\n");
    undo.disabled = !lines.length;
    save.disabled = true;
    clearTimeout(waiting);
    waiting = setTimeout(check, 400);
  }
  editor.addEventListener("input", changed);
  main.replaceChildren(head("Configuration", told.source ?? ""), notice,
    h("div", { class: "row filters" }, save, undo, h("button", { type: "button", onclick: () => apply("POST", "/admin/config/reload") }, "Read the file again"), copyButton(() => editor.value)),
    editor, title, changes, h("p", { class: "note small" }, "Secrets are shown as *** and kept when they are saved so. The file that was there is kept beside the new one."));
}

// The lines that go and come, with a line around them: the longest common subsequence of what differs.
export function difference(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let endBefore = before.length, endAfter = after.length;
  while (endBefore > start && endAfter > start && before[endBefore - 1] === after[endAfter - 1]) { endBefore--; endAfter--; }
  const a = before.slice(start, endBefore), b = after.slice(start, endAfter);
  if (!a.length && !b.length) return [];
  const rest = a.length * b.length > 1e6 ? [...a.map((line) => `- ${line}`), ...b.map((line) => `+ ${line}`)] : common(a, b);
  return [...before.slice(Math.max(0, start - 1), start).map((line) => `  ${line}`), ...rest, ...before.slice(endBefore, endBefore + 1).map((line) => `  ${line}`)];
}

function common(a, b) {
  const length = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) length[i][j] = a[i] === b[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const lines = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { lines.push(`  ${a[i++]}`); j++; }
    else if (j >= b.length || (i < a.length && length[i + 1][j] >= length[i][j + 1])) lines.push(`- ${a[i++]}`);
    else lines.push(`+ ${b[j++]}`);
  }
  return lines;
}
