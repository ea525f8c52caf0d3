"""Responses requests that refer to a conversation stored at the endpoint."""

from __future__ import annotations

from tests.support.fake import whole
from tests.support.messages import answer, ask, asks
from tests.support.pairs import row


async def test_half_a_conversation_is_refused_where_nobody_keeps_the_other_half(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    response = await ask(gateway, asks(thread={"type": "continue", "previous_message_id": "msg_1"}))
    assert response.status_code == 400
    told = response.json()["error"]
    assert told["type"] == "invalid_request_error"
    assert told["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert not fake.requests


async def test_and_goes_to_who_keeps_it(make_fake, make_gateway):
    plain, claude = await make_fake("plain"), await make_fake("claude")
    claude.always(whole(answer()))
    gateway = await make_gateway([row(plain, priority=2), row(claude, "anthropic")])
    body = asks(thread={"type": "create"})
    assert (await ask(gateway, body)).headers["x-octoroute-endpoint"] == "claude"
    assert claude.requests[0].json["thread"] == {"type": "create"}
