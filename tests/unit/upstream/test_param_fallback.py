"""Which refusals of a parameter are acted upon, and what is remembered of them: only what worked, within bounds."""

import json

import pytest

from octoroute.dialects.response.errors import UpstreamErrorBody
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import BadUpstreamResponse, UpstreamRejected
from octoroute.upstream.param_fallback import MAX_ENDPOINTS, MAX_FIXES, ParameterFallback
from octoroute.upstream.providers import PROVIDERS
from octoroute.upstream.request import UpstreamRequest

FIELDS = ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "service_tier", "reasoning_effort")


class Server:
    """Refuses one field at a time, then answers, or fails."""

    def __init__(self, *refused, fails=False):
        self.refused = refused
        self.fails = fails
        self.asked = []

    async def open(self, endpoint, question):
        body = json.loads(question.body)
        self.asked.append(body)
        for field in self.refused:
            if field in body:
                body = json.dumps({"error": {"message": f"Unknown parameter: '{field}'."}}).encode()
                raise UpstreamRejected("no", status=400, body=body, headers={}, dialect="openai")
        if self.fails:
            raise BadUpstreamResponse("no")
        return "opened"

    def may_drop_params(self, endpoint, *, stream):
        return PROVIDERS[endpoint.kind].may_drop_params(endpoint, stream=stream)


def endpoint(at=0, **more):
    known = {
        "id": f"e{at}",
        "name": "e",
        "tier": Tier.FAST,
        "kind": "openai",
        "provider": "openai",
        "base_url": "http://h/v1",
        "model": "m",
    }
    return Endpoint(**{**known, **more})


def question(*fields):
    return UpstreamRequest(body=json.dumps(dict.fromkeys(fields, 1)).encode(), stream=False, conversation=Conversation())


def mended(fallback, endpoint, question):
    return fallback.open(endpoint, question, fallback.rule(endpoint, question))


async def test_only_what_worked_is_remembered():
    server = Server("seed", fails=True)
    fallback = ParameterFallback(server, lambda: 0.0)
    with pytest.raises(BadUpstreamResponse):
        await mended(fallback, endpoint(), question("seed"))
    server.fails = False
    await mended(fallback, endpoint(), question("seed"))
    assert len(server.asked) == 4
    await mended(fallback, endpoint(), question("seed"))
    assert server.asked[4:] == [{}]


async def test_another_address_or_model_is_another_server():
    server = Server("seed")
    fallback = ParameterFallback(server, lambda: 0.0)
    for more in ({}, {"base_url": "http://other/v1"}, {"model": "other"}):
        before = len(server.asked)
        await mended(fallback, endpoint(**more), question("seed"))
        assert len(server.asked) == before + 2


async def test_memory_is_bounded():
    server = Server(*FIELDS)
    fallback = ParameterFallback(server, lambda: 0.0)
    for at in range(MAX_ENDPOINTS + 50):
        await mended(fallback, endpoint(at), question("seed"))
    assert len(fallback._fixes) == MAX_ENDPOINTS
    for field in FIELDS:
        await mended(fallback, endpoint(5000), question(field))
    assert 0 < max(map(len, fallback._fixes.values())) <= MAX_FIXES
    await mended(fallback, endpoint(5000), question(*FIELDS))
    assert server.asked[-1] == {}


async def test_the_notes_say_what_was_left_out():
    _, asked = await mended(ParameterFallback(Server("seed"), lambda: 0.0), endpoint(), question("seed", "top_k"))
    assert asked.notes == ("seed: left out, this endpoint does not take it",)
    assert json.loads(asked.body) == {"top_k": 1}


@pytest.mark.parametrize(
    ("kind", "base_url", "stream", "fields"),
    [
        ("openai", "http://h/v1", True, None),
        ("gemini", "http://h/v1", True, None),
        ("anthropic", "https://api.anthropic.com/v1", False, None),
        ("anthropic", "http://h/v1", False, ("thinking",)),
        ("azure", "http://h", True, ("stream_options",)),
        ("azure", "http://h", False, None),
    ],
)
def test_a_clients_own_request_is_judged_by_its_vendor(kind, base_url, stream, fields):
    """`fields`: what may be dropped because of a refusal that names it."""
    request = UpstreamRequest(body=b"{}", stream=stream)
    rule = ParameterFallback(Server(), lambda: 0.0).rule(endpoint(kind=kind, base_url=base_url), request)
    if fields is None:
        assert rule is None
    else:
        body = UpstreamErrorBody(message=f"{fields[0]}: Extra inputs are not permitted")
        assert (rule.origin, rule.read(body).path) == ("clients", fields)


def test_only_chat_requests_are_changed():
    request = UpstreamRequest(body=b"{}", stream=False, api="embeddings", conversation=Conversation())
    assert ParameterFallback(Server(), lambda: 0.0).rule(endpoint(), request) is None
