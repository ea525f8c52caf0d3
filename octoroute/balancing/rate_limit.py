"""What a provider's endpoints may use together: requests and tokens a minute, and requests at the same time.

Minutes are token buckets: full at first, refilled continuously. Tokens are taken by estimate when a request is admitted and settled
by what the provider counted when it ends. In memory, one clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octoroute.domain.endpoint import ProviderLimits
from octoroute.domain.outcome import Usage

IN_FLIGHT = "provider has too many requests in flight"
REQUESTS = "provider is over its requests a minute"
TOKENS = "provider is over its tokens a minute"
REASONS = frozenset({IN_FLIGHT, REQUESTS, TOKENS})


class TokenBucket:
    """`level` may go below zero: what was used was used."""

    __slots__ = ("_at", "_clock", "_level", "per_minute")

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._at = clock()

    def has(self, amount: float) -> bool:
        """An amount larger than the bucket has to wait until it is full, no longer."""
        return self._refilled() >= min(amount, self.per_minute) - 1e-9

    def take(self, amount: float) -> None:
        self._level = min(self._refilled() - amount, float(self.per_minute))

    def wait_s(self, amount: float) -> float:
        lacking = min(amount, self.per_minute) - self._refilled()
        return max(0.0, lacking) * 60.0 / self.per_minute

    def _refilled(self) -> float:
        now = self._clock()
        self._level = min(self._level + (now - self._at) * self.per_minute / 60.0, float(self.per_minute))
        self._at = now
        return self._level


class ProviderRateLimit:
    """One provider's limits and how much of them is used."""

    __slots__ = ("_requests", "_tokens", "in_flight", "limits")

    def __init__(self, limits: ProviderLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.in_flight = 0
        self._requests = TokenBucket(limits.requests_per_minute, clock) if limits.requests_per_minute else None
        self._tokens = TokenBucket(limits.tokens_per_minute, clock) if limits.tokens_per_minute else None

    def exceeded(self, tokens: int) -> str | None:
        """Which limit a request of about so many tokens would break, one of `REASONS`; None: it may go."""
        if self.limits.max_in_flight and self.in_flight >= self.limits.max_in_flight:
            return IN_FLIGHT
        if self._requests is not None and not self._requests.has(1):
            return REQUESTS
        if self._tokens is not None and not self._tokens.has(tokens):
            return TOKENS
        return None

    def take(self, tokens: int) -> None:
        self.in_flight += 1
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(tokens)

    def settle(self, tokens: int, usage: Usage | None) -> None:
        """The request that took `tokens` is over. Without a count the estimate stands."""
        self.in_flight -= 1
        if self._tokens is not None and usage is not None:
            self._tokens.take(usage.input_tokens + usage.output_tokens - tokens)

    def wait_s(self, tokens: int) -> float:
        """Until the minutes allow it; 0 when they do."""
        waits = [0.0]
        if self._requests is not None:
            waits.append(self._requests.wait_s(1))
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(tokens))
        return max(waits)


def renewed(
    old: Mapping[str, ProviderRateLimit], limits: Mapping[str, ProviderLimits], clock: Callable[[], float]
) -> dict[str, ProviderRateLimit]:
    """After a reload: who has the limits it had goes on as it was; leases of the others settle with what they came from."""
    return {
        name: old[name] if name in old and old[name].limits == limit else ProviderRateLimit(limit, clock)
        for name, limit in limits.items()
    }
