"""Ids for requests that arrive without one; unique in practice, and nearly in the order of time, which keeps indexes small."""

from __future__ import annotations

import os
import time

_BATCH = 256

_ids: list[str] = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.clear)  # otherwise parent and child would hand out the same ids


def new_id() -> str:
    """Return `req_` and 24 hex digits: the time at which the batch was drawn, in seconds, and 64 random bits.

    Ids are drawn in batches, because the system call costs more than everything else in it. Safe across fork.
    """
    try:
        return _ids.pop()
    except IndexError:
        prefix = f"req_{int(time.time()) & 0xFFFFFFFF:08x}"
        digits = os.urandom(8 * _BATCH).hex()
        _ids.extend([prefix + digits[at : at + 16] for at in range(16, len(digits), 16)])
        return prefix + digits[:16]
