"""How long a client waits for its answer to begin, all attempts together: the header `x-octoroute-timeout`."""

from __future__ import annotations

from octoroute.errors import BadRequest

PATIENCE_HEADER = "x-octoroute-timeout"
MAX_PATIENCE_S = 86400.0


def read_patience_s(value: str) -> float:
    """Raises BadRequest for anything but a positive number of seconds."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_PATIENCE_S:
        raise BadRequest(
            f"{PATIENCE_HEADER} must be a number of seconds above 0 and at most {MAX_PATIENCE_S:.0f}, such as 30",
            param=PATIENCE_HEADER,
        )
    return seconds
