"""The store of the HTTP service follows the configuration."""

from __future__ import annotations

import json

import pytest

from octoroute.errors import UnknownPreviousResponse
from octoroute.server.stored_responses import StoredResponses
from tests.support.live_gateway import Clock, configured, endpoint, settings


def config(**tables):
    return configured(settings([endpoint("http://127.0.0.1:1/v1")], **tables))


async def put(stored: StoredResponses, id: str) -> None:
    _, recorder = await stored.prepare(json.dumps({"input": "x"}).encode(), "ann")
    assert recorder is not None
    await recorder.complete(json.dumps({"id": id, "status": "completed", "output": []}).encode())


async def test_a_reload_changes_the_limits_and_keeps_what_fits():
    stored = StoredResponses(config(), Clock())
    await put(stored, "resp_1")
    stored.apply(config(store={"responses_ttl_seconds": 60}))
    assert await stored.store.get("ann", "resp_1")
    stored.apply(config(store={"responses_ttl_seconds": 0}))
    assert await stored.store.get("ann", "resp_1") is None


@pytest.mark.parametrize(("workers", "said"), [(1, False), (2, True)])
async def test_an_unknown_id_may_be_known_to_another_worker(workers, said):
    stored = StoredResponses(config(server={"workers": workers}), Clock())
    with pytest.raises(UnknownPreviousResponse) as caught:
        await stored.prepare(b'{"previous_response_id":"resp_1"}', "ann")
    assert ("worker process" in caught.value.message) is said


async def test_a_connection_remembers_what_is_not_stored():
    stored = StoredResponses(config(), Clock())
    memory = stored.memory_of_connection()
    conversations = stored.conversations_of_connection(memory)
    resolved = await conversations.resolve(b'{"input":"x","store":false}', "ann")
    await resolved.recorder.complete(b'{"id":"resp_1","status":"completed","output":[]}')
    assert await memory.get("ann", "resp_1")
    assert await stored.store.get("ann", "resp_1") is None
    assert await stored.memory_of_connection().get("ann", "resp_1") is None
    memory.forget()
    assert await memory.get("ann", "resp_1") is None
    assert stored._unstored.size == 0
