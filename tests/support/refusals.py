"""What the vendors refuse, from their documentation: strict checkers of requests, each a list of what is wrong.

Anthropic: "Messages", "Extended thinking", "Prompt caching", "Structured outputs", and the migration guides of its models. OpenAI: "Chat
Completions", "Function calling", "Reasoning models". Google: "generateContent", "Function calling", "Thought signatures".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from google.genai import types
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import ValidationError

from tests.support.vendors.strict import problems

ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
SAMPLING = ("temperature", "top_p", "top_k")
OPENAI_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def version(model: str) -> tuple[int, int]:
    found = re.search(r"(\d)[-.](\d)|-(\d)$", model)
    assert found, model
    return (int(found[1]), int(found[2])) if found[1] else (int(found[3]), 0)


def of_anthropic(body: dict[str, Any], model: str) -> list[str]:
    """The SDK's type has no sampling any more, which models before Claude 4.7 take."""
    typed = {name: value for name, value in body.items() if name not in SAMPLING}
    return [*problems(typed, MessageCreateParamsNonStreaming), *_anthropic(body, version(model))]


def _anthropic(body: dict[str, Any], can: tuple[int, int]) -> Iterator[str]:
    messages = body["messages"]
    if messages[0]["role"] != "user":
        yield "the first message is not the user's"
    if messages[-1]["role"] == "assistant":
        if can >= (4, 6):
            yield "prefill"
        content = messages[-1]["content"]
        text = content if isinstance(content, str) else content[-1].get("text", "x")
        if text != text.rstrip():
            yield "the last text ends in white space"
    yield from _anthropic_messages(messages)
    yield from _anthropic_parameters(body, can)
    yield from _anthropic_thinking(body, can)
    yield from _marks(_anthropic_blocks(body))


def _anthropic_messages(messages: list[dict[str, Any]]) -> Iterator[str]:
    waiting: list[str] = []
    seen: set[str] = set()
    role = ""
    for message in messages:
        if message["role"] == role:
            yield "two messages of one role"
        role = message["role"]
        blocks = [{"type": "text", "text": message["content"]}] if isinstance(message["content"], str) else message["content"]
        if not blocks:
            yield "empty content"
        kinds = [block["type"] for block in blocks]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if results != waiting:
            yield f"results {results} of calls {waiting}"
        if "tool_result" in kinds[len(results) :]:
            yield "a result after other content"
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if seen & set(waiting) or len(set(waiting)) < len(waiting):
            yield "a call's id twice"
        seen |= set(waiting)
        if any(kind in {"thinking", "redacted_thinking"} for kind in kinds[1:]) and kinds[0] not in {
            "thinking",
            "redacted_thinking",
        }:
            yield "thinking after other content"
        for block in blocks:
            yield from _anthropic_block(block)
    if waiting:
        yield f"no results of {waiting}"


