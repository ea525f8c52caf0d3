"""A compaction asks for a summary of the whole conversation."""

from __future__ import annotations

import json

import pytest

from octoroute.errors import BadRequest
from octoroute.gateway.compaction import prepare_compaction
from octoroute.gateway.response_store import MemoryResponseStore
from octoroute.gateway.stored_conversations import StoredConversations
from tests.support.live_gateway import Clock


def conversations() -> StoredConversations:
    return StoredConversations(MemoryResponseStore(ttl_s=10, max_bytes=10_000, clock=Clock()), max_bytes=10_000)


async def test_the_response_holds_the_user_messages_and_the_summary():
    body = json.dumps({"model": "m", "input": "hello", "stream": True}).encode()
    asked, completion = await prepare_compaction(conversations(), body, "ann")
    assert json.loads(asked)["stream"] is False
    await completion.observe(b"")
    answer = {"created_at": 1, "output": [{"type": "message", "content": [{"type": "output_text", "text": "S"}]}], "usage": None}
    made = json.loads(await completion.complete(json.dumps(answer).encode()))
    assert [item["type"] for item in made["output"]] == ["message", "compaction"]


async def test_what_is_no_json_is_left_to_the_decoder():
    assert await prepare_compaction(conversations(), b"{", "ann") == (b"{", None)


@pytest.mark.parametrize("empty", [None, "", []])
async def test_nothing_cannot_be_compacted(empty):
    with pytest.raises(BadRequest, match="input: is empty"):
        await prepare_compaction(conversations(), json.dumps({"model": "m", "input": empty}).encode(), "ann")
