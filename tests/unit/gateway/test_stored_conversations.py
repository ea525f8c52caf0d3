"""A request that refers to stored items becomes one that holds them, across stores and within bounds."""

from __future__ import annotations

import json

import pytest

from octoroute.errors import BadRequest, NotStored, TooLarge, UnknownPreviousResponse
from octoroute.gateway import stored_conversations
from octoroute.gateway.response_store import MemoryResponseStore
from octoroute.gateway.stored_conversations import StoredConversations
from tests.support.live_gateway import Clock


def store(max_bytes: int = 10_000_000) -> MemoryResponseStore:
    return MemoryResponseStore(ttl_s=100, max_bytes=max_bytes, clock=Clock())


def body(**fields) -> bytes:
    return json.dumps({"model": "m", **fields}).encode()


def message(text: str) -> dict:
    return {"type": "message", "role": "user", "content": text}


async def make(state: StoredConversations, id: str, text: str = "hi", **fields) -> None:
    """A turn with one item of output, `m_ID`."""
    resolved = await state.resolve(body(input=text, **fields), "ann")
    answer = {"id": id, "status": "completed", "output": [{"id": f"m_{id}", "type": "message", "role": "assistant", "content": []}]}
    assert resolved.recorder is not None
    await resolved.recorder.complete(json.dumps(answer).encode())


async def conversation(state: StoredConversations, **fields) -> list:
    return json.loads((await state.resolve(body(**fields), "ann")).body)["input"]


async def test_a_request_without_references_keeps_its_bytes():
    state = StoredConversations(store(), max_bytes=1000)
    for raw in (body(input="hi"), body(input=[message("x")], store=True), b"no json", b'{"input": ["\xff"]'):
        assert (await state.resolve(raw, "ann")).body == raw
    assert (await state.resolve(body(input="hi", store=False), "ann")).recorder is None
    assert (await state.resolve(body(input="hi", generate=False), "ann")).generate is False


async def test_a_chain_over_two_stores():
    shared, own = store(), store()
    http = StoredConversations(shared, max_bytes=10_000)
    socket = StoredConversations(shared, own, max_bytes=10_000, own_memory=own)
    await make(http, "resp_1", "one")
    await make(socket, "resp_2", "two", previous_response_id="resp_1", store=False)
    await make(socket, "resp_3", "three", previous_response_id="resp_2")
    items = await conversation(socket, input="four", previous_response_id="resp_3")
    assert [item.get("id") or item["content"] for item in items] == [
        "one",
        "m_resp_1",
        "two",
        "m_resp_2",
        "three",
        "m_resp_3",
        "four",
    ]
    with pytest.raises(UnknownPreviousResponse):
        await conversation(http, previous_response_id="resp_3")
    items = await conversation(socket, input=[{"type": "item_reference", "id": "m_resp_2"}, {"id": "m_resp_1"}])
    assert [item["id"] for item in items] == ["m_resp_2", "m_resp_1"]


async def test_an_input_may_be_missing():
    state = StoredConversations(store(), max_bytes=10_000)
    await make(state, "resp_1")
    assert len(await conversation(state, previous_response_id="resp_1")) == 2
    assert len(await conversation(state, input=[], previous_response_id="resp_1")) == 2


async def test_references_are_stored_as_what_they_stand_for():
    state = StoredConversations(store(), max_bytes=10_000)
    await make(state, "resp_1")
    await make(state, "resp_2", [{"id": "m_resp_1"}, message("x")])
    await state._stores[0].delete("ann", "resp_1")
    assert [item.get("id") for item in await conversation(state, previous_response_id="resp_2")] == ["m_resp_1", None, "m_resp_2"]


async def test_what_is_not_there_names_its_field_and_the_remedy():
    state = StoredConversations(store(), max_bytes=10_000, hint="; HINT")
    with pytest.raises(UnknownPreviousResponse, match=r"send the whole conversation.*; HINT") as caught:
        await conversation(state, previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
    with pytest.raises(NotStored, match="; HINT"):
        await conversation(state, input=[{"id": "m"}])
    with pytest.raises(BadRequest, match="damaged"):
        await conversation(state, input=[{"type": "compaction", "encrypted_content": "octoroute.compaction.?"}])
    for place in ("msg_1_in7", "msg_1_in0", f"msg_1_in{10**8}"):
        with pytest.raises(NotStored):
            await conversation(state, input=[{"id": place}])


async def test_turns_references_and_bytes_are_bounded(monkeypatch):
    monkeypatch.setattr(stored_conversations, "MAX_TURNS", 3)
    monkeypatch.setattr(stored_conversations, "MAX_REFERENCES", 3)
    state = StoredConversations(store(), max_bytes=2000)
    previous = None
    for n in range(4):
        await make(state, f"resp_{n}", previous_response_id=previous)
        previous = f"resp_{n}"
    assert len(await conversation(state, previous_response_id="resp_2")) == 6
    with pytest.raises(BadRequest, match="more than 3 turns"):
        await conversation(state, previous_response_id="resp_3")
    with pytest.raises(BadRequest, match="more than 3 references"):
        await conversation(state, input=[{"id": "m_resp_0"}] * 4)
    await make(state, "resp_0", "x" * 1500)
    with pytest.raises(TooLarge):
        await conversation(state, input="y" * 1000, previous_response_id="resp_0")
    reference = {"id": "msg_0_in0"}
    assert len(await conversation(state, input=[reference])) == 1
    with pytest.raises(TooLarge):
        await conversation(state, input=[reference] * 2)


async def test_a_response_that_follows_itself_ends():
    state = StoredConversations(store(), max_bytes=10_000_000)
    await make(state, "resp_1")
    await make(state, "resp_1", previous_response_id="resp_1")
    with pytest.raises(BadRequest, match="turns"):
        await conversation(state, previous_response_id="resp_1")


async def test_only_a_complete_response_is_recorded():
    memory = store()
    recorder = (await StoredConversations(memory, max_bytes=1000).resolve(body(input="x"), "ann")).recorder
    for event in ("response.created", "response.failed"):
        await recorder.observe(f'event: {event}\ndata: {{"type":"{event}","response":{{"id":"r","status":"failed"}}}}\n\n'.encode())
    assert await recorder.complete(b'{"id":"r","status":"failed"}') == b'{"id":"r","status":"failed"}'
    assert memory.size == 0
    final = b'data: {"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}\n\n'
    await recorder.observe(final)
    assert (await memory.get("ann", "r")).body == b'{"id":"r","status":"completed","output":[]}'
