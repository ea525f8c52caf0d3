"""Events of a response collected into blocks."""

from __future__ import annotations

import pytest

from octoroute.dialects.response.blocks import (
    TextItem,
    ThinkingItem,
    ToolCallItem,
    collect_blocks,
    is_json_object,
)
from octoroute.domain.events import (
    Failed,
    Finished,
    FinishReason,
    Ping,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage
from octoroute.errors import Overloaded


def test_blocks_are_joined_and_keep_their_order():
    response = collect_blocks(
        [
            Started("id", "model", Usage(input_tokens=1)),
            ThinkingDelta("h"),
            ThinkingDelta("m"),
            ThinkingSigned("sig", "gemini"),
            ThinkingDelta("again"),
            ThinkingRedacted("secret"),
            TextDelta("a"),
            Ping(),
            TextDelta("b"),
            RefusalDelta("no"),
            ToolCallStarted(0, "c", "f"),
            ToolCallDelta(0, '{"x"'),
            ToolCallDelta(0, ":1}"),
            TextDelta("c"),
            UsageReported(Usage(input_tokens=2)),
            Finished(FinishReason.TOOL_CALLS, None, "x"),
        ]
    )
    shown = [(type(block), block.arguments if isinstance(block, ToolCallItem) else block.text) for block in response.blocks]
    assert shown == [
        (ThinkingItem, "hm"),
        (ThinkingItem, "again"),
        (ThinkingItem, ""),
        (TextItem, "ab"),
        (TextItem, "no"),
        (ToolCallItem, '{"x":1}'),
        (TextItem, "c"),
    ]
    first, second, redacted = response.thoughts
    assert (first.signature, first.origin, second.signature, redacted.redacted) == ("sig", "gemini", None, "secret")
    assert (response.text, response.refusal, [call.name for call in response.calls]) == ("abc", "no", ["f"])
    assert (response.reason, response.usage, response.upstream_id) == (FinishReason.TOOL_CALLS, Usage(input_tokens=2), "id")
    assert response.chars == len("hm" + "again" + "ab" + "no" + '{"x":1}' + "c")


def test_a_failed_event_raises_its_error():
    with pytest.raises(Overloaded):
        collect_blocks([TextDelta("a"), Failed("overloaded_error", "busy")])


@pytest.mark.parametrize(
    ("text", "expected"), [("{}", True), (' {"a":1} ', True), ('{"a":1', False), ("[1]", False), ("{a}", False), ("", False)]
)
def test_what_is_a_json_object(text, expected):
    assert is_json_object(text) is expected
