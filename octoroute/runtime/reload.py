"""Hot reload: replaces the running configuration, one change at a time, and only by a valid one.

An invalid configuration raises, and the running one stays. Requests under way keep the settings they began with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from octoroute.config.file import ConfigFile
from octoroute.config.schema import Config
from octoroute.errors import BadRequest

log = structlog.stdlib.get_logger("octoroute.config")

RESTART_ONLY = (
    "server.host",
    "server.port",
    "server.workers",
    "server.drain_timeout_seconds",
    "server.shutdown_delay_seconds",
    "shared.url",
    "store.url",
    "store.encryption_keys",
    "observability.log_level",
    "observability.log_format",
    "otel.endpoint",
    "otel.headers",
    "otel.semconv",
    "otel.service_name",
    "otel.traces",
    "otel.metrics",
    "otel.sample_ratio",
    "otel.metrics_interval_seconds",
)
"""Keys that are read only when the process starts."""

NO_FILE = "this gateway was not started from a configuration file; start it with `octoroute --config FILE`"


class ReloadResult(msgspec.Struct, frozen=True, kw_only=True):
    config: Config
    waiting: tuple[str, ...]
    """Keys that have changed, and take effect with the next start."""
    backup: Path | None = None


class Reloader:
    def __init__(
        self,
        swap: Callable[[Config], None],
        running: Callable[[], Config],
        *,
        load: Callable[[], Config] | None = None,
        file: ConfigFile | None = None,
        notify_workers: Callable[[], None] | None = None,
    ) -> None:
        """`swap` makes a configuration the running one, `running` returns it, `load` reads it again from its source (None: it has
        none, or `file`), and `notify_workers` makes the other workers reload.
        """
        self._swap = swap
        self._running = running
        self._load = load or (file.load if file else None)
        self._file = file
        self._notify_workers = notify_workers or (lambda: None)
        self._lock = asyncio.Lock()

    async def reload(self, load: Callable[[], Config]) -> ReloadResult:
        """Raises ConfigError with every problem."""
        async with self._lock:
            return self._change(await asyncio.to_thread(load))

    async def reload_all(self) -> ReloadResult:
        """Reload in every worker. Raises ConfigError with every problem, and BadRequest if the configuration has no source."""
        if self._load is None:
            raise BadRequest(NO_FILE)
        changed = await self.reload(self._load)
        self._notify_workers()
        return changed

    async def replace(self, text: str, language: Literal["toml", "json"]) -> ReloadResult:
        """Check `text`, write it to the file, and make it the running configuration; on an error nothing changes.

        Raises ConfigError with every problem, and OctorouteError when the file cannot be written.
        """
        file = self._file
        if file is None:
            raise BadRequest(NO_FILE)
        async with self._lock:
            proposal = await asyncio.to_thread(file.propose, text, language)
            backup = await asyncio.to_thread(file.replace, proposal)
            try:
                changed = self._change(proposal.config)
            except Exception:
                await asyncio.to_thread(file.restore, backup)
                raise
        self._notify_workers()
        log.info("configuration written", config=str(file.path), backup=str(backup))
        return msgspec.structs.replace(changed, backup=backup)

    async def check(self, text: str, language: Literal["toml", "json"]) -> Config:
        """Return what `replace` would make the running configuration. Raises ConfigError, and BadRequest if there is no file."""
        if self._file is None:
            raise BadRequest(NO_FILE)
        return (await asyncio.to_thread(self._file.propose, text, language)).config

    def masked_text(self) -> str | None:
        """Return the file's TOML with each secret as `***`; None if there is no such file, or a secret would be seen in it."""
        return None if self._file is None else self._file.masked_text(self._running())

    def _change(self, config: Config) -> ReloadResult:
        old = self._running()
        self._swap(config)
        waiting = tuple(key for key in RESTART_ONLY if _at(old, key) != _at(config, key))
        if bool(old.server.tls.cert_file) != bool(config.server.tls.cert_file):
            waiting += ("server.tls",)
        for key in waiting:
            log.warning("this key changes with the next start only", key=key)
        for warning in config.warnings:
            log.warning(warning)
        log.info("configuration reloaded", config=config.source, endpoints=len(config.endpoints))
        return ReloadResult(config=config, waiting=waiting)


def _at(config: Config, key: str) -> object:
    table, name = key.split(".")
    return getattr(getattr(config, table), name)
