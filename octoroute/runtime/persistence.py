"""The store of a running instance, chosen by `store.url`: a database, memory, or none."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import structlog

from octoroute.config.schema import Config
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Secret
from octoroute.domain.stored_response import BoundedResponseStore
from octoroute.errors import ConfigError
from octoroute.runtime.body_capture import BodyCapture, BodySettings, Decompress
from octoroute.runtime.traffic_log import redaction_of
from octoroute.store.base import HistoryStore
from octoroute.store.database import Database, day_at
from octoroute.store.durable import DurableHistory
from octoroute.store.history import HistoryRecorder, RecordSource
from octoroute.store.memory import MemoryHistory
from octoroute.store.postgresql import PostgresqlDatabase, has_driver
from octoroute.store.responses import DurableResponses
from octoroute.store.spool import Spool
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.stored_history import StoredHistory
from octoroute.store.vault import NO_VAULT, Vault, has_cryptography, key_of
from octoroute.store.writer_thread import BatchWriter, WriterThread
from octoroute.telemetry.access_log import OutcomeCallback
from octoroute.telemetry.metrics import Metrics

log = structlog.stdlib.get_logger("octoroute.store")

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
        self.database = database_of(self._url, state_directory, vault_of(config()))
        """None: the store is in memory, or there is none."""
        self._writer: WriterThread | None = None
        self._opened: list[DurableResponses] = []
        self._recorder: HistoryRecorder | None = None
        if self.database is None:
            self.history: HistoryStore = MemoryHistory(0) if self._url == "none" else MemoryHistory()
        else:
            self._writer, self.history = self._durable(config, self.database, state_directory)
        self.bodies = BodyCapture(self.history, dropped=lambda: self._count("without_body", 1))

    def _durable(
        self, config: Callable[[], Config], database: Database, state_directory: Path | None
    ) -> tuple[WriterThread, DurableHistory]:
        spool = spool_directory(database, state_directory)
        batches = BatchWriter(
            database,
            None if spool is None else Spool(spool, vault=database.vault),
            kept_since=lambda: kept_since(config().store.retention_days, self._wall()),
            bodies_since=lambda: day_at(self._wall()) - config().store.bodies_retention_days,
            count=self._count,
        )
        writer = WriterThread(batches)
        return writer, DurableHistory(database, writer)

    @property
    def is_off(self) -> bool:
        """No history is kept."""
        return self._url == "none"

    def observer(self, reason: Callable[[Decision], str], record: RecordSource) -> OutcomeCallback | None:
        """What keeps each outcome; None: the history is off, and costs nothing. `record`: the source of decision records."""
        if self.is_off:
            return None
        self._recorder = HistoryRecorder(self.history, reason=reason, wall=self._wall, record=record)
        return self._recorder.on_outcome

    def keep_bodies(self, config: Config, decompress: Decompress) -> None:
        """From the next request on, as the configuration says."""
        settings = body_settings_of(config)
        if settings is not None and self.database is None:
            log.warning("store.bodies: no bodies are kept, because the history is in memory or off; set store.url")
            settings = None
        self.bodies.use(settings, redaction_of(config), decompress)
        if self._recorder is not None:
            self._recorder.append_to(self.history if settings is None else self.bodies)

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


def body_settings_of(config: Config) -> BodySettings | None:
    """None: no bodies are kept."""
    store = config.store
    return BodySettings(max_bytes=store.bodies_max_bytes, excluded_keys=frozenset(store.bodies_except)) if store.bodies else None


def kept_since(retention_days: int, now_s: float) -> tuple[int, int]:
    """The first days of which requests and hourly sums are kept."""
    today = day_at(now_s)
    return today - retention_days, today - max(retention_days, SUMS_DAYS)


def vault_of(config: Config) -> Vault:
    """Raises ConfigError if encryption is asked for and cannot be done."""
    keys = [key for text in config.store.encryption_keys if (key := key_of(text.reveal())) is not None]
    if keys and not has_cryptography():
        raise ConfigError(["store.encryption_keys: encryption needs a library; install octoroute[encryption]"])
    return Vault(keys) if keys else NO_VAULT


def database_of(url: str, state_directory: Path | None, vault: Vault = NO_VAULT) -> Database | None:
    if url.startswith(("postgresql://", "postgres://")):
        if not has_driver():
            raise ConfigError(["store.url: PostgreSQL needs its driver; install octoroute[postgres]"])
        return PostgresqlDatabase(Secret(url), vault=vault)
    if file := sqlite_file(url):
        return SqliteDatabase(file, vault=vault)
    if url or state_directory is None:
        return None
    return SqliteDatabase(state_directory / FILE_NAME, vault=vault)


def stored_history(url: str, state_directory: Path | None, vault: Vault = NO_VAULT) -> StoredHistory:
    """The history for a command beside the gateway. Raises ConfigError if there is none that it could read."""
    return StoredHistory(present_database(url, state_directory, vault))


def present_database(url: str, state_directory: Path | None, vault: Vault = NO_VAULT) -> Database:
    """The database that a gateway has made. Raises ConfigError if there is none."""
    database = database_of(url, state_directory, vault)
    if url == "none":
        raise ConfigError(["store.url: is none, so there is no history"])
    if database is None:
        raise ConfigError(["the history is in the gateway's memory; set store.url, or OCTOROUTE_STATE_DIR to a directory"])
    if isinstance(database, SqliteDatabase) and not database.file.exists():
        raise ConfigError([f"{database.file}: there is no history yet; a running gateway makes it (store.url says where)"])
    return database


def spool_directory(database: Database, state_directory: Path | None) -> Path | None:
    """Of one database only: beside the file of SQLite, else in the state directory. None: there is none."""
    if isinstance(database, SqliteDatabase):
        return database.file.with_name(f"{database.file.name}-{SPOOL_NAME}")
    return state_directory and state_directory / f"{SPOOL_NAME}-{sha256(database.name.encode()).hexdigest()[:12]}"


def sqlite_file(url: str) -> Path | None:
    """None: the URL is of another kind."""
    prefix, _, name = url.partition("sqlite:///")
    return Path(name).expanduser() if not prefix and name else None
