"""The interface of load balancing policies.

A policy never sees health: the planner removes unavailable and ineligible endpoints before it calls the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Outcome
from octoroute.domain.request import Request

Random: TypeAlias = Callable[[], float]
"""Uniform in [0, 1)."""


class PolicyInputs(NamedTuple):
    """What a policy may read beside the request."""

    clock: Callable[[], float]
    """Monotonic seconds."""
    in_flight: Callable[[Endpoint], int]
    """Requests that the endpoint is answering now."""
    user_of: Callable[[Request], str | None]
    """The end user that the client names; None: it names none."""
    conversation_of: Callable[[Request], bytes]
    """A digest that stays the same through a conversation."""
    sticky_by: str = "conversation"
    """`selection.sticky_by`: conversation, user, or key."""


class Policy(Protocol):
    by_provider: bool
    """Whether the order goes provider by provider; a failure of one provider's address or key then skips its other endpoints."""
    learns: bool
    """Whether the gateway calls `on_selected` and `on_outcome`."""

    def ranks(self, available: Sequence[Endpoint], request: Request) -> tuple[float, ...]:
        """What the policy knows now of each endpoint of `available`; empty: it knows only what the configuration says."""
        ...

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        """A permutation of `available`, best first: by descending priority unless `by_provider`. Changes no state.

        `ranks`: what `ranks` has returned; None: it is called. With the same ranks and random numbers the order is the same.
        """
        ...

    def on_selected(self, first: Endpoint) -> None:
        """A request uses the order that begins with `first`. Called once a request, whatever the number of attempts."""
        ...

    def on_outcome(self, outcome: Outcome) -> None:
        """A request that used an order of this policy has ended. Called once a request."""
        ...


def by_id(available: Sequence[Endpoint], ranks: Sequence[float]) -> Mapping[str, float]:
    """The ranks by endpoint id."""
    return {endpoint.id: rank for endpoint, rank in zip(available, ranks, strict=True)}


Builder: TypeAlias = Callable[[PolicyInputs], Policy]


class StatelessPolicy:
    """Base of policies that learn nothing from requests."""

    by_provider = False
    learns = False

    def ranks(self, available: Sequence[Endpoint], request: Request) -> tuple[float, ...]:
        return ()

    def on_selected(self, first: Endpoint) -> None:
        pass

    def on_outcome(self, outcome: Outcome) -> None:
        pass
