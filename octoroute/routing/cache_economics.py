"""Which tier a conversation had, and whether leaving it pays. In memory, bounded; digests and numbers, never text.

A prompt cache belongs to one model: whoever leaves it has the conversation read anew at full price. A bigger tier is worth
that when the smaller one would probably be wrong, for a wrong answer is paid for and then asked again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, NamedTuple

import msgspec

from octoroute.domain.endpoint import CHAT_TIERS, Endpoint, Tier
from octoroute.domain.option import Key, Table

_ORDER = CHAT_TIERS
USUAL_OUTPUT = 300
"""Tokens of an answer, when nothing is known."""


class Rates(NamedTuple):
    """What a token costs. Any unit: only proportions count."""

    input: float
    cached: float
    output: float


NOMINAL: Mapping[Tier, Rates] = {
    Tier.FAST: Rates(1.0, 0.1, 4.0),
    Tier.BALANCED: Rates(4.0, 0.4, 16.0),
    Tier.DEEP: Rates(12.0, 1.2, 48.0),
}
"""Where not every tier has a price."""


class StickyOptions(Table, frozen=True, kw_only=True):
    """Session affinity: a conversation keeps its tier while a change would cost more than it gains.

    Tiers chosen by a rule or by the client are not affected.
    """

    enabled: Annotated[bool, Key("true turns session affinity on")] = True
    ttl_s: Annotated[float, Key("how long a conversation is remembered after its last response", above=0, high=604800)] = (
        msgspec.field(default=3600.0, name="ttl_seconds")
    )
    max_conversations: Annotated[
        int, Key("largest number of conversations to remember; the oldest are forgotten first", low=1, high=10000000)
    ] = 10000
    climb_after_failures: Annotated[
        int, Key("consecutive failed tool results after which a bigger tier is tried; 0: never", low=0, high=100)
    ] = 3


class ConversationState(msgspec.Struct):
    tier: Tier
    prefix: int
    """Tokens that are probably in that tier's prompt cache."""
    output: int
    at: float


class ConversationMemory:
    """The most recently answered ones. Survives a reload; `limit` and `ttl_s` may change meanwhile."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[bytes, ConversationState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: bytes, ttl_s: float) -> ConversationState | None:
        """Asking changes nothing."""
        found = self._known.get(key)
        return found if found is not None and self._clock() - found.at < ttl_s else None

    def put(self, key: bytes, tier: Tier, prefix: int, output: int, *, limit: int, ttl_s: float) -> None:
        now = self._clock()
        self._known[key] = ConversationState(tier, prefix, output, now)
        self._known.move_to_end(key)
        while self._known and (len(self._known) > limit or now - next(iter(self._known.values())).at >= ttl_s):
            self._known.popitem(last=False)


def rates_of(endpoints: Iterable[Endpoint]) -> Mapping[Tier, Rates]:
    """Of each tier's first endpoint, if every tier has its price; otherwise nominal ones, whose proportions are usual."""
    first: dict[Tier, Endpoint] = {}
    for endpoint in endpoints:
        first.setdefault(endpoint.tier, endpoint)
    prices = {tier: endpoint.price for tier, endpoint in first.items()}
    if not prices or any(price is None for price in prices.values()):
        return NOMINAL
    return {
        tier: Rates(price.input, price.input if price.cached is None else price.cached, price.output)
        for tier, price in prices.items()
        if price is not None
    }


def switch_pays_off(
    kept: Tier, wanted: Tier, known: ConversationState, tokens: int, difficulty: float, rates: Mapping[Tier, Rates]
) -> bool:
    """Whether the change from `kept` to `wanted` gains more than it costs. `tokens`: the whole prompt's.

    Upwards it costs the cache, and gains, with the chance that the smaller tier is wrong, twice the bigger one's answer. Downwards
    it gains the difference of the next answer, and costs the cache, and the way back with the chance that it is needed.
    """
    if kept not in rates or wanted not in rates:
        return True
    now, then = rates[kept], rates[wanted]
    prefix = min(known.prefix, tokens)
    fresh, output = tokens - prefix, known.output or USUAL_OUTPUT
    cost = prefix * (then.input - now.cached)
    if _ORDER.index(wanted) > _ORDER.index(kept):
        return 2.0 * difficulty * (tokens * then.input + output * then.output) > cost
    gain = fresh * (now.input - then.input) + output * (now.output - then.output)
    return gain > cost + difficulty * prefix * (now.input - now.cached)
