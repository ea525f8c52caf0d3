"""Ids for requests that arrive without one; random, unique in practice."""

from __future__ import annotations

import os

_BATCH = 256

_ids: list[str] = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.clear)  # otherwise parent and child would hand out the same ids


def new_id() -> str:
    """Return `req_` and 24 random hex digits.

    Ids are drawn in batches, because the system call costs more than everything else in it. Safe across fork.
    """
    try:
        return _ids.pop()
    except IndexError:
        digits = os.urandom(12 * _BATCH).hex()
        _ids.extend("req_" + digits[at : at + 24] for at in range(24, len(digits), 24))
        return "req_" + digits[:24]
