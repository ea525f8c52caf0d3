"""The tier of each conversation, and whether changing it pays. In memory, bounded; holds digests and numbers, never text.

A prompt cache belongs to one model: after a change of tier the whole conversation is charged at the full input price. A bigger tier
is worth that if the smaller one would probably be wrong, because a wrong answer is paid for and then asked for again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, NamedTuple

import msgspec

from octoroute.domain.decision import ConversationState
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint, Tier
from octoroute.domain.option import Key, Table

ASSUMED_OUTPUT_TOKENS = 300
"""Assumed length of an answer where none was measured."""


class Rates(NamedTuple):
    """The price of a token. Any unit: only proportions count."""

    input: float
    cached: float
    output: float


NOMINAL_RATES: Mapping[Tier, Rates] = {
    Tier.FAST: Rates(1.0, 0.1, 4.0),
    Tier.BALANCED: Rates(4.0, 0.4, 16.0),
    Tier.DEEP: Rates(12.0, 1.2, 48.0),
}
"""Used unless every tier has a price."""


class StickyOptions(Table, frozen=True, kw_only=True):
    """Session affinity: a conversation keeps its tier while a change would cost more than it gains.

    Tiers chosen by a rule or by the client are not affected. Turns of a tool loop keep their tier also when it is off.
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


class ConversationMemory:
    """The most recently answered conversations. It survives a reload, which may change `limit` and `ttl_s`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: OrderedDict[bytes, ConversationState] = OrderedDict()
        """By conversation key, the oldest answer first."""
        self.tells = False
        """The conversations that change are listed for `take_changed`."""
        self._changed: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: bytes, ttl_s: float) -> ConversationState | None:
        """None: not remembered, or older than `ttl_s`. Changes nothing."""
        state = self._states.get(key)
        return state if state is not None and self._clock() - state.answered_at < ttl_s else None

    def put(self, key: bytes, tier: Tier, by: str, prefix_tokens: int, output_tokens: int, *, limit: int, ttl_s: float) -> None:
        if self.tells:
            self._changed.pop(key, None)
            self._changed[key] = None
        self._keep(key, ConversationState(tier, by, prefix_tokens, output_tokens, self._clock()), limit, ttl_s)

    def _keep(self, key: bytes, state: ConversationState, limit: int, ttl_s: float) -> None:
        now = self._clock()
        self._states[key] = state
        self._states.move_to_end(key)
        while self._states and (len(self._states) > limit or now - next(iter(self._states.values())).answered_at >= ttl_s):
            self._states.popitem(last=False)

    def take_changed(self) -> list[tuple[bytes, ConversationState]]:
        """The conversations that were put since the last call, the latest last."""
        changed, self._changed = self._changed, {}
        return [(key, state) for key in changed if (state := self._states.get(key)) is not None]

    def learn(self, key: bytes, state: ConversationState, *, limit: int, ttl_s: float) -> None:
        """Another replica has answered the conversation, `answered_at` by this clock. What is newer here stays."""
        known = self._states.get(key)
        if known is None or known.answered_at < state.answered_at:
            self._keep(key, state, limit, ttl_s)


def rates_of(endpoints: Iterable[Endpoint]) -> Mapping[Tier, Rates]:
    """The prices of each tier's first endpoint; the nominal rates unless all of them have a price."""
    first: dict[Tier, Endpoint] = {}
    for endpoint in endpoints:
        first.setdefault(endpoint.tier, endpoint)
    prices = {tier: endpoint.price for tier, endpoint in first.items()}
    if not prices or any(price is None for price in prices.values()):
        return NOMINAL_RATES
    return {
        tier: Rates(price.input, price.input if price.cached is None else price.cached, price.output)
        for tier, price in prices.items()
        if price is not None
    }


def switch_pays_off(
    current: Tier, wanted: Tier, conversation: ConversationState, tokens: int, difficulty: float, rates: Mapping[Tier, Rates]
) -> bool:
    """Whether a change from `current` to `wanted` gains more than it costs. `tokens`: of the whole prompt.

    Upwards it costs the prompt cache, and gains twice the bigger tier's answer times the chance that the smaller tier is wrong.
    Downwards it gains the price difference of the next answer, and costs the prompt cache, and the way back times the chance that
    it is needed. `difficulty` is that chance. A tier without rates: True.
    """
    if current not in rates or wanted not in rates:
        return True
    now, then = rates[current], rates[wanted]
    prefix = min(conversation.prefix_tokens, tokens)
    fresh, output = tokens - prefix, conversation.output_tokens or ASSUMED_OUTPUT_TOKENS
    cost = prefix * (then.input - now.cached)
    if CHAT_TIERS.index(wanted) > CHAT_TIERS.index(current):
        return 2.0 * difficulty * (tokens * then.input + output * then.output) > cost
    gain = fresh * (now.input - then.input) + output * (now.output - then.output)
    return gain > cost + difficulty * prefix * (now.input - now.cached)
