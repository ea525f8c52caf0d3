"""The thread that writes the history: in batches, and whatever happens to the database, requests do not wait for it.

While the database is away, entries go to a spool on disk and are written when it is back. A database that must not be written is
left alone; the history of this process is then in memory.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from octoroute.store.base import HOUR_S, EntrySource, HistoryEntry, StoreUnavailable
from octoroute.store.bodies import without_body
from octoroute.store.database import Connection, Database, StatementError, UnusableStore, first_seq, suffix
from octoroute.store.erasure import drop_marks
from octoroute.store.memory import MemoryHistory
from octoroute.store.outage_log import OutageLog
from octoroute.store.spool import Spool
from octoroute.store.sql_writer import SqlWriter

log = structlog.stdlib.get_logger("octoroute.store")

BATCH_S = 0.05
"""How long an entry waits for others, or as long as the write before takes. A process that is killed loses what was answered in
that time and that of one write; docs/history.md has what was measured.
"""
MAX_BATCH = 2_000
MAX_PENDING = 50_000
"""Entries in memory that wait for the thread, or for a database that is away while there is no room in the spool; more are lost."""
RETRY_S = 1.0
"""Between two attempts to reach a database that is away."""
FLUSH_S = 2.0
"""How long a read waits for the entries before it."""
STOP_S = 5.0


class WriterThread:
    """`append` may be called on an event loop, `flush` and `stop` in any other thread."""

    def __init__(self, batches: BatchWriter) -> None:
        self._batches = batches
        self._pending: deque[tuple[EntrySource, tuple[object, ...]]] = deque()
        self._waiters: deque[threading.Event] = deque()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        """Do not wait for more entries."""
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def memory(self) -> MemoryHistory | None:
        """The history, if the database must not be written."""
        return self._batches.memory

    def start(self) -> None:
        """Open the database now, so that a problem is reported when the gateway starts. `append` does it otherwise."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="history", daemon=True)
            self._thread.start()

    def append(self, source: EntrySource, *arguments: object) -> None:
        pending = self._pending
        if len(pending) >= MAX_PENDING:
            self._batches.count("lost", 1)
            return
        pending.append((source, arguments))
        if not self._wake.is_set():
            if self._thread is None:
                self.start()
            self._wake.set()

    def flush(self) -> None:
        """Wait until what was appended before is written, or kept otherwise; not longer than FLUSH_S."""
        self.start()
        written = threading.Event()
        self._waiters.append(written)
        self._hurry.set()
        self._wake.set()
        written.wait(FLUSH_S)

    def stop(self) -> None:
        """Write what was appended, and end the thread."""
        if self._thread is None:
            return
        self._stopping = True
        self._hurry.set()
        self._wake.set()
        self._thread.join(STOP_S)
        self._thread = None

    def _run(self) -> None:
        self._batches.open()
        wrote_s = 0.0
        while True:
            waited_s = wrote_s if self._wake.is_set() else 0.0  # the oldest entry came while others were written
            self._wake.wait(self._batches.pause_s)
            self._hurry.wait(max(0.0, BATCH_S - waited_s) if self._pending else 0)
            self._hurry.clear()
            self._wake.clear()
            stopping = self._stopping
            waiters = [self._waiters.popleft() for _ in range(len(self._waiters))]
            began = time.monotonic()
            self._write_pending()
            wrote_s = time.monotonic() - began
            for waiter in waiters:
                waiter.set()
            if stopping:
                self._batches.close()
                return

    def _write_pending(self) -> None:
        pending = self._pending
        while True:
            entries: list[HistoryEntry] = []
            for _ in range(min(len(pending), MAX_BATCH)):
                source, arguments = pending.popleft()
                try:
                    entries.append(source(*arguments))
                except Exception as error:  # noqa: BLE001 - one entry must not end the thread
                    self._batches.count("lost", 1)
                    log.error("a request is missing from the history", problem=repr(error))  # noqa: TRY400 - its text says it
            self._batches.write(entries)
            if len(pending) < MAX_BATCH:
                return


