"""Messages requests on their way through: what the gateway reads of them, and that their bytes survive."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from octoroute.dialects.anthropic.inbound import AnthropicInbound
from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.anthropic.token_estimate import count_text, document_tokens, estimate_tokens, image_tokens
from octoroute.dialects.anthropic.usage_tap import AnthropicUsageTap
from octoroute.dialects.request.thinking_signatures import mark_signature
from octoroute.domain.conversation import Document, Image
from octoroute.domain.events import FinishReason
from octoroute.errors import BadRequest, BadUpstreamResponse
from tests.support.anthropic_stream import check
from tests.support.chunks import anthropic

DIALECT = AnthropicInbound()


def read(body, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.read(raw, request_id="r", headers=headers)


def ask(messages, **fields):
    return read({"model": "claude-x", "max_tokens": 10, "messages": messages, **fields})


USER = {"role": "user", "content": "hi"}


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


def history(*thoughts, then=()):
    return [
        USER,
        {"role": "assistant", "content": [*thoughts, {"type": "tool_use", "id": "t", "name": "f", "input": {"z": 1}}]},
        *then,
    ]


OURS = {"type": "thinking", "thinking": "ours", "signature": mark_signature("ours", "openai", None)}
THEIRS = {"type": "thinking", "thinking": "theirs", "signature": "Er=="}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}


def test_p83_thinking_made_here_never_reaches_anthropic():
    sent = json.loads(DIALECT.with_model(ask(history(OURS, THEIRS, then=[RESULT])), "m"))
    assert sent["messages"][1]["content"] == [THEIRS, {"type": "tool_use", "id": "t", "name": "f", "input": {"z": 1}}]
    only = [USER, {"role": "assistant", "content": [OURS]}, {"role": "user", "content": "b"}]
    assert json.loads(DIALECT.with_model(ask(only), "m"))["messages"] == [USER, {"role": "user", "content": "b"}]


def test_p83_thinking_is_turned_off_where_a_block_would_be_missed():
    enabled = {"type": "enabled", "budget_tokens": 1024}
    assert json.loads(DIALECT.with_model(ask(history(OURS, then=[RESULT]), thinking=enabled), "m"))["thinking"] == {
        "type": "disabled"
    }
    later = [*history(OURS, then=[RESULT]), {"role": "assistant", "content": [THEIRS, {"type": "text", "text": "x"}]}, USER]
    assert json.loads(DIALECT.with_model(ask(later, thinking=enabled), "m"))["thinking"] == enabled


def test_p81_p84_a_history_of_another_account_goes_without_thinking():
    request = ask(history(THEIRS, then=[RESULT]), thinking={"type": "adaptive"})
    elsewhere = DIALECT.strip_signed_thinking(request)
    assert elsewhere is not None
    sent = json.loads(DIALECT.with_model(elsewhere, "m"))
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["tool_use"] and sent["thinking"] == {"type": "disabled"}


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
    from octoroute.domain.events import Finished, FinishReason, TextDelta, ThinkingDelta

    events = [ThinkingDelta("hm"), TextDelta("Hi"), Finished(FinishReason.STOP)]
    for thinking, shown in (
        ({"type": "enabled", "budget_tokens": 1024}, 2),
        ({"type": "adaptive", "display": "omitted"}, 1),
        (None, 1),
    ):
        request = ask([USER], **({"thinking": thinking} if thinking else {}))
        assert len(json.loads(DIALECT.encode_response(request, events))["content"]) == shown
        assert len(check(DIALECT.encoder(request).encode(events))["content"]) == shown


# --- the tap

STREAM = (
    anthropic("message_start", message={"usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 1}})
    + anthropic("ping")
    + anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
    + anthropic("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 20})
)


def test_p42_the_tap_reads_along():
    tap = AnthropicUsageTap()
    tap.feed(anthropic("ping"))
    assert not tap.progress.started
    tap.feed(STREAM)
    assert tap.progress.started and not tap.progress.finished
    tap.feed(anthropic("message_stop"))
    progress = tap.progress
    assert (progress.finished, progress.reason, progress.output_chars) == (True, FinishReason.LENGTH, 5)
    assert (progress.usage.input_tokens, progress.usage.cached_tokens, progress.usage.output_tokens) == (15, 10, 20)


def test_p22_the_tap_sees_an_error_event():
    tap = AnthropicUsageTap()
    tap.feed(anthropic("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    assert tap.progress.failure.kind == "overloaded_error" and not tap.progress.finished


def test_the_tap_reads_whole_answers():
    tap = AnthropicUsageTap()
    tap.feed_body(
        b'{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}'
    )
    assert tap.progress.finished and tap.progress.usage.output_tokens == 2
    for nonsense in (b"<html>", b"{}", b"[]"):
        with pytest.raises(BadUpstreamResponse):
            AnthropicUsageTap().feed_body(nonsense)
    with pytest.raises(BadUpstreamResponse):
        AnthropicUsageTap().feed(b"data: <html>\n\n")


# --- counting


def png(width, height):
    return base64.b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height)).decode()


def jpeg(width, height):
    exif = b"\xff\xe1" + struct.pack(">H", 10) + b"x" * 8
    return base64.b64encode(b"\xff\xd8" + exif + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + b"x" * 12).decode()


@pytest.mark.parametrize(
    ("width", "height", "tokens"), [(200, 200, 54), (1000, 1000, 1334), (1092, 1092, 1590), (4000, 2000, 1600)]
)
@pytest.mark.parametrize("file", [png, jpeg])
def test_p106_images_by_their_size(file, width, height, tokens):
    """Anthropic's own examples."""
    assert abs(image_tokens(Image(media_type="image/x", data=file(width, height))) - tokens) <= 0.15 * tokens


