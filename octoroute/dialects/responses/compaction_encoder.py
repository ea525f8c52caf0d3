"""Encodes the events of a summary as a Responses stream whose only item is a compaction. Pure; one encoder per response."""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.dialects.responses.compaction import compaction_item
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder
from octoroute.domain.events import Event, Failed, Finished, Ping, Started, TextDelta, UsageReported
from octoroute.errors import BadUpstreamResponse, OctorouteError


class CompactionEncoder:
    def __init__(self, inner: ResponsesEncoder) -> None:
        self._inner = inner
        self._parts: list[str] = []

    def encode(self, events: Sequence[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            match event:
                case TextDelta(text=text):
                    self._parts.append(text)
                case Finished():
                    out.append(self._finish(event))
                case Started() | UsageReported() | Failed() | Ping():
                    out.append(self._inner.encode([event]))
                case _:
                    pass  # thoughts about the summary are not part of it
        return b"".join(out)

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        return self._inner.fail(error, request_id)

    def _finish(self, event: Finished) -> bytes:
        summary = "".join(self._parts)
        try:
            return self._inner.add_item("cmp_", lambda id: compaction_item(id, summary)) + self._inner.encode([event])
        except BadUpstreamResponse as error:
            return self._inner.fail(error, "")
