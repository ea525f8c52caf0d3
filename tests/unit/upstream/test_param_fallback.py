"""What is remembered of servers that refuse fields: only what worked, and never without bounds."""

import json

import pytest

from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import BadUpstreamResponse, UpstreamRejected
from octoroute.upstream.client import UpstreamRequest
from octoroute.upstream.param_fallback import MAX_ENDPOINTS, MAX_FIXES, ParameterFallback, fallback_rule

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
                told = json.dumps({"error": {"message": f"Unknown parameter: '{field}'."}}).encode()
                raise UpstreamRejected("no", status=400, body=told, headers={}, dialect="openai")
        if self.fails:
            raise BadUpstreamResponse("no")
        return "opened"


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


def mended(mending, endpoint, question):
    return mending.open(endpoint, question, fallback_rule(endpoint, question))


async def test_only_what_worked_is_remembered():
    server = Server("seed", fails=True)
    mending = ParameterFallback(server, lambda: 0.0)
    with pytest.raises(BadUpstreamResponse):
        await mended(mending, endpoint(), question("seed"))
    server.fails = False
    await mended(mending, endpoint(), question("seed"))
    assert len(server.asked) == 4
    await mended(mending, endpoint(), question("seed"))
    assert server.asked[4:] == [{}]


async def test_another_address_or_model_is_another_server():
    server = Server("seed")
    mending = ParameterFallback(server, lambda: 0.0)
    for more in ({}, {"base_url": "http://other/v1"}, {"model": "other"}):
        before = len(server.asked)
        await mended(mending, endpoint(**more), question("seed"))
        assert len(server.asked) == before + 2


async def test_memory_is_bounded():
    server = Server(*FIELDS)
    mending = ParameterFallback(server, lambda: 0.0)
    for at in range(MAX_ENDPOINTS + 50):
        await mended(mending, endpoint(at), question("seed"))
    assert len(mending._learned) == MAX_ENDPOINTS
    for field in FIELDS:
        await mended(mending, endpoint(5000), question(field))
    assert 0 < max(map(len, mending._learned.values())) <= MAX_FIXES
    await mended(mending, endpoint(5000), question(*FIELDS))
    assert server.asked[-1] == {}


async def test_the_notes_say_what_was_left_out():
    _, asked = await mended(ParameterFallback(Server("seed"), lambda: 0.0), endpoint(), question("seed", "top_k"))
    assert asked.notes == ("seed: left out, this endpoint does not take it",)
    assert json.loads(asked.body) == {"top_k": 1}
