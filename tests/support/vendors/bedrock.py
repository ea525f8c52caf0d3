"""Amazon Bedrock's server: Converse, requests checked by botocore's service model and signer, answers and events made of it."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any
from urllib.parse import unquote

from tests.support.fake import Seen
from tests.support.vendors.aws import problems, service, signature_problem, stream_event
from tests.support.vendors.base import Asked, Call, Image, Result, Says, Thought, check
from tests.support.vendors.openai import pieces

_STOPS = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "content_filtered"}
_EXCEPTIONS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "UnknownOperationException",
    413: "RequestEntityTooLargeException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
KEY, SECRET, TOKEN, REGION = "AKIDVENDOR", "vendor/secret+key", "vendor-session-token", "eu-central-1"


class Bedrock:
    kind = "bedrock"
    model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    path = ""
    settings: dict[str, Any] = {}
    providers: dict[str, Any] = {
        "bedrock": {
            "kind": "bedrock",
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "session_token": TOKEN,
            "region": REGION,
        }
    }

    def read(self, seen: Seen) -> Asked:
        found = re.fullmatch(r"/model/([^/:]+)/(converse|converse-stream)", seen.path)
        assert found, seen.path
        url = f"http://{seen.headers['host']}{seen.path}"
        problem = signature_problem(seen.method, url, seen.headers, seen.body, key=KEY, secret=SECRET, region=REGION, token=TOKEN)
        assert problem is None, problem
        body = seen.json
        check(problems(body, service().operation_model("Converse").input_shape))
        model = unquote(found[1])
        assert model == self.model, f"model is {model}"
        inference = body.get("inferenceConfig", {})
        asked = Asked(model=model, stream=found[2] == "converse-stream", max_tokens=inference.get("maxTokens"))
        asked.system = "".join(block.get("text", "") for block in body.get("system", ()))
        _history(body, asked)
        tools = [tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", ()) if "toolSpec" in tool]
        asked.tools = {tool["name"]: tool["inputSchema"]["json"] for tool in tools}
        used = any("toolUse" in block or "toolResult" in block for message in body["messages"] for block in message["content"])
        assert tools or not used, "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        choice = body.get("toolConfig", {}).get("toolChoice")
        asked.choice = json.dumps(choice) if choice else None
        structure = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
        asked.schema = json.loads(structure["schema"]) if structure else None
        thinking = body.get("additionalModelRequestFields", {}).get("thinking")
        if thinking is not None and thinking["type"] == "enabled":
            assert 1024 <= thinking["budget_tokens"] < inference["maxTokens"], "budget_tokens must be below maxTokens"
            assert inference.get("temperature", 1) == 1, "temperature may only be 1 when thinking is enabled"
        assert not {"temperature", "topP"} <= set(inference), "temperature and top_p cannot both be specified for this model"
        return asked

    def whole(self, says: Says) -> bytes:
        answer = {
            "output": {"message": {"role": "assistant", "content": _content(says)}},
            "stopReason": _STOPS[says.finish],
            "usage": _usage(says),
            "metrics": {"latencyMs": 12},
        }
        check(problems(answer, service().operation_model("Converse").output_shape))
        return json.dumps(answer).encode()

    def frames(self, says: Says) -> list[bytes]:
        frames = self._opening(says)
        first = len(_content(says)) - len(says.calls)
        if says.text or says.refusal:
            frames.append(_event("contentBlockStop", contentBlockIndex=first - 1))
        for at, call in enumerate(says.calls, first):
            use = _use(call)
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            frames.append(_event("contentBlockStart", start=start, contentBlockIndex=at))
            for piece in ("", *pieces(json.dumps(call.arguments))):
                frames.append(_event("contentBlockDelta", delta={"toolUse": {"input": piece}}, contentBlockIndex=at))
            frames.append(_event("contentBlockStop", contentBlockIndex=at))
        frames.append(_event("messageStop", stopReason=_STOPS[says.finish]))
        return [*frames, _event("metadata", usage=_usage(says), metrics={"latencyMs": 12})]

    def _opening(self, says: Says) -> list[bytes]:
        frames = [_event("messageStart", role="assistant")]
        at = 0
        if says.thinking:
            deltas = [{"text": piece} for piece in pieces(says.thinking)]
            deltas.append({"signature": _signed(says.thinking)})
            frames += [_event("contentBlockDelta", delta={"reasoningContent": delta}, contentBlockIndex=0) for delta in deltas]
            frames.append(_event("contentBlockStop", contentBlockIndex=0))
            at = 1
        text = says.text or says.refusal
        return [*frames, *(_event("contentBlockDelta", delta={"text": piece}, contentBlockIndex=at) for piece in pieces(text))]

    def error(self, status: int, message: str) -> bytes:
        """The type is in a header, too, which `errors` in the tests of errors send by themselves."""
        return json.dumps({"message": message, "__type": _EXCEPTIONS.get(status, "InternalServerException")}).encode()

    def broken(self, says: Says) -> list[bytes]:
        payload = json.dumps({"message": "The system encountered an unexpected error during processing. Try again."}).encode()
        return [*self._opening(says), stream_event("internalServerException", payload, kind="exception")]


def _history(body: dict[str, Any], asked: Asked) -> None:
    waiting: list[str] = []
    role = ""
    for message in body["messages"]:
        assert message["role"] != role, "A conversation must alternate between user and assistant roles."
        role = message["role"]
        blocks = message["content"]
        assert blocks, "The content field in the Message object is empty."
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        assert sorted(results) == sorted(waiting), f"results {results} of calls {waiting}"
        waiting = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        if any("document" in block for block in blocks):
            assert any("text" in block for block in blocks), "A text block is required with documents."
        asked.turns += [(role, part) for block in blocks for part in _block(block)]
    assert not waiting, f"no results of {waiting}"
    assert body["messages"][0]["role"] == "user", "A conversation must start with a user message."


def _block(block: dict[str, Any]) -> list[str | Call | Result | Image | Thought]:
    [(kind, value)] = block.items()
    match kind:
        case "text":
            assert value.strip(), "The text field in the ContentBlock object is blank."
            return [value]
        case "reasoningContent":
            said = value["reasoningText"]
            assert said["signature"] == _signed(said["text"]), "Invalid `signature` in `thinking` block"
            return [Thought(said["text"])]
        case "image":
            return [Image(f"image/{value['format']}", value["source"]["bytes"])]
        case "toolUse":
            return [Call(value["name"], value["input"], value["toolUseId"])]
        case "toolResult":
            text = "".join(part.get("text", "") for part in value["content"])
            shown = [part for inner in value["content"] if "image" in inner for part in _block(inner)]
            return [Result(value["toolUseId"], text, value.get("status") == "error"), *shown]
        case "cachePoint":
            return []
        case other:
            raise AssertionError(f"a block of kind {other}")


def _content(says: Says) -> list[dict[str, Any]]:
    thought = {"reasoningContent": {"reasoningText": {"text": says.thinking, "signature": _signed(says.thinking)}}}
    text = says.text or says.refusal
    return [
        *([thought] if says.thinking else []),
        *([{"text": text}] if text else []),
        *({"toolUse": _use(call)} for call in says.calls),
    ]


def _signed(thinking: str) -> str:
    """Proves that these words are this server's own."""
    return base64.b64encode(b"%x" % zlib.crc32(thinking.encode())).decode()


def _use(call: Call) -> dict[str, Any]:
    id = call.id or f"tooluse_{zlib.crc32(json.dumps([call.name, call.arguments]).encode())}"
    return {"toolUseId": id, "name": call.name, "input": call.arguments}


def _usage(says: Says) -> dict[str, Any]:
    return {
        "inputTokens": says.input - says.cached,
        "outputTokens": says.output,
        "totalTokens": says.input + says.output,
        "cacheReadInputTokens": says.cached,
        "cacheWriteInputTokens": 0,
    }


def _event(name: str, **fields: Any) -> bytes:
    """With the padding that the service hides the lengths of words behind."""
    check(problems(fields, service().operation_model("ConverseStream").output_shape.members["stream"].members[name]))
    return stream_event(name, json.dumps({**fields, "p": "abcdefghijklm"}).encode())
