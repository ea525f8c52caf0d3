"""Clients in front of Amazon Bedrock: streams of its own framing, its errors, and its two ways to be asked."""

from __future__ import annotations

import json

import pytest

from tests.support.event_streams import event, exception, text_stream
from tests.support.fake import completion, stream, whole
from tests.support.live_gateway import endpoint, frames

BINARY = {"content_type": "application/vnd.amazon.eventstream"}
SIGNS = {"aws": {"kind": "bedrock", "access_key_id": "AKID", "secret_access_key": "s3cret-of-aws", "region": "us-east-1"}}
BEARER = {"aws": {"kind": "bedrock", "api_key": "bedrock-api-key"}}
HELLO = {"output": {"message": {"role": "assistant", "content": [{"text": "hello."}]}}, "stopReason": "end_turn"}
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"


async def in_front(make_gateway, fake, *others, providers=SIGNS, **more):
    row = endpoint(fake, id="a", provider="aws", **{"model": "anthropic.claude-sonnet-4-5-v1:0", **more})
    row["base_url"] = f"http://127.0.0.1:{fake.port}"
    return await make_gateway([row, *others], providers=providers)


def text_of(data: bytes) -> str:
    chunks = [frame for frame in frames(data) if frame != "[DONE]" and frame.get("choices")]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


@pytest.mark.parametrize("model", ["amazon.nova-pro-v1:0", ARN])
async def test_a_whole_answer_from_any_model(make_gateway, fake, model):
    gateway = await in_front(make_gateway, fake, model=model)
    fake.then(whole(HELLO))
    answer = (await gateway.ask()).json()
    assert answer["choices"][0]["message"]["content"] == "hello."
    seen = fake.requests[0]
    assert seen.path == f"/model/{model.replace(':', '%3A').replace('/', '%2F')}/converse"
    assert seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "s3cret-of-aws" not in str(seen.headers)
    assert seen.json["messages"] == [{"role": "user", "content": [{"text": "hello there"}]}]


async def test_each_request_is_signed_by_itself(make_gateway, fake):
    gateway = await in_front(make_gateway, fake)
    fake.always(whole(HELLO))
    for text in ("one", "two"):
        await gateway.ask({"model": "auto", "messages": [{"role": "user", "content": text}]})
    assert len({seen.headers["authorization"] for seen in fake.requests}) == 2


async def test_an_api_key_is_a_bearer_token(make_gateway, fake):
    gateway = await in_front(make_gateway, fake, providers=BEARER)
    fake.then(whole(HELLO))
    assert (await gateway.ask()).status_code == 200
    assert fake.requests[0].headers["authorization"] == "Bearer bedrock-api-key"
    assert "x-amz-date" not in fake.requests[0].headers


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_stream_however_it_is_cut(make_gateway, fake, size):
    gateway = await in_front(make_gateway, fake)
    data = b"".join(text_stream("Grüße, ", "wörld\n\n", "data: {}"))
    fake.then(stream([data[at : at + size] for at in range(0, len(data), size)], **BINARY))
    _, said = await gateway.streamed(stream_options={"include_usage": True})
    assert text_of(said) == "Grüße, wörld\n\ndata: {}"
    assert frames(said)[-1] == "[DONE]"
    assert frames(said)[-2]["usage"]["prompt_tokens"] == 7
    assert fake.requests[0].path.endswith("/converse-stream")


async def test_an_exception_as_the_first_event_moves_on(make_gateway, make_fake):
    first, second = await make_fake(), await make_fake()
    gateway = await in_front(make_gateway, first, endpoint(second, "other", id="b", priority=0))
    first.always(stream([exception("throttlingException", "Too many requests")], **BINARY))
    second.always(whole(completion("from the other")))
    response = await gateway.ask()
    assert (response.status_code, response.headers["x-octoroute-endpoint"]) == (200, "b")


@pytest.mark.parametrize("ending", ["an exception", "a flipped bit", "half a message", "no end"])
async def test_a_failure_in_the_middle_is_an_error_after_what_was_said(make_gateway, fake, ending):
    gateway = await in_front(make_gateway, fake)
    said = text_stream("the first half")[:2]
    bad = bytearray(event("contentBlockDelta", delta={"text": "and more"}, contentBlockIndex=0))
    bad[40] ^= 4
    more = {
        "an exception": [exception("modelStreamErrorException", "it broke")],
        "a flipped bit": [bytes(bad)],
        "half a message": [bytes(bad)[:30]],
        "no end": [],
    }[ending]
    fake.then(stream([*said, 0.05, *more], **BINARY))
    _, data = await gateway.streamed()
    assert text_of(data) == "the first half"
    assert "error" in frames(data)[-1]
    assert b"[DONE]" not in data


@pytest.mark.parametrize(
    ("status", "word", "message", "seen"),
    [
        (400, "ValidationException", "messages.3: something is wrong", 400),
        (424, "ModelErrorException", "the model failed", 502),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", 502),
        (429, "ThrottlingException", "Too many tokens, please wait.", 429),
    ],
)
async def test_its_errors_by_type(make_gateway, fake, status, word, message, seen):
    gateway = await in_front(make_gateway, fake)
    fake.always(whole({"message": message}, status, {"x-amzn-errortype": f"{word}:http://internal.amazon.com/coral/"}))
    response = await gateway.ask()
    assert response.status_code == seen
    assert (message in response.text) == (status == 400)


async def test_a_signature_is_never_in_an_error(make_gateway, fake):
    gateway = await in_front(make_gateway, fake)
    fake.always(whole({"message": "you signed with s3cret-of-aws"}, 400, {"x-amzn-errortype": "ValidationException"}))
    response = await gateway.ask()
    assert response.status_code == 400
    assert "s3cret-of-aws" not in response.text


async def test_a_tool_loop_of_a_messages_client_keeps_its_signed_thinking(make_gateway, fake):
    gateway = await in_front(make_gateway, fake)
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig=="}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"q": 1}}
    body = {
        "model": "auto",
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [thinking, use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}]},
        ],
    }
    fake.then(whole(HELLO))
    response = await gateway.client.post("/v1/messages", json=body)
    assert response.json()["content"] == [{"type": "text", "text": "hello."}]
    sent = fake.requests[0].json
    assert sent["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig=="}}},
        {"toolUse": {"toolUseId": "toolu_1", "name": "f", "input": {"q": 1}}},
    ]
    assert sent["additionalModelRequestFields"]["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert sent["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert json.dumps(sent).count("cachePoint") == 1
