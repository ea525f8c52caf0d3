"""Prompt-cache breakpoints within Anthropic's rules."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.cache_marks import LONG, MAX_CACHE_MARKS, SHORT, read_mark, tidy_marks, with_mark


@pytest.mark.parametrize(
    ("mark", "lifetime"),
    [
        (None, ""),
        ({}, SHORT),
        ({"type": "ephemeral"}, SHORT),
        ({"type": "ephemeral", "ttl": "5m"}, SHORT),
        ({"type": "ephemeral", "ttl": "1h"}, LONG),
        ({"ttl": 7}, SHORT),
        ("ephemeral", ""),
        (True, ""),
    ],
)
def test_a_mark_is_read_as_its_lifetime(mark, lifetime):
    assert read_mark(mark) == lifetime


def blocks_of(lifetimes):
    return [with_mark({"text": str(at)}, lifetime) for at, lifetime in enumerate(lifetimes)]


@given(st.lists(st.sampled_from(["", SHORT, LONG])), st.integers(1, MAX_CACHE_MARKS))
def test_any_marks_become_marks_that_anthropic_accepts(lifetimes, limit):
    blocks, notes = blocks_of(lifetimes), []
    before = copy.deepcopy(blocks)
    tidy_marks(blocks, notes, limit=limit)
    marks = [read_mark(block.get("cache_control")) for block in blocks]
    kept = [mark for mark in marks if mark]
    assert len(kept) == min(limit, sum(map(bool, lifetimes)))
    assert kept == sorted(kept), "a long mark (1h) never follows a short one (5m)"
    assert all(not after or given for given, after in zip(lifetimes, marks, strict=True)), "no mark is invented"
    assert bool(notes) == (blocks != before), "a change is noted, and nothing else is"
    again = []
    tidy_marks(blocks, again, limit=limit)
    assert not again


def test_marks_share_nothing_that_a_change_would_reach():
    first, second = blocks_of([SHORT, SHORT])
    del first["cache_control"]
    assert second["cache_control"] == {"type": "ephemeral"}
