// Ollama's client in a loop of tool calls, streamed.
import { readFileSync } from "node:fs";
import { Ollama } from "ollama";

const client = new Ollama({ host: process.env.GATEWAY });
const parameters = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };
const tools = [{ type: "function", function: { name: "read_file", description: "Read a file.", parameters } }];
const messages = [{ role: "user", content: process.env.PROMPT }];
for (;;) {
  const message = { role: "assistant", content: "", tool_calls: [] };
  for await (const part of await client.chat({ model: "auto", messages, tools, stream: true })) {
    message.content += part.message.content;
    message.tool_calls.push(...(part.message.tool_calls ?? []));
  }
  messages.push(message);
  if (!message.tool_calls.length) {
    console.log(message.content);
    break;
  }
  for (const call of message.tool_calls) {
    messages.push({ role: "tool", tool_name: call.function.name, content: readFileSync(call.function.arguments.path, "utf8") });
  }
}
