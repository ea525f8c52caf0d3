"""The list of models as Anthropic has it: pages, beginning with the aliases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.anthropic.models import AnthropicModels, page_of
from octoroute.dialects.local_routes import ModelCard
from octoroute.errors import BadRequest

NAMES = [f"m{at}" for at in range(45)]


def test_aliases_come_first():
    listing = AnthropicModels().listing([ModelCard("auto", "octoroute")], ["claude-octoroute-auto"], {})
    assert [entry["id"] for entry in listing["data"]] == ["claude-octoroute-auto", "auto"]
    assert (listing["has_more"], listing["first_id"], listing["last_id"]) == (False, "claude-octoroute-auto", "auto")


def test_an_empty_page_has_no_ends():
    listing = AnthropicModels().listing([ModelCard("auto", "octoroute")], [], {"after_id": "auto"})
    assert (listing["data"], listing["first_id"], listing["last_id"]) == ([], None, None)


@given(st.integers(1, 50))
def test_pages_in_either_direction_hold_each_name_once(limit):
    forward, query = [], {"limit": str(limit)}
    more = True
    while more:
        page, more = page_of(NAMES, query)
        forward += page
        query = {"limit": str(limit), "after_id": page[-1]}
    assert forward == NAMES
    backward, query = [], {"limit": str(limit), "before_id": NAMES[-1]}
    more = True
    while more:
        page, more = page_of(NAMES, query)
        backward = page + backward
        query = {"limit": str(limit), "before_id": page[0]}
    assert backward == NAMES[:-1]


def test_twenty_are_a_page():
    assert page_of(NAMES, {}) == (NAMES[:20], True)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1.5", "\u0663"])
def test_a_limit_that_is_none_is_named(limit):
    with pytest.raises(BadRequest, match="limit"):
        page_of(NAMES, {"limit": limit})


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 7))
def test_pages_put_together_are_the_list_in_either_direction(names, limit):
    forwards, after, more = [], {}, True
    while more:
        page, more = page_of(names, {"limit": str(limit), **after})
        assert len(page) <= limit
        forwards += page
        after = {"after_id": page[-1]} if page else {}
    assert forwards == names
    backwards, before, more = [], {"before_id": names[-1]} if names else {}, bool(names)
    while more:
        page, more = page_of(names, {"limit": str(limit), **before})
        backwards = page + backwards
        before = {"before_id": page[0]} if page else {}
    assert backwards == names[:-1]


@pytest.mark.parametrize(
    ("query", "page", "more"), [({}, NAMES[:20], True), ({"limit": "1000"}, NAMES, False), ({"after_id": "nope"}, NAMES[:20], True)]
)
def test_what_is_not_asked_for_is_the_first_twenty(query, page, more):
    assert page_of(NAMES, query) == (page, more)
