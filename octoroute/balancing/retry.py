"""How often a request is tried, and the pause before the same endpoint is tried again. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from octoroute.balancing.policies import Random
from octoroute.domain.option import Key, Table


class RetryPolicy(Table, frozen=True, kw_only=True):
    """What happens if an endpoint fails before its response has begun."""

    max_attempts: Annotated[
        int,
        Key(
            "attempts per request; fewer candidates are tried again after a pause; 0 tries every candidate exactly once",
            low=0,
            high=100,
        ),
    ] = 3
    backoff: Annotated[
        Literal["exponential", "linear", "fixed"], Key("how the pause before the same endpoint is tried again grows")
    ] = "exponential"
    fallback_on: Annotated[
        tuple[Literal["content_filter"], ...],
        Key("refusals of a request that another endpoint may accept: content_filter", example='["content_filter"]'),
    ] = ()
    base_s: float = 0.1
    cap_s: float = 30.0

    def wait_s(self, again: int, random: Random) -> float:
        """The pause before the same endpoint is tried for the `again`-th time again; half of it is jitter."""
        factor = {"exponential": 2 ** min(again - 1, 30), "linear": again, "fixed": 1}[self.backoff]
        return min(self.base_s * factor, self.cap_s) * (0.5 + 0.5 * random())
