"""The work on one batch: check its file, ask its lines, write its results into files. Each step goes on after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TypeAlias

import msgspec

from octoroute.gateway.batch_lines import (
    MAX_LINES,
    BatchLine,
    InputLines,
    InvalidLine,
    LineAnswer,
    expired_line,
    read_line,
    result_line,
)
from octoroute.runtime.line_gate import LineGate
from octoroute.store.batches import BatchStore, LineError, StoredBatch
from octoroute.store.files import PIECE_BYTES, FileStore, StoredFile

AnswerLine: TypeAlias = Callable[[StoredBatch, BatchLine], Awaitable[LineAnswer]]
"""Asks a model as the batch's client. Never raises an OctorouteError."""

MAX_ERRORS = 100
"""Reported of a file that is no valid input."""
MAX_HELD_LINES = 16
"""Of a batch in memory; some of them may wait for a limit."""
RETRY_S = (1.0, 4.0)
"""Before a line is asked again that failed by no fault of its own, if no time to wait is known."""
MIN_WAIT_S = 0.2
_RESULTS_AT_ONCE = 20
_LINES_A_TURN = 50
"""That are read before other tasks run."""
_TOO_EARLY = frozenset({429, 503})
"""Statuses that say when to come again: that is waited for, as long as the batch has time."""


