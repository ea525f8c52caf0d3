"""The names of models: what a client may call them, and the words for a name that does not exist. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.domain.endpoint import CHAT_TIERS, Endpoint
from octoroute.errors import BadRequest

ALIASES: Mapping[str, str] = {f"claude-octoroute-{word}": word for word in ("auto", *CHAT_TIERS)}
"""Names for Claude Code, which lists only models whose names begin with `claude` or `anthropic`."""


def word_of(model: str) -> str:
    word = model.lower()
    return ALIASES.get(word, word)


def names_of(endpoint: Endpoint) -> tuple[str, ...]:
    """Within its provider an endpoint can also be named by its upstream model or its id."""
    return (endpoint.name, endpoint.model, endpoint.id)


def only_name(endpoints: Sequence[Endpoint]) -> str:
    """The name of the only model, for a client that gives none. Raises BadRequest if there are several."""
    names = list(dict.fromkeys(endpoint.name for endpoint in endpoints))
    if len(names) > 1:
        raise BadRequest(f'model: is missing; send "auto", or one of: {", ".join(names[:20])}', param="model")
    return names[0]


def unknown_model(model: str, endpoints: Sequence[Endpoint], words: str) -> str:
    names = list(dict.fromkeys(endpoint.name for endpoint in endpoints))
    known = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
    return f"the model {model[:200]!r} does not exist; ask for {words}{known}"
