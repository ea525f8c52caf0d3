"""Which statuses a batch can have."""

from __future__ import annotations

from octoroute.store.batches import CANCELLABLE, OPEN, result_row


def test_a_batch_that_is_being_finished_cannot_be_cancelled():
    """Behaviour: tests/contract/test_job_stores.py, over every database."""
    assert set(OPEN) - set(CANCELLABLE) == {"finalizing", "cancelling"}
    assert result_row("batch_a", 1) != result_row("batch_a", 11)
