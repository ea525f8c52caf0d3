"""The bytes around the deltas of an open item."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.responses.open_item import CUSTOM_CALL, FUNCTION_CALL, REFUSAL, TEXT, THINKING, OpenItem


@pytest.mark.parametrize(
    ("kind", "type", "place"),
    [
        (TEXT, "response.output_text.delta", {"content_index": 0, "logprobs": []}),
        (REFUSAL, "response.refusal.delta", {"content_index": 0}),
        (THINKING, "response.reasoning_summary_text.delta", {"summary_index": 0}),
        (FUNCTION_CALL, "response.function_call_arguments.delta", {}),
        (CUSTOM_CALL, "response.custom_tool_call_input.delta", {}),
    ],
)
def test_a_delta_names_its_place(kind, type, place):
    item = OpenItem(kind, "id_1", 3)
    name, data = (item.delta_head + b"7" + item.delta_tail + b'"x"}').split(b"\n")
    assert name == b"event: " + type.encode()
    fields = {"type": type, "sequence_number": 7, "item_id": "id_1", "output_index": 3, "delta": "x", **place}
    assert json.loads(data.removeprefix(b"data: ")) == fields
    assert (item.input is not None) == (kind == CUSTOM_CALL)
