"""The truncated forms of a request are made once, and only if no endpoint takes the request as it is."""

from __future__ import annotations

import json

import pytest

from octoroute import dialects
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.truncations import Truncations
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from tests.unit.gateway.test_context_window import endpoint

INBOUND = dialects.inbound(lambda: 0.0)["openai"]


@pytest.fixture
def truncations():
    turns = [{"role": role, "content": "a" * 4000} for role in ("user", "assistant") * 10]
    body = json.dumps({"model": "auto", "messages": [*turns, {"role": "user", "content": "b"}]}).encode()
    request = INBOUND.read(body, request_id="r", headers={})
    upstream = UpstreamClient(None, PROVIDERS, dialects.outbound(lambda: 0.0))
    return Truncations(request, INBOUND, upstream, ContextPolicy(policy="truncate"))


def test_one_form_for_each_window(truncations):
    one, two, other = endpoint(5000), endpoint(5000), endpoint(9000)
    form = truncations.form_for(one)
    assert form.request.facts.context_tokens <= 5000
    assert truncations.form_for(two) is form
    assert truncations.form_for(other).request.facts.context_tokens > 5000


@pytest.mark.parametrize(("windows", "made"), [([5000, 9000], 2), ([5000, 5000], 1), ([5000, 100_000], 0), ([5000, None], 0)])
def test_forms_are_made_ahead_only_if_they_are_needed(truncations, windows, made):
    truncations.make(endpoint(window) for window in windows)
    assert len(truncations._made) == made