class BatchWriter:
    """Writes batches to the database, the spool, or memory, as it is possible. It belongs to one thread."""

    def __init__(
        self,
        database: Database,
        spool: Spool | None,
        *,
        kept_since: Callable[[], tuple[int, int]],
        count: Callable[[str, int], None],
        bodies_since: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`spool`: None: there is no directory for one. `kept_since` returns the first days of which requests and hourly sums are
        kept: days since the epoch; `bodies_since` that of bodies.

        `count` is called with what became of entries (written, spooled, lost) and their number.
        """
        self._database = database
        self._spool = spool
        self._kept_since = lambda: (*kept_since(), bodies_since())
        self.count = count
        self._clock = clock
        self._rows = SqlWriter(database)
        self._connection: Connection | None = None
        self._retry_at: float | None = None
        """When to try again; None: the database was there when it was last needed."""
        self._held: deque[HistoryEntry] = deque()
        """For which there is no room in the spool."""
        self._outages = OutageLog(database.name, clock)
        self._clean_at = 0.0
        self.memory: MemoryHistory | None = None

    @property
    def pause_s(self) -> float:
        """How long to wait at most for the next call of `write`."""
        return HOUR_S if self._retry_at is None else RETRY_S

    def open(self) -> None:
        """Connect, and write what an earlier process left in the spool."""
        self.write([])

    def write(self, entries: Sequence[HistoryEntry]) -> None:
        """Never raises."""
        left = deque(entries)
        try:
            if self.memory is None and (self._retry_at is None or self._clock() >= self._retry_at):
                self._write_through(left)
        except StoreUnavailable as error:
            self._lose_connection(error)
        except UnusableStore as error:
            self._use_memory(error)
        except self._database.errors as error:
            self._use_memory(UnusableStore(f"{self._database.name}: is damaged, something in it cannot be read ({error!r})"))
        except Exception as error:  # a defect must not end the thread
            log.exception("history: writing failed")
            self._lose_connection(StoreUnavailable(repr(error)))
        self._keep(left)

    def close(self) -> None:
        if self._held:
            self.count("lost", len(self._held))
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write_through(self, left: deque[HistoryEntry]) -> None:
        """What is written leaves `left`."""
        connection = self._connection
        if connection is None:
            connection = self._connection = self._database.connect()
            self._rows.reset()
            self._outages.taken_in += self._write_spool(connection)
        while self._held:
            self._write_batch(connection, self._held)
        while left:
            self._write_batch(connection, left)
        self._retry_at = None
        self._outages.back()
        if self._clock() >= self._clean_at:
            self._clean_at = self._clock() + HOUR_S
            self._clean(connection)

    def _write_batch(self, connection: Connection, source: deque[HistoryEntry]) -> None:
        some = [source[at] for at in range(min(len(source), MAX_BATCH))]
        self._write_some(connection, some)
        for _ in some:
            source.popleft()

    def _write_some(self, connection: Connection, entries: Sequence[HistoryEntry]) -> None:
        """Entries that the database rejects, though it is there, are lost."""
        try:
            self._rows.write(connection, entries)
        except StatementError as error:
            if len(entries) == 1:
                self.count("lost", 1)
                self._outages.rejected(entries[0].row.id, str(error))
                return
            middle = len(entries) // 2
            self._write_some(connection, entries[:middle])
            self._write_some(connection, entries[middle:])
        else:
            self._outages.accepted()
            self.count("written", len(entries))

    def _write_spool(self, connection: Connection) -> int:
        """How many entries there were."""
        written = 0
        for entries in self._spool.batches() if self._spool is not None else ():
            self._write_some(connection, entries)
            written += len(entries)
        return written

    def _clean(self, connection: Connection) -> None:
        """Drop what is older than the retention."""
        requests_since, sums_since, bodies_since = self._kept_since()
        for day in self._database.days(connection):
            if day < requests_since:
                self._database.drop_day(connection, day)
            elif day < bodies_since and connection.execute(f"SELECT 1 FROM bodies_{suffix(day)} LIMIT 1").fetchone():
                self._database.empty_bodies(connection, day)
        connection.execute("DELETE FROM settings WHERE day < ?", (requests_since,))
        connection.execute("DELETE FROM rollups WHERE hour < ?", (sums_since * 24,))
        drop_marks(connection, first_seq(requests_since))

    def _lose_connection(self, error: StoreUnavailable) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._outages.away(str(error), "memory" if self._spool is None else "spool")
        self._retry_at = self._clock() + RETRY_S

    def _use_memory(self, error: UnusableStore) -> None:
        log.error("store cannot be used: the history is in memory until the next start", problem=str(error))
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.memory = MemoryHistory()
        self._retry_at = None

    def _keep(self, left: deque[HistoryEntry]) -> None:
        """What could not be written: in memory, on disk, or, if there is room nowhere, not at all."""
        if not left:
            return
        if self.memory is not None:
            for entry in map(without_body, left):
                self.memory.append(_made, entry)
        elif self._spool is not None and (self._spool.append(list(left)) or self._spool.append(list(map(without_body, left)))):
            self.count("spooled", len(left))
        else:
            room = max(0, MAX_PENDING - len(self._held))
            kept = [without_body(left.popleft()) for _ in range(min(room, len(left)))]
            self._held.extend(kept)
            if left:
                self.count("lost", len(left))


def _made(entry: HistoryEntry) -> HistoryEntry:
    """An `EntrySource`."""
    return entry
