// One conversation through one client, told as JSON on stdout: `node clients.mjs CLIENT GATEWAY streamed|whole`.
import OpenAI from "openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { z } from "zod";

const [client, gateway, way] = process.argv.slice(2);
const streamed = way === "streamed";
const TASK = "Multiply the sum of 2 and 3 by the sum of 10 and 20, write the product down, and tell me where.";
const SYSTEM = "You are good at sums.";

const pages = {};
const desk = {
  add: ({ a, b }) => String(a + b),
  multiply: ({ a, b }) => String(a * b),
  write_down: ({ text }) => ((pages["page 7"] = text), "page 7"),
  look_up: ({ page }) => pages[page],
};
const numbers = z.object({ a: z.number().int(), b: z.number().int() });
const inputs = { add: numbers, multiply: numbers, write_down: z.object({ text: z.string() }), look_up: z.object({ page: z.string() }) };

// The loop that OpenAI's own client leaves to its user.
async function openai() {
  const sdk = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: "k", maxRetries: 0 });
  const tools = Object.keys(desk).map((name) => ({
    type: "function",
    function: { name, parameters: z.toJSONSchema(inputs[name]) },
  }));
  const messages = [{ role: "system", content: SYSTEM }, { role: "user", content: TASK }];
  const asked = { model: "auto", max_completion_tokens: 500, tools };
  let usage = { input: 0, output: 0 };
  for (let step = 1; step <= 8; step++) {
    let completion;
    if (streamed) {
      const stream = sdk.chat.completions.stream({ ...asked, messages, stream_options: { include_usage: true } });
      completion = await stream.finalChatCompletion();
    } else {
      completion = await sdk.chat.completions.create({ ...asked, messages });
    }
    const [{ message, finish_reason }] = completion.choices;
    usage = { input: usage.input + completion.usage.prompt_tokens, output: usage.output + completion.usage.completion_tokens };
    messages.push({ role: "assistant", content: message.content, ...(message.tool_calls && { tool_calls: message.tool_calls.map(bare) }) });
    if (!message.tool_calls?.length) return { text: message.content, steps: step, finish: finish_reason, usage };
    for (const call of message.tool_calls) {
      const content = desk[call.function.name](JSON.parse(call.function.arguments));
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
  }
}

// As a request takes it: the streaming helper leaves its own marks in the calls.
function bare({ id, type, function: { name, arguments: args } }) {
  return { id, type, function: { name, arguments: args } };
}

async function vercel(model) {
  const tools = Object.fromEntries(
    Object.keys(desk).map((name) => [name, tool({ description: name, inputSchema: inputs[name], execute: async (input) => desk[name](input) })]),
  );
  const asked = { model, system: SYSTEM, prompt: TASK, tools, stopWhen: stepCountIs(8), maxRetries: 0, maxOutputTokens: 500 };
  let pieces = 0;
  let result;
  if (streamed) {
    const failures = [];
    result = streamText({ ...asked, onError: ({ error }) => failures.push(error) });
    for await (const part of result.fullStream) if (part.type === "text-delta") pieces++;
    if (failures.length) throw failures[0];
  } else {
    result = await generateText(asked);
  }
  const [text, steps, finish, total] = await Promise.all([result.text, result.steps, result.finishReason, result.totalUsage]);
  return { text, steps: steps.length, finish, pieces, usage: { input: total.inputTokens, output: total.outputTokens } };
}

const clients = {
  openai,
  "openai-compatible": () => vercel(createOpenAICompatible({ name: "octoroute", baseURL: `${gateway}/v1`, apiKey: "k", includeUsage: true })("auto")),
  "openai-default": () => vercel(createOpenAI({ baseURL: `${gateway}/v1`, apiKey: "k" })("auto")), // Responses, and items by their ids
  anthropic: () => vercel(createAnthropic({ baseURL: `${gateway}/v1`, apiKey: "k" })("sonnet")),
};
console.log(JSON.stringify(await clients[client]()));
