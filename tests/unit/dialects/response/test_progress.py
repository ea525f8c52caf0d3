"""Progress: what decoded events say of a response, and what is no event."""

from __future__ import annotations

import pytest

from octoroute.dialects.response.progress import Progress
from octoroute.domain.events import (
    Failed,
    Finished,
    FinishReason,
    Ping,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage


def after(*events):
    progress = Progress()
    progress.observe(events)
    return progress


@pytest.mark.parametrize(
    "event",
    [
        Started(),
        Ping(),
        ToolCallStarted(0, "c", "f"),
        RefusalDelta("no"),
        TextDelta("x"),
        Failed("api_error", "m"),
        Finished(FinishReason.STOP),
    ],
)
def test_any_event_is_a_beginning(event):
    assert after(event).started


def test_usage_alone_is_none():
    progress = after(UsageReported(Usage(input_tokens=3)))
    assert not progress.started
    assert progress.usage == Usage(input_tokens=3)


@pytest.mark.parametrize(
    ("events", "has_content"),
    [
        ([], False),
        ([Started()], False),
        ([Started(), TextDelta("")], False),
        ([TextDelta("x")], True),
        ([Finished(FinishReason.STOP)], True),
        ([Failed("api_error", "m")], True),
    ],
)
def test_content_is_text_or_an_end(events, has_content):
    assert after(*events).has_content is has_content


def test_characters_of_text_thinking_and_arguments_are_counted():
    assert after(TextDelta("ab"), ThinkingDelta("cde"), ToolCallStarted(0, "c", "name"), ToolCallDelta(0, "{}")).output_chars == 7


def test_the_newest_usage_counts_and_a_start_without_one_takes_none_away():
    progress = after(Started(usage=Usage(input_tokens=1)), Started(), UsageReported(Usage(input_tokens=2)))
    assert progress.usage == Usage(input_tokens=2)
    assert after(UsageReported(Usage(input_tokens=2)), Started()).usage == Usage(input_tokens=2)


def test_the_end_has_a_reason():
    progress = after(TextDelta("x"), Finished(FinishReason.LENGTH))
    assert (progress.finished, progress.over, progress.reason) == (True, True, FinishReason.LENGTH)


@pytest.mark.parametrize("thing", ["text", None, {"text": "x"}])
def test_what_is_no_event_is_refused(thing):
    with pytest.raises(TypeError, match="is not an event"):
        after(thing)
