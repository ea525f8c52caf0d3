"""Responses to requests with `functions`, the field before `tools`: a call is the message's `function_call`. Pure.

Such a message has room for one call. Further calls of a response are left out: the model makes them again after the first one's
result. Source: https://platform.openai.com/docs/api-reference/chat/create, "Deprecated".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.response.blocks import ToolCallItem
from octoroute.dialects.response.stop_reasons import TO_OPENAI
from octoroute.domain.events import FinishReason, ToolCallStarted

_json = msgspec.json.Encoder().encode
REASONS: Mapping[FinishReason, str] = {**TO_OPENAI, FinishReason.TOOL_CALLS: "function_call"}


def wants_function_call(body: object) -> bool:
    """Whether a client with this request reads `function_call` instead of `tool_calls`. `body`: as in `Request`."""
    return isinstance(body, RequestBody) and _has(body, "functions") and not _has(body, "tools")


def _has(body: RequestBody, name: str) -> bool:
    return bytes(body.values.get(name, b"null")) not in {b"null", b"[]"}


def encode_function_call(calls: Sequence[ToolCallItem]) -> dict[str, object]:
    return {"name": calls[0].name, "arguments": calls[0].arguments or "{}"}


class FunctionCallEncoder(OpenAIEncoder):
    """As its base, with `function_call` for the first call."""

    _reasons = REASONS

    def _call(self, event: ToolCallStarted) -> bytes:
        if event.index:
            return b""
        self._empty_call = event.index
        return self._before + b'"function_call":' + _json({"name": event.name, "arguments": ""}) + self._after

    def _arguments(self, index: int, arguments: str) -> bytes:
        if index or not arguments:
            return b""
        self._empty_call = -1
        self._usage.chars += len(arguments)
        return self._before + b'"function_call":{"arguments":%b}' % _json(arguments) + self._after
