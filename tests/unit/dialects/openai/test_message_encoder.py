"""Messages of a Chat Completions request."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.openai.compat import Quirks, merge_presets
from octoroute.dialects.openai.request_encoder import encode_request
from octoroute.errors import BadRequest
from tests.support.dialects.messages_to_chat_request import PDF, ask, result, roles, use

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0"}}


def test_p44_text_before_a_tool_result():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [{"type": "text", "text": "and"}, result(content="r")]))
    assert roles(body) == ["user", "assistant", "tool", "user"]
    assert body["messages"][3]["content"] == "and"


def test_p47_text_beside_a_result_is_kept():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content="r"), {"type": "text", "text": "now what?"}]))
    assert body["messages"][-1] == {"role": "user", "content": "now what?"}


def test_p48_an_image_in_a_result():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content=[PNG])]))
    assert roles(body) == ["user", "assistant", "tool", "user"]
    assert "image" in body["messages"][2]["content"] and "iVBORw0" not in body["messages"][2]["content"]
    label, image = body["messages"][3]["content"]
    assert "t1" in label["text"]
    assert image == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0"}}


def test_p48_text_and_image_in_a_result():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content=[{"type": "text", "text": "shot"}, PNG])]))
    assert body["messages"][2]["content"] == "shot"
    assert body["messages"][3]["content"][1]["type"] == "image_url"


def test_p49_an_error_is_visible_to_the_model():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content="no file", is_error=True)]))
    assert body["messages"][2]["content"] == "[tool error] no file"


@pytest.mark.parametrize("content", [..., "", []])
def test_p50_a_result_without_content(content):
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content=content)]))
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "t1", "content": ""}
    careful = ask(
        ("user", "go"), ("assistant", [use()]), ("user", [result(content=content)]), quirks=merge_presets("no-empty-tool-content")
    )
    assert careful["messages"][2]["content"] == "(no output)"


def test_p64_thinking_in_the_history_is_left_out():
    thinking = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    body = ask(("user", "a"), ("assistant", [*thinking, {"type": "text", "text": "b"}]), ("user", "c"))
    assert body["messages"][1] == {"role": "assistant", "content": "b"}


@pytest.mark.parametrize(("name", "stand_in"), [("deepseek", ""), ("kimi", " ")])
def test_p65_reasoning_is_replayed_where_it_must_be(name, stand_in):
    thinking = {"type": "thinking", "thinking": "hm", "signature": "octo.1.openai.x"}
    history = [("user", "a"), ("assistant", [thinking, use()]), ("user", [result(content="r")])]
    assert ask(*history, quirks=merge_presets(name))["messages"][1]["reasoning_content"] == "hm"
    history[1] = ("assistant", [use()])
    assert ask(*history, quirks=merge_presets(name))["messages"][1]["reasoning_content"] == stand_in


def test_p67_an_empty_text_beside_a_call():
    body = ask(("user", "a"), ("assistant", [{"type": "text", "text": ""}, use()]), ("user", [result(content="r")]))
    assert body["messages"][1]["content"] is None
    assert ask(("user", "a"), ("assistant", [use()]), quirks=merge_presets("no-null-content"))["messages"][1]["content"] == ""


def test_arguments_keep_the_models_order_and_numbers():
    body = b'{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"z": 1.50, "a": "\xc3\xa9"}}]}]}'
    sent = json.loads(encode_request(decode_request(body), model="m", quirks=Quirks(), stream=False))
    assert sent["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"z":1.50,"a":"é"}'


def test_documents():
    sent = ask(("user", [PDF, {"type": "text", "text": "read"}]), quirks=merge_presets("openai"))["messages"][0]["content"]
    assert sent[0] == {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBER"}}
    with pytest.raises(BadRequest):
        ask(("user", [PDF]))
    plain = {"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}
    assert ask(("user", [plain]))["messages"][0]["content"] == "T\n\nC\n\nD"
    found = {"type": "search_result", "title": "T", "source": "http://x", "content": [{"type": "text", "text": "D"}]}
    assert ask(("user", [found]))["messages"][0]["content"] == "T\nhttp://x\nD"


def test_urls_of_images_pass_and_others_do_not():
    image = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    assert ask(("user", [image]))["messages"][0]["content"][0]["image_url"]["url"] == "https://x/y.png"
    with pytest.raises(BadRequest):
        ask(("user", [{"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}]))


def test_a_prefill_is_passed_with_a_note():
    notes = []
    assert roles(ask(("user", "a"), ("assistant", "b"), notes=notes)) == ["user", "assistant"]
    assert "prefill" in notes[0]


def test_mistral_takes_ids_of_nine_letters_and_digits():
    body = ask(("user", "a"), ("assistant", [use("toolu_1")]), ("user", [result("toolu_1", "r")]), quirks=merge_presets("mistral"))
    id = body["messages"][1]["tool_calls"][0]["id"]
    assert len(id) == 9 and id.isalnum() and body["messages"][2]["tool_call_id"] == id
