"""Facts of a request: hints, sizes, and the last user message."""

from __future__ import annotations

import json

import msgspec
import pytest

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.facts import (
    EARLIER_CHARS,
    EARLIER_MESSAGES,
    IMAGE_TOKENS,
    NO_HINTS,
    FactsBuilder,
    auto_at,
    count_chars,
    estimate_tokens,
    read_hints,
)
from octoroute.domain.request import Importance, Task
from octoroute.errors import BadRequest


def body(**fields):
    return RequestBody.parse(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("auto", ("auto", None)),
        ("auto:0.3", ("auto", 0.3)),
        ("anthropic/AUTO:1", ("anthropic/AUTO", 1.0)),
        ("claude-octoroute-auto:0", ("claude-octoroute-auto", 0.0)),
        ("auto:free", ("auto:free", None)),
        ("llama3:8", ("llama3:8", None)),
    ],
)
def test_a_quality_is_read_from_the_model_auto_only(model, expected):
    assert auto_at(model) == expected


@pytest.mark.parametrize("model", ["auto:1.5", "auto:-1", "auto:nan"])
def test_a_quality_outside_its_range_is_a_bad_request(model):
    with pytest.raises(BadRequest, match="auto:QUALITY"):
        auto_at(model)


def test_headers_override_the_body_and_the_body_overrides_the_model():
    fields = {"model": "auto:0.1", "octoroute": {"importance": "low", "quality": 0.5}}
    hints = read_hints(body(**fields), {"x-octoroute-importance": " HIGH ", "x-octoroute-task-type": "code"})
    assert (hints.importance, hints.task_type, hints.quality) == (Importance.HIGH, Task.CODE, 0.5)
    assert read_hints(body(model="auto:0.1"), {}).quality == 0.1
    assert read_hints(body(model="auto"), {}) == NO_HINTS


@pytest.mark.parametrize(
    ("fields", "headers", "param"),
    [
        ({"octoroute": {"importance": "huge"}}, {}, "octoroute.importance"),
        ({"octoroute": {"unknown": 1}}, {}, "octoroute"),
        ({"octoroute": {"quality": 2}}, {}, "octoroute.quality"),
        ({}, {"x-octoroute-importance": "huge"}, "x-octoroute-importance"),
        ({}, {"x-octoroute-quality": "much"}, "x-octoroute-quality"),
    ],
)
def test_a_wrong_hint_is_a_bad_request_that_names_it(fields, headers, param):
    with pytest.raises(BadRequest) as caught:
        read_hints(body(**fields), headers)
    assert caught.value.param == param


def test_the_last_user_message_and_the_messages_before_it():
    facts = FactsBuilder()
    for number in range(EARLIER_MESSAGES + 3):
        facts.message("user", f"{number}" + "x" * EARLIER_CHARS)
    facts.message("user", "last")
    facts.message("tool", "result")
    built = facts.build(NO_HINTS, output_tokens=7)
    assert built.text == "last" and built.output_tokens == 7
    assert len(built.earlier) == EARLIER_MESSAGES and built.earlier[0][1].startswith("3x")
    assert all(len(text) == EARLIER_CHARS for _, text in built.earlier)
    assert built.messages == EARLIER_MESSAGES + 5


def test_without_a_user_message_there_is_no_text():
    facts = FactsBuilder()
    facts.message("assistant", "hello")
    assert (facts.build(NO_HINTS, output_tokens=None).text, facts.build(NO_HINTS, output_tokens=None).earlier) == ("", ())


def test_images_files_and_schemas_fill_the_context_but_are_no_text():
    facts = FactsBuilder()
    facts.message("user", "x" * 40)
    facts.images = 2
    facts.extra_chars = 400
    built = facts.build(NO_HINTS, output_tokens=None)
    assert (built.tokens, built.context_tokens, built.images) == (10, 10 + 100 + 2 * IMAGE_TOKENS, True)


def test_a_text_file_counts_in_full_and_base64_a_tenth():
    sizes = []
    for media_type in ("text/plain", "application/pdf"):
        facts = FactsBuilder()
        source = json.dumps({"data": "A" * 10_000, "media_type": media_type}, separators=(",", ":"))
        facts.file(msgspec.Raw(source.encode()))
        assert facts.attachments
        sizes.append((facts.extra_chars, len(source)))
    (text, text_length), (pdf, pdf_length) = sizes
    assert (text, pdf) == (text_length, pdf_length // 10)


def test_a_chinese_character_counts_as_a_token():
    assert estimate_tokens("漢字" * 50) == 100
    assert count_chars("abcd") == 4 and estimate_tokens("abcd" * 10) == 10
    assert count_chars("\ud800") > 0


@pytest.mark.parametrize(
    ("messages", "text", "continues"),
    [
        ([("user", "a")], "a", False),
        ([("user", "a"), ("assistant", ""), ("tool", "r")], "a", True),
        ([("user", "a"), ("assistant", ""), ("user", "")], "a", True),
        ([("user", "a"), ("assistant", ""), ("user", "<system-reminder>x</system-reminder>"), ("system", "y")], "a", True),
        ([("user", "a"), ("assistant", ""), ("user", "<system-reminder>x</system-reminder>\nb")], "b", False),
        ([("user", "a"), ("system", "late instructions")], "a", False),
        ([("user", "a"), ("assistant", ""), ("tool", "r"), ("assistant", "done"), ("user", "b")], "b", False),
        ([("user", "")], "", False),
        ([("user", ""), ("assistant", ""), ("tool", "r")], "", True),
    ],
)
def test_a_turn_of_results_continues_and_the_text_is_the_users_last_words(messages, text, continues):
    for tools in (True, False):
        facts = FactsBuilder()
        facts.tools = tools
        for role, content in messages:
            facts.message(role, content)
        built = facts.build(NO_HINTS, output_tokens=None)
        assert (built.text, built.continues) == (text, continues and tools)


def test_results_that_are_no_messages_continue_a_loop_too():
    facts = FactsBuilder()
    facts.tools = True
    facts.message("user", "a")
    facts.results_at = len(facts.messages)
    assert facts.build(NO_HINTS, output_tokens=None).continues
    facts.message("user", "b")
    assert not facts.build(NO_HINTS, output_tokens=None).continues
