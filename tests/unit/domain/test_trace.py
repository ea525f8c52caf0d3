"""The trace of one decision."""

from __future__ import annotations

from octoroute.domain.trace import EndpointState, PlanInputs


def test_two_plans_share_no_inputs():
    one, two = PlanInputs(fast=True), PlanInputs(fast=True)
    one.draws.append(0.5)
    one.states["a"] = EndpointState(suspect=True)
    assert two.draws == []
    assert two.states == {}
