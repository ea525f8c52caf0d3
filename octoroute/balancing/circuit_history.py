"""The changes of each endpoint's circuit since the process started, for people: when, what, and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence

import msgspec

from octoroute.domain.endpoint import CircuitState, Endpoint

KEPT = 200
"""Changes of one endpoint; older ones are forgotten."""


class CircuitChange(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    """Seconds since the epoch."""
    before: CircuitState
    after: CircuitState
    cause: str
    """The error code, or what a probe found; "": the circuit did not open."""
    request_id: str
    """Of the request that caused it; "": a health probe did."""


class CircuitHistory:
    def __init__(self, wall: Callable[[], float]) -> None:
        """`wall`: seconds since the epoch."""
        self._wall = wall
        self.since = wall()
        """Of changes before then nothing is known."""
        self._changes: dict[str, deque[CircuitChange]] = {}

    def add(self, circuit: CircuitState, endpoint: Endpoint, request_id: str, cause: str) -> None:
        changes = self._changes.setdefault(endpoint.id, deque(maxlen=KEPT))
        before = changes[-1].after if changes else CircuitState.CLOSED
        changes.append(CircuitChange(at=self._wall(), before=before, after=circuit, cause=cause, request_id=request_id))

    def of(self, endpoint: Endpoint) -> Sequence[CircuitChange]:
        """Oldest first."""
        return tuple(self._changes.get(endpoint.id, ()))

    def retain(self, ids: Collection[str]) -> None:
        """Forget all endpoints but those of these ids."""
        for removed in self._changes.keys() - ids:
            del self._changes[removed]
