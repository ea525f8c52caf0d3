// Anthropic's SDK in a loop of tool calls, streamed.
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.env.GATEWAY, apiKey: "not-needed", maxRetries: 0 });
const input_schema = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };
const tools = [{ name: "read_file", description: "Read a file.", input_schema }];
const messages = [{ role: "user", content: process.env.PROMPT }];
for (;;) {
  const message = await client.messages.stream({ model: "auto", max_tokens: 2000, tools, messages }).finalMessage();
  messages.push({ role: "assistant", content: message.content });
  const calls = message.content.filter((block) => block.type === "tool_use");
  if (!calls.length) {
    console.log(message.content.map((block) => block.text ?? "").join(""));
    break;
  }
  const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: readFileSync(call.input.path, "utf8") }));
  messages.push({ role: "user", content: results });
}
