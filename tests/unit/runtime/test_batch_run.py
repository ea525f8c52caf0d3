"""The work on one batch: too many errors or lines are cut off. The rest is in test_batch_runner.py and tests/behaviour/test_batches.py."""

from __future__ import annotations

import pytest

from octoroute.gateway.batch_lines import LineAnswer
from octoroute.runtime import batch_run
from octoroute.runtime.batch_run import BatchRun
from octoroute.runtime.line_gate import BatchSettings, LineGate
from octoroute.store.batches import BatchJob, BatchProgress, StoredBatch
from tests.support.jobs import jsonl, line


class Files:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def pieces(self, id):
        for at in range(0, len(self._data), 100):
            yield self._data[at : at + 100]


class Batches:
    async def update(self, batch, worker, status, progress):
        return StoredBatch(
            id=batch.id, owner=batch.owner, status=status, created_at=batch.created_at, job=batch.job, progress=progress
        )


async def checked(data: bytes, max_line_bytes: int = 10_000) -> StoredBatch:
    job = BatchJob(endpoint="/v1/chat/completions", input_file="f", window="24h", expires_at=9.0)
    batch = StoredBatch(id="b", owner="", status="validating", created_at=1.0, job=job, progress=BatchProgress())
    gate = LineGate(lambda: BatchSettings(2, None, max_line_bytes, 1e9), lambda: False, lambda: 1.0)

    async def answer(batch, asked):
        return LineAnswer(status=200, body=b"{}")

    run = BatchRun(batch, "w", files=Files(data), batches=Batches(), gate=gate, answer=answer, wall=lambda: 2.0)  # type: ignore[arg-type]
    await run._validate()
    return run.batch


async def test_errors_and_lines_have_limits(monkeypatch):
    found = await checked(b"x\n" * 1000)
    assert (found.status, len(found.progress.errors), found.progress.times) == ("failed", 100, {"failed_at": 2.0})
    monkeypatch.setattr(batch_run, "MAX_LINES", 3)
    assert (await checked(jsonl(*(line(at) for at in range(3))))).progress.total == 3
    assert [error.code for error in (await checked(jsonl(*(line(at) for at in range(4))))).progress.errors] == ["too_many_tasks"]


@pytest.mark.parametrize("limit", [50, 150])
async def test_a_line_that_is_too_long_ends_the_check(limit):
    assert [error.code for error in (await checked(jsonl(line(1, pad="x" * 5000)), limit)).progress.errors] == ["line_too_long"]
