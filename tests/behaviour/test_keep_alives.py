"""Pings fill the silence of a stream, between frames only, and do not keep a dead upstream alive."""

from __future__ import annotations

import json
import time

from tests.support import anthropic_stream, messages
from tests.support.fake import DONE, chunk, hang, stream, whole
from tests.support.messages import END, PING, START, STOP, TEXT, answer, ask, asks, delta
from tests.support.pairs import FINISH, ONE, ROLE, call, clients, last_event, row, streamed


async def test_p26_silence_after_the_start_is_filled_with_pings(make_gateway, fake):
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.1})
    fake.then(stream([ROLE, ONE, 0.45, chunk({"content": "two"}), FINISH]))
    _, data = await streamed(gateway)
    message = anthropic_stream.check(data)
    assert message["content"] == [{"type": "text", "text": "onetwo"}]
    assert 3 <= message["events"].count("ping") <= 5


async def test_p27_pings_go_on_while_bytes_arrive_and_nothing_is_said(make_gateway, fake):
    """The second call's arguments are held back until the first call is complete."""
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.1})
    held = [part for _ in range(20) for part in (call(1, "x"), 0.03)]
    opening = [ROLE, call(0, '{"a":', "c0", "f"), call(1, '{"b":"', "c1", "g")]
    fake.then(stream([*opening, *held, call(0, "1}"), call(1, '"}'), chunk({}, "tool_calls") + DONE]))
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("f", "g")]
    _, data = await streamed(gateway, tools=tools)
    message = anthropic_stream.check(data)
    assert [block["input"] for block in message["content"]] == [{"a": 1}, {"b": "x" * 20}]
    assert message["events"].count("ping") >= 3


async def test_p27_pings_go_on_while_the_model_thinks_in_secret(make_gateway, fake):
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.1})
    thinking = [part for _ in range(20) for part in (chunk({"reasoning_content": "hm "}), 0.03)]
    fake.then(stream([ROLE, *thinking, ONE, FINISH]))
    _, data = await streamed(gateway)
    message = anthropic_stream.check(data)
    assert message["content"] == [{"type": "text", "text": "one"}]
    assert message["events"].count("ping") >= 3


@clients
async def test_p28_pings_do_not_keep_a_dead_upstream_alive(make_gateway, fake, client):
    gateway = await make_gateway([row(fake)], server={"stream_idle_timeout_seconds": 0.4}, parts={"keep_alive_s": 0.1})
    fake.then(stream([ROLE, ONE], end="hang"))
    since = time.monotonic()
    _, data = await streamed(gateway, client)
    assert 0.4 <= time.monotonic() - since < 3
    assert last_event(data)["error"]["type"] == "timeout_error"
    assert b"message_stop" not in data and b"[DONE]" not in data
    await fake.hung_up_on()


async def test_p29_a_ping_never_stands_inside_a_frame(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic")], parts={"keep_alive_s": 0.05})
    said = delta("one ")
    pieces = [part for at in range(0, len(said), 30) for part in (said[at : at + 30], 0.06)]
    fake.then(stream([START + TEXT, *pieces, STOP + END]))
    _, data = await streamed(gateway)
    keep_alive = b'event: ping\ndata: {"type":"ping"}\n\n'
    assert data.count(keep_alive) >= 3
    assert data.replace(keep_alive, b"") == START + TEXT + said + STOP + END


async def test_p30_nothing_comes_before_message_start(make_gateway, fake):
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.05})
    fake.then(stream([b": wait\n\n", 0.2, ROLE, 0.2, ONE, FINISH]))
    _, data = await streamed(gateway)
    message = anthropic_stream.check(data)
    assert message["events"][0] == "message_start"
    assert "ping" in message["events"]


async def test_p42_anthropics_own_bytes_pass_pings_and_unknown_events_included(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic", model="claude-upstream")])
    unknown = messages.named("message_limit", message_limit={"type": "within_limit"})
    odd = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"new_delta","new":1}}\n\n'
    sent = b"".join([START, PING, unknown, TEXT, delta("one"), odd, PING, STOP, END])
    fake.then(stream([sent[:100], 0.01, sent[100:]]), whole(answer("x", new_field={"a": [1, 2]})))
    _, data = await streamed(gateway)
    assert data == sent
    assert fake.requests[0].json == {**asks(stream=True), "model": "claude-upstream"}
    assert (await ask(gateway)).content == json.dumps(answer("x", new_field={"a": [1, 2]})).encode()


async def test_silence_before_the_first_event_is_a_504_and_no_ping(make_gateway, fake):
    gateway = await make_gateway(
        [row(fake)], server={"request_timeout_seconds": 1}, retry={"max_attempts": 1}, parts={"keep_alive_s": 0.1}
    )
    fake.always(hang)
    response, data = await streamed(gateway)
    assert response.status_code == 504
    assert json.loads(data)["error"]["type"] == "timeout_error"
