"""Results find their calls, with ids and without."""

from __future__ import annotations

from octoroute.dialects.request.call_pairs import CallPairs


def test_by_id_by_name_and_by_order():
    pairs = CallPairs()
    assert [pairs.call_id(id, name) for id, name in ((None, "f"), ("own", "g"), (None, "f"), ("", "h"))] == [
        "call_1",
        "own",
        "call_3",
        "call_4",
    ]
    assert pairs.result_id("own", "whatever") == "own"
    assert [pairs.result_id(None, "f"), pairs.result_id(None, "f")] == ["call_1", "call_3"]
    assert pairs.result_id(None, "") == "call_4"
    assert pairs.result_id(None, "f") == "call_f"
    assert pairs.result_id(None, "") == "call_unknown"
