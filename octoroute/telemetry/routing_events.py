"""Live notices of the way a request takes: whom it is given to, when it moves on, and which circuits open and close.

The first choice of a request is told at debug only, and costs a call to nothing when that is off.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import structlog

from octoroute.domain.endpoint import CircuitState, Endpoint, failure_domain
from octoroute.domain.outcome import Attempt
from octoroute.errors import Throttled

_CHANGES = {CircuitState.OPEN: "breaker.opened", CircuitState.HALF_OPEN: "breaker.half_open", CircuitState.CLOSED: "breaker.closed"}


class RoutingEvents:
    def __init__(self) -> None:
        self._log: Any = structlog.stdlib.get_logger("octoroute.route").bind()  # now, and not anew for each line
        # structlog's own loggers, the standard library's, and anybody else's
        tells: Any = getattr(self._log, "is_enabled_for", None) or getattr(self._log, "isEnabledFor", None)
        self.logs_first_selection: bool = tells is None or tells(logging.DEBUG)
        """Otherwise nobody hears of a request's first endpoint."""

    def selected(self, request_id: str, before: Sequence[Attempt], endpoint: Endpoint) -> None:
        """`endpoint` is about to be asked; `before`: who failed already."""
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
            "route.escalated" if last.rejected is not None else _step(last.endpoint, endpoint),
            request_id=request_id,
            provider=endpoint.provider,
            model=endpoint.model,
            endpoint=endpoint.id,
            instead_of=last.endpoint.id,
            error=last.error or last.rejected,
        )

    def upstream_rejected(self, request_id: str, endpoint: Endpoint, error: str, hint: str) -> None:
        """An endpoint said no, and there is something an operator can do about it."""
        tell = self._log.info if error == Throttled.code else self._log.warning  # being limited is everyday life
        tell("upstream.refused", request_id=request_id, provider=endpoint.provider, endpoint=endpoint.id, error=error, hint=hint)

    def circuit_changed(self, circuit: CircuitState, endpoint: Endpoint, request_id: str) -> None:
        """For `Health.changed`; `request_id` is whose doing it was, "" the probe's."""
        tell = self._log.warning if circuit is CircuitState.OPEN else self._log.info
        by = {"request_id": request_id} if request_id else {}
        tell(_CHANGES[circuit], provider=endpoint.provider, model=endpoint.model, endpoint=endpoint.id, **by)


def _step(before: Endpoint, now: Endpoint) -> str:
    if before.id == now.id:
        return "route.retried"
    return "route.model_fallback" if failure_domain(before) == failure_domain(now) else "route.provider_fallback"
