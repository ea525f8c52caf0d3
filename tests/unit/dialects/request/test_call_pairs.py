"""Results find their calls, with ids and without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.call_pairs import CallPairs
from tests.support.laws.work import Work


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


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from("fgh"), st.none() | st.sampled_from(["call_1", "call_2", "x"])), max_size=30)
)
def test_they_are_as_the_description_says(steps):
    pairs, open_calls = CallPairs(), []
    for number, (is_call, name, id) in enumerate(steps):
        if is_call:
            open_calls.append((pairs.call_id(f"own_{number}" if id else None, name), name))
            continue
        expected = (
            id or next((one for one, called in open_calls if called == name), None) or next((one for one, _ in open_calls), None)
        )
        assert pairs.result_id(id, name) == (expected or f"call_{name}")
        open_calls = [one for one in open_calls if one[0] != expected]


@pytest.mark.parametrize("answered", ["f", "g", "own"])
def test_many_open_calls_do_not_make_each_result_more_work(answered):
    def pair(count: int) -> None:
        pairs = CallPairs()
        for number in range(count):
            pairs.call_id(f"id_{number}", "f")
        for number in reversed(range(count)):
            pairs.result_id(f"id_{number}" if answered == "own" else None, answered)

    small, large = (Work().of(lambda count=count: pair(count)) for count in (100, 1000))
    assert large < 11 * small
