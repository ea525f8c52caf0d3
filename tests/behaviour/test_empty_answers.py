"""An empty response is retried once, then delivered."""

from __future__ import annotations

import pytest

from tests.support.fake import chunk, completion, stream, whole
from tests.support.messages import END, START, answer
from tests.support.pairs import FINISH, GOOD, PATHS, ROLE, WHOLE, asked_by, clients, gemini, kinds, row

SILENT = {
    "openai": completion("", usage={"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}),
    "anthropic": answer("", usage={"input_tokens": 7, "output_tokens": 0}),
    "gemini": {"candidates": [{"finishReason": "STOP"}]},
}
SILENT_STREAMS = {
    "openai": [ROLE, FINISH],
    "anthropic": [START, END],
    "gemini": [gemini("", "STOP")],
}


@clients
@kinds
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_an_empty_answer_is_asked_for_once_more(make_fake, make_gateway, client, kind, streams):
    fake = await make_fake()
    silent, good = (stream(SILENT_STREAMS[kind]), stream(GOOD[kind])) if streams else (whole(SILENT[kind]), whole(WHOLE[kind]))
    fake.then(silent, good)
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client, stream=streams), path=PATHS[client])
    assert response.status_code == 200
    assert b"one" in response.content
    assert response.headers["x-octoroute-attempts"] == "2"
    assert (await gateway.row(fake.name))["consecutive_failures"] == 0


@clients
@kinds
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_is_empty_twice_is_delivered(make_fake, make_gateway, client, kind, streams):
    fake = await make_fake()
    fake.always(stream(SILENT_STREAMS[kind]) if streams else whole(SILENT[kind]))
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client, stream=streams), path=PATHS[client])
    assert response.status_code == 200
    assert len(fake.requests) == 2
    if client == "anthropic" and streams:
        assert b'"stop_reason"' in response.content and b"message_stop" in response.content


@pytest.mark.parametrize(
    "said",
    [
        {"content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"content": None, "refusal": "no"},
        {"content": None, "reasoning_content": "hm"},
    ],
    ids=["a call without arguments", "a refusal", "a thought"],
)
async def test_what_says_something_is_not_empty(make_gateway, fake, said):
    gateway = await make_gateway([row(fake)])
    body = completion()
    body["choices"][0]["message"] = {"role": "assistant", **said}
    fake.always(whole(body))
    assert (await gateway.ask()).json() == body
    fake.always(stream([chunk({"role": "assistant", **said}), FINISH]))
    assert b"DONE" in (await gateway.streamed())[1]
    assert len(fake.requests) == 2


@pytest.mark.parametrize("change", [{"finish_reason": "length"}, {"finish_reason": "content_filter"}])
async def test_what_was_cut_or_filtered_is_not_asked_for_again(make_gateway, fake, change):
    gateway = await make_gateway([row(fake)])
    body = completion("")
    body["choices"][0] |= change
    fake.always(whole(body))
    assert (await gateway.ask()).json() == body
    assert len(fake.requests) == 1
