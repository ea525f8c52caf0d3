"""Which endpoints the failed attempts of one request rule out, and the error of the client if no endpoint answers.

A failure rules out only what it proves: a timeout rules out that endpoint, a prompt that is too long every window of that size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from octoroute.balancing.circuit import asks_for_pause
from octoroute.balancing.lease import Lease
from octoroute.balancing.retry import RetryPolicy
from octoroute.dialects.response.refusals import RefusalKind
from octoroute.domain.endpoint import Endpoint, failure_domain
from octoroute.errors import Empty, Exhausted, NotServed, Throttled, Unreachable, UpstreamAuthError, UpstreamError, UpstreamRejected

SHORT_PAUSE_S = 1.0
"""A pause that an endpoint asks for is waited for once if no other endpoint is left and it is not longer than this."""
_LIMIT = re.compile(r"tokens > (\d+) maximum")
"""The window in the message of a prompt that is too long, as `dialects.response.errors` writes it."""


class Failover:
    def __init__(self, retry: RetryPolicy, *, by_provider: bool, once: bool, order: Sequence[Endpoint]) -> None:
        """`by_provider`: an error of a whole failure domain rules it out. `once`: each endpoint is asked once."""
        self.errors: list[UpstreamError] = []
        self.walked: list[Endpoint] = []
        """All endpoints of the plan so far, in the order in which they were asked."""
        self.walks = 0
        """How often the whole plan has been walked."""
        self._once = once
        self._fallback_on = retry.fallback_on
        self._by_provider = by_provider
        self._max_attempts = retry.max_attempts
        self._budget = min(retry.max_attempts or len(order), len(order)) if once else retry.max_attempts
        """Attempts that may fail before the error is reported; 0: no limit, each endpoint is asked once."""
        self._counted = 0
        self._ruled_out: set[object] = set()
        """Ids of endpoints, failure domains, and models whose window is too small."""
        self._too_small: int | None = None
        """The largest context window that was too small, in tokens; 0: of unknown size. None: none was."""
        self._has_paused = False

    @property
    def spent(self) -> bool:
        return bool(self._budget) and self._counted >= self._budget

    @property
    def repeats(self) -> bool:
        """Whether the plan is walked again once every endpoint was asked."""
        return bool(self._budget) and not self.spent and not self._once

    @property
    def may_reject_empty(self) -> bool:
        """An empty response is asked again once, if an attempt is left."""
        is_last = self._budget and self._counted + 1 >= self._budget
        return not is_last and not any(isinstance(error, Empty) for error in self.errors)

    def add(self, endpoints: int) -> None:
        """The plan has been extended by endpoints of other tiers, which have a budget of their own; `max_attempts` 1 has none."""
        if self._max_attempts > 1 and endpoints:
            self._budget = max(self._budget, self._counted + endpoints)

    def admits(self, endpoint: Endpoint) -> bool:
        if endpoint.id in self._ruled_out or failure_domain(endpoint) in self._ruled_out:
            return False
        if self._too_small is None:
            return True
        window = endpoint.context_window
        return (window is None or window > self._too_small) and (endpoint.base_url, endpoint.model) not in self._ruled_out

    def failed(self, lease: Lease, error: UpstreamError) -> None:
        """Count the failed attempt. Raises `error` if the request is at fault, so that no other endpoint would take it either."""
        endpoint = lease.endpoint
        self.errors.append(error)
        self._counted += not lease.is_trial  # a trial costs no client an attempt
        if isinstance(error, UpstreamRejected):
            if error.refusal == RefusalKind.CONTEXT:
                stated = _LIMIT.search(error.message)
                self._too_small = max(self._too_small or 0, endpoint.context_window or 0, int(stated[1]) if stated else 0)
                self._ruled_out.add((endpoint.base_url, endpoint.model))
            elif error.refusal != RefusalKind.ALLOWANCE and error.refusal not in self._fallback_on:
                raise error
            self._ruled_out.add(endpoint.id)
        elif not error.repeatable:
            self._ruled_out.add(endpoint.id)
        if self._by_provider and isinstance(error, UpstreamAuthError | Unreachable):
            self._ruled_out.add(failure_domain(endpoint))

    def pause_s(self) -> float | None:
        """Seconds to wait before one last walk, if all endpoints rest and one of them only briefly. None, also from the second
        call on: do not wait.
        """
        if self._has_paused or not self.repeats or not all(asks_for_pause(error) for error in self.errors):
            return None
        wait_s = min((error.retry_after_s for error in self.errors if error.retry_after_s is not None), default=None)
        if wait_s is None or wait_s > SHORT_PAUSE_S:
            return None
        self._has_paused = True
        return wait_s

    def exhausted(self, next_available_s: float | None) -> UpstreamRejected | Exhausted:
        """Return the error for the client: the last one, relayed if it is about the request; a 429 only if there was no other.

        `next_available_s`: until the first of the endpoints may be asked again; None: not known.
        """
        count = f"{len(self.errors)} attempt{'s' if len(self.errors) > 1 else ''}"
        causes = [error for error in self.errors if not isinstance(error, Throttled)]
        if not causes:
            waits = [error.retry_after_s for error in self.errors if error.retry_after_s is not None]
            last = self.errors[-1]
            wait_s = min(waits, default=next_available_s)
            message = f"every upstream returned a rate limit error ({count})"
            return Exhausted(message, status=429, code=last.code, kind=last.kind, retry_after_s=wait_s)
        last = causes[-1]
        if isinstance(last, UpstreamRejected):
            return last
        exhausted = Exhausted(
            f"{last.message} ({count})", status=last.status, code=last.code, kind=last.kind, retry_after_s=last.retry_after_s
        )
        if all(isinstance(error, UpstreamAuthError | NotServed) for error in self.errors):
            exhausted.headers["x-should-retry"] = "false"  # SDKs retry three times otherwise, which cannot mend a key
        return exhausted

    @property
    def cause(self) -> UpstreamError:
        """The error that `exhausted` reports."""
        return next((error for error in reversed(self.errors) if not isinstance(error, Throttled)), self.errors[-1])
