"""A model server that behaves: tools are called, schemas are filled in, pictures are seen, always in the same words."""

from __future__ import annotations

import json
from typing import Any

from tests.support.fake import DONE, Exchange, chunk, completion, error, event, stream, whole

PERSON = {"name": "Ann", "age": 41}
STATUSES = {f"fail {status}": status for status in (400, 403, 404, 409, 413, 422, 429, 500, 503)}


async def act(exchange: Exchange) -> None:
    asked = exchange.seen.json
    text = last_text(asked)
    if text in STATUSES:
        status = STATUSES[text]
        headers = {"retry-after": "7", "x-request-id": "up-1"} if status == 429 else {}
        await error(status, "as you wish", headers, param="messages", code=f"code_{status}")(exchange)
    elif text == "break":
        await stream([chunk({"role": "assistant", "content": ""}), chunk({"content": "half "}), 0.02], end="cut")(exchange)
    elif asked.get("stream"):
        await stream(frames(asked, text))(exchange)
    else:
        await whole(answer(asked, text))(exchange)


def last_text(asked: dict[str, Any]) -> str:
    content = asked["messages"][-1].get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", f"<{part['type']}>") for part in content)


def calls(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Of every tool offered, unless one has answered already."""
    if not asked.get("tools") or asked["messages"][-1]["role"] == "tool" or asked.get("tool_choice") == "none":
        return []
    names = [tool["function"]["name"] for tool in asked["tools"]]
    if isinstance(asked.get("tool_choice"), dict):
        names = [asked["tool_choice"]["function"]["name"]]
    if asked.get("parallel_tool_calls") is False:
        names = names[:1]
    arguments = json.dumps(PERSON if "Person" in names else {"city": "Li\u00e8ge"}, ensure_ascii=False)
    return [
        {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, name in enumerate(names)
    ]


def words(asked: dict[str, Any], text: str) -> str:
    if (asked.get("response_format") or {}).get("type") in {"json_schema", "json_object"}:
        return json.dumps(PERSON)
    return f"you said: {text} \u2713"


def answer(asked: dict[str, Any], text: str) -> dict[str, Any]:
    whole_answer = completion(words(asked, text))
    choice = whole_answer["choices"][0]
    called = calls(asked)
    if called:
        choice["message"] |= {"content": None, "tool_calls": called}
        choice["finish_reason"] = "tool_calls"
    whole_answer["choices"] = [{**choice, "index": at} for at in range(asked.get("n") or 1)]
    if asked.get("logprobs"):
        for one in whole_answer["choices"]:
            one["logprobs"] = {"content": [{"token": "you", "bytes": [121], "logprob": -0.5, "top_logprobs": []}], "refusal": None}
    return whole_answer


def frames(asked: dict[str, Any], text: str) -> list[bytes]:
    found = [chunk({"role": "assistant", "content": None if calls(asked) else "", "refusal": None})]
    for at, call in enumerate(calls(asked)):
        function = call["function"]
        found.append(chunk({"tool_calls": [{"index": at, **call, "function": {"name": function["name"], "arguments": ""}}]}))
        text_of_call = function["arguments"]
        for start in range(0, len(text_of_call), 5):
            found.append(chunk({"tool_calls": [{"index": at, "function": {"arguments": text_of_call[start : start + 5]}}]}))
    if len(found) == 1:
        found += [chunk({"content": word}) for word in words(asked, text).split(" ") for word in (word, " ")][:-1]
        found.append(chunk({}, "stop"))
    else:
        found.append(chunk({}, "tool_calls"))
    if (asked.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        found.append(
            event(
                {
                    "id": "chatcmpl-1",
                    "object": "chat.completion.chunk",
                    "created": 1,
                    "model": "upstream-model",
                    "choices": [],
                    "usage": usage,
                }
            )
        )
    return [*found, DONE]
