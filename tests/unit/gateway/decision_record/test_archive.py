"""Decision records out of the store."""

from __future__ import annotations

import msgspec

from octoroute.errors import BadRequest
from tests.unit.gateway.decision_record.records import runtime_of, settle


async def test_an_id_that_is_not_kept_is_not_found():
    assert await runtime_of().records.find("nothing") is None


async def test_a_request_that_could_not_be_read_has_its_row():
    runtime = runtime_of()
    runtime.gateway.rejected("openai", "r2", BadRequest("no"))
    view = await runtime.records.find("r2")
    assert (view["status"], view["error"]) == (400, "invalid_request")
    assert "candidates" not in view


async def test_a_record_whose_settings_are_gone_is_its_row():
    runtime = runtime_of()
    await settle(runtime)
    entry = await runtime.history.get("r1")
    view = await runtime.records.view(msgspec.structs.replace(entry, settings=None))
    assert view["id"] == "r1"
    assert "candidates" not in view
    assert msgspec.json.encode(view)
