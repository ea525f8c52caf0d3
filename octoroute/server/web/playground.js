// Playground: one question through two routes side by side, streamed, each with the decision behind it.

import { ApiError, alert, copyButton, count, duration, field, get, h, head, page, query, root, tier } from "./lib.js";

const MAX_FILE = 10 * 1024 * 1024;

export default async function playground(main, { signal }) {
  const { providers } = await get("/admin/providers", { signal });
  const models = [...new Set(["auto", "fast", "balanced", "deep", ...Object.values(providers).flatMap((one) => one.models)])];
  const asked = query();
  const chosen = [asked.model ?? "auto", asked.other ?? ""];
  const prompt = h("textarea", { rows: 5, placeholder: "Ask something", "aria-label": "Prompt" });
  const file = h("input", { type: "file", accept: "image/*,.txt,.md,.json,.csv,.py,.log", "aria-label": "Attach an image or a text" });
  const output = h("input", { type: "number", min: 1, value: "512" });
  const pickers = chosen.map((value, at) => h("select", {}, [...(at ? [""] : []), ...models].map((name) => h("option", { value: name, selected: name === value }, name || "no second route"))));
  const send = h("button", { class: "primary" }, "Send");
  const stop = h("button", { type: "button", disabled: true }, "Stop");
  const answers = h("div", { class: "answers" }), notice = h("div", {});
  let running = null;
  stop.addEventListener("click", () => running?.abort());
  signal.addEventListener("abort", () => running?.abort());

  const body = async (model) => {
    const content = file.files.length ? await attached(prompt.value, file.files[0]) : prompt.value;
    return { model, stream: true, max_tokens: Number(output.value) || 512, messages: [{ role: "user", content }] };
  };
  const form = h("form", { class: "panel", onsubmit: async (event) => {
    event.preventDefault();
    if (!prompt.value.trim()) return prompt.focus();
    running = new AbortController();
    send.disabled = true;
    stop.disabled = false;
    notice.replaceChildren();
    answers.replaceChildren();
    try {
      const routes = pickers.map((picker) => picker.value).filter(Boolean);
      const bodies = await Promise.all(routes.map(body));
      await Promise.all(bodies.map((one) => { const panel = h("div", { class: "panel" }); answers.append(panel); return answer(panel, one, running.signal); }));
    } catch (error) {
      if (error.name !== "AbortError") notice.replaceChildren(alert(error));
    }
    send.disabled = false;
    stop.disabled = true;
  } }, prompt, h("p", { class: "row" }, field("Route", pickers[0]), field("Beside it", pickers[1]), field("Output limit", output), field("Attach", file), send, stop,
    ...["curl", "Python", "TypeScript"].map((name) => copyButton(() => code(name, pickers[0].value, prompt.value), name))));
  main.replaceChildren(head("Playground", "what your clients would get, and why"), form, notice, answers);
  prompt.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); });
}

async function attached(text, file) {
  if (file.size > MAX_FILE) throw new Error(`${file.name} is larger than 10 MB`);
  if (!file.type.startsWith("image/")) return `${text}\n\n${file.name}:\n${await file.text()}`;
  const url = await new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
  return [{ type: "text", text }, { type: "image_url", image_url: { url } }];
}

async function answer(panel, body, signal) {
  const title = h("h2", { class: "title" }, body.model), why = h("p", { class: "small muted" }, "deciding …"), text = h("div", { class: "answer", tabindex: "0", role: "region", "aria-label": `Answer of ${body.model}` }), numbers = h("p", { class: "small muted" });
  panel.append(title, why, text, numbers);
  const began = performance.now();
  let first = null, usage = null, id = null;
  try {
    const response = await fetch(`${root}/admin/playground/chat/completions`, { method: "POST", signal, headers: { "content-type": "application/json" }, body: JSON.stringify({ ...body, stream_options: { include_usage: true } }) });
    id = response.headers.get("x-request-id");
    const about = (name) => response.headers.get(`x-octoroute-${name}`);
    if (about("tier")) why.replaceChildren(tier(about("tier")), ` by ${about("strategy")}, at `, h("b", {}, about("endpoint") ?? "no endpoint"), ` (${about("model") ?? "–"})${Number(about("attempts")) > 1 ? `, attempt ${about("attempts")}` : ""}`);
    if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
    for await (const event of events(response.body)) {
      if (event.error) throw new ApiError(0, event);
      const piece = event.choices?.[0]?.delta;
      if (piece?.content) { first ??= performance.now(); text.append(piece.content); }
      if (piece?.reasoning_content) first ??= performance.now();
      usage = event.usage ?? usage;
    }
  } catch (error) {
    if (error.name === "AbortError") text.append(" (stopped)");
    else panel.append(alert(error));
  }
  numbers.replaceChildren([first ? `first token ${duration((first - began) / 1e3)}` : null, `whole ${duration((performance.now() - began) / 1e3)}`, usage ? `${count(usage.prompt_tokens)} → ${count(usage.completion_tokens)} tokens` : null].filter(Boolean).join(" · "),
    ...(id ? [" · ", h("a", { href: page("requests", { id }) }, "its record")] : []));
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:") && !line.includes("[DONE]")) yield JSON.parse(line.slice(5));
  }
}

function code(name, model, prompt) {
  const url = `${location.origin}${root}/v1`, text = JSON.stringify(prompt || "Why is the sky blue?"), quoted = JSON.stringify(model);
  if (name === "Python") return `from openai import OpenAI\n\nclient = OpenAI(base_url="${url}", api_key="KEY")\nstream = client.chat.completions.create(model=${quoted}, messages=[{"role": "user", "content": ${text}}], stream=True)\nfor event in stream:\n    print(event.choices[0].delta.content or "", end="")\n`;
  if (name === "TypeScript") return `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${url}", apiKey: "KEY" });\nconst stream = await client.chat.completions.create({ model: ${quoted}, messages: [{ role: "user", content: ${text} }], stream: true });\nfor await (const event of stream) process.stdout.write(event.choices[0]?.delta?.content ?? "");\n`;
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: prompt || "Why is the sky blue?" }] });
  return `curl -N ${url}/chat/completions -H 'authorization: Bearer KEY' -H 'content-type: application/json' -d '${body.replaceAll("'", "'\\''")}'`;
}
