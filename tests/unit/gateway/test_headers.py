"""The headers of the route: the endpoint that answered, or the one asked last; warnings fit one header line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.gateway.headers import MAX_WARNING_CHARS, route_headers, warning_header
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.live_requests import LiveRequests
from tests.support.parts import endpoint, request
from tests.support.spine import Book


@given(st.lists(st.text()))
def test_warnings_are_one_line_of_printable_ascii(warnings):
    line = warning_header(warnings)
    assert len(line) <= MAX_WARNING_CHARS
    assert all(" " <= char <= "~" for char in line)


@pytest.mark.parametrize(
    ("warnings", "line"),
    [
        (["one", "two"], "one; two"),
        (["a\r\nb\tc"], "a  b c"),
        (["\u00e9t\u00e9"], "?t?"),
        (["x" * 500], "x" * 500),
        (["x" * 501], "x" * 497 + "..."),
    ],
)
def test_how_warnings_are_written(warnings, line):
    assert warning_header(warnings) == line


def test_the_route_names_the_endpoint_asked_last_and_how_many_were_asked():
    lifecycle = RequestLifecycle(request(), Book(), LiveRequests(lambda: 0.0))
    assert route_headers(lifecycle) == {"x-octoroute-attempts": "0"}
    lifecycle.decided(Decision(tier=Tier.BALANCED, by="rule", why="because"))
    assert route_headers(lifecycle) == {
        "x-octoroute-attempts": "0",
        "x-octoroute-strategy": "rule",
        "x-octoroute-tier": "balanced",
    }
    lifecycle.failed(endpoint("a", model="m1"), 0.0, "unreachable")
    lifecycle.failed(endpoint("b", model="m2"), 0.0, "unreachable")
    assert route_headers(lifecycle) == {
        "x-octoroute-attempts": "2",
        "x-octoroute-strategy": "rule",
        "x-octoroute-tier": "fast",
        "x-octoroute-endpoint": "b",
        "x-octoroute-model": "m2",
    }
