"""Google's server: generateContent and its stream, every part of a request and of an answer one of the SDK's models."""

from __future__ import annotations

import base64
import itertools
import json
import re
from typing import Any

from google.genai import types
from pydantic import TypeAdapter, ValidationError

from tests.support.fake import Seen, event
from tests.support.vendors.base import Asked, Call, Image, Result, Says, Thought
from tests.support.vendors.openai import pieces

_FINISH = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
_FIELDS: dict[str, Any] = {
    "contents": TypeAdapter(list[types.Content]),
    "systemInstruction": TypeAdapter(types.Content),
    "tools": TypeAdapter(list[types.Tool]),
    "toolConfig": TypeAdapter(types.ToolConfig),
    "generationConfig": TypeAdapter(types.GenerationConfig),
    "safetySettings": TypeAdapter(list[types.SafetySetting]),
    "cachedContent": TypeAdapter(str),
}
_STATUS = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
_SIGNATURE = b"what the model thought"


class Gemini:
    kind = "gemini"
    model = "gemini-3-pro"
    path = "/v1beta"
    settings: dict[str, Any] = {"api_key": "vendor-key"}
    alternate = True
    """False for a history that Google's own client has written."""

    def read(self, seen: Seen) -> Asked:
        found = re.fullmatch(r"/v1beta/models/(.+):(generateContent|streamGenerateContent\?alt=sse)", seen.path)
        assert found, seen.path
        assert seen.headers.get("x-goog-api-key") == "vendor-key", "no key"
        assert found[1] == self.model, found[1]
        body = _checked(seen.json)
        asked = Asked(model=found[1], stream=found[2].startswith("stream"))
        if "systemInstruction" in body:
            asked.system = "".join(part.text or "" for part in body["systemInstruction"].parts)
        for content in body["contents"]:
            asked.turns += [({"model": "assistant", "user": "user"}[content.role], _part(part)) for part in content.parts]
        asked.turns = _with_ids(asked.turns)
        _check_history(body["contents"], alternate=self.alternate)
        declared = [declaration for tool in body.get("tools", ()) for declaration in tool.function_declarations or ()]
        asked.tools = {tool.name: tool.parameters_json_schema or {} for tool in declared}
        if "toolConfig" in body:
            asked.choice = body["toolConfig"].function_calling_config.mode.value
        config = body.get("generationConfig") or types.GenerationConfig()
        asked.schema = config.response_json_schema
        asked.max_tokens = config.max_output_tokens
        return asked

    def whole(self, says: Says) -> bytes:
        thought = [{"text": says.thinking, "thought": True}] if says.thinking else []
        parts = [*thought, {"text": says.text}] if says.text else thought
        return self._answer([*parts, *_calls(says)], says, finish=True)

    def frames(self, says: Says) -> list[bytes]:
        frames = self._opening(says)
        frames += [event(self._answer([call], says, finish=False)) for call in _calls(says)]
        return [*frames, event(self._answer([], says, finish=True))]

    def _opening(self, says: Says) -> list[bytes]:
        said = [
            *({"text": piece, "thought": True} for piece in pieces(says.thinking)),
            *({"text": piece} for piece in pieces(says.text)),
        ]
        return [event(self._answer([part], says, finish=False)) for part in said]

    def _answer(self, parts: list[Any], says: Says, *, finish: bool) -> bytes:
        candidate: dict[str, Any] = {"index": 0}
        if parts or says.finish != "refusal":
            candidate["content"] = {"role": "model", "parts": parts or [{"text": ""}]}
        if finish:
            candidate["finishReason"] = _FINISH[says.finish]
        usage = {
            "promptTokenCount": says.input,
            "cachedContentTokenCount": says.cached,
            "candidatesTokenCount": says.output - 5,
            "thoughtsTokenCount": 5,
            "totalTokenCount": says.input + says.output,
        }
        given = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": self.model, "responseId": "r"}
        return types.GenerateContentResponse.model_validate(given).model_dump_json(by_alias=True, exclude_unset=True).encode()

    def error(self, status: int, message: str) -> bytes:
        return json.dumps({"error": {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}}).encode()

    def broken(self, says: Says) -> list[bytes]:
        return [*self._opening(says), event(self.error(500, "an internal error has occurred"))]


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    unknown = set(body) - set(_FIELDS)
    assert not unknown, f"unknown fields {unknown}"
    try:
        return {name: _FIELDS[name].validate_python(value) for name, value in body.items()}
    except ValidationError as error:
        raise AssertionError(str(error)) from None


def _check_history(contents: list[types.Content], *, alternate: bool) -> None:
    """As the server does: every call has its response in the next content, and the first its signature.

    `alternate`: roles must alternate. Some of its models refuse other histories, which Google's own clients send.
    """
    roles = [content.role for content in contents]
    assert roles[0] == "user" and (not alternate or all(a != b for a, b in itertools.pairwise(roles))), roles
    waiting: list[tuple[str | None, str | None]] = []
    for content in contents:
        parts = content.parts or []
        responses = [(part.function_response.id, part.function_response.name) for part in parts if part.function_response]
        assert sorted(map(str, responses)) == sorted(map(str, waiting)), f"responses {responses} of calls {waiting}"
        calls = [part for part in parts if part.function_call]
        assert not calls or calls[0].thought_signature, "Function call is missing a thought_signature"
        waiting = [(part.function_call.id, part.function_call.name) for part in calls if part.function_call]
    assert not waiting, f"no responses of {waiting}"


def _part(part: types.Part) -> str | Call | Result | Image | Thought:
    if part.text is not None:
        return Thought(part.text) if part.thought else part.text
    if part.inline_data is not None:
        return Image(part.inline_data.mime_type or "", base64.b64encode(part.inline_data.data or b"").decode())
    if part.function_call is not None:
        return Call(part.function_call.name or "", part.function_call.args or {}, part.function_call.id or "")
    assert part.function_response is not None, part
    response = part.function_response.response or {}
    return Result(part.function_response.id or "", response.get("output", response.get("error", "")), "error" in response)


def _with_ids(turns: list[Any]) -> list[Any]:
    """Calls and responses without ids belong together in their order."""
    counts = {Call: itertools.count(1), Result: itertools.count(1)}
    given: list[Any] = []
    for role, said in turns:
        if isinstance(said, Call) and not said.id:
            said = Call(said.name, said.arguments, f"#{next(counts[Call])}")  # noqa: PLW2901 - the same, with its id
        elif isinstance(said, Result) and not said.call_id:
            said = Result(f"#{next(counts[Result])}", said.text, said.is_error)  # noqa: PLW2901 - as above
        given.append((role, said))
    return given


def _calls(says: Says) -> list[dict[str, Any]]:
    """Only the first of parallel calls is signed."""
    parts: list[dict[str, Any]] = []
    for at, call in enumerate(says.calls):
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": call.arguments, **({"id": call.id} if call.id else {})}}
        if at == 0:
            part["thoughtSignature"] = base64.b64encode(_SIGNATURE).decode()
        parts.append(part)
    return parts
