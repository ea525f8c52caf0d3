"""Non-streaming Messages responses, decoded and encoded."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.response import decode_response
from octoroute.dialects.anthropic.response import decode_response as decode_messages
from octoroute.dialects.openai.response import encode_response
from octoroute.domain.events import ToolCallStarted
from tests.support.dialects.chat_to_messages_response import answer, called, to_anthropic

WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Let me "},
        {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {"q": 1}},
        {"type": "web_search_tool_result", "tool_use_id": "x", "content": []},
        {"type": "text", "text": "look"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"z": 1, "a": [1.50, "é"]}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 3},
}


def test_p37_a_whole_answer():
    answer = json.loads(encode_response(decode_response(json.dumps(WHOLE).encode()), model="auto", created_s=7))
    message = answer["choices"][0]["message"]
    assert message["content"] == "Let me look"
    assert message["reasoning_content"] == "hm"
    assert message["reasoning_details"] == [
        {
            "type": "reasoning.text",
            "text": "hm",
            "signature": "s",
            "format": "anthropic-claude-v1",
            "id": "octo.1.anthropic",
            "index": 0,
        }
    ]
    (only,) = message["tool_calls"]
    assert (only["id"], only["function"]["name"]) == ("a", "f")
    assert list(json.loads(only["function"]["arguments"])) == ["z", "a"], "the model's order of keys"
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["usage"]["total_tokens"] == 10


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
def test_stop_reasons(word, finish):
    body = WHOLE | {"content": [{"type": "text", "text": "x"}], "stop_reason": word}
    assert (
        json.loads(encode_response(decode_response(json.dumps(body).encode()), model="m", created_s=1))["choices"][0][
            "finish_reason"
        ]
        == finish
    )


def test_p16_no_usage_is_estimated():
    body = json.dumps({"choices": [{"message": {"content": "four words of text"}, "finish_reason": "stop"}]}).encode()
    usage = to_anthropic(body, input_tokens=30)["usage"]
    assert usage["input_tokens"] == 30 and usage["output_tokens"] > 0


def test_p115_the_requested_model_is_told():
    assert to_anthropic(answer(content="x"))["model"] == "auto"


def test_several_calls_keep_their_order_and_get_ids_of_their_own():
    calls = [called("{}", id="same"), called("{}", id="same"), called("{}", id=None), called("{}", id="functions.Bash:0")]
    ids = [block["id"] for block in to_anthropic(answer("tool_calls", tool_calls=calls))["content"]]
    assert ids[0] == "same" and len(set(ids)) == 4
    assert all(id.replace("-", "").replace("_", "").isalnum() and len(id) <= 64 for id in ids)


def test_no_empty_text_block():
    assert to_anthropic(answer(content=""))["content"] == []


def test_tools_get_the_clients_names_back():
    body = WHOLE | {"content": [{"type": "tool_use", "id": "t", "name": name, "input": {}} for name in ("files_read", "other")]}
    events = decode_messages(json.dumps(body).encode(), {"files_read": "files.read"})
    assert [event.name for event in events if isinstance(event, ToolCallStarted)] == ["files.read", "other"]
