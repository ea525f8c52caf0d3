"""A stream whose only item is a compaction."""

from __future__ import annotations

import pytest

from octoroute.dialects.responses.compaction import summary_message
from octoroute.dialects.responses.compaction_encoder import CompactionEncoder
from octoroute.domain.events import Failed, Finished, FinishReason, Started, TextDelta, ThinkingDelta, ToolCallStarted
from octoroute.errors import Overloaded
from tests.support.dialects.responses import encoder
from tests.support.responses_stream import check, events_of


def test_the_text_is_the_summary():
    made = CompactionEncoder(encoder())
    events = [Started("u", "m"), ThinkingDelta("hm"), TextDelta("the "), TextDelta("sum"), ToolCallStarted(0, "c", "f")]
    raw = b"".join(made.encode([event]) for event in [*events, Finished(FinishReason.STOP)])
    (item,) = check(raw)["output"]
    assert item["type"] == "compaction" and item["id"].startswith("cmp_")
    assert b"the sum" in (summary_message(item["encrypted_content"]) or b"")


@pytest.mark.parametrize("events", [[Finished(FinishReason.STOP)], [TextDelta(" "), Finished(FinishReason.STOP)]])
def test_no_summary_is_a_failure(events):
    last = events_of(CompactionEncoder(encoder()).encode([Started(), *events]))[-1]
    assert last["type"] == "response.failed" and "no summary" in last["response"]["error"]["message"]


def test_failures_pass():
    made = CompactionEncoder(encoder())
    assert events_of(made.encode([Started(), Failed("overloaded_error", "busy")]))[-1]["type"] == "response.failed"
    assert events_of(CompactionEncoder(encoder()).fail(Overloaded("busy"), "r"))[-1]["type"] == "response.failed"
