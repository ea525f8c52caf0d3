"""Rewrites responses on their way to the client: scales token counts and adds `context_info`. Pure.

Only JSON objects that hold usage or end the response are changed; all other bytes are kept.
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
"""Members that hold the usage one level down: in Anthropic's `message_start` and in events of Responses."""
_LAST_EVENTS = (b'"message_delta"', b'"response.completed"', b'"response.incomplete"')
_USAGE = b'"usage"'
_FINISH = b'"finish_reason"'


class ContextReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is added to the end of a response."""

    context_info: Mapping[str, object]
    usage: Mapping[str, object]
    """Additional fields of the usage object."""


class _Choice(msgspec.Struct):
    finish_reason: Any = None


_CHOICES = msgspec.json.Decoder(list[_Choice])
_FIELDS = msgspec.json.Decoder(dict[str, Any])


class ResponseRewriter:
    """Rewrites one response. `scale` is applied to every token count; None leaves them.

    `report` is called at the end of the response; None adds nothing. `in_usage`: the end is the chunk with the usage, which
    OpenAI's clients receive only on request; otherwise it is the chunk with the finish reason.
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
        """Rewrite complete SSE frames."""
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
        rewritten = self._rewrite_object(data, last=None)
        if rewritten == data:
            return frame
        return write_frame(msgspec.json.format(rewritten, indent=-1) if b"\n" in rewritten else rewritten, name or None)

    def _rewrite_object(self, data: bytes, *, last: bool | None) -> bytes:
        """Rewrite one JSON object. `last`: it ends the response; None: decide by its content."""
        try:
            body = RequestBody.parse(data)
            if last is None:
                last = self._report is not None and self._is_last(body)
            for name in _HOLDERS:
                if bytes(body.values.get(name, b""))[:1] == b"{":
                    return body.with_values({name: self._rewrite_usage(RequestBody.parse(bytes(body.values[name])), last=last)})
            return self._rewrite_usage(body, last=last)
        except (BadRequest, msgspec.DecodeError, RecursionError):
            return data  # not an object of the format: passed on unchanged

    def _rewrite_usage(self, body: RequestBody, *, last: bool) -> bytes:
        report = self._report() if last and self._report is not None else None
        raw = body.raw
        if bytes(body.values.get("usage", b""))[:1] == b"{":
            counts = _FIELDS.decode(body.values["usage"])
            raw = body.with_values(
                {"usage": msgspec.json.encode({**self._scale_counts(counts), **(report.usage if report else {})})}
            )
        return raw if report is None else _append_member(raw, "context_info", report.context_info)

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
                scaled["total_tokens"] = sum(scaled[part] for part in parts)  # the sum of the rounded parts
        return scaled


def _append_member(raw: bytes, name: str, value: object) -> bytes:
    """Append a member to the end of a JSON object."""
    head = raw.rstrip()[:-1]
    comma = b"" if head.rstrip().endswith(b"{") else b","
    return head + comma + msgspec.json.encode(name) + b":" + msgspec.json.encode(value) + b"}"
