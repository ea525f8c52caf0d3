"""What requests and responses of the Responses API say about stored conversations."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.responses import state
from octoroute.domain.stored_response import StoredResponse
from octoroute.errors import BadRequest


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def values(items) -> list:
    return [json.loads(bytes(item)) for item in items]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000])
def test_a_body_that_is_no_json_is_left_to_its_decoder(body):
    assert state.read_fields(body) is None


@pytest.mark.parametrize("field", ["previous_response_id", "store", "generate"])
def test_a_field_of_another_type_is_named(field):
    with pytest.raises(BadRequest) as caught:
        state.read_fields(json.dumps({field: ["x"]}).encode())
    assert caught.value.param.strip(".") == field


@pytest.mark.parametrize(
    ("given_input", "items"),
    [("hi", [{"type": "message", "role": "user", "content": "hi"}]), ("", []), (None, []), ([], []), ([{"id": 1}], [{"id": 1}])],
)
def test_a_text_is_one_message(given_input, items):
    assert values(state.input_items(raw(given_input))) == items


REFERENCES = [
    {"type": "item_reference", "id": "m"},
    {"id": "m"},
    {"id": "m", "type": None},
    {"type": "compaction", "encrypted_content": "octoroute.compaction.eA=="},
]
OTHERS = [{"role": "user", "content": "item_reference"}, {"type": "message", "id": "m", "role": "user", "content": []}, {"type": "reasoning", "id": "m", "summary": []},
    {"type": "compaction", "encrypted_content": "gAAA"} ]  # fmt: skip


@given(st.lists(st.sampled_from([*REFERENCES, *OTHERS])), st.sampled_from([None, 1]))
def test_references_are_found_and_nothing_else(items, indent):
    whole = msgspec.Raw(json.dumps(items, indent=indent).encode())
    found = [at for at, _ in state.replaced_items(whole, 100)]
    assert found == [at for at, item in enumerate(items) if item in REFERENCES]
    assert not found or state.may_refer(whole)
    assert len(state.replaced_items(whole, 2)) == min(3, len(found))


@pytest.mark.parametrize("items", [[7], [None, {"id": "m"}], "x", None, [{"id": 7}], [[]]])
def test_what_are_no_items_is_left_to_the_decoder(items):
    assert state.replaced_items(raw(items), 100) == []


def test_another_input_keeps_the_bytes_of_the_other_fields():
    body = b'{ "model" : "m", "input":"x", "metadata": {"a" :1.50} }'
    changed = state.with_input(body, b"[1]")
    assert json.loads(changed) == {"model": "m", "input": [1], "metadata": {"a": 1.5}}
    assert b'{"a" :1.50}' in changed
    assert json.loads(state.with_input(b"{}", b"[]")) == {"input": []}


def stored(items, output=()) -> StoredResponse:
    body = json.dumps({"id": "resp_1", "status": "completed", "output": list(output)}).encode()
    return StoredResponse(id="resp_1", owner="", previous=None, input=bytes(raw(items)), body=body)


def test_a_turn_adds_its_input_and_its_output():
    assert values(state.items_of(stored("hi", [{"id": "m"}]))) == [
        {"type": "message", "role": "user", "content": "hi"},
        {"id": "m"},
    ]


def test_listed_items_have_ids_that_lead_back_and_stay():
    items = [
        {"role": "user", "content": "a"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"id": "mine", "role": "assistant", "content": "b"},
    ]
    listed = values(state.listed_items(stored(items)))
    assert listed == values(state.listed_items(stored(items)))
    assert listed[0]["content"] == [{"type": "input_text", "text": "a"}]
    assert listed[2]["content"] == [{"type": "output_text", "text": "b", "annotations": []}]
    assert [item["type"] for item in listed] == ["message", "function_call_output", "message"]
    assert [state.place_of(item["id"]) for item in listed] == [("resp_1", 0), ("resp_1", 1), None]
    assert len({item["id"] for item in listed}) == 3


def event(type: str, **more) -> bytes:
    return f"event: {type}\ndata: {json.dumps({'type': type, **more})}\n\n".encode()


def test_the_response_of_the_last_event_is_found_wherever_it_stands():
    final = event("response.completed", response={"id": "resp_1", "status": "completed", "output": []})
    delta = event("response.output_text.delta", delta='"response.completed" response.completed"')
    assert json.loads(state.final_response(delta + final))["id"] == "resp_1"
    assert state.final_response(final.replace(b"\n", b"\r\n")) is not None
    assert state.final_response(event("response.incomplete", response={"id": "x"})) == b'{"id": "x"}'
    for other in (
        delta,
        event("response.failed", response={}),
        event("response.created", response={}),
        b": ping\n\n",
        b"",
        b'data: response.completed" {\n\n',
    ):
        assert state.final_response(other) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'{"id":"r","status":"failed"}',
        b'{"id":"r","status":"in_progress"}',
        b'{"id":"r","status":"completed","output":7}',
    ],
)
def test_what_is_no_complete_response_has_no_id(body):
    assert state.response_id(body) is None


def test_a_complete_response_has():
    assert state.response_id(b'{"id":"r","status":"incomplete","output":[]}') == "r"
