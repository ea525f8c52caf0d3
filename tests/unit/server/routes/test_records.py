"""The list of requests and their records; what they say is tested in tests/behaviour/test_decision_records.py."""

from __future__ import annotations

from octoroute.gateway.decision_record.archive import not_kept


def test_an_id_is_quoted_and_cut():
    text = not_kept("x" * 5000 + "\n")
    assert len(text) < 300
    assert "\n" not in text
