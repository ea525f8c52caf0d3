"""Takes batches from the store and works on them beside the traffic of clients.

Several processes may share the store: a lease says which one works on a batch. What a line answered is stored before it counts, so
that a batch goes on after a crash where it was, and no line that has a result is asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable

import msgspec
import structlog

from octoroute.errors import StorageUnavailable
from octoroute.runtime.batch_run import AnswerLine, BatchRun
from octoroute.runtime.line_gate import LineGate
from octoroute.runtime.tasks import TaskOwner
from octoroute.store.batches import BatchStore, LeaseLost, StoredBatch
from octoroute.store.files import FileStore

log = structlog.stdlib.get_logger("octoroute.batches")

LEASE_S = 30.0
"""After a process has gone, its batches rest for so long at most."""
POLL_S = 5.0
"""How often the store is asked for batches of other processes."""
MAX_BATCHES = 8
"""At once in a process; others wait."""
CLEAN_S = 3600.0


class BatchRunner:
    def __init__(
        self, files: FileStore, batches: BatchStore, *, gate: LineGate, answer: AnswerLine, wall: Callable[[], float]
    ) -> None:
        self._files = files
        self._batches = batches
        self._gate = gate
        self._answer = answer
        self._wall = wall
        self._worker = secrets.token_hex(8)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = TaskOwner()
        self._wake = asyncio.Event()

    def notify(self) -> None:
        """A batch was made or cancelled in this process: it is looked at now."""
        woken, self._wake = self._wake, asyncio.Event()
        woken.set()

    async def run(self) -> None:
        clean_at = 0.0
        try:
            while True:
                woken = self._wake
                with contextlib.suppress(StorageUnavailable):
                    await self._claim()
                    if self._wall() >= clean_at:
                        clean_at = self._wall() + CLEAN_S
                        await self._clean()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), POLL_S)
        finally:
            await self._tasks.stop()

    async def _claim(self) -> None:
        room = MAX_BATCHES - len(self._running)
        if room > 0:
            for batch in await self._batches.claim(self._worker, self._wall(), LEASE_S, room):
                task = self._running[batch.id] = self._tasks.start(batch.id, self._hold(batch))
                task.add_done_callback(lambda _, id=batch.id: self._running.pop(id, None))

    async def _clean(self) -> None:
        since = self._wall() - self._gate.settings().retention_s
        await self._files.clean(self._wall(), since)
        await self._batches.clean(since)

    async def _hold(self, batch: StoredBatch) -> None:
        run = BatchRun(
            batch,
            self._worker,
            files=self._files,
            batches=self._batches,
            gate=self._gate,
            answer=self._answer,
            wall=self._wall,
        )
        pause_s = 0.0
        try:
            await self._run_with_lease(run)
        except LeaseLost:
            log.info("batch is continued elsewhere, or was cancelled", batch=batch.id)
        except StorageUnavailable as error:
            pause_s = POLL_S
            log.error("batch waits for the store", batch=batch.id, problem=str(error))  # noqa: TRY400 - its text says it
        except Exception:
            pause_s = LEASE_S
            log.exception("batch failed, and is tried again", batch=batch.id)
        finally:  # at the end of the process, too: another one may go on at once
            with contextlib.suppress(StorageUnavailable):
                await self._batches.renew(batch.id, self._worker, self._wall() + pause_s)
            if not pause_s:
                self.notify()

    async def _run_with_lease(self, run: BatchRun) -> None:
        """The work ends when the lease cannot be renewed; after a client's cancellation only the results are written."""
        own, event = TaskOwner(), self._wake
        work = own.start("batch", run.run())
        try:
            while not work.done():
                woken = own.start("wake", _woken(event))
                await asyncio.wait({work, woken}, timeout=LEASE_S / 3, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                event = self._wake  # before the store is read: what is said from now on is not missed
                status = None if work.done() else await self._batches.renew(run.batch.id, self._worker, self._wall() + LEASE_S)
                if status is None:
                    break
                if status == "cancelling" and run.batch.status != status:
                    await own.stop()
                    run.batch = msgspec.structs.replace(run.batch, status=status)
                    work = own.start("batch", run.run())
            if work.done():
                work.result()
        finally:
            await own.stop()


async def _woken(event: asyncio.Event) -> None:
    await event.wait()
