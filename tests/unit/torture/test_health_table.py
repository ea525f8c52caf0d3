"""The truth table of health: what the page says is what the pipeline does, and the laws that it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.health_table import END, PROBES, REQUESTS, START, Row, rows, table

PAGE = (Path(__file__).parents[3] / "docs/reliability.md").read_text("utf-8")
ROWS = rows()


def row(requests: str, probes: str) -> Row:
    (found,) = [row for row in ROWS if (row.requests, row.probes) == (requests, probes)]
    return found


def test_the_page_has_the_table():
    _, _, rest = PAGE.partition(START)
    assert rest.partition(END)[0].strip() == table(lambda: ROWS), "run: python tests/torture/health_table.py"


def test_each_pair_is_there():
    assert len(ROWS) == len(REQUESTS) * len(PROBES)


@pytest.mark.parametrize("requests", REQUESTS)
@pytest.mark.parametrize("probes", ["no answer, three times", "the key is refused"])
def test_a_probe_alone_takes_no_endpoint_from_a_client(requests, probes):
    assert row(requests, probes).alone == row(requests, "none").alone


@pytest.mark.parametrize("requests", [name for name in REQUESTS if name != "three failed, no connection"])
def test_a_good_probe_brings_back_nothing_but_connections(requests):
    good, none = row(requests, "the server answers"), row(requests, "none")
    assert good[2:] == none[2:]


def test_a_good_probe_brings_back_what_a_connection_took():
    assert row("three failed, no connection", "the server answers").alone == "an answer of this endpoint"


@pytest.mark.parametrize("found", ROWS, ids=lambda found: f"{found.requests} / {found.probes}")
def test_beside_another_endpoint_every_client_gets_an_answer(found):
    assert found.beside.startswith("an answer of")


def test_a_success_has_precedence_over_a_status_of_a_probe():
    assert row("the last one succeeded", "the key is refused").beside == "an answer of this endpoint"
