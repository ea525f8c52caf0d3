"""Log events for endpoint selection, retry, fallback, and circuit transitions, written while they happen.

The selection of a request's first endpoint is logged at debug only; `logs_first_selection` lets the caller skip the call.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import structlog

from octoroute.domain.endpoint import CircuitState, Endpoint, failure_domain
from octoroute.domain.outcome import Attempt
from octoroute.errors import Throttled

_CIRCUIT_EVENTS = {
    CircuitState.OPEN: "breaker.opened",
    CircuitState.HALF_OPEN: "breaker.half_open",
    CircuitState.CLOSED: "breaker.closed",
}


class RoutingEvents:
    def __init__(self) -> None:
        self._log: Any = structlog.stdlib.get_logger("octoroute.route").bind()  # once, because it costs more than a line
        # structlog's loggers have the first method, the standard library's the second; another program's may have neither
        is_enabled: Any = getattr(self._log, "is_enabled_for", None) or getattr(self._log, "isEnabledFor", None)
        self.logs_first_selection: bool = is_enabled is None or is_enabled(logging.DEBUG)
        """False: `selected` need not be called for a request's first endpoint."""

    def selected(self, request_id: str, before: Sequence[Attempt], endpoint: Endpoint) -> None:
        """An attempt at `endpoint` starts; `before`: the request's failed or rejected attempts."""
        if not before:
            self._log.debug(
                "route.selected",
                request_id=request_id,
                provider=endpoint.provider,
                model=endpoint.model,
                endpoint=endpoint.id,
                tier=endpoint.tier.value,
            )
            return
        last = before[-1]
        self._log.info(
            "route.escalated" if last.rejected is not None else _next_attempt_event(last.endpoint, endpoint),
            request_id=request_id,
            provider=endpoint.provider,
            model=endpoint.model,
            endpoint=endpoint.id,
            instead_of=last.endpoint.id,
            error=last.error or last.rejected,
        )

    def upstream_rejected(self, request_id: str, endpoint: Endpoint, error: str, hint: str) -> None:
        """`endpoint` rejected a request with the error code `error`; `hint` says what an operator can do about it."""
        write = self._log.info if error == Throttled.code else self._log.warning  # a rate limit is normal operation
        write("upstream.refused", request_id=request_id, provider=endpoint.provider, endpoint=endpoint.id, error=error, hint=hint)

    def circuit_changed(self, circuit: CircuitState, endpoint: Endpoint, request_id: str, cause: str) -> None:
        """For `HealthRegistry.on_transition`. `request_id`: of the request that caused it; "": a health probe did.

        `cause`: the error that opened the circuit; "": it did not open.
        """
        write = self._log.warning if circuit is CircuitState.OPEN else self._log.info
        by = {"request_id": request_id} if request_id else {"by": "probe"}
        why = {"error": cause} if cause else {}
        write(_CIRCUIT_EVENTS[circuit], provider=endpoint.provider, model=endpoint.model, endpoint=endpoint.id, **by, **why)


def _next_attempt_event(before: Endpoint, now: Endpoint) -> str:
    if before.id == now.id:
        return "route.retried"
    return "route.model_fallback" if failure_domain(before) == failure_domain(now) else "route.provider_fallback"
