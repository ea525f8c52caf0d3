// OpenAI's SDK in a loop of tool calls: node openai_sdk.mjs chat|responses.
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.GATEWAY + "/v1", apiKey: "not-needed", maxRetries: 0 });
const parameters = { type: "object", properties: { path: { type: "string" } }, required: ["path"], additionalProperties: false };
const read_file = ({ path }) => readFileSync(path, "utf8");

async function chat() {
  const tool = { type: "function", function: { name: "read_file", description: "Read a file.", parameters, parse: JSON.parse, function: read_file } };
  const runner = client.chat.completions.runTools({ model: "auto", stream: true, messages: [{ role: "user", content: process.env.PROMPT }], tools: [tool] });
  return runner.finalContent();
}

async function responses() {
  const tools = [{ type: "function", name: "read_file", description: "Read a file.", parameters, strict: true }];
  let input = process.env.PROMPT;
  let previous_response_id;
  for (;;) {
    const stream = client.responses.stream({ model: "auto", input, tools, previous_response_id });
    const response = await stream.finalResponse();
    const calls = response.output.filter((item) => item.type === "function_call");
    if (!calls.length) return response.output_text;
    previous_response_id = response.id;
    input = calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: read_file(JSON.parse(call.arguments)) }));
  }
}

console.log(await { chat, responses }[process.argv[2]]());
