"""What Claude Code sends besides chat: counting, warming of caches, and telemetry."""

from __future__ import annotations

import pytest

from tests.support import anthropic_stream
from tests.support.fake import whole
from tests.support.messages import answer, ask, asks
from tests.support.pairs import row


async def test_p114_what_claude_code_sends_beside_its_questions(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    assert (await gateway.client.head("/")).status_code == 200
    telemetry = await gateway.ask({"events": []}, path="/api/event_logging/batch")
    assert telemetry.status_code == 404
    assert telemetry.headers["content-type"] == "application/json"
    assert (await gateway.ask(asks(), path="/v1/messages?beta=true")).status_code == 200
    assert len(fake.requests) == 1


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_max_tokens_zero_is_answered_here_where_there_is_no_cache_to_warm(make_gateway, fake, streams):
    gateway = await make_gateway([row(fake)])
    response = await ask(gateway, asks(max_tokens=0, stream=streams))
    message = anthropic_stream.check(response.content) if streams else response.json()
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert message["usage"]["output_tokens"] == 0
    assert not fake.requests
    assert response.headers["x-octoroute-attempts"] == "0"
    await gateway.quiet()
    assert (await gateway.row("fake"))["in_flight"] == 0


async def test_max_tokens_zero_reaches_anthropic_as_it_is(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic")])
    warmed = answer("", stop_reason="max_tokens", usage={"input_tokens": 7, "output_tokens": 0})
    fake.always(whole(warmed))
    assert (await ask(gateway, asks(max_tokens=0))).json() == warmed
    assert fake.requests[0].json == asks(max_tokens=0, model="model-fake")
