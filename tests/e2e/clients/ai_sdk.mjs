// The AI SDK in a loop of tool calls: node ai_sdk.mjs VERSION PACKAGE, with the SDK's own defaults.
import { readFileSync } from "node:fs";
import { z } from "zod";

const [version, kind] = process.argv.slice(2);
// The newest is installed under its own name, the others under aliases.
const packages = { openai: "openai", compatible: "openai-compatible", anthropic: "anthropic" };
const { streamText, stepCountIs, isStepCount, tool } = await import(version === "7" ? "ai" : `ai${version}`);
const provider = await import(version === "7" ? `@ai-sdk/${packages[kind]}` : `ai${version}-${kind}`);
const baseURL = process.env.GATEWAY + "/v1";
const apiKey = "not-needed";
const model = {
  openai: () => provider.createOpenAI({ baseURL, apiKey })("auto"),
  compatible: () => provider.createOpenAICompatible({ name: "octoroute", baseURL, apiKey, includeUsage: true })("auto"),
  anthropic: () => provider.createAnthropic({ baseURL, apiKey })("auto"),
}[kind]();
const read_file = tool({
  description: "Read a file.",
  inputSchema: z.object({ path: z.string() }),
  execute: async ({ path }) => readFileSync(path, "utf8"),
});
let failure;
const result = streamText({
  model,
  tools: { read_file },
  stopWhen: (isStepCount ?? stepCountIs)(6),
  prompt: process.env.PROMPT,
  maxRetries: 0,
  onError: ({ error }) => (failure = error),
});
let steps = 0;
for await (const part of result.fullStream) {
  if (part.type === "text-delta") process.stdout.write(part.text ?? part.delta ?? "");
  if (part.type === "finish-step") steps += 1;
}
if (failure) throw failure;
console.log(`\nsteps: ${steps}, tokens: ${(await result.totalUsage).totalTokens}`);
