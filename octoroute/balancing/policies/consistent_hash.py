"""The same conversation (or user, or key) to the same endpoint, so that its prompt cache stays warm. Pure.

Rendezvous hashing with weights: every endpoint's score depends on the name and on itself alone, so an endpoint that leaves moves
its own share and nobody else's, and no process needs to tell another.

Source: Thaler and Ravishankar, Using name-based mappings to increase hit rates, 1998; weights by the logarithm method.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


class ConsistentHash(StatelessPolicy):
    def __init__(self, senses: PolicyInputs) -> None:
        self._senses = senses

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        if len(available) < 2:
            return list(available)
        name = self._name(request)
        return sorted(available, key=lambda endpoint: (-endpoint.priority, -score(name, endpoint)))

    def _name(self, request: Request) -> bytes:
        """A client that does not say what it should stick by sticks by its conversation."""
        said = None
        if self._senses.sticky_by == "user":
            said = self._senses.user_of(request)
        elif self._senses.sticky_by == "key":
            said = request.key_name
        return self._senses.opening_of(request) if said is None else said.encode("utf-8", "surrogatepass")


def score(name: bytes, endpoint: Endpoint) -> float:
    digest = hashlib.blake2b(name, digest_size=8, key=hashlib.blake2b(endpoint.id.encode(), digest_size=16).digest()).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return endpoint.weight / -math.log(uniform)


def build(senses: PolicyInputs) -> ConsistentHash:
    return ConsistentHash(senses)
