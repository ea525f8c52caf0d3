"""What Bedrock refuses of a Converse request, by botocore's service model and the User Guide: a list of what is wrong.

Sources: "Converse API", "Call a tool with the Converse API", "Prompt caching", and Anthropic's rules for its own models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.support.refusals import version
from tests.support.vendors.aws import problems, service

MAX_CACHE_POINTS = 4
DOCUMENT_NAME = re.compile(r"[a-zA-Z0-9\-()\[\]]+(?: [a-zA-Z0-9\-()\[\]]+)*")


def of_bedrock(body: dict[str, Any], model: str) -> list[str]:
    shape = service().operation_model("Converse").input_shape
    can = version(model) if "claude" in model else None
    return [*problems(body, shape), *_messages(body), *_cache(body, can), *_parameters(body, can)]


def _messages(body: dict[str, Any]) -> Iterator[str]:
    messages = body["messages"]
    waiting: list[str] = []
    seen: set[str] = set()
    role, names, uses = "", [], False
    for message in messages:
        blocks = message["content"]
        if message["role"] == role:
            yield "two messages of one role"
        role = message["role"]
        kinds = [next(iter(block)) for block in blocks if "cachePoint" not in block]
        if not kinds:
            yield "empty content"
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        if results != waiting:
            yield f"results {results} of calls {waiting}"
        if "toolResult" in kinds[len(results) :]:
            yield "a result after other content"
        waiting = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        if seen & set(waiting) or len(set(waiting)) < len(waiting):
            yield "a call's id twice"
        seen |= set(waiting)
        uses = uses or bool(results or waiting)
        if "reasoningContent" in kinds and kinds[0] != "reasoningContent":
            yield "thinking after other content"
        if "document" in kinds and "text" not in kinds:
            yield "documents without text"
        if any(not block.get("text", "x").strip() for block in blocks):
            yield "a blank text"
        if any(not isinstance(block["toolUse"]["input"], dict) for block in blocks if "toolUse" in block):
            yield "input that is no object"
        names += [block["document"]["name"] for block in blocks if "document" in block]
    if messages[0]["role"] != "user" or waiting:
        yield "it does not begin with the user, or calls have no results"
    if uses and not body.get("toolConfig", {}).get("tools"):
        yield "toolConfig must be defined when using toolUse and toolResult content blocks"
    if len(set(names)) < len(names) or any(not DOCUMENT_NAME.fullmatch(name) for name in names):
        yield f"names of documents: {names}"


def _cache(body: dict[str, Any], can: tuple[int, int] | None) -> Iterator[str]:
    lists = [body.get("toolConfig", {}).get("tools", []), body.get("system", []), *(m["content"] for m in body["messages"])]
    points = [block["cachePoint"] for blocks in lists for block in blocks if "cachePoint" in block]
    if can is None and points:
        yield "cachePoint is not supported by this model"
    if len(points) > MAX_CACHE_POINTS:
        yield f"{len(points)} cache points"
    lifetimes = [point.get("ttl", "5m") for point in points]
    if lifetimes != sorted(lifetimes):  # "1h" before "5m"
        yield "a longer lifetime after a shorter one"
    if any("cachePoint" in blocks[0] for blocks in lists if blocks):
        yield "a cache point after nothing"


def _parameters(body: dict[str, Any], can: tuple[int, int] | None) -> Iterator[str]:
    inference, more = body.get("inferenceConfig", {}), body.get("additionalModelRequestFields", {})
    if can is None:
        if more or body["messages"][-1]["role"] == "assistant" or "outputConfig" in body:
            yield "only Claude takes these fields, or a prefill"
        return
    if can >= (4, 6) and body["messages"][-1]["role"] == "assistant":
        yield "prefill"
    sampled = {"temperature", "topP"} & set(inference)
    if (can >= (4, 7) and (sampled or "top_k" in more)) or (can >= (4, 1) and len(sampled) == 2):
        yield f"{sampled} for {can}"
    thinking = more.get("thinking", {"type": "none"})
    if thinking["type"] == "enabled" and not 1024 <= thinking["budget_tokens"] < inference["maxTokens"]:
        yield "budget_tokens"
    if thinking["type"] in {"enabled", "adaptive"}:
        if "top_k" in more or inference.get("topP", 1) < 0.95 or inference.get("temperature", 1) != 1:
            yield "sampling with thinking"
        if not {"any", "tool"}.isdisjoint(body.get("toolConfig", {}).get("toolChoice", {})):
            yield "a forced tool with thinking"
    if (thinking["type"] == "adaptive") != (can >= (4, 6)) and thinking["type"] in {"enabled", "adaptive"}:
        yield f"{thinking['type']} for {can}"
    if any(not stop.strip() for stop in inference.get("stopSequences", ())):
        yield "a blank stop sequence"