class BatchRun:
    def __init__(
        self,
        batch: StoredBatch,
        worker: str,
        *,
        files: FileStore,
        batches: BatchStore,
        gate: LineGate,
        answer: AnswerLine,
        wall: Callable[[], float],
    ) -> None:
        """`worker` holds the lease."""
        self.batch = batch
        """As it is in the store, but for a client's cancellation."""
        self._worker = worker
        self._files = files
        self._batches = batches
        self._gate = gate
        self._answer = answer
        self._wall = wall

    async def run(self) -> None:
        """From the status that the batch has to its end. Raises LeaseLost, and StorageUnavailable."""
        if self.batch.status == "validating":
            await self._validate()
        if self.batch.status == "in_progress":
            await self._ask_all()
            await self._advance("finalizing")
        if self.batch.status == "finalizing":
            await self._finish(self.batch.progress.ends_as)
        elif self.batch.status == "cancelling":
            await self._finish("cancelled")

    async def _advance(self, status: str, **changes: object) -> None:
        progress = msgspec.structs.replace(self.batch.progress, **changes)
        progress = msgspec.structs.replace(progress, times={**progress.times, f"{status}_at": self._wall()})
        self.batch = await self._batches.update(self.batch, self._worker, status, progress)

    async def _validate(self) -> None:
        errors: list[LineError] = []
        seen: set[str] = set()
        total = 0
        try:
            async for number, data in self._raw_lines():
                total += 1
                try:
                    line = read_line(number, data, self.batch.job.endpoint)
                    _check_unique(line, seen)
                    seen.add(line.custom_id)
                except InvalidLine as error:
                    errors.append(error.error)
                if total > MAX_LINES:
                    errors.append(_problem("too_many_tasks", f"the file has more than {MAX_LINES} requests"))
                if len(errors) >= MAX_ERRORS or total > MAX_LINES:
                    break
        except InvalidLine as error:
            errors.append(error.error)
        if not total and not errors:
            errors.append(_problem("empty_file", "the file has no requests"))
        if errors:
            await self._advance("failed", errors=tuple(errors[:MAX_ERRORS]))
        else:
            await self._advance("in_progress", total=total)

    async def _raw_lines(self) -> AsyncIterator[tuple[int, bytes]]:
        splitter = InputLines(self._gate.settings().max_line_bytes)
        async for piece in self._files.pieces(self.batch.job.input_file):
            for count, found in enumerate(splitter.feed(piece)):
                if count % _LINES_A_TURN == 0:
                    await asyncio.sleep(0)
                yield found
        for found in splitter.end():
            yield found

    async def _ask_all(self) -> None:
        """Ask the lines that have no result yet. What is not asked in time gets an error instead."""
        answered = await self._batches.answered(self.batch.id)
        held = asyncio.Semaphore(MAX_HELD_LINES)
        try:
            async with asyncio.TaskGroup() as group:
                async for number, data in self._raw_lines():
                    if number not in answered:
                        await held.acquire()
                        line = read_line(number, data, self.batch.job.endpoint)
                        group.create_task(self._ask_one(line)).add_done_callback(lambda _: held.release())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _ask_one(self, line: BatchLine) -> None:
        answer = await self._asked(line)
        batch = self.batch
        if answer is None:
            if batch.progress.ends_as != "expired":
                progress = msgspec.structs.replace(batch.progress, ends_as="expired")
                self.batch = await self._batches.update(batch, self._worker, "in_progress", progress)
            await self._batches.record(batch.id, self._worker, line.number, expired_line(batch.id, line), failed=True)
        else:
            result = result_line(batch.id, line, answer)
            await self._batches.record(batch.id, self._worker, line.number, result, failed=answer.failed)

    async def _asked(self, line: BatchLine) -> LineAnswer | None:
        """The last answer, after repetitions where they may help; None: there was no time to ask."""
        until, tries, answer = self.batch.job.expires_at, 0, None
        while await self._gate.enter(until):
            try:
                answer = await self._answer(self.batch, line)
            finally:
                self._gate.leave()
            if answer.status in _TOO_EARLY and answer.retry_after_s is not None:
                wait_s = answer.retry_after_s
            elif answer.status >= 500 and tries < len(RETRY_S):
                wait_s, tries = RETRY_S[tries], tries + 1
            else:
                return answer
            if self._wall() + wait_s >= until:
                return answer
            await asyncio.sleep(max(wait_s, MIN_WAIT_S))
        return answer

    async def _finish(self, status: str) -> None:
        """Write the results into files, then end the batch. A crash before the end leaves files that are cleaned up later."""
        sizes: dict[StoredFile, int] = {}
        output, completed = await self._write("output", sizes)
        errors, failed = await self._write("error", sizes)
        progress = msgspec.structs.replace(
            self.batch.progress,
            completed=completed,
            failed=failed,
            output_file=output,
            error_file=errors,
            times={**self.batch.progress.times, f"{status}_at": self._wall()},
        )
        await self._batches.finish(self.batch, self._worker, status, progress, sizes)

    async def _write(self, kind: str, sizes: dict[StoredFile, int]) -> tuple[str | None, int]:
        """The id of the file, None without a result, and the number of results."""
        file: StoredFile | None = None
        buffer = bytearray()
        after = count = size = pieces = 0
        while found := await self._batches.results(self.batch.id, failed=kind == "error", after=after, limit=_RESULTS_AT_ONCE):
            if file is None:
                name = f"{self.batch.id}_{kind}.jsonl"
                file = await self._files.begin(self.batch.owner, "batch_output", name, self._wall())
            after, count = found[-1][0], count + len(found)
            for _, result in found:
                buffer += result
            while len(buffer) >= PIECE_BYTES:
                await self._files.append(file, pieces, bytes(buffer[:PIECE_BYTES]))
                del buffer[:PIECE_BYTES]
                pieces, size = pieces + 1, size + PIECE_BYTES
        if file is None:
            return None, 0
        await self._files.append(file, pieces, bytes(buffer))
        sizes[file] = size + len(buffer)
        return file.id, count


def _check_unique(line: BatchLine, seen: Collection[str]) -> None:
    """Raises InvalidLine."""
    if line.custom_id in seen:
        message = f"custom_id is that of an earlier line: {line.custom_id[:64]!r}"
        raise InvalidLine(_problem("duplicate_custom_id", message, line.number, "custom_id"))


def _problem(code: str, message: str, line: int | None = None, param: str | None = None) -> LineError:
    return LineError(code=code, message=message, line=line, param=param)
