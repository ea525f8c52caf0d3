"""What a piece of a file is bound to."""

from __future__ import annotations

from octoroute.store.files import piece_row


def test_pieces_cannot_be_taken_for_one_another():
    """Behaviour: tests/contract/test_job_stores.py, over every database."""
    assert len({piece_row("file-a", 1), piece_row("file-a", 11), piece_row("file-a1", 1)}) == 3
