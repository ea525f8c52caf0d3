"""Admission control: a request that every suitable endpoint is too busy for waits in a bounded queue, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from octoroute.balancing.eligibility import token_budget
from octoroute.balancing.health import AT_CAPACITY, HealthRegistry
from octoroute.balancing.lease import Lease
from octoroute.balancing.queue import AdmissionQueue
from octoroute.domain.decision import Decision
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Request
from octoroute.errors import OverLimit
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.plan import Plan
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings

NO_USAGE = Usage()
"""Reported for a lease under which no tokens were used, so that the provider's token limit gets its estimate back."""


class QueueGrant(NamedTuple):
    """What a queued request gets: a plan, and the lease of the plan's first endpoint."""

    plan: Plan
    lease: Lease

    def release(self) -> None:
        """Give the lease back unused, because the request has left in the meantime."""
        self.lease.release(NO_USAGE)


class AdmissionControl:
    def __init__(
        self, queue: AdmissionQueue[QueueGrant], health: HealthRegistry, planner: Planner, clock: Callable[[], float]
    ) -> None:
        self._queue = queue
        self._health = health
        self._planner = planner
        self._clock = clock

    async def wait(
        self, decision: Decision, request: Request, settings: Settings, plan: Plan, lifecycle: RequestLifecycle
    ) -> QueueGrant:
        """Wait until an endpoint of `plan`, none of which is available now, has capacity.

        Raises OverLimit if the queue is full or the wait takes too long, and the planner's error if waiting cannot help:
        the queue is off, or no endpoint is merely at capacity.
        """
        tokens = token_budget(request.facts)
        eligible = plan.eligible
        limits = settings.queue
        if not limits.max_waiting or not any(self._health.unavailable_reason(e, tokens) in AT_CAPACITY for e in eligible):
            raise self._planner.no_endpoint_error(plan, request, settings)
        if self._queue.depth >= limits.max_waiting:
            raise OverLimit(
                "every suitable endpoint is at capacity and the queue is full",
                retry_after_s=self._health.next_available_s(eligible, tokens),
            )

        def offer() -> QueueGrant | None:
            found = self._planner.plan(decision, request, settings, plan)
            for position, endpoint in enumerate(found.order):
                lease = self._health.acquire(endpoint, tokens, request.id)
                if lease is not None:
                    return QueueGrant(msgspec.structs.replace(found, order=found.order[position:]), lease)
            return None

        names = frozenset(name for endpoint in eligible for name in (endpoint.id, endpoint.provider))
        since = self._clock()
        try:
            grant = await self._queue.acquire(
                request.key_name or "",
                names,
                offer,
                lambda: self._health.recovery_due_s(eligible, tokens),
                max_wait_s=limits.max_wait_s,
                request=lifecycle,
            )
        finally:
            lifecycle.queued(self._clock() - since)
        if grant is None:
            raise OverLimit(
                f"every suitable endpoint is at capacity; the request waited {limits.max_wait_s:g} s in the queue",
                retry_after_s=self._health.next_available_s(eligible, tokens),
            )
        return grant