def _anthropic_block(block: dict[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "text" if not block["text"].strip():
            yield "a blank text"
        case "tool_use":
            if not ID.fullmatch(block["id"]) or not NAME.fullmatch(block["name"]):
                yield f"id or name of a call: {block['id']} {block['name']}"
            if not isinstance(block["input"], dict):
                yield "input that is no object"
        case "tool_result":
            content = block.get("content", "")
            if block.get("is_error") and not content:
                yield "an error without content"
            for part in content if isinstance(content, list) else ():
                yield from _anthropic_block(part)
        case "thinking" if not block["signature"]:
            yield "thinking without signature"
        case "image" if block["source"]["type"] == "base64":
            if block["source"]["media_type"] not in {"image/jpeg", "image/png", "image/gif", "image/webp"}:
                yield "a kind of image"
        case _:
            pass


def _anthropic_parameters(body: dict[str, Any], can: tuple[int, int]) -> Iterator[str]:
    if body["max_tokens"] < 1:
        yield "max_tokens below 1"
    if not 0 <= body.get("temperature", 0) <= 1:
        yield "temperature above 1"
    if can >= (4, 7) and any(name in body for name in SAMPLING):
        yield "sampling"
    if can >= (4, 1) and "temperature" in body and "top_p" in body:
        yield "temperature with top_p"
    if any(not stop.strip() for stop in body.get("stop_sequences", ())):
        yield "a blank stop"
    if "tool_choice" in body and not body.get("tools"):
        yield "tool_choice without tools"
    if can >= (5, 1) and body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        yield "a forced tool"
    names = [tool["name"] for tool in body.get("tools", ())]
    if len(set(names)) < len(names) or not all(map(NAME.fullmatch, names)):
        yield f"names of tools: {names}"


def _anthropic_thinking(body: dict[str, Any], can: tuple[int, int]) -> Iterator[str]:
    thinking = body.get("thinking", {"type": "disabled"})
    if thinking["type"] == "disabled":
        if "thinking" in body and can >= (5, 1):
            yield "thinking turned off"
        return
    if thinking["type"] == "enabled":
        if can >= (4, 7) or can < (3, 7):
            yield "a budget"
        if not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
            yield "a budget outside of its range"
        calls = [message for message in body["messages"] if message["role"] == "assistant"]
        last = body["messages"][-1]["content"][0]
        if isinstance(last, dict) and last["type"] == "tool_result" and calls[-1]["content"][0]["type"] == "tool_use":
            yield "a tool loop that does not begin with thinking"
    elif can < (4, 6):
        yield "adaptive thinking"
    if body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        yield "a forced tool with thinking"
    if body.get("temperature", 1) != 1 or body.get("top_p", 1) < 0.95 or "top_k" in body:
        yield "sampling with thinking"


def _anthropic_blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for message in body["messages"]:
        yield from message["content"] if isinstance(message["content"], list) else ()
    yield body


def _marks(blocks: Iterator[dict[str, Any]]) -> Iterator[str]:
    marks = [block["cache_control"].get("ttl", "5m") for block in blocks if "cache_control" in block]
    if len(marks) > 4:
        yield "more than four marks"
    if marks != sorted(marks):
        yield "a long mark after a short one"


EXTENSIONS = frozenset(
    {"reasoning", "reasoning_content", "reasoning_details", "reasoning_split", "thinking", "thinking_budget", "enable_thinking"}
    | {"chat_template_kwargs", "top_k", "cache_control", "prefix"}
)
"""Fields that servers other than OpenAI's take."""


def without_extensions(node: Any) -> Any:
    if isinstance(node, list):
        return [without_extensions(item) for item in node]
    if isinstance(node, dict):
        return {name: without_extensions(value) for name, value in node.items() if name not in EXTENSIONS}
    return node


def of_openai(body: dict[str, Any], *, reasoning: bool, id_limit: int = 64, extensions: bool = True) -> list[str]:
    plain = without_extensions(body) if extensions else body
    return [*problems(plain, CompletionCreateParamsNonStreaming), *_openai(body, reasoning=reasoning, id_limit=id_limit)]


def _openai(body: dict[str, Any], *, reasoning: bool, id_limit: int) -> Iterator[str]:
    waiting: list[str] = []
    seen: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "tool":
            if not waiting or message["tool_call_id"] != waiting.pop(0):
                yield f"a result of {message['tool_call_id']}, which is not due"
            continue
        if waiting:
            yield f"no results of {waiting}"
        calls = message.get("tool_calls", ())
        waiting = [call["id"] for call in calls]
        if seen & set(waiting):
            yield "a call's id twice"
        seen |= set(waiting)
        for call in calls:
            if len(call["id"]) > id_limit or not NAME.fullmatch(call["function"]["name"]):
                yield f"id or name of a call: {call['id']} {call['function']['name']}"
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                yield "arguments that are no object"
        if message["content"] is None and not calls:
            yield "a message without content"
        if message["content"] == [] or (message["content"] == "" and message["role"] in {"user", "system", "developer"}):
            yield f"an empty {message['role']} message"
    if waiting:
        yield f"no results of {waiting}"
    yield from _openai_parameters(body, reasoning=reasoning)


def _openai_parameters(body: dict[str, Any], *, reasoning: bool) -> Iterator[str]:
    if ("tool_choice" in body or "parallel_tool_calls" in body) and not body.get("tools"):
        yield "tool_choice without tools"
    stop = body.get("stop", [])
    if "stop" in body and (not stop or "" in stop):
        yield "an empty stop"
    for name in ("max_tokens", "max_completion_tokens"):
        if name in body and body[name] < 1:
            yield f"{name} below 1"
    if reasoning and ({*OPENAI_SAMPLING, "stop", "max_tokens"} & body.keys()):
        yield f"parameters that reasoning models refuse: {sorted({*OPENAI_SAMPLING, 'stop', 'max_tokens'} & body.keys())}"
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    if len(set(names)) < len(names) or not all(map(NAME.fullmatch, names)):
        yield f"names of tools: {names}"


def of_responses(body: dict[str, Any]) -> list[str]:
    return [*problems(body, ResponseCreateParamsNonStreaming), *_responses(body)]


def _responses(body: dict[str, Any]) -> Iterator[str]:
    waiting: list[str] = []
    for item in body["input"]:
        if item.get("type") == "function_call":
            waiting.append(item["call_id"])
            if not NAME.fullmatch(item["name"]) or not isinstance(json.loads(item["arguments"]), dict):
                yield f"a call: {item}"
        elif item.get("type") == "function_call_output":
            if item["call_id"] not in waiting:
                yield f"a result of {item['call_id']}, which is not due"
            else:
                waiting.remove(item["call_id"])
    if waiting:
        yield f"no results of {waiting}"
    if body.get("max_output_tokens", 16) < 16:
        yield "max_output_tokens below 16"
    if "tool_choice" in body and not body.get("tools"):
        yield "tool_choice without tools"


GEMINI_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")


def of_gemini(body: dict[str, Any], model: str) -> list[str]:
    found: list[str] = []
    for content in [*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])]:
        try:
            types.Content.model_validate(content)
        except ValidationError as error:
            found.append(str(error))
    try:
        types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    except ValidationError as error:
        found.append(str(error))
    return [*found, *_gemini(body, model)]


