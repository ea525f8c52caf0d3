"""POST /v1/completions, the legacy interface: passed through to endpoints that have it."""

import json

import pytest

from tests.support.fake import DONE, error, event, stream, whole
from tests.support.live_gateway import endpoint, frames

PATH = "/v1/completions"
ANSWER = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [{"text": "world", "index": 0, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3},
}


def piece(text, finish=None):
    return event({**ANSWER, "choices": [{"text": text, "index": 0, "finish_reason": finish}], "usage": None})


async def streamed(gateway, body):
    async with gateway.client.stream("POST", PATH, json=body) as response:
        return response, b"".join([data async for data in response.aiter_raw()])


async def test_whole_bytes_for_bytes(make_gateway, fake):
    answer = json.dumps(ANSWER, indent=1).encode()
    fake.always(whole(answer))
    gateway = await make_gateway([endpoint(fake, id="a", model="real")])
    body = b'{"prompt": "hello ", "model": "model-a", "suffix":"x", "max_tokens":7, "best_of": 2}'
    response = await gateway.ask(body, PATH)
    assert (response.status_code, response.content) == (200, answer)
    assert (fake.requests[0].path, fake.requests[0].body) == ("/v1/completions", body.replace(b'"model-a"', b'"real"'))
    assert response.headers["x-octoroute-endpoint"] == "a"
    assert gateway.metric("octoroute_tokens_total", endpoint="a", kind="output") == 1


async def test_streamed_bytes_for_bytes(make_gateway, fake):
    pieces = [piece("wor"), piece("ld", "stop"), DONE]
    fake.always(stream(pieces))
    gateway = await make_gateway([endpoint(fake, id="a")])
    response, data = await streamed(gateway, {"model": "auto", "prompt": "hello", "stream": True})
    assert (response.status_code, data) == (200, b"".join(pieces))
    assert gateway.metric("octoroute_outcomes_total", endpoint="a", outcome="answered") == 1


@pytest.mark.parametrize("prompt", ["text", ["a", "b"], [1, 2, 3], [[1, 2], [3]], None])
async def test_every_kind_of_prompt(make_gateway, fake, prompt):
    fake.always(whole(ANSWER))
    gateway = await make_gateway([endpoint(fake)])
    assert (await gateway.ask({"model": "auto", "prompt": prompt}, PATH)).status_code == 200
    assert fake.requests[0].json["prompt"] == prompt


@pytest.mark.parametrize(
    ("field", "value"), [("prompt", {"a": 1}), ("temperature", 3), ("max_tokens", 0), ("n", 0), ("stream", "yes")]
)
async def test_a_bad_field_is_named(gateway, fake, field, value):
    response = await gateway.ask({"model": "auto", "prompt": "x", field: value}, PATH)
    assert (response.status_code, response.json()["error"]["param"]) == (400, field)
    assert not fake.requests


async def test_a_stream_that_was_not_streamed(make_gateway, fake):
    fake.always(whole(json.dumps(ANSWER, indent=3).encode()))
    gateway = await make_gateway([endpoint(fake)])
    response, data = await streamed(gateway, {"model": "auto", "prompt": "x", "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert frames(data) == [ANSWER, "[DONE]"]


async def test_a_stream_that_stops_in_the_middle_is_an_error(make_gateway, fake):
    fake.always(stream([piece("wor")], end="cut"))
    gateway = await make_gateway([endpoint(fake)])
    _, data = await streamed(gateway, {"model": "auto", "prompt": "x", "stream": True})
    assert "error" in frames(data)[-1]


async def test_only_endpoints_that_have_it(make_gateway, make_fake):
    claude, openai = await make_fake("claude"), await make_fake("openai")
    openai.always(whole(ANSWER))
    gateway = await make_gateway(
        [endpoint(claude, "m", id="c", provider="anthropic", priority=9), endpoint(openai, "m", id="o")],
        [endpoint(claude, "n", id="g", provider="gemini")],
    )
    assert (await gateway.ask({"model": "m", "prompt": "x"}, PATH)).headers["x-octoroute-endpoint"] == "o"
    response = await gateway.ask({"model": "n", "prompt": "x"}, PATH)
    assert response.status_code == 400
    assert "endpoints of kind gemini have no completions interface" in response.json()["error"]["message"]
    assert (await gateway.ask({"model": "balanced", "prompt": "x"}, PATH)).headers["x-octoroute-endpoint"] == "o"
    assert not claude.requests


async def test_azure_has_it(make_gateway, fake):
    fake.always(whole(ANSWER))
    gateway = await make_gateway([endpoint(fake.url.removesuffix("/v1"), "m", provider="azure", model="dep")])
    assert (await gateway.ask({"model": "m", "prompt": "x"}, PATH)).status_code == 200
    assert fake.requests[0].path.startswith("/openai/deployments/dep/completions?api-version=")


async def test_failures_move_on(make_gateway, make_fake):
    bad, good = await make_fake(), await make_fake()
    bad.always(error(500))
    good.always(whole(ANSWER))
    gateway = await make_gateway([endpoint(bad, "m", id="b", priority=2), endpoint(good, "m", id="g")])
    response = await gateway.ask({"model": "auto", "prompt": "x"}, PATH)
    assert (response.headers["x-octoroute-endpoint"], response.headers["x-octoroute-attempts"]) == ("g", "2")
