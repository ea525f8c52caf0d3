"""Clients of the Messages API: their bytes, their facts, and their bad requests."""

from __future__ import annotations

import json

import pytest

from octoroute.domain.events import FinishReason
from octoroute.errors import BadRequest
from tests.support.anthropic_stream import check
from tests.support.dialects.messages_inbound import DIALECT, USER, ask, read


def test_p42_p79_bytes_are_equal_apart_from_the_model():
    raw = b'{ "max_tokens":5,\n "model" : "auto", "context_management": {"edits": [1.0,  2e3]}, "messages":[{"role":"user","content":"\xc3\xa9"}], "x": null }'
    assert DIALECT.with_model(read(raw), "claude-sonnet-4-5") == raw.replace(b'"auto"', b'"claude-sonnet-4-5"')


def test_p55_fields_of_tools_reach_anthropic():
    tool = {"name": "f", "input_schema": {}, "defer_loading": True, "input_examples": [{}], "cache_control": {"type": "ephemeral"}}
    sent = json.loads(DIALECT.with_model(ask([USER], tools=[tool]), "m"))
    assert sent["tools"] == [tool]


def test_p60_the_billing_line_reaches_anthropic():
    system = [{"type": "text", "text": "x-anthropic-billing-header: 17"}]
    assert json.loads(DIALECT.with_model(ask([USER], system=system), "m"))["system"] == system


def test_p80_p82_signed_thinking_is_sent_back_byte_for_byte():
    raw = (
        b'{"model":"auto","thinking":{"type":"enabled","budget_tokens":1024,"block_binding":{"prefix_mismatch_behavior":"error"}},'
        b'"messages":[{"role":"assistant","content":[{"signature":"Er+/==","type":"thinking","thinking":" a\\u00e9 "},'
        b'{"type":"redacted_thinking","data":"x=="},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}'
    )
    assert DIALECT.with_model(read(raw), "claude") == raw.replace(b'"auto"', b'"claude"')


def test_p79_our_own_object_is_taken_out():
    request = ask([USER], octoroute={"importance": "high"})
    assert request.facts.importance == "high" and "octoroute" not in json.loads(DIALECT.with_model(request, "m"))


def test_facts_of_a_request():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
    request = ask(
        [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image]}, {"type": "text", "text": "look"}],
            },
        ],
        system=[{"type": "text", "text": "sys"}],
        output_config={"format": {"type": "json_schema", "schema": {}}},
        stream=True,
    )
    facts = request.facts
    assert (facts.text, facts.images, facts.tools, facts.json, facts.attachments) == ("look", True, True, True, False)
    assert facts.earlier[0] == ("system", "sys") and facts.output_tokens == 10 and request.stream
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    assert ask([{"role": "user", "content": [document]}]).facts.attachments


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b'{"messages":[]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[{"role":"user"}]}', "messages[0]"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1.5}', "temperature"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":-1}', "max_tokens"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "stream"),
    ],
)
def test_bad_requests_name_the_field(body, param):
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert param is None or (caught.value.param or "").startswith(param)


@pytest.mark.parametrize("depth", [300, 400, 5_000, 200_000])
def test_content_within_content_ends_before_our_stack_does(depth):
    for opening, closing in ((b'{"content":', b"}"), (b'[{"content":', b"}]")):
        nested = opening * depth + b'"x"' + closing * depth
        with pytest.raises(BadRequest, match="too deeply"):
            read(b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"content":%b}]}]}' % nested)


def test_thinking_is_shown_to_who_asked():
    from octoroute.domain.events import Finished, TextDelta, ThinkingDelta

    events = [ThinkingDelta("hm"), TextDelta("Hi"), Finished(FinishReason.STOP)]
    for thinking, shown in (
        ({"type": "enabled", "budget_tokens": 1024}, 2),
        ({"type": "adaptive", "display": "omitted"}, 1),
        (None, 1),
    ):
        request = ask([USER], **({"thinking": thinking} if thinking else {}))
        assert len(json.loads(DIALECT.encode_response(request, events))["content"]) == shown
        assert len(check(DIALECT.encoder(request).encode(events))["content"]) == shown