def test_p106_images_that_do_not_tell_their_size():
    for data in ("", "AAAA", "!!!!", base64.b64encode(b"\xff\xd8\xff").decode(), base64.b64encode(b"RIFFxxxxWEBPVP8X").decode()):
        assert image_tokens(Image(media_type="image/png", data=data)) > 0
    assert image_tokens(Image(url="https://x/y")) == 1600


def test_p106_documents_by_their_pages():
    pdf = base64.b64encode(b"%PDF-1.7 /Type /Pages /Kids [] /Type /Page x /Type/Page y").decode()
    assert document_tokens(Document(media_type="application/pdf", data=pdf)) == 4000
    assert document_tokens(Document(media_type="application/pdf", data="!!")) == 2000


def test_p106_everything_is_counted():
    body = {"model": "m", "max_tokens": 1, "messages": [USER]}
    tool = {
        "name": "read_file",
        "description": "Read a file " * 5,
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(1000, 1000)}}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"path": "/a/long/path/to/a/file"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "word " * 50}, image]}
    richer = [
        {"system": "You are a careful assistant. " * 10},
        {"tools": [tool] * 40},
        {"messages": [USER, {"role": "system", "content": "be brief " * 10}]},
        {"messages": [{"role": "user", "content": [document]}]},
        {"messages": [{"role": "user", "content": [image]}]},
        {"messages": [USER, {"role": "assistant", "content": [call]}]},
        {"messages": [USER, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]},
        {"messages": [USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm " * 30, "signature": "s"}]}]},
    ]
    plain = estimate_tokens(decode_request(json.dumps(body).encode()))
    counts = [estimate_tokens(decode_request(json.dumps(body | more).encode())) for more in richer]
    assert all(count > plain + 10 for count in counts)
    assert counts[1] > 40 * 30 and counts[4] > 1300 and counts[6] > counts[5] + 1300 + 50


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("Hello, world!", 4),
        ("def add(a, b):\n    return a + b\n", 14),
        ('{"name": "John", "age": 30, "city": "New York"}', 22),
    ],
)
def test_p106_text_within_fifteen_per_cent_of_real_tokenizers_or_above(text, tokens):
    """Reference counts are those of a common byte-pair vocabulary; a small text may be one token off."""
    assert tokens * 0.85 - 1 <= count_text(text) <= tokens * 1.35 + 2
