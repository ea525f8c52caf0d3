"""Histories as clients of each dialect send them, made by hypothesis: tools, thinking, images, in any order, also impossible ones.

Every word of a history is unique, so that a test can see whether it arrived.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

PIXEL = "iVBORw0KGgo="
NAMES = ("f", "mcp__server__a_tool", "a.tool/with:odd characters", "n" * 90)
IDS = ("call_1", "functions.x:0", "", "i" * 80, "toolu_01", "call_1")
SIGNATURES = ("sig==", "octo.1.openai.abc", "octo.1.gemini.CiQB", 'octo.1.openrouter.[{"type":"reasoning.text","signature":"s"}]')

Step = tuple[Any, ...]
"""What happens in a history: a kind, and what it needs."""

blanks = st.sampled_from(["", " ", "\n"])
kinds = st.one_of(
    st.tuples(st.just("user"), st.booleans(), st.sampled_from(["", "", "5m", "1h"])),
    st.tuples(st.just("image"), st.sampled_from(["image/png", "image/webp"])),
    st.tuples(st.just("system")),
    st.tuples(st.just("said"), st.booleans(), st.none() | st.sampled_from(SIGNATURES)),
    st.tuples(
        st.just("calls"),
        st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(NAMES), st.sampled_from(["given", "failed", "image", "missing"])), min_size=1, max_size=3),
        st.none() | st.sampled_from(SIGNATURES),
        st.booleans(),
    ),
    st.tuples(st.just("orphan")),
    st.tuples(st.just("blank"), st.sampled_from(["user", "assistant"]), blanks),
)  # fmt: skip
steps = st.lists(kinds, min_size=1, max_size=7)

parameters = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.sampled_from([-1, 1, 50, 200_000]),
        "temperature": st.sampled_from([0.0, 0.7, 1.0]),
        "top_p": st.sampled_from([0.1, 0.97]),
        "top_k": st.just(5),
        "stop": st.lists(st.sampled_from(["", " ", "\n", "END", "a", "b", "c", "d", "e"]), max_size=7, unique=True),
        "thinking": st.sampled_from(["none", "low", "high", "budget"]),
        "choice": st.sampled_from(["auto", "any", "tool"]),
    },
)


class Words:
    """Unique words, and which kind each of them is of."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}

    def new(self, kind: str) -> str:
        word = f"w{len(self.kinds)}w"
        self.kinds[word] = kind
        return word


def _calls(step: Step, words: Words) -> list[tuple[str, str, str, str, str]]:
    """(id, name, how it ended, a word in its arguments, a word in its result)."""
    return [
        (id, name, ended, words.new("call"), words.new("result") if ended in {"given", "failed"} else "")
        for id, name, ended in step[1]
    ]


def as_messages(history: Sequence[Step], words: Words) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for step in history:
        match step[0]:
            case "user":
                text = words.new("text")
                messages.append(
                    {"role": "user", "content": [{"type": "text", "text": text, **_mark(step[2])}] if step[1] else text}
                )
            case "image":
                source = {"type": "base64", "media_type": step[1], "data": PIXEL}
                messages.append({"role": "user", "content": [{"type": "image", "source": source}]})
            case "system":
                messages.append({"role": "system", "content": words.new("text")})
            case "said":
                messages.append({"role": "assistant", "content": [*_thought(step[2], words), *_text(words)]})
            case "calls":
                calls = _calls(step, words)
                use = [{"type": "tool_use", "id": id, "name": name, "input": {"q": word}} for id, name, _, word, _ in calls]
                messages.append(
                    {"role": "assistant", "content": [*_thought(step[2], words), *(_text(words) if step[3] else []), *use]}
                )
                results = [_result(id, ended, word) for id, _, ended, _, word in calls if ended != "missing"]
                if results:
                    messages.append({"role": "user", "content": results})
            case "orphan":
                content = {"type": "tool_result", "tool_use_id": "lost", "content": words.new("result")}
                messages.append({"role": "user", "content": [content]})
            case _:
                messages.append({"role": step[1], "content": [{"type": "text", "text": step[2]}] if step[1] == "user" else step[2]})
    return {"messages": messages}


def _mark(lifetime: str) -> dict[str, Any]:
    return {"cache_control": {"type": "ephemeral", "ttl": lifetime}} if lifetime else {}


def _text(words: Words) -> list[dict[str, Any]]:
    return [{"type": "text", "text": words.new("text")}]


