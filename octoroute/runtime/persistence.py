"""The store of a running instance, chosen by `store.url`: a database, memory, or none."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from octoroute.config.schema import Config
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Secret
from octoroute.domain.stored_response import BoundedResponseStore
from octoroute.errors import ConfigError
from octoroute.store.base import HistoryStore
from octoroute.store.database import Database, day_at
from octoroute.store.durable import DurableHistory
from octoroute.store.history import HistoryRecorder
from octoroute.store.memory import MemoryHistory
from octoroute.store.postgresql import PostgresqlDatabase, has_driver
from octoroute.store.read_only import ReadOnlyHistory
from octoroute.store.responses import DurableResponses
from octoroute.store.spool import Spool
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.writer_thread import BatchWriter, WriterThread
from octoroute.telemetry.access_log import OutcomeCallback
from octoroute.telemetry.metrics import Metrics

FILE_NAME = "octoroute.db"
SPOOL_NAME = "spool"
SUMS_DAYS = 400
"""How long hourly sums are kept, at least."""


class Persistence:
    def __init__(
        self, config: Callable[[], Config], metrics: Metrics, wall: Callable[[], float], state_directory: Path | None
    ) -> None:
        """`config` returns the running configuration. Raises ConfigError if the driver of the database is not installed."""
        self._metrics = metrics
        self._wall = wall
        self._url = config().store.url.reveal()
        self.database = database_of(self._url, state_directory)
        """None: the store is in memory, or there is none."""
        self._writer: WriterThread | None = None
        self._opened: list[DurableResponses] = []
        if self.database is None:
            self.history: HistoryStore = MemoryHistory(0) if self._url == "none" else MemoryHistory()
            return
        spool = spool_directory(self.database, state_directory)
        batches = BatchWriter(
            self.database,
            None if spool is None else Spool(spool),
            kept_since=lambda: kept_since(config().store.retention_days, wall()),
            count=self._count,
        )
        self._writer = WriterThread(batches)
        self.history = DurableHistory(self.database, self._writer)

    @property
    def is_off(self) -> bool:
        """No history is kept."""
        return self._url == "none"

    def observer(self, reason: Callable[[Decision], str]) -> OutcomeCallback | None:
        """What keeps each outcome; None: the history is off, and costs nothing."""
        if self.is_off:
            return None
        return HistoryRecorder(self.history, reason=reason, wall=self._wall).on_outcome

    def responses(self, memory: BoundedResponseStore) -> BoundedResponseStore | None:
        """The responses that clients store, in the database, or in `memory` while it is away. None: there is no database."""
        if self.database is None:
            return None
        made = DurableResponses(self.database, memory, self._wall)
        self._opened.append(made)
        return made

    def start(self) -> None:
        """Open the database, so that a problem is reported at once. Requests do not wait for it."""
        if self._writer is not None:
            self._writer.start()

    async def close(self) -> None:
        await self.history.close()
        for responses in self._opened:
            responses.close()

    def _count(self, result: str, by: int) -> None:
        self._metrics.count("octoroute_history_entries_total", result, by=by)


def kept_since(retention_days: int, now_s: float) -> tuple[int, int]:
    """The first days of which requests and hourly sums are kept."""
    today = day_at(now_s)
    return today - retention_days, today - max(retention_days, SUMS_DAYS)


def database_of(url: str, state_directory: Path | None) -> Database | None:
    if url.startswith(("postgresql://", "postgres://")):
        if not has_driver():
            raise ConfigError(["store.url: PostgreSQL needs its driver; install octoroute[postgres]"])
        return PostgresqlDatabase(Secret(url))
    if file := sqlite_file(url):
        return SqliteDatabase(file)
    if url or state_directory is None:
        return None
    return SqliteDatabase(state_directory / FILE_NAME)


def stored_history(url: str, state_directory: Path | None) -> ReadOnlyHistory:
    """The history for a command beside the gateway. Raises ConfigError if there is none that it could read."""
    database = database_of(url, state_directory)
    if url == "none":
        raise ConfigError(["store.url: is none, so there is no history"])
    if database is None:
        raise ConfigError(["the history is in the gateway's memory; set store.url, or OCTOROUTE_STATE_DIR to a directory"])
    if isinstance(database, SqliteDatabase) and not database.file.exists():
        raise ConfigError([f"{database.file}: there is no history yet; a running gateway makes it (store.url says where)"])
    return ReadOnlyHistory(database)


def spool_directory(database: Database, state_directory: Path | None) -> Path | None:
    """Of one database only: beside the file of SQLite, else in the state directory. None: there is none."""
    if isinstance(database, SqliteDatabase):
        return database.file.with_name(f"{database.file.name}-{SPOOL_NAME}")
    return state_directory and state_directory / f"{SPOOL_NAME}-{sha256(database.name.encode()).hexdigest()[:12]}"


def sqlite_file(url: str) -> Path | None:
    """None: the URL is of another kind."""
    prefix, _, name = url.partition("sqlite:///")
    return Path(name).expanduser() if not prefix and name else None
