"""The price of a model, and the exact cost of a request by it: whole micro-dollars. Frozen.

A price is a decimal number in USD per million tokens, which is the same number in micro-dollars per token. It is kept as a whole
number of millionths, so that every product and sum is exact. The sum of one attempt is rounded once, half up, to a micro-dollar.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Annotated, NamedTuple

from octoroute.domain.option import Key, Table

MICROS = 1_000_000
"""Micro-dollars of a dollar."""

_HALF = MICROS // 2
_MAX = 1e6


class TokenRates(NamedTuple):
    """Millionths of a micro-dollar for a token of each kind, and for the request."""

    input: int
    output: int
    cached: int
    written: int
    reasoning: int
    audio_input: int
    audio_output: int
    image_input: int
    image_output: int
    request: int
    is_plain: bool
    """Only uncached input, cached input, and output have a rate of their own."""


class LongContextPrice(Table, frozen=True, kw_only=True):
    """Prices of requests with a long prompt, instead of the model's. A price that is not given is the model's."""

    above_tokens: Annotated[int, Key("prompts of more tokens than this have these prices", low=1, high=1000000000)] = 200000
    input: Annotated[float | None, Key("as in price", low=0, high=_MAX, example="2.50")] = None
    output: Annotated[float | None, Key("as in price", low=0, high=_MAX, example="15.00")] = None
    cached: Annotated[float | None, Key("as in price", low=0, high=_MAX, example="0.25")] = None
    written: Annotated[float | None, Key("as in price", low=0, high=_MAX, example="3.75")] = None


class Price(Table, frozen=True, kw_only=True, dict=True):
    """USD per million tokens, to at most six decimals."""

    input: Annotated[float, Key("price of uncached input tokens", low=0, high=_MAX)] = 0.0
    output: Annotated[float, Key("price of output tokens", low=0, high=_MAX)] = 0.0
    cached: Annotated[
        float | None,
        Key("price of input tokens read from a prompt cache; default: the price of input", low=0, high=_MAX, example="0.075"),
    ] = None
    written: Annotated[
        float | None,
        Key("price of input tokens written to a prompt cache; default: the price of input", low=0, high=_MAX, example="3.75"),
    ] = None
    reasoning: Annotated[
        float | None, Key("price of reasoning tokens; default: the price of output", low=0, high=_MAX, example="4.00")
    ] = None
    audio_input: Annotated[
        float | None, Key("price of audio input tokens; default: the price of input", low=0, high=_MAX, example="10.00")
    ] = None
    audio_output: Annotated[
        float | None, Key("price of audio output tokens; default: the price of output", low=0, high=_MAX, example="20.00")
    ] = None
    image_input: Annotated[
        float | None, Key("price of image input tokens; default: the price of input", low=0, high=_MAX, example="5.00")
    ] = None
    image_output: Annotated[
        float | None, Key("price of image output tokens; default: the price of output", low=0, high=_MAX, example="40.00")
    ] = None
    request: Annotated[float, Key("price of each request, in USD, beside its tokens", low=0, high=1000, example="0.005")] = 0.0
    long_context: Annotated[
        tuple[LongContextPrice, ...],
        Key("other prices for long prompts", example="[{ above_tokens = 200000, input = 2.50, output = 15.00 }]"),
    ] = ()

    @cached_property
    def rates(self) -> TokenRates:
        """Of requests whose prompt is not long."""
        return self._rates(self.input, self.output, self.cached, self.written)

    @cached_property
    def _long(self) -> Sequence[tuple[int, TokenRates]]:
        """TokenRates by the number of prompt tokens above which they apply, the largest first."""
        return [
            (
                step.above_tokens,
                self._rates(
                    self.input if step.input is None else step.input,
                    self.output if step.output is None else step.output,
                    self.cached if step.cached is None else step.cached,
                    self.written if step.written is None else step.written,
                ),
            )
            for step in sorted(self.long_context, key=lambda step: -step.above_tokens)
        ]

    def rates_for(self, prompt_tokens: int) -> TokenRates:
        if self.long_context:
            for above, rates in self._long:
                if prompt_tokens > above:
                    return rates
        return self.rates

    def _rates(self, input_usd: float, output_usd: float, cached: float | None, written: float | None) -> TokenRates:
        fresh, out = _millionths(input_usd), _millionths(output_usd)

        def rate(usd: float | None, default: int) -> int:
            return default if usd is None else _millionths(usd)

        details = (
            rate(written, fresh),
            rate(self.reasoning, out),
            rate(self.audio_input, fresh),
            rate(self.audio_output, out),
            rate(self.image_input, fresh),
            rate(self.image_output, out),
        )
        plain = details == (fresh, out, fresh, out, fresh, out) and not self.request
        return TokenRates(fresh, out, rate(cached, fresh), *details, _millionths(self.request * MICROS), plain)


def _millionths(usd: float) -> int:
    """`repr` of a float is the shortest decimal number that it stands for: what the operator wrote."""
    return int((Decimal(repr(usd)) * MICROS).quantize(Decimal(1), ROUND_HALF_UP))


def round_micros(millionths: int) -> int:
    """Millionths of a micro-dollar to whole micro-dollars, half up."""
    return (millionths + _HALF) // MICROS


def to_usd(micros: int) -> float:
    """For people and metrics; a float is exact to the micro-dollar up to 4 billion dollars."""
    return micros / MICROS


def to_micros(usd: float) -> int:
    return _millionths(usd)
