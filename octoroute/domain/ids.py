"""Identifiers for requests that brought none."""

from __future__ import annotations

import os

_IDS_AT_ONCE = 256


_ids: list[str] = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.clear)


def new_id() -> str:
    """For a request that brought none. Drawn by the hundreds: for one alone the system call would be most of its price."""
    try:
        return _ids.pop()
    except IndexError:
        drawn = os.urandom(12 * _IDS_AT_ONCE).hex()
        _ids.extend("req_" + drawn[at : at + 24] for at in range(24, len(drawn), 24))
        return "req_" + drawn[:24]
