"""What the gateway's own requests for a client's request inherit of its constraints, and the header that asks for privacy."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from octoroute.domain.principal import Restrictions

PRIVACY_HEADER = "x-octoroute-privacy"
"""A privacy class, or several: `eu, local`; or one of the words below."""
NOT_PRIVATE = frozenset({"", "off", "none", "0", "false"})
"""Values of the header that ask for nothing."""
NO_CLASS = NOT_PRIVATE | {"on", "1", "true", "yes", "strict"}
"""Values that name no class: those that ask for something only keep a request from the shadow."""

_inherited: ContextVar[Restrictions | None] = ContextVar("restrictions", default=None)


@contextmanager
def inherit(restrictions: Restrictions | None) -> Generator[None]:
    """Inside, the gateway's own requests stay where those of `restrictions` must stay.

    Tiers and models are what a client may ask for; a question of the router or a summary may go to others.
    """
    own = restrictions and msgspec.structs.replace(restrictions, tiers=frozenset[str](), models=())
    token = _inherited.set(own or None)
    try:
        yield
    finally:
        _inherited.reset(token)


def inherited() -> Restrictions | None:
    """Return what restricts the gateway's own requests here; None: nothing does."""
    return _inherited.get()
