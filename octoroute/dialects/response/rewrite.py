"""What a client is told beside the endpoint's answer, or in other numbers: written into its bytes as they leave. Pure.

Only the objects that hold usage, or end the answer, are touched; everything else keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.response.sse import frame as write_frame
from octoroute.dialects.response.sse import read_frames, split
from octoroute.errors import BadRequest

_HOLDERS = ("message", "response")
"""Where Anthropic's `message_start` and the events of Responses have it, one level down."""
_LAST_EVENTS = (b'"message_delta"', b'"response.completed"', b'"response.incomplete"')
_USAGE = b'"usage"'
_FINISH = b'"finish_reason"'


class ContextReport(msgspec.Struct, frozen=True, kw_only=True):
    context_info: Mapping[str, object]
    usage: Mapping[str, object]
    """Further fields of it."""


class _Choice(msgspec.Struct):
    finish_reason: Any = None


_CHOICES = msgspec.json.Decoder(list[_Choice])
_FIELDS = msgspec.json.Decoder(dict[str, Any])


class ResponseRewriter:
    """One for each answer. `scale` is for every token count; `tell` is asked at the answer's end, `in_usage`: at the chunk that
    holds the usage, which OpenAI's clients get when they ask for it.
    """

    def __init__(
        self,
        *,
        scale: Callable[[int], int] | None = None,
        report: Callable[[], ContextReport | None] | None = None,
        in_usage: bool = True,
    ) -> None:
        self._scale = scale
        self._report = report
        self._in_usage = in_usage

    def rewrite_body(self, body: bytes) -> bytes:
        return self._rewrite_object(body, last=True)

    def rewrite_frames(self, data: bytes) -> bytes:
        """Complete frames."""
        if _USAGE not in data and (self._report is None or _FINISH not in data):
            return data
        return b"".join(map(self._rewrite_frame, split(data)))

    def _rewrite_frame(self, frame: bytes) -> bytes:
        if _USAGE not in frame and (self._report is None or _FINISH not in frame):
            return frame
        read = next(iter(read_frames(frame)), None)
        if read is None:
            return frame
        name, data = read
        told = self._rewrite_object(data, last=None)
        if told == data:
            return frame
        return write_frame(msgspec.json.format(told, indent=-1) if b"\n" in told else told, name or None)

    def _rewrite_object(self, data: bytes, *, last: bool | None) -> bytes:
        """`last` None: to be seen."""
        try:
            body = RequestBody.parse(data)
            if last is None:
                last = self._report is not None and self._is_last(body)
            for name in _HOLDERS:
                if bytes(body.values.get(name, b""))[:1] == b"{":
                    return body.with_values({name: self._rewrite_usage(RequestBody.parse(bytes(body.values[name])), last=last)})
            return self._rewrite_usage(body, last=last)
        except (BadRequest, msgspec.DecodeError, RecursionError):
            return data  # whatever it is, it is not ours to lose

    def _rewrite_usage(self, body: RequestBody, *, last: bool) -> bytes:
        told = self._report() if last and self._report is not None else None
        raw = body.raw
        if bytes(body.values.get("usage", b""))[:1] == b"{":
            counts = _FIELDS.decode(body.values["usage"])
            raw = body.with_values({"usage": msgspec.json.encode({**self._scale_counts(counts), **(told.usage if told else {})})})
        return raw if told is None else _append_member(raw, "context_info", told.context_info)

    def _is_last(self, body: RequestBody) -> bool:
        values = body.values
        if "type" in values:
            return bytes(values["type"]) in _LAST_EVENTS
        if self._in_usage:
            return bytes(values.get("usage", b""))[:1] == b"{"
        return any(choice.finish_reason for choice in _CHOICES.decode(values.get("choices", b"[]")))

    def _scale_counts(self, counts: dict[str, Any]) -> dict[str, Any]:
        scale = self._scale
        if scale is None:
            return counts
        scaled: dict[str, Any] = {}
        for name, value in counts.items():
            if isinstance(value, dict):
                scaled[name] = self._scale_counts(cast("dict[str, Any]", value))
            elif isinstance(value, int) and not isinstance(value, bool) and name.endswith("tokens"):
                scaled[name] = scale(value)
            else:
                scaled[name] = value
        for parts in (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")):
            if "total_tokens" in scaled and all(isinstance(scaled.get(part), int) for part in parts):
                scaled["total_tokens"] = sum(scaled[part] for part in parts)  # rounding must not show
        return scaled


def _append_member(raw: bytes, name: str, value: object) -> bytes:
    """One more member at the object's end."""
    head = raw.rstrip()[:-1]
    comma = b"" if head.rstrip().endswith(b"{") else b","
    return head + comma + msgspec.json.encode(name) + b":" + msgspec.json.encode(value) + b"}"
