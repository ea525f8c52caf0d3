"""An independent, strict reader of the Responses stream, written from the API's own description."""

from __future__ import annotations

import json
from typing import Any


def events_of(raw: bytes) -> list[dict[str, Any]]:
    events = []
    for part in raw.decode().split("\n\n"):
        if not part or part.startswith(":"):
            continue
        name, data = part.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(events), "a number is missing"
        events.append(event)
    return events


def check(raw: bytes) -> dict[str, Any]:
    """The final response; its items must be what the deltas amounted to."""
    events = events_of(raw)
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[0]["response"]["status"] == "in_progress" and events[0]["response"]["output"] == []
    last = events[-1]
    assert last["type"] in {"response.completed", "response.incomplete"}
    assert last["type"] == f"response.{last['response']['status']}"
    done: list[dict[str, Any]] = []
    item: dict[str, Any] | None = None
    text = ""
    annotations: list[Any] = []
    for event in events[2:-1]:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert item is None, "two items open"
            assert event["output_index"] == len(done)
            item, text, annotations = event["item"], "", []
            continue
        assert item is not None, f"{kind} outside an item"
        assert event["output_index"] == len(done)
        assert event.get("item_id", item["id"]) == item["id"]
        if kind == "response.output_text.annotation.added":
            assert event["annotation_index"] == len(annotations)
            annotations.append(event["annotation"])
        elif kind.endswith(".delta"):
            assert event["delta"]
            text += event["delta"]
        elif kind in {"response.output_text.done", "response.reasoning_summary_text.done"}:
            assert event["text"] == text
        elif kind == "response.refusal.done":
            assert event["refusal"] == text
        elif kind == "response.function_call_arguments.done":
            assert event["arguments"] == (text or "{}")
        elif kind == "response.custom_tool_call_input.done":
            assert event["input"] == text
        elif kind == "response.output_item.done":
            assert event["item"]["id"] == item["id"] and event["item"]["type"] == item["type"]
            assert annotations == [one for part in event["item"].get("content", ()) for one in part.get("annotations", ())]
            done.append(event["item"])
            item = None
        else:
            assert kind in {
                "response.content_part.added",
                "response.content_part.done",
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_part.done",
            }, kind
    assert item is None
    assert last["response"]["output"] == done
    assert last["response"]["id"] == events[0]["response"]["id"]
    return last["response"]
