"""Limits that the endpoints of one provider share: requests and tokens per minute, and requests in flight.

Per-minute limits are token buckets: full at first, refilled continuously. A request takes its estimated tokens when it is admitted;
when it ends, the tokens that the provider counted replace the estimate. In memory, one clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octoroute.domain.endpoint import ProviderLimits
from octoroute.domain.outcome import Usage

IN_FLIGHT = "provider at max_in_flight"
REQUESTS = "provider over requests_per_minute"
TOKENS = "provider over tokens_per_minute"
REASONS = frozenset({IN_FLIGHT, REQUESTS, TOKENS})


class TokenBucket:
    """The level may go below zero: a request may use more than was estimated."""

    __slots__ = ("_clock", "_level", "_refilled_at", "per_minute")

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        """Capacity, and refill in a minute."""
        self._clock = clock
        self._level = float(per_minute)
        self._refilled_at = clock()

    def has(self, amount: float) -> bool:
        """An amount above the capacity needs a full bucket, and no more."""
        return self._refill() >= min(amount, self.per_minute) - 1e-9

    def take(self, amount: float) -> None:
        """A negative amount gives back."""
        self._level = min(self._refill() - amount, float(self.per_minute))

    def wait_s(self, amount: float) -> float:
        """Seconds until the bucket has `amount`; 0: it has."""
        missing = min(amount, self.per_minute) - self._refill()
        return max(0.0, missing) * 60.0 / self.per_minute

    def _refill(self) -> float:
        now = self._clock()
        self._level = min(self._level + (now - self._refilled_at) * self.per_minute / 60.0, float(self.per_minute))
        self._refilled_at = now
        return self._level


class ProviderRateLimit:
    """One provider's limits and their use."""

    __slots__ = ("_requests", "_tokens", "in_flight", "limits")

    def __init__(self, limits: ProviderLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.in_flight = 0
        self._requests = TokenBucket(limits.requests_per_minute, clock) if limits.requests_per_minute else None
        self._tokens = TokenBucket(limits.tokens_per_minute, clock) if limits.tokens_per_minute else None

    def exceeded(self, tokens: int) -> str | None:
        """The limit, one of `REASONS`, that a request of about so many tokens would exceed; None: it is within all limits."""
        if self.limits.max_in_flight and self.in_flight >= self.limits.max_in_flight:
            return IN_FLIGHT
        if self._requests is not None and not self._requests.has(1):
            return REQUESTS
        if self._tokens is not None and not self._tokens.has(tokens):
            return TOKENS
        return None

    def take(self, tokens: int) -> None:
        """A request was admitted; `tokens` is its estimate."""
        self.in_flight += 1
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(tokens)

    def settle(self, tokens: int, usage: Usage | None) -> None:
        """The request that took `tokens` has ended. `usage`: what the provider counted; None: the estimate stands."""
        self.in_flight -= 1
        if self._tokens is not None and usage is not None:
            self._tokens.take(usage.input_tokens + usage.output_tokens - tokens)

    def wait_s(self, tokens: int) -> float:
        """Seconds until the per-minute limits admit the request; 0: they do."""
        waits = [0.0]
        if self._requests is not None:
            waits.append(self._requests.wait_s(1))
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(tokens))
        return max(waits)


def renew(
    current: Mapping[str, ProviderRateLimit], limits: Mapping[str, ProviderLimits], clock: Callable[[], float]
) -> dict[str, ProviderRateLimit]:
    """The rate limits after a reload, by provider. Unchanged limits keep their levels.

    A lease holds the rate limit it was taken from, so it settles there even if a reload has replaced it.
    """
    return {
        name: current[name] if name in current and current[name].limits == limit else ProviderRateLimit(limit, clock)
        for name, limit in limits.items()
    }
