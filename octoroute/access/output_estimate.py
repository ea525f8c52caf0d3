"""How long a model's answers are: the 95th percentile of the last ones, for requests that do not limit theirs."""

from __future__ import annotations

from collections import OrderedDict

from octoroute.domain.endpoint import Endpoint

KEPT = 200
"""Answers of one model that are remembered."""
RECOMPUTED_EVERY = 20
MAX_MODELS = 1000
UNKNOWN = 1024
"""Tokens that are assumed before RECOMPUTED_EVERY answers of a model are known."""


class ModelOutputs:
    """The lengths of one model's last answers, in tokens."""

    __slots__ = ("_count", "_lengths", "p95")

    def __init__(self) -> None:
        self._lengths: list[int] = []
        self._count = 0
        self.p95: int | None = None

    def add(self, tokens: int) -> None:
        if len(self._lengths) < KEPT:
            self._lengths.append(tokens)
        else:
            self._lengths[self._count % KEPT] = tokens
        self._count += 1
        if self._count % RECOMPUTED_EVERY == 0:
            self.p95 = sorted(self._lengths)[len(self._lengths) * 95 // 100]


class OutputEstimate:
    def __init__(self) -> None:
        self._models: OrderedDict[str, ModelOutputs] = OrderedDict()

    def add(self, endpoint: Endpoint, output_tokens: int) -> None:
        outputs = self._models.get(endpoint.name)
        if outputs is None:
            if len(self._models) >= MAX_MODELS:
                self._models.popitem(last=False)
            outputs = self._models[endpoint.name] = ModelOutputs()
        outputs.add(output_tokens)

    def tokens(self, endpoint: Endpoint, limit: int | None) -> int:
        """Tokens that an answer may have. `limit`: the client's; None: it gave none."""
        outputs = self._models.get(endpoint.name)
        expected = limit or (outputs.p95 if outputs is not None else None) or endpoint.max_tokens or UNKNOWN
        return min(expected, endpoint.max_output_tokens or expected)
