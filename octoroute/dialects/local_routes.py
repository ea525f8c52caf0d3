"""Routes of a format that ask no model, and what a client may know about models. Structs only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from octoroute.domain.endpoint import Capability


class ModelCard(NamedTuple):
    """What a client may know about a model that it can name."""

    name: str
    owner: str
    api: str = "chat"
    """As `Request.api`."""
    context_window: int | None = None
    """Tokens; None: not known."""
    max_output_tokens: int | None = None
    capabilities: frozenset[Capability] = frozenset(Capability)


class LocalRequest(NamedTuple):
    """A request that is answered from memory."""

    params: Mapping[str, str]
    """The values of the route's template."""
    query: Mapping[str, str]
    body: bytes
    models: Mapping[str, ModelCard]


class LocalRoute(NamedTuple):
    """`answer` returns the body of a JSON response. It raises ClientError."""

    method: str
    path: str
    """May be a template: `/v1beta/models/{name:path}`."""
    answer: Callable[[LocalRequest], bytes]
