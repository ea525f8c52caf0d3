"""Each step of a request and each transition of a circuit is one log event, at the level that an operator expects."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from octoroute.domain.endpoint import CircuitState
from octoroute.domain.outcome import Attempt
from octoroute.telemetry.routing_events import RoutingEvents
from tests.support.parts import endpoint

A, A2, B = endpoint("a", provider="p"), endpoint("a2", provider="p"), endpoint("b", provider="q", base_url="http://other/v1")


@pytest.fixture
def events():
    structlog.reset_defaults()
    with capture_logs() as captured:
        yield captured


@pytest.mark.parametrize(
    ("last", "now", "event", "level"),
    [
        (None, A, "route.selected", "debug"),
        (Attempt(endpoint=A, took_s=1, error="upstream_failed"), A, "route.retried", "info"),
        (Attempt(endpoint=A, took_s=1, error="upstream_failed"), A2, "route.model_fallback", "info"),
        (Attempt(endpoint=A, took_s=1, error="upstream_failed"), B, "route.provider_fallback", "info"),
        (Attempt(endpoint=A, took_s=1, rejected="score"), B, "route.escalated", "info"),
    ],
)
def test_an_attempt_is_named_for_what_led_to_it(events, last, now, event, level):
    RoutingEvents().selected("r", () if last is None else (last,), now)
    (line,) = events
    assert (line["event"], line["log_level"], line["request_id"], line["endpoint"]) == (event, level, "r", now.id)
    if last is not None:
        assert (line["instead_of"], line["error"]) == ("a", last.error or last.rejected)


@pytest.mark.parametrize(("error", "level"), [("upstream_rate_limited", "info"), ("upstream_misconfigured", "warning")])
def test_a_rejection_is_a_warning_unless_it_is_a_rate_limit(events, error, level):
    RoutingEvents().upstream_rejected("r", A, error, "check the key")
    (line,) = events
    assert (line["event"], line["log_level"], line["error"], line["hint"]) == ("upstream.refused", level, error, "check the key")


@pytest.mark.parametrize(
    ("circuit", "event", "level"),
    [
        (CircuitState.OPEN, "breaker.opened", "warning"),
        (CircuitState.HALF_OPEN, "breaker.half_open", "info"),
        (CircuitState.CLOSED, "breaker.closed", "info"),
    ],
)
def test_a_transition_names_its_endpoint_and_its_request(events, circuit, event, level):
    routing = RoutingEvents()
    routing.circuit_changed(circuit, A, "r", "upstream_failed")
    routing.circuit_changed(circuit, A, "", "")
    assert [(line["event"], line["log_level"], line["endpoint"]) for line in events] == [(event, level, "a")] * 2
    assert ["request_id" in line for line in events] == [True, False]
    assert [line.get("by") for line in events] == [None, "probe"]
    assert [line.get("error") for line in events] == ["upstream_failed", None]


def test_a_first_choice_costs_nothing_at_info():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))
    try:
        assert not RoutingEvents().logs_first_selection
    finally:
        structlog.reset_defaults()