def _thought(signature: str | None, words: Words) -> list[dict[str, Any]]:
    return [] if signature is None else [{"type": "thinking", "thinking": words.new("thinking"), "signature": signature}]


def _result(id: str, ended: str, word: str) -> dict[str, Any]:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content: Any = [image] if ended == "image" else word
    return {"type": "tool_result", "tool_use_id": id, "content": content, **({"is_error": True} if ended == "failed" else {})}


def as_chat(history: Sequence[Step], words: Words) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for step in history:
        match step[0]:
            case "user":
                text = words.new("text")
                messages.append(
                    {"role": "user", "content": [{"type": "text", "text": text, **_mark(step[2])}] if step[1] else text}
                )
            case "image":
                part = {"type": "image_url", "image_url": {"url": f"data:{step[1]};base64,{PIXEL}"}}
                messages.append({"role": "user", "content": [part]})
            case "system":
                messages.append({"role": "developer", "content": words.new("text")})
            case "said":
                messages.append({"role": "assistant", "content": words.new("text"), **_fields(step[2], words)})
            case "calls":
                calls = _calls(step, words)
                made = [
                    {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps({"q": word})}}
                    for id, name, _, word, _ in calls
                ]
                text = words.new("text") if step[3] else None
                messages.append({"role": "assistant", "content": text, "tool_calls": made, **_fields(step[2], words)})
                for id, _, ended, _, word in calls:
                    if ended != "missing":
                        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
                        messages.append({"role": "tool", "tool_call_id": id, "content": [part] if ended == "image" else word})
            case "orphan":
                messages.append({"role": "tool", "tool_call_id": "lost", "content": words.new("result")})
            case _:
                messages.append({"role": step[1], "content": step[2]})
    return {"messages": messages}


def _fields(signature: str | None, words: Words) -> dict[str, Any]:
    match signature:
        case None:
            return {}
        case "sig==":
            return {"thinking_blocks": [{"type": "thinking", "thinking": words.new("thinking"), "signature": signature}]}
        case "octo.1.gemini.CiQB":
            return {"reasoning": words.new("thinking")}
        case "octo.1.openai.abc":
            return {"reasoning_content": words.new("thinking")}
        case _:
            return {"reasoning_details": [{"type": "reasoning.text", "text": words.new("thinking"), "signature": "s"}]}


def as_responses(history: Sequence[Step], words: Words) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for step in history:
        match step[0]:
            case "user":
                items.append({"type": "message", "role": "user", "content": [{"type": "input_text", "text": words.new("text")}]})
            case "image":
                part = {"type": "input_image", "image_url": f"data:{step[1]};base64,{PIXEL}"}
                items.append({"type": "message", "role": "user", "content": [part]})
            case "system":
                items.append({"type": "message", "role": "developer", "content": words.new("text")})
            case "said":
                items += _reasoning(step[2], words)
                part = {"type": "output_text", "text": words.new("text"), "annotations": []}
                items.append({"type": "message", "role": "assistant", "content": [part]})
            case "calls":
                items += _reasoning(step[2], words)
                calls = [(id or "call_x", *rest) for id, *rest in _calls(step, words)]
                items += [
                    {"type": "function_call", "call_id": id, "name": name, "arguments": json.dumps({"q": word})}
                    for id, name, _, word, _ in calls
                ]
                for id, _, ended, _, word in calls:
                    if ended != "missing":
                        part = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
                        items.append(
                            {"type": "function_call_output", "call_id": id, "output": [part] if ended == "image" else word}
                        )
            case "orphan":
                items.append({"type": "function_call_output", "call_id": "lost", "output": words.new("result")})
            case _:
                items.append({"type": "message", "role": step[1], "content": step[2]})
    return {"input": items}


def _reasoning(signature: str | None, words: Words) -> list[dict[str, Any]]:
    if signature is None:
        return []
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": words.new("thinking")}]}
    return [item if signature == "sig==" else {**item, "encrypted_content": signature}]


