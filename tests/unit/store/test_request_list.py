"""Parameters of the list of requests, and its CSV."""

from __future__ import annotations

import pytest

from octoroute.errors import BadRequest
from octoroute.store.request_list import as_csv, list_query

NOW = 1_800_000_000.0


def test_parameters_become_a_filter():
    query = list_query([("from", "1h"), ("tier", "fast"), ("tier", "deep"), ("id", "abc"), ("limit", "7"), ("cursor", "99")], NOW)
    assert (query.limit, query.before) == (7, 99)
    assert query.wanted.since_s == NOW - 3600
    assert query.wanted.where == {"tier": ["fast", "deep"]}
    assert query.wanted.id_prefix == "abc"


def test_an_empty_parameter_is_none_but_an_empty_dimension_is_a_request_without_a_value():
    query = list_query([("id", ""), ("limit", ""), ("q", ""), ("error", "")], NOW)
    assert (query.limit, query.wanted.id_prefix, query.wanted.text) == (50, "", None)
    assert query.wanted.where == {"error": [""]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "1001"),
        ("limit", "1.5"),
        ("limit", "٣"),
        ("cursor", "9" * 30),
        ("id", "x" * 257),
        ("from", "soon"),
        ("colour", ""),
    ],
)
def test_what_is_wrong_is_named(name, value):
    with pytest.raises(BadRequest) as caught:
        list_query([(name, value)], NOW)
    assert caught.value.param == name


def test_a_cell_that_a_spreadsheet_would_run_is_text():
    text = as_csv([{"at": 0.0, "id": "=cmd()", "attempts": [1, 2], "stream": True}], ["at", "id", "attempts", "stream"])
    assert text.splitlines() == ["at,id,attempts,stream", "1970-01-01T00:00:00Z,'=cmd(),2,1"]
