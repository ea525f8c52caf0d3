"""A compacted conversation: its user messages, and a summary that every endpoint can read."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.responses.compaction import MARK, compact, is_own_compaction, summary_message, summary_request
from octoroute.dialects.responses.request_decoder import decode_request
from octoroute.errors import BadUpstreamResponse


def answer(*texts: str) -> bytes:
    output = [{"type": "reasoning", "summary": []}]
    output += [{"type": "message", "content": [{"type": "output_text", "text": text}]} for text in texts]
    return json.dumps({"created_at": 5, "output": output, "usage": {"total_tokens": 3}}).encode()


def raws(*items) -> list[msgspec.Raw]:
    return [msgspec.Raw(json.dumps(item).encode()) for item in items]


@given(st.text(min_size=1).filter(str.strip))
def test_the_summary_comes_back_as_a_message(text):
    compacted = json.loads(compact(answer(text), []))
    [item] = compacted["output"]
    assert item["type"] == "compaction"
    assert is_own_compaction(item["encrypted_content"])
    message = json.loads(summary_message(item["encrypted_content"]))
    assert message["role"] == "user"
    assert message["content"][0]["text"].endswith(text.strip())


def test_user_messages_are_kept_as_they_are_and_the_rest_is_not():
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    items = raws(
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": "one", "id": "mine"},
        {"type": "message", "role": "assistant", "content": []},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "message", "role": "user", "content": [image]},
    )
    compacted = json.loads(compact(answer("sum"), items))
    first, second, last = compacted["output"]
    assert (first["id"], first["content"]) == ("mine", [{"type": "input_text", "text": "one"}])
    assert second["content"] == [image]
    assert {first["type"], second["type"]} == {"message"}
    assert last["type"] == "compaction"
    assert (compacted["object"], compacted["created_at"], compacted["usage"]) == ("response.compaction", 5, {"total_tokens": 3})


@pytest.mark.parametrize("texts", [(), ("",), ("  ", "\n")])
def test_without_a_summary_there_is_no_compaction(texts):
    with pytest.raises(BadUpstreamResponse):
        compact(answer(*texts), [])


def test_the_request_for_a_summary_holds_the_history_as_text():
    body = {
        "model": "auto",
        "instructions": "be brief",
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "stream": True,
        "temperature": 0.5,
        "service_tier": "flex",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": "https://x/y.png"}],
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
            {"type": "function_call_output", "call_id": "c", "output": "result"},
            {"role": "assistant", "content": "done"},
        ],
    }
    raw = json.dumps(body).encode()
    asked = json.loads(summary_request(raw, decode_request(raw)))
    assert (asked["model"], asked["service_tier"], asked["store"], asked["stream"]) == ("auto", "flex", False, False)
    assert not {"tools", "temperature"} & set(asked)
    [message] = asked["input"]
    lines = message["content"]
    for text in (
        "[instructions]\nbe brief",
        "[user]\nlook",
        "(image)",
        '[assistant]\n(calls f) {"a":1}',
        "[tool]\nresult",
        "[assistant]\ndone",
    ):
        assert text in lines
    decode_request(json.dumps(asked).encode())


@pytest.mark.parametrize("content", [MARK + "?", MARK + "ä", MARK + "/w==", MARK + "abc"])
def test_a_damaged_compaction_is_none(content):
    assert summary_message(content) is None


@pytest.mark.parametrize("content", [None, 7, "", "gAAAAA", "x" + MARK])
def test_others_compactions_are_not_the_gateways(content):
    assert not is_own_compaction(content)
