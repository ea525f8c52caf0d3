"""The whole configuration: as a file holds it, and as the gateway runs on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from octoroute.balancing.queue import QueueSettings
from octoroute.balancing.retry import RetryPolicy
from octoroute.config import rules
from octoroute.config.schema.access import AuditTable, AuthTable
from octoroute.config.schema.balancing import ContextTable, HealthTable, SelectionTable, TimeoutsTable
from octoroute.config.schema.limits import LimitsTable, SharedTable
from octoroute.config.schema.logging import LoggingTable, ObservabilityTable, OtelTable
from octoroute.config.schema.models import ModelsTable, ProviderTable
from octoroute.config.schema.routing import RoutingTable
from octoroute.config.schema.server import BatchesTable, CacheTable, ServerTable, StoreTable
from octoroute.domain import text_check
from octoroute.domain.endpoint import Endpoint, ProviderLimits
from octoroute.domain.option import Key, Table


class FileTable(Table, frozen=True, kw_only=True):
    """A whole configuration file."""

    server: Annotated[ServerTable, Key("")] = ServerTable()
    providers: Annotated[Mapping[str, ProviderTable], Key("", check_name=text_check.label)] = {}
    models: Annotated[ModelsTable, Key("")] = ModelsTable()
    aliases: Annotated[
        Mapping[str, str],
        Key(
            "what a name or glob that clients ask for stands for: auto, a tier, or a configured name or id", check_name=rules.alias
        ),
    ] = {}
    routing: Annotated[RoutingTable, Key("")] = RoutingTable()
    selection: Annotated[SelectionTable, Key("")] = SelectionTable()
    retry: Annotated[RetryPolicy, Key("")] = RetryPolicy()
    queue: Annotated[QueueSettings, Key("")] = QueueSettings()
    health: Annotated[HealthTable, Key("")] = HealthTable()
    timeouts: Annotated[TimeoutsTable, Key("")] = TimeoutsTable()
    context: Annotated[ContextTable, Key("")] = ContextTable()
    auth: Annotated[AuthTable, Key("")] = AuthTable()
    audit: Annotated[AuditTable, Key("")] = AuditTable()
    privacy: Annotated[
        Mapping[str, tuple[str, ...]],
        Key(
            "regions of a privacy class; a class that is not here is the region of its name",
            check=rules.region_name,
            check_name=text_check.region_word,
        ),
    ] = {}
    cache: Annotated[CacheTable, Key("")] = CacheTable()
    store: Annotated[StoreTable, Key("")] = StoreTable()
    batches: Annotated[BatchesTable, Key("")] = BatchesTable()
    limits: Annotated[LimitsTable, Key("")] = LimitsTable()
    shared: Annotated[SharedTable, Key("")] = SharedTable()
    observability: Annotated[ObservabilityTable, Key("")] = ObservabilityTable()
    otel: Annotated[OtelTable, Key("")] = OtelTable()
    logging: Annotated[LoggingTable, Key("")] = LoggingTable()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway runs on. Endpoints stand in tier order, fast first, and in file order inside a tier."""

    server: ServerTable = ServerTable()
    endpoints: tuple[Endpoint, ...] = ()
    other_endpoints: tuple[Endpoint, ...] = ()
    """Those of other kinds than chat."""
    limits: Mapping[str, ProviderLimits] = {}
    """By provider; only those that have a limit."""
    aliases: Mapping[str, str] = {}
    routing: RoutingTable = RoutingTable()
    selection: SelectionTable = SelectionTable()
    retry: RetryPolicy = RetryPolicy()
    queue: QueueSettings = QueueSettings()
    health: HealthTable = HealthTable()
    context: ContextTable = ContextTable()
    auth: AuthTable = AuthTable()
    audit: AuditTable = AuditTable()
    privacy: Mapping[str, tuple[str, ...]] = {}
    cache: CacheTable = CacheTable()
    store: StoreTable = StoreTable()
    batches: BatchesTable = BatchesTable()
    shared: SharedTable = SharedTable()
    observability: ObservabilityTable = ObservabilityTable()
    otel: OtelTable = OtelTable()
    logging: LoggingTable = LoggingTable()
    source: str = ""
    warnings: tuple[str, ...] = ()
    file: FileTable = FileTable()
    """The same as the file has it, defaults filled in."""
    priorities: Mapping[str, float] = {}
    """By provider, the number that the file has, where the file's numbers are not octoroute's; for people."""
    written: Mapping[str, str] = {}
    """By path, the text in the file for each value that the environment had a part in."""
