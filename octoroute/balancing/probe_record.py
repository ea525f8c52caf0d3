"""The failed background probes of one endpoint, counted apart from its failed requests. Pure.

Probes alone exclude no endpoint: a suspect endpoint is asked after all others, and is asked if there is no other. A successful
request ends the suspicion.
"""

from __future__ import annotations


class ProbeRecord:
    __slots__ = ("failures", "suspicion")

    def __init__(self) -> None:
        self.failures = 0
        """Probes in a row that failed."""
        self.suspicion: str | None = None
        """Why the endpoint is suspect, for the log; None: it is not."""

    def failed(self, why: str, failure_threshold: int, *, at_once: bool = False) -> bool:
        """Returns whether the endpoint has become suspect. `at_once`: the next probe would say the same."""
        self.failures += 1
        if self.suspicion is not None or (self.failures < failure_threshold and not at_once):
            return False
        self.suspicion = why
        return True

    def succeeded(self) -> bool:
        """Returns whether the endpoint was suspect."""
        ends = self.suspicion is not None
        self.failures = 0
        self.suspicion = None
        return ends
