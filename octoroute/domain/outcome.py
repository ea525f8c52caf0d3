"""How one request ended: its attempts, its usage, its cost. Metrics, logs, and stores are views of it. Frozen."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint, Price


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the provider counted them; `input_tokens` includes the cached ones."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Of the input, read from a prompt cache."""
    cache_write_tokens: int = 0
    """Of the input, written to a prompt cache."""
    reasoning_tokens: int = 0
    """Of the output, spent on thinking."""
    estimated: bool = False

    def cost(self, price: Price) -> float:
        """USD."""
        cached_rate = price.input if price.cached is None else price.cached
        fresh = max(0, self.input_tokens - self.cached_tokens)
        return (fresh * price.input + self.cached_tokens * cached_rate + self.output_tokens * price.output) / 1e6


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint asked once. `error` is the failure's code, `abandoned` when the client left meanwhile; None: it answered."""

    endpoint: Endpoint
    took_s: float
    error: str | None = None
    rejected: str | None = None
    """It answered, but a cascade asked a bigger tier instead: which check the answer did not pass."""
    usage: Usage | None = None
    """Of an answer that was begun."""

    @property
    def cost_usd(self) -> float | None:
        price = self.endpoint.price
        return self.usage.cost(price) if self.usage is not None and price is not None else None


class Ending(StrEnum):
    """How a request ended; every request ends exactly once."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The fault is the client's, or the upstream says so: a 4xx."""
    FAILED = "failed"
    """Nothing was answered; the client got an error status."""
    BROKEN = "broken"
    """The answer stopped in the middle; the client got an error event."""
    ABANDONED = "abandoned"
    """The client hung up."""


class ContextUse(msgspec.Struct, frozen=True, kw_only=True):
    """How full an endpoint's context window was. `tokens` of the prompt as it was sent: counted, or estimated."""

    tokens: int
    window: int
    percent: float
    """One decimal."""
    level: Literal["warning", "critical"] | None = None
    original_tokens: int = 0
    """Before anything was left out; estimated."""
    messages_removed: int = 0
    lowered_to: int | None = None
    """The answer's limit, where it had to be smaller than asked."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The whole story of one request. Metrics, the log line, and the stores are views of it."""

    request_id: str
    dialect: str
    asked_for: str
    """`auto`, a tier, `named`, or `unknown`: never the client's own text."""
    stream: bool
    ending: Ending
    status: int
    decision: Decision | None = None
    routing_s: float = 0.0
    queued_s: float | None = None
    """How long it waited for a place; None: it did not have to."""
    cache: Literal["hit", "miss", "bypass"] | None = None
    """What the response cache did; None: there is none."""
    attempts: tuple[Attempt, ...] = ()
    endpoint: Endpoint | None = None
    """Who answered, wholly or in part."""
    error: str | None = None
    usage: Usage | None = None
    first_event_s: float | None = None
    total_s: float = 0.0
    cost_usd: float | None = None
    """Of all attempts."""
    cascade: str | None = None
    """What became of the cheap try: kept, escalated, fell_back (its answer was delivered all the same), unavailable."""
    check: str | None = None
    """What the cheap answer did not pass: the name of a check, or `score`."""
    key_name: str | None = None
    context: ContextUse | None = None
    prompt_estimate: int = 0
    """Tokens of the prompt that was sent, before anybody counted them."""
