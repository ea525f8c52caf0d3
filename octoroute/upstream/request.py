"""A request to one endpoint, in the endpoint's dialect. Frozen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Secret
from octoroute.domain.outcome import Usage
from octoroute.domain.request import CHAT

_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]{0,200})?")
_TRACE_STATE = re.compile(r"[\x20-\x7e]{1,512}")
"""W3C Trace Context; what is not valid is not passed on."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    stream: bool
    content_type: str | None = None
    """Of `body`; None: that of the endpoint's kind, JSON."""
    api: str = CHAT
    dialect: str = ""
    """The wire format of `body`, for chat; "": the endpoint's preferred one."""
    conversation: Conversation | None = None
    """What `body` was encoded from; the response is then decoded to events. None: `body` is the client's own, and so are the
    response's bytes."""
    request_id: str = ""
    """Of the client's request; sent as `x-request-id`. "": not sent."""
    client_headers: Mapping[str, str] = {}
    adapter: Callable[[bytes], tuple[bytes, Usage | None]] | None = None
    """Translates a whole response, where `body` belongs to another interface than chat."""
    timeout_s: float | None = None
    """Until the first event; None: the endpoint's. The shorter one counts."""
    notes: tuple[str, ...] = ()
    """Which of the client's parameters this endpoint does not get."""
    reject_empty: bool = False
    """A response without content raises Empty."""

    @property
    def correlation(self) -> tuple[tuple[str, str], ...]:
        """The headers by which an endpoint's logs and traces are found again: the request's id, and the client's trace context."""
        pairs = (("x-request-id", self.request_id),) if self.request_id else ()
        parent = self.client_headers.get("traceparent")
        if parent is None or not _TRACE_PARENT.fullmatch(parent):
            return pairs
        state = self.client_headers.get("tracestate", "")
        traced = (*pairs, ("traceparent", parent))
        return (*traced, ("tracestate", state)) if _TRACE_STATE.fullmatch(state) else traced

    @property
    def client_key(self) -> Secret | None:
        """The key that the client sent, for endpoints that get it; None: none."""
        headers = self.client_headers
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = (token.strip() if scheme.lower() == "bearer" else "") or headers.get("x-api-key") or headers.get("x-goog-api-key", "")
        return Secret(key) if key else None
