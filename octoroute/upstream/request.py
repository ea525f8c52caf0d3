"""A request to one endpoint, in the endpoint's dialect. Frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Secret
from octoroute.domain.outcome import Usage


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    stream: bool
    api: str = "chat"
    conversation: Conversation | None = None
    """What `body` was encoded from; the response is then decoded to events. None: `body` is the client's own, and so are the
    response's bytes."""
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
    def client_key(self) -> Secret | None:
        """The key that the client sent, for endpoints that get it; None: none."""
        headers = self.client_headers
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = (token.strip() if scheme.lower() == "bearer" else "") or headers.get("x-api-key") or headers.get("x-goog-api-key", "")
        return Secret(key) if key else None
