"""Batches as OpenAI's types have them; the routes are tested in tests/behaviour/test_batches.py."""

from __future__ import annotations

import pytest

from octoroute.domain.principal import Principal
from octoroute.errors import BadRequest
from octoroute.server.routes.batches import batch_object, read_batch, window_s
from octoroute.store.batches import OPEN, BatchJob, BatchProgress, LineError, StoredBatch


@pytest.mark.parametrize("status", [*OPEN, "completed", "failed", "expired", "cancelled"])
def test_a_batch_is_what_the_sdk_says(status):
    types = pytest.importorskip("openai.types", reason="pip install --group sdks")
    job = BatchJob(
        endpoint="/v1/responses",
        input_file="file-1",
        window="24h",
        expires_at=9.5,
        metadata={"a": "b"},
        principal=Principal(name="team"),
    )
    progress = BatchProgress(
        total=3, completed=1, failed=1, errors=(LineError(code="c", message="m", line=2),), times={f"{status}_at": 2.5}
    )
    batch = StoredBatch(id="batch_1", owner="o", status=status, created_at=1.5, job=job, progress=progress, cancelling_at=3.5)
    read = types.Batch.model_validate(batch_object(batch), strict=True)
    assert (read.status, read.errors.data[0].line, read.request_counts.total) == (status, 2, 3)
    assert (read.created_at, read.expires_at, read.cancelling_at) == (1, 9, 3)
    assert "team" not in str(batch_object(batch))


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86400.0), ("1h", 3600.0), ("168h", 604800.0)])
def test_windows(text, seconds):
    assert window_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0h", "24", "24H", "1d", "169h", "9999h", "-1h", "24h\n"])
def test_what_is_no_window(text):
    with pytest.raises(BadRequest):
        window_s(text)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"input_file_id": "a", "endpoint": 3}'])
def test_what_is_no_batch(body):
    with pytest.raises(BadRequest):
        read_batch(body)
