"""The client's own time limit for the start of its response, all attempts together: the header `x-octoroute-timeout`."""

from __future__ import annotations

from octoroute.domain.request import TIMEOUT_HEADER
from octoroute.errors import BadRequest

__all__ = ["MAX_TIMEOUT_S", "TIMEOUT_HEADER", "read_timeout_s"]

MAX_TIMEOUT_S = 86400.0


def read_timeout_s(value: str) -> float:
    """Raises BadRequest for anything but a positive number of seconds."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise BadRequest(
            f"{TIMEOUT_HEADER} must be a number of seconds above 0 and at most {MAX_TIMEOUT_S:.0f}, such as 30",
            param=TIMEOUT_HEADER,
        )
    return seconds
