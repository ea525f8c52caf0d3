"""Endpoints that speak Responses themselves: the client's own bytes in and out, and translated for clients of other formats."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import error, stream, whole
from tests.support.live_gateway import endpoint
from tests.support.responses_stream import events_of
from tests.support.vendors import Call, Says
from tests.support.vendors.responses import Responses

PATH = "/v1/responses"
VENDOR = Responses()
SAYS = Says("Ulm is sunny.", thinking="I look.")
OURS = '{"type":"reasoning","id":"rs_0","summary":[],"encrypted_content":"octo.1.anthropic.Er=="}'
ASKED = (
    '{ "model":"m", "input":[{"role":"user","content":"h\\u00e4"},%s{"type":"reasoning","id":"rs_1","summary":[],'
    '"encrypted_content":"gAAA"}], "tools":[{"type":"web_search"},{"type":"namespace","name":"n","description":"","tools":[]}],'
    ' "include":["reasoning.encrypted_content"], "stream":%s, "new_field":1.50%s }'
)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
MESSAGE = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def native(make_gateway, fake):
    return await make_gateway([endpoint(fake, "m", id="a", model="gpt-real", wire="responses")])


async def test_a_stream_passes_unchanged_both_ways(native, fake):
    fake.then(stream(frames := VENDOR.frames(SAYS)))
    asked = ASKED % (OURS + ",", "true", ', "octoroute":{"importance":"low"}')
    response = await native.ask(asked.encode(), PATH)
    assert response.content == b"".join(frames)
    assert fake.requests[-1].path == "/v1/responses"
    assert fake.requests[-1].body.decode() == (ASKED % ("", "true", "")).replace('"m"', '"gpt-real"')
    assert "x-octoroute-warning" not in response.headers
    await native.quiet()
    assert native.metric("octoroute_tokens_total", kind="input") == SAYS.input


async def test_a_whole_response_passes_unchanged(native, fake):
    fake.then(whole(VENDOR.whole(SAYS)))
    response = await native.ask((ASKED % ("", "false", "")).encode(), PATH)
    assert response.content == VENDOR.whole(SAYS)


async def test_a_response_that_failed_before_it_began_goes_to_the_next_endpoint(make_gateway, make_fake):
    first, second = await make_fake(), await make_fake()
    rows = [endpoint(first, "m", id="a", wire="responses", priority=2), endpoint(second, "m", id="b", wire="responses")]
    gateway = await make_gateway(rows)
    first.then(stream(VENDOR.broken(Says())))
    second.then(stream(VENDOR.frames(SAYS)))
    response = await gateway.ask((ASKED % ("", "true", "")).encode(), PATH)
    assert response.headers["x-octoroute-attempts"] == "2"
    assert events_of(response.content)[-1]["type"] == "response.completed"


async def test_a_failure_in_mid_stream_is_the_last_event(native, fake):
    *good, bad = VENDOR.broken(SAYS)
    fake.then(stream([*good, 0.05, bad]))
    text = (await native.ask((ASKED % ("", "true", "")).encode(), PATH)).text
    assert text.startswith(b"".join(good).decode()) and text.count("response.completed") == 0
    last = json.loads(text.rstrip().rpartition("data: ")[2])
    assert last["type"] == "response.failed" and last["response"]["error"]["code"] == "upstream_failed"


async def test_an_error_of_the_endpoint_keeps_its_body(native, fake):
    fake.then(error(400, "no such thing"))
    response = await native.ask((ASKED % ("", "true", "")).encode(), PATH)
    assert response.status_code == 400 and response.json()["error"]["message"] == "no such thing"


@pytest.mark.parametrize("streamed", [False, True])
async def test_clients_of_other_formats_are_translated(native, fake, streamed):
    says = Says("Let me see.", [Call("f", {"a": 1}, "c1")], "tools")
    step = stream(VENDOR.frames(says)) if streamed else whole(VENDOR.whole(says))
    fake.always(step)
    chat = await native.ask(CHAT, stream=streamed)
    message = await native.ask(MESSAGE, "/v1/messages", stream=streamed)
    for response in (chat, message):
        assert response.status_code == 200 and "Let me" in response.text and '"f"' in response.text and "c1" in response.text
    for sent in fake.requests:
        assert sent.path == "/v1/responses" and sent.json["store"] is False and sent.json["model"] == "gpt-real"
        assert sent.json["input"] == [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]


async def test_embeddings_have_their_own_address(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, "m", id="a")], models={"embedding": [endpoint(fake, "e", id="e", wire="responses")]}
    )
    fake.then(whole({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "e"}))
    response = await gateway.ask({"model": "e", "input": "x"}, "/v1/embeddings")
    assert response.status_code == 200 and fake.requests[-1].path == "/v1/embeddings"


async def test_reasoning_that_only_one_account_can_read_does_not_move(make_gateway, make_fake):
    first, second = await make_fake(), await make_fake()
    rows = [endpoint(first, "m", id="a", wire="responses", priority=2), endpoint(second, "m", id="b", wire="responses")]
    gateway = await make_gateway(rows)
    first.then(error(500))
    second.then(stream(VENDOR.frames(SAYS)))
    response = await gateway.ask((ASKED % ("", "true", "")).encode(), PATH)
    assert response.status_code == 200
    assert "gAAA" in first.requests[-1].body.decode()
    assert [item.get("type") for item in second.requests[-1].json["input"]] == [None]


async def test_thinking_of_a_native_endpoint_comes_back_through_messages(native, fake):
    fake.then(whole(VENDOR.whole(Says("", [Call("f", {}, "c1")], "tools", thinking="I look."))))
    asked = {**MESSAGE, "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 5000}
    content = (await native.ask(asked, "/v1/messages")).json()["content"]
    assert content[0]["thinking"] == "I look."
    history = [
        *MESSAGE["messages"],
        {"role": "assistant", "content": content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x"}]},
    ]
    fake.then(whole(VENDOR.whole(Says("done"))))
    assert (await native.ask({**asked, "messages": history}, "/v1/messages")).status_code == 200
    kinds = [item.get("type") for item in fake.requests[-1].json["input"]]
    assert kinds == [None, "reasoning", "function_call", "function_call_output"]
    assert fake.requests[-1].json["input"][1]["encrypted_content"] == "gAAAAB-secret=="


async def test_a_stored_conversation_goes_on_in_full(native, fake):
    """The gateway puts the earlier items into the input, so the endpoint need not know them, and must not add them again."""
    fake.then(whole(VENDOR.whole(SAYS)))
    first = (await native.ask({"model": "m", "input": "one"}, PATH)).json()
    fake.then(whole(VENDOR.whole(Says("two"))))
    asked = {"model": "m", "input": "more", "previous_response_id": first["id"]}
    assert (await native.ask(asked, PATH)).status_code == 200
    sent = fake.requests[-1].json
    assert "previous_response_id" not in sent
    assert [item.get("role", item["type"]) for item in sent["input"]] == ["user", "reasoning", "assistant", "user"]
    assert sent["input"][1]["encrypted_content"].startswith("gAAAA")


async def test_a_conversation_that_began_elsewhere_goes_on_at_a_native_endpoint(make_gateway, make_fake):
    chat, responses = await make_fake(), await make_fake()
    gateway = await make_gateway([endpoint(chat, "c", id="c"), endpoint(responses, "m", id="a", wire="responses")])
    message = {"role": "assistant", "content": "hello", "reasoning_content": "hm"}
    chat.then(whole({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}))
    first = (await gateway.ask({"model": "c", "input": "one"}, PATH)).json()
    assert [item["type"] for item in first["output"]] == ["reasoning", "message"]
    responses.then(whole(VENDOR.whole(SAYS)))
    await gateway.ask({"model": "m", "input": "more", "previous_response_id": first["id"]}, PATH)
    items = responses.requests[-1].json["input"]
    assert [item.get("role", item["type"]) for item in items] == ["user", "assistant", "user"]


async def test_a_conversation_that_began_at_a_native_endpoint_goes_on_elsewhere(make_gateway, make_fake):
    chat, responses = await make_fake(), await make_fake()
    gateway = await make_gateway([endpoint(chat, "c", id="c"), endpoint(responses, "m", id="a", wire="responses")])
    responses.then(whole(VENDOR.whole(Says("see", [Call("f", {"a": 1}, "c1")], "tools", thinking="I look."))))
    first = (await gateway.ask({"model": "m", "input": "one"}, PATH)).json()
    chat.then(whole({"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}]}))
    result = {"type": "function_call_output", "call_id": "c1", "output": "x"}
    asked = {"model": "c", "input": [result], "previous_response_id": first["id"]}
    assert (await gateway.ask(asked, PATH)).status_code == 200
    roles = [message["role"] for message in chat.requests[-1].json["messages"]]
    assert roles == ["user", "assistant", "tool"]
