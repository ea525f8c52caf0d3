"""A picture that a model makes reaches every client, and comes back to the model as a picture."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import DONE, chunk, event, stream, whole
from tests.support.live_gateway import endpoint
from tests.support.pairs import PNG

URL = f"data:image/png;base64,{PNG}"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
BLOB = {"inlineData": {"mimeType": "image/png", "data": PNG}}


def gemini(*parts):
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP", "index": 0}]}


def router(**message):
    return {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}


ENDPOINTS = {
    "gemini": (
        {"provider": "gemini", "model": "gemini-2.5-flash-image"},
        whole(gemini({"text": "here"}, BLOB)),
        stream([event(gemini({"text": "here"})), event(gemini(BLOB))]),
    ),
    "openrouter": (
        {"quirks": ["openrouter"]},
        whole(router(role="assistant", content="here", images=[IMAGE])),
        stream([chunk({"content": "here"}), chunk({"images": [IMAGE]}), chunk({}, "stop") + DONE]),
    ),
}
CLIENTS = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "draw"}]}),
    "messages": ("/v1/messages", {"messages": [{"role": "user", "content": "draw"}], "max_tokens": 100}),
    "responses": ("/v1/responses", {"input": "draw"}),
}
PAIRS = [("gemini", client) for client in CLIENTS] + [("openrouter", "messages"), ("openrouter", "responses")]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("server", "client"), PAIRS)
async def test_g03_the_picture_arrives(make_gateway, fake, server, client, streamed):
    settings, at_once, in_parts = ENDPOINTS[server]
    fake.always(in_parts if streamed else at_once)
    gateway = await make_gateway([endpoint(fake, **settings)])
    path, body = CLIENTS[client]
    answer = await gateway.ask({"model": "auto", **body, "stream": streamed}, path)
    assert answer.status_code == 200, answer.text
    assert len(fake.requests) == 1
    assert PNG in answer.text
    if not streamed:
        check_whole(client, answer.json())


def check_whole(client, answer):
    match client:
        case "chat":
            message = answer["choices"][0]["message"]
            assert (message["content"], [image["image_url"]["url"] for image in message["images"]]) == ("here", [URL])
        case "messages":
            assert [block["text"] for block in answer["content"]] == ["here", f"![image]({URL})"]
        case _:
            assert [item["type"] for item in answer["output"]] == ["message", "image_generation_call"]
            assert answer["output"][1]["result"] == PNG


@pytest.mark.parametrize("client", CLIENTS)
async def test_g03_a_picture_alone_is_an_answer(make_gateway, fake, client):
    fake.always(whole(gemini(BLOB)))
    gateway = await make_gateway([endpoint(fake, provider="gemini", model="gemini-2.5-flash-image")])
    path, body = CLIENTS[client]
    answer = await gateway.ask({"model": "auto", **body}, path)
    assert PNG in answer.text
    assert len(fake.requests) == 1


async def test_g03_what_no_client_can_be_given_is_an_error(make_gateway, fake):
    fake.always(whole(gemini({"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}})))
    gateway = await make_gateway([endpoint(fake, provider="gemini", model="gemini-2.5-flash-preview-tts")])
    answer = await gateway.ask({"model": "auto", **CLIENTS["chat"][1]})
    assert answer.status_code == 502
    assert "audio/L16" in answer.text


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_picture_comes_back_as_a_picture(make_gateway, fake, client):
    fake.always(whole(gemini({"text": "here"}, BLOB)))
    gateway = await make_gateway([endpoint(fake, provider="gemini", model="gemini-2.5-flash-image")])
    path, body = CLIENTS[client]
    answer = (await gateway.ask({"model": "auto", **body}, path)).json()
    match client:
        case "chat":
            again = {"messages": [*body["messages"], answer["choices"][0]["message"], {"role": "user", "content": "bigger"}]}
        case "messages":
            said = {"role": "assistant", "content": answer["content"]}
            again = {**body, "messages": [*body["messages"], said, {"role": "user", "content": "bigger"}]}
        case _:
            again = {"input": [{"role": "user", "content": "draw"}, *answer["output"], {"role": "user", "content": "bigger"}]}
    await gateway.ask({"model": "auto", **again}, path)
    assert fake.requests[-1].json["contents"][1] == {"role": "model", "parts": [{"text": "here"}, BLOB]}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_openrouters_signed_thinking_goes_through_a_messages_client(make_gateway, fake, streamed):
    parts = [{"type": "reasoning.text", "text": text, "index": 0, "format": "anthropic-claude-v1"} for text in ("h", "m")]
    signed = {"type": "reasoning.text", "signature": "sig==", "index": 0, "format": "anthropic-claude-v1"}
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    wanted = [{**signed, "text": "hm"}]
    if streamed:
        steps = [chunk({"reasoning": part["text"], "reasoning_details": [part]}) for part in parts]
        fake.then(
            stream([*steps, chunk({"reasoning_details": [signed]}), chunk({"tool_calls": [call]}), chunk({}, "tool_calls") + DONE])
        )
    else:
        fake.then(whole(router(role="assistant", content=None, reasoning="hm", reasoning_details=wanted, tool_calls=[call])))
    gateway = await make_gateway([endpoint(fake, quirks=["openrouter"])])
    body = {
        "model": "auto",
        "max_tokens": 2000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": "go"}],
    }
    answer = await gateway.ask({**body, "stream": streamed}, "/v1/messages")
    if streamed:
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        deltas = [one["delta"] for one in events if one["type"] == "content_block_delta"]
        signature = next(delta["signature"] for delta in deltas if delta["type"] == "signature_delta")
        thinking = "".join(delta.get("thinking", "") for delta in deltas)
    else:
        block = answer.json()["content"][0]
        signature, thinking = block["signature"], block["thinking"]
    assert thinking == "hm"
    said = [
        {"type": "thinking", "thinking": thinking, "signature": signature},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
    ]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "r"}]}
    fake.then(whole(router(role="assistant", content="done")))
    await gateway.ask({**body, "messages": [*body["messages"], {"role": "assistant", "content": said}, result]}, "/v1/messages")
    returned = fake.requests[-1].json["messages"][1]["reasoning_details"]
    assert [sorted(detail.items()) for detail in returned] == [sorted(detail.items()) for detail in wanted]
