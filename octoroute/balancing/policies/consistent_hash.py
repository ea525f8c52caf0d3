"""Rendezvous hashing: the same conversation, user, or key goes to the same endpoint, so that its prompt cache stays warm. Pure.

An endpoint's score depends on the key and on that endpoint alone. When an endpoint leaves, only its own share moves, and several
processes agree without talking to each other.

Source: Thaler and Ravishankar, Using name-based mappings to increase hit rates, 1998; weights by the logarithm method.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy, by_id
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


class ConsistentHash(StatelessPolicy):
    def __init__(self, inputs: PolicyInputs) -> None:
        self._inputs = inputs

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        if len(available) < 2:
            return list(available)
        scores = by_id(available, ranks or self.ranks(available, request))
        return sorted(available, key=lambda endpoint: (-endpoint.priority, -scores[endpoint.id]))

    def ranks(self, available: Sequence[Endpoint], request: Request) -> tuple[float, ...]:
        """The scores; a higher one is better."""
        key = self._key(request)
        return tuple(score(key, endpoint) for endpoint in available)

    def _key(self, request: Request) -> bytes:
        """The conversation also keys requests that name no user, or have no key."""
        name = None
        if self._inputs.sticky_by == "user":
            name = self._inputs.user_of(request)
        elif self._inputs.sticky_by == "key":
            name = request.key_name
        return self._inputs.conversation_of(request) if name is None else name.encode("utf-8", "surrogatepass")


def score(key: bytes, endpoint: Endpoint) -> float:
    digest = hashlib.blake2b(key, digest_size=8, key=hashlib.blake2b(endpoint.id.encode(), digest_size=16).digest()).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return endpoint.weight / -math.log(uniform)


def build(inputs: PolicyInputs) -> ConsistentHash:
    return ConsistentHash(inputs)
