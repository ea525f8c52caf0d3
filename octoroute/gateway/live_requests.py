"""The requests under way, for an operator who watches or cancels them.

A request costs one entry here. What is shown of it is read from its lifecycle, and only when an operator looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from octoroute.gateway.lifecycle import RequestLifecycle


class LiveRequests:
    __slots__ = ("clock", "running")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        """Of every lifecycle: monotonic seconds."""
        self.running: dict[RequestLifecycle, asyncio.Task[Any] | None] = {}
        """Oldest first, each with the task that it runs in; None: an operator has cancelled it."""

    def newest(self, limit: int) -> list[RequestLifecycle]:
        return list(islice(reversed(self.running), limit))

    def cancel(self, request_id: str) -> int:
        """End every request of that id, which a client may have used twice; returns how many there were."""
        found = [
            (lifecycle, task) for lifecycle, task in self.running.items() if task is not None and lifecycle.request.id == request_id
        ]
        for lifecycle, task in found:
            self.running[lifecycle] = None
            task.cancel()
        return len(found)

    def is_cancelled(self, lifecycle: RequestLifecycle) -> bool:
        """Whether an operator has cancelled it."""
        return self.running.get(lifecycle, self) is None

    def cancelled_here(self, lifecycle: RequestLifecycle) -> bool:
        """Whether the cancellation just caught was an operator's; the task then goes on, to tell the client."""
        task = asyncio.current_task()
        if task is None or not self.is_cancelled(lifecycle):
            return False
        return not task.uncancel()
