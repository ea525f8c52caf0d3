"""The outcome of one request: attempts, usage, cost. Metrics, logs, and stores are views of it. Frozen."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.price import Price, TokenRates, round_micros
from octoroute.domain.trace import DecisionTrace


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the provider counted them. `input_tokens` includes the cached tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Input tokens read from a prompt cache."""
    cache_write_tokens: int = 0
    """Input tokens written to a prompt cache."""
    reasoning_tokens: int = 0
    """Output tokens spent on reasoning."""
    audio_input_tokens: int = 0
    """Uncached input tokens that stand for audio."""
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    """Uncached input tokens that stand for images, where the provider counts them apart."""
    image_output_tokens: int = 0
    estimated: bool = False
    """The gateway estimated the numbers because the provider reported none."""

    def cost_micros(self, price: Price) -> int:
        """Return the cost in micro-dollars, rounded once, half up."""
        return round_micros(self.cost_millionths(price))

    def cost_millionths(self, price: Price) -> int:
        """Return the exact cost, in millionths of a micro-dollar.

        Counts are charged as they are reported, even if a part is larger than its whole; no token is charged twice.
        """
        rates = price.rates if not price.long_context else price.rates_for(self.input_tokens)
        if rates.is_plain:
            cached = self.cached_tokens
            fresh = self.input_tokens - cached
            return (max(0, fresh)) * rates.input + cached * rates.cached + self.output_tokens * rates.output
        return self._millionths(rates)

    def _millionths(self, rates: TokenRates) -> int:
        fresh = self.input_tokens - self.cached_tokens - self.cache_write_tokens - self.audio_input_tokens - self.image_input_tokens
        text = self.output_tokens - self.reasoning_tokens - self.audio_output_tokens - self.image_output_tokens
        return (
            max(0, fresh) * rates.input
            + self.cached_tokens * rates.cached
            + self.cache_write_tokens * rates.written
            + self.audio_input_tokens * rates.audio_input
            + self.image_input_tokens * rates.image_input
            + max(0, text) * rates.output
            + self.reasoning_tokens * rates.reasoning
            + self.audio_output_tokens * rates.audio_output
            + self.image_output_tokens * rates.image_output
            + rates.request
        )


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request to one endpoint.

    `error`: the error code of the failure, or `abandoned` if the client disconnected meanwhile. None: the endpoint answered.
    """

    endpoint: Endpoint
    took_s: float
    """Until it failed, or until the first event of its response."""
    started_s: float = 0.0
    """From the arrival of the request."""
    error: str | None = None
    rejected: str | None = None
    """The name of the cascade check that the response failed, so that a bigger tier was asked. None: no check failed."""
    usage: Usage | None = None
    """Usage of a response that was started; None: no response."""

    @property
    def cost_micros(self) -> int | None:
        """Micro-dollars; None if the usage or the price is not known."""
        price = self.endpoint.price
        return self.usage.cost_micros(price) if self.usage is not None and price is not None else None


def cost_micros_of(attempts: Sequence[Attempt]) -> int | None:
    """Of all attempts whose price and usage are known; None: of no attempt."""
    total = None
    for attempt in attempts:
        price, usage = attempt.endpoint.price, attempt.usage
        if price is not None and usage is not None:
            total = usage.cost_micros(price) + (total or 0)
    return total


class Ending(StrEnum):
    """How a request ended; every request ends exactly once."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The request was rejected with a 4xx, by the gateway or by the endpoint."""
    FAILED = "failed"
    """No response was sent; the client received an error status."""
    BROKEN = "broken"
    """The response ended early; the client received an error event."""
    ABANDONED = "abandoned"
    """The client disconnected."""


class ContextChange(msgspec.Struct, frozen=True):
    """What the gateway changed in a request's history, or why it did not. `what`: the label of the metric."""

    what: Literal["environment", "images", "summary", "summary_failed"]
    note: str
    """For the client and the log; has none of the client's text."""


class ContextUse(msgspec.Struct, frozen=True, kw_only=True):
    """How full the endpoint's context window was. `tokens`: the prompt as it was sent, counted or estimated."""

    tokens: int
    window: int
    percent: float
    """`tokens` of `window`, rounded to one decimal."""
    level: Literal["warning", "critical"] | None = None
    original_tokens: int = 0
    """Estimated prompt tokens before truncation; 0: the prompt was not truncated."""
    messages_removed: int = 0
    lowered_to: int | None = None
    """The output limit that replaced the client's larger one; None: it was not reduced."""
    changes: tuple[ContextChange, ...] = ()
    """As `Outcome.context_changes`."""


class OutcomeDetails(msgspec.Struct):
    """Fields of the Outcome that most requests leave empty."""

    queued_s: float | None = None
    cache: Literal["hit", "miss", "bypass"] | None = None
    cascade: str | None = None
    check: str | None = None
    context: ContextUse | None = None
    context_changes: tuple[ContextChange, ...] = ()
    hint: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The complete record of one request. Metrics, the access log, and the stores are views of it."""

    request_id: str
    dialect: str
    asked_for: str
    """The kind of the client's `model`: `auto`, a tier, `named`, or `unknown`. Never the client's text."""
    stream: bool
    ending: Ending
    status: int
    decision: Decision | None = None
    routing_s: float = 0.0
    queued_s: float | None = None
    """Time spent in the queue; None: the request was not queued."""
    cache: Literal["hit", "miss", "bypass"] | None = None
    """Result of the response cache; None: the cache is off."""
    attempts: tuple[Attempt, ...] = ()
    endpoint: Endpoint | None = None
    """The endpoint that answered, completely or in part; None: no endpoint did."""
    error: str | None = None
    """The error code; None: no error."""
    usage: Usage | None = None
    """Usage of the response that the client received; None: no response."""
    first_event_s: float | None = None
    """From the arrival of the request to the first event; None: no event."""
    total_s: float = 0.0
    cost_micros: int | None = None
    """Cost of all attempts in micro-dollars; None: no price is known."""
    cascade: str | None = None
    """Result of the cascade's cheap attempt: kept, escalated, fell_back (its response was delivered although it failed a check),
    unavailable. None: no cascade.
    """
    check: str | None = None
    """The name of the check that the cheap response failed, or `score`; None: none."""
    key_name: str | None = None
    """The name of the client's key; None: keys are not used."""
    context: ContextUse | None = None
    """None: no response, or no known context window."""
    context_changes: tuple[ContextChange, ...] = ()
    """What `[context]` changed in the messages before an endpoint was asked, truncation excepted."""
    hint: str | None = None
    """For the operator: how to mend the last attempt's failure; None: nothing is known."""
    trace: DecisionTrace | None = None
    """What the decision depended on. None: there is no history."""
    prompt_estimate: int = 0
    """Estimated tokens of the prompt that was sent, before a provider counted them."""
