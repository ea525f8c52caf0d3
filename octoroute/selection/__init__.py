"""Who is asked, in which order: a permutation of those who may be asked now. A new policy is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.selection import cheapest, fastest, least_busy, providers_first, sticky, turns
from octoroute.selection import weighted as by_weight
from octoroute.selection.base import Asked, Builder, Policy, Random, Senses
from octoroute.selection.fitness import FALLS_TO, cost_usd, estimated_tokens, fits, size, unfit
from octoroute.selection.providers_first import whole
from octoroute.selection.weighted import Weighted, weighted

__all__ = [
    "FALLS_TO",
    "ORDERS",
    "POLICIES",
    "Asked",
    "Builder",
    "Policy",
    "Random",
    "Senses",
    "Weighted",
    "cost_usd",
    "estimated_tokens",
    "fits",
    "size",
    "unfit",
    "weighted",
    "whole",
]

POLICIES: Mapping[str, Builder] = {
    "weighted": by_weight.build,
    "round_robin": turns.build,
    "random": by_weight.build_random,
    "least_busy": least_busy.build,
    "fastest": fastest.build,
    "cheapest": cheapest.build,
    "sticky": sticky.build,
}
"""How endpoints of one priority take turns, by the name `selection.policy` knows."""

ORDERS: Mapping[str, Builder] = {
    "priority": providers_first.build_priority,
    "round_robin": providers_first.build_round_robin,
    "random": providers_first.build_random,
}
"""How providers follow one another, by the name `selection.order` knows; its "endpoint" leaves the word to the policy."""
