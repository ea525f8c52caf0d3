"""Errors before the first event move on to the next endpoint; errors after it reach the client as an error event."""

from __future__ import annotations

import json

import pytest

from tests.support import anthropic_stream
from tests.support.fake import completion, error, event, stream, whole
from tests.support.live_gateway import frames
from tests.support.messages import answer, words
from tests.support.pairs import FAILING, GOOD, clients, error_of, kinds, last_event, row, streamed


@pytest.fixture
async def pair(make_fake, make_gateway):
    async def make(kind: str, **tables):
        first, second = await make_fake("first"), await make_fake("second")
        second.always(stream(GOOD[kind]))
        return await make_gateway([row(first, kind, priority=2), row(second, kind)], **tables), first, second

    return make


@kinds
@clients
async def test_p22_an_error_as_first_event_moves_on_and_counts(pair, client, kind):
    gateway, first, second = await pair(kind)
    first.then(stream([FAILING[kind]]))
    response, data = await streamed(gateway, client)
    assert response.status_code == 200
    assert response.headers["x-octoroute-endpoint"] == "second"
    assert b"one" in data
    assert b"overloaded" not in data
    assert (await gateway.row("first"))["consecutive_failures"] == 1
    assert len(second.requests) == 1


@kinds
@clients
async def test_p23_also_when_it_comes_in_two_packets(pair, client, kind):
    gateway, first, _ = await pair(kind)
    bad = FAILING[kind]
    first.then(stream([bad[:12], 0.03, bad[12:]]))
    response, data = await streamed(gateway, client)
    assert (response.status_code, response.headers["x-octoroute-endpoint"]) == (200, "second")
    assert b"one" in data


@clients
@pytest.mark.parametrize(
    ("status", "seen"),
    [(429, {"openai": 429, "anthropic": 429}), (529, {"openai": 502, "anthropic": 529}), (500, {"openai": 502, "anthropic": 502})],
)
async def test_p24_when_everybody_fails_a_stream_request_gets_a_status_and_json(make_fake, make_gateway, client, status, seen):
    fakes = [await make_fake(name) for name in ("first", "second")]
    for fake in fakes:
        fake.always(error(status, "no"))
    gateway = await make_gateway([row(fake) for fake in fakes])
    response, data = await streamed(gateway, client)
    assert response.status_code == seen[client]
    assert response.headers["content-type"] == "application/json"
    error_of(json.loads(data))


@kinds
@clients
async def test_p25_an_overload_in_mid_stream_is_an_event_and_nothing_is_asked_again(pair, client, kind):
    gateway, first, second = await pair(kind)
    good = GOOD["openai"][:2] if kind == "openai" else words(["one"])[:4] if kind == "anthropic" else GOOD["gemini"]
    if kind == "gemini":
        good = [event({"candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}}]})]
    first.then(stream([*good, 0.02, FAILING[kind]]))
    response, data = await streamed(gateway, client)
    assert response.status_code == 200
    if client == "anthropic":
        message = anthropic_stream.check(data, complete=False) if kind != "anthropic" else {"error": last_event(data)["error"]}
        assert message["error"]["type"] == "overloaded_error"
        assert b"message_stop" not in data
    else:
        assert frames(data)[-1]["error"]["message"]
        assert b"[DONE]" not in data
    assert not second.requests


@kinds
@clients
async def test_p41_a_whole_answer_to_a_stream_request_is_made_into_a_stream(make_fake, make_gateway, client, kind):
    fake = await make_fake()
    bodies = {"openai": completion("all at once"), "anthropic": answer("all at once")}
    part = {"content": {"role": "model", "parts": [{"text": "all at once"}]}, "finishReason": "STOP"}
    fake.then(whole(bodies.get(kind, {"candidates": [part]})))
    gateway = await make_gateway([row(fake, kind)])
    response, data = await streamed(gateway, client)
    assert response.headers["content-type"].startswith("text/event-stream")
    if client == "anthropic":
        message = anthropic_stream.check(data)
        assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "all at once"}], "end_turn")
    else:
        *chunks, done = frames(data)
        assert done == "[DONE]"
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == "all at once"


@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "error": {"type": "rate_limit_error", "message": "This request would exceed your monthly spend limit."}},
        {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}},
    ],
)
async def test_p102_a_spent_limit_is_not_asked_again(pair, body):
    gateway, first, second = await pair("anthropic")
    first.always(whole(body, 429))
    for _ in range(2):
        response, _ = await streamed(gateway)
        assert (response.status_code, response.headers["x-octoroute-endpoint"]) == (200, "second")
    assert (len(first.requests), len(second.requests)) == (1, 2)
