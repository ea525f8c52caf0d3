"""The trace of one decision: everything that it depended on, kept by reference while a request is under way.

It exists only while the history is on. The decision record is made from it when the request has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Facts, Request


class EndpointState(msgspec.Struct, array_like=True):
    """What was known of an endpoint's availability while a plan was made; the default: available without reservation."""

    unavailable: str | None = None
    """Why it could not be asked then; None: it could."""
    suspect: bool = False
    """Its probes had failed: it is asked after all others."""
    needs_trial: bool = False
    """Its circuit was not closed: the next request is a trial."""
    domain_down: bool = False
    """Everything at its address with its key failed."""
    unsupported: str | None = None
    """Why its wire format cannot express the request; None: it can."""


class PlanInputs(msgspec.Struct):
    """What one plan depended on, beside the request, the decision, and the settings."""

    fast: bool
    """The short way was taken: every endpoint of the tier was available."""
    draws: list[float] = []
    """Random numbers, in the order in which the load balancing policy took them."""
    ranks: list[tuple[float, ...]] = []
    """For each order that the policy made, what it knew of each endpoint."""
    states: dict[str, EndpointState] = {}
    """By endpoint id; one that is left out has the default state."""
    cuts: dict[str, tuple[int, int | None] | None] = {}
    """By endpoint id, context tokens and output limit of the request as truncated for it; None: it could not be truncated."""
    order: tuple[Endpoint, ...] = ()
    """The result: the endpoints to ask, best first."""


class PlanTrace(msgspec.Struct):
    """One plan, and what was planned."""

    decision: Decision
    facts: Facts
    inputs: PlanInputs
    candidates: Sequence[Endpoint]
    excluded: Mapping[str, str]


class DecisionTrace(msgspec.Struct):
    request: Request
    """As it arrived."""
    settings: object
    """The `gateway.settings.Settings` that the request began with."""
    plans: list[PlanTrace] = []
    """In the order in which they were made: a cascade makes one for each tier, and failover may extend a plan."""