def as_gemini(history: Sequence[Step], words: Words) -> dict[str, Any]:
    contents: list[dict[str, Any]] = []
    blob = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    for step in history:
        match step[0]:
            case "user" | "system":
                contents.append({"role": "user", "parts": [{"text": words.new("text")}]})
            case "image":
                contents.append({"role": "user", "parts": [{"inlineData": {"mimeType": step[1], "data": PIXEL}}]})
            case "said":
                contents.append({"role": "model", "parts": [*_thoughts(step[2], words), {"text": words.new("text")}]})
            case "calls":
                calls = _calls(step, words)
                made = [{"functionCall": {"name": name, "args": {"q": word}}} for _, name, _, word, _ in calls]
                text = [{"text": words.new("text")}] if step[3] else []
                contents.append({"role": "model", "parts": [*_thoughts(step[2], words), *text, *made]})
                results = [
                    {"functionResponse": {"name": name, "response": {"error" if ended == "failed" else "output": word}}}
                    if ended != "image"
                    else {"functionResponse": {"name": name, "response": {}, "parts": [blob]}}
                    for _, name, ended, _, word in calls
                    if ended != "missing"
                ]
                if results:
                    contents.append({"role": "user", "parts": results})
            case "orphan":
                response = {"name": "lost", "response": {"output": words.new("result")}}
                contents.append({"role": "user", "parts": [{"functionResponse": response}]})
            case _:
                contents.append({"role": "model" if step[1] == "assistant" else "user", "parts": [{"text": step[2]}]})
    return {"contents": contents}


def _thoughts(signature: str | None, words: Words) -> list[dict[str, Any]]:
    if signature is None:
        return []
    return [{"text": words.new("thinking"), "thought": True, **({"thoughtSignature": "CiQB"} if signature == "sig==" else {})}]


TOOL = {"type": "object", "properties": {"q": {"type": "string"}}}


def with_parameters(client: str, body: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The request with tools and the parameters as `client` writes them."""
    if client == "gemini":
        return _gemini_parameters(body, given)
    body = {**body, **{name: given[name] for name in ("temperature", "top_p") if name in given}}
    named = {"messages": "max_tokens", "chat": "max_completion_tokens", "responses": "max_output_tokens"}[client]
    if "max_tokens" in given:
        body[named] = given["max_tokens"]
    if client == "messages":
        body["tools"] = [{"name": name, "input_schema": TOOL} for name in NAMES]
        body |= {"stop_sequences": given["stop"]} if "stop" in given else {}
        if "choice" in given:
            body["tool_choice"] = {"type": given["choice"], **({"name": NAMES[2]} if given["choice"] == "tool" else {})}
    elif client == "chat":
        body["tools"] = [{"type": "function", "function": {"name": name, "parameters": TOOL}} for name in NAMES]
        body |= {"stop": given["stop"]} if "stop" in given else {}
        if "choice" in given:
            named_tool = {"type": "function", "function": {"name": NAMES[2]}}
            body["tool_choice"] = {"auto": "auto", "any": "required", "tool": named_tool}[given["choice"]]
    else:
        body["tools"] = [{"type": "function", "name": name, "parameters": TOOL} for name in NAMES]
        if "choice" in given:
            body["tool_choice"] = {"auto": "auto", "any": "required", "tool": {"type": "function", "name": NAMES[2]}}[
                given["choice"]
            ]
    if client != "responses" and "top_k" in given:
        body["top_k"] = given["top_k"]
    return {**body, **_thinking(client, given.get("thinking"))}


def _gemini_parameters(body: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    names = {
        "max_tokens": "maxOutputTokens",
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "stop": "stopSequences",
    }
    config: dict[str, Any] = {other: given[name] for name, other in names.items() if name in given}
    if "thinking" in given:
        config["thinkingConfig"] = {"thinkingBudget": {"none": 0, "low": 1024, "high": 24_576, "budget": 5000}[given["thinking"]]}
    body = {**body, "generationConfig": config}
    body["tools"] = [{"functionDeclarations": [{"name": name, "parametersJsonSchema": TOOL} for name in NAMES]}]
    if "choice" in given:
        allowed = {"allowedFunctionNames": [NAMES[2]]} if given["choice"] == "tool" else {}
        mode = "AUTO" if given["choice"] == "auto" else "ANY"
        body["toolConfig"] = {"functionCallingConfig": {"mode": mode, **allowed}}
    return body


def _thinking(client: str, wish: str | None) -> dict[str, Any]:
    if wish is None:
        return {}
    effort = "medium" if wish == "budget" else wish
    if client == "messages":
        return {"thinking": {"type": "disabled"} if wish == "none" else {"type": "enabled", "budget_tokens": 5000}}
    return {"reasoning_effort": effort} if client == "chat" else {"reasoning": {"effort": effort}}


CLIENTS: dict[str, Callable[[Sequence[Step], Words], dict[str, Any]]] = {
    "messages": as_messages,
    "chat": as_chat,
    "responses": as_responses,
    "gemini": as_gemini,
}
