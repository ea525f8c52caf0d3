"""A part of the hour of scripted faults; all of it is `python tests/torture/hour.py`."""

from __future__ import annotations

import pytest

from tests.support.virtual import run
from tests.torture.hour import hour


@pytest.mark.parametrize("seed", range(10, 14))
def test_no_client_of_auto_sees_an_error_while_one_endpoint_can_answer_and_every_error_has_the_true_cause(seed):
    seen, wrong = run(hour(2500, seed))
    assert wrong == []
    assert seen["200"] > 2000
    assert len(seen) > 4, "all at once there is trouble, too"


def test_the_law_is_not_blind():
    """A client that names a tier is not served by the others: the same law finds that."""
    _, wrong = run(hour(1000, 10, model="deep"))
    assert any("could answer" in text for text in wrong)
