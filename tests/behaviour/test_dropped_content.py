"""What is dropped from a request that moves to another endpoint, and what never is."""

from __future__ import annotations

import pytest

from tests.support.fake import error, whole
from tests.support.live_gateway import question
from tests.support.messages import answer, ask, asks
from tests.support.pairs import row


async def test_p79_unknown_fields_go_out_on_a_route_of_one_dialect(make_fake, make_gateway):
    fake, claude = await make_fake("fake"), await make_fake("claude")
    claude.always(whole(answer()))
    gateway = await make_gateway([row(fake), row(claude, "anthropic")])
    unknown = {"brand_new": {"deep": [1, {"er": None}]}, "another": 1.50}
    await gateway.ask(question(model="fake", **unknown))
    await ask(gateway, asks(model="claude", **unknown))
    for asked in (fake.requests[-1].json, claude.requests[-1].json):
        assert {name: asked[name] for name in unknown} == unknown


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig=="}
HISTORY = [
    {"role": "user", "content": "look it up"},
    {"role": "assistant", "content": [THOUGHT, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "found"}]},
]
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize("difference", [{"api_key": "other"}, {"model": "another-model"}, {}])
async def test_p84_thinking_does_not_move_to_another_account_or_model(make_fake, make_gateway, difference):
    home, away = await make_fake("home"), await make_fake("away")
    home.always(error(500))
    away.always(whole(answer()))
    first = row(home, "anthropic", priority=2, api_key="k", model="m")
    gateway = await make_gateway([first, {**row(away, "anthropic", api_key="k", model="m"), **difference}])
    reply = await ask(gateway, asks(max_tokens=4000, messages=HISTORY, tools=TOOLS, thinking=THINKING))
    assert reply.status_code == 200
    assert home.requests[0].json["messages"] == HISTORY
    assert home.requests[0].json["thinking"] == THINKING
    moved = away.requests[0].json
    assert [block["type"] for block in moved["messages"][1]["content"]] == ["tool_use"]
    assert moved["thinking"] == {"type": "disabled"}
    assert moved["tools"] == TOOLS


async def test_p84_it_stays_where_it_is_while_the_same_account_is_asked_again(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic")])
    fake.then(error(500), whole(answer()))
    reply = await ask(gateway, asks(messages=HISTORY, tools=TOOLS, thinking=THINKING, max_tokens=4000))
    assert reply.headers["x-octoroute-attempts"] == "2"
    assert [asked.json["messages"] for asked in fake.requests] == [HISTORY, HISTORY]


async def test_p82_a_client_that_would_rather_have_an_error_has_nothing_dropped(make_fake, make_gateway):
    home, away = await make_fake("home"), await make_fake("away")
    home.always(error(500))
    away.always(error(400, "Invalid `signature` in `thinking` block"))
    gateway = await make_gateway([row(home, "anthropic", priority=2), row(away, "anthropic")])
    thinking = {**THINKING, "block_binding": {"prefix_mismatch_behavior": "error"}}
    reply = await ask(gateway, asks(max_tokens=4000, messages=HISTORY, tools=TOOLS, thinking=thinking))
    assert reply.status_code == 400
    assert "signature" in reply.json()["error"]["message"]
    assert away.requests[0].json["messages"] == HISTORY