def _gemini(body: dict[str, Any], model: str) -> Iterator[str]:
    role, waiting = "", []
    if body["contents"][0]["role"] != "user":
        yield "the first content is not the user's"
    for content in body["contents"]:
        if content["role"] == role:
            yield "two contents of one role"
        role = content["role"]
        parts = content["parts"]
        if not parts:
            yield "no parts"
        answered = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if [(one["id"], one["name"]) for one in answered] != waiting:
            yield f"responses {answered} of calls {waiting}"
        calls = [part for part in parts if "functionCall" in part]
        waiting = [(part["functionCall"]["id"], part["functionCall"]["name"]) for part in calls]
        for part in calls:
            if not GEMINI_NAME.fullmatch(part["functionCall"]["name"]) or not isinstance(part["functionCall"]["args"], dict):
                yield f"a call: {part}"
        if calls and version(model) >= (3, 0) and not any(part.get("thoughtSignature") for part in parts):
            yield "calls without a thought signature"
        if any("text" in part and not part["text"] and not part.get("thought") for part in parts):
            yield "an empty text"
    if waiting:
        yield f"no responses of {waiting}"
    config = body.get("generationConfig", {})
    if len(config.get("stopSequences", ())) > 5 or "" in config.get("stopSequences", ()):
        yield "stop sequences"
    if config.get("maxOutputTokens", 1) < 1:
        yield "maxOutputTokens below 1"
    thinking = config.get("thinkingConfig", {})
    if "thinkingLevel" in thinking and version(model) < (3, 0):
        yield "a level of thinking"
    if "thinkingBudget" in thinking and version(model) >= (3, 0):
        yield "a budget of thinking"
    if version(model) >= (2, 5) and {"presencePenalty", "frequencyPenalty"} & config.keys():
        yield "penalties"
