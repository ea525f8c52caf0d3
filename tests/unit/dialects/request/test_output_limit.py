"""The output budget of a request."""

from __future__ import annotations

import pytest

from octoroute.dialects.request.output_limit import fit_output_tokens


@pytest.mark.parametrize(
    ("wanted", "limit", "sent", "noted"),
    [
        (None, 10, None, False),
        (-1, 10, None, False),
        (0, None, None, False),
        (-7, None, None, False),
        (1, 10, 1, False),
        (10, 10, 10, False),
        (11, 10, 10, True),
        (10**9, None, 10**9, False),
    ],
)
def test_budgets(wanted, limit, sent, noted):
    notes: list[str] = []
    assert fit_output_tokens(wanted, limit, notes) == sent
    assert bool(notes) is noted
