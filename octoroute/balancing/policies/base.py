"""How endpoints of one priority take turns: what a policy is told, and what it must answer.

Policies never see health: what cannot be asked now, or cannot answer, is gone before they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Outcome
from octoroute.domain.request import Request

Random: TypeAlias = Callable[[], float]
"""Uniform in [0, 1)."""


class PolicyInputs(NamedTuple):
    """What a policy may look at beside the request."""

    clock: Callable[[], float]
    in_flight: Callable[[Endpoint], int]
    user_of: Callable[[Request], str | None]
    """Whom the client works for, if it says."""
    opening_of: Callable[[Request], bytes]
    """What stays the same through a conversation."""
    sticky_by: str = "conversation"


class Policy(Protocol):
    by_provider: bool
    """Candidates go provider by provider: what is wrong with one as a whole skips the rest of it."""
    learns: bool
    """It wants `took` and `observed`."""

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:
        """A permutation of `available`, best first, by priority unless `by_provider`. Asking changes nothing."""
        ...

    def on_selected(self, first: Endpoint) -> None:
        """A request goes by the order whose first this is. Once a request, not once an attempt."""
        ...

    def on_outcome(self, outcome: Outcome) -> None:
        """How a request ended whose order this policy had made; told once, by the lifecycle."""
        ...


Builder: TypeAlias = Callable[[PolicyInputs], Policy]


class StatelessPolicy:
    """What most policies have in common: nothing to learn."""

    by_provider = False
    learns = False

    def on_selected(self, first: Endpoint) -> None:
        pass

    def on_outcome(self, outcome: Outcome) -> None:
        pass
