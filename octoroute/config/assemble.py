"""From a file whose keys are valid one by one to the Config that the gateway runs on, with the checks across keys. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

import msgspec

from octoroute.access.price_list import listed_price
from octoroute.config import check_connection
from octoroute.config.advice import advise
from octoroute.config.check_aliases import check_aliases
from octoroute.config.check_clients import check_clients
from octoroute.config.check_headers import check_credentials, merge_headers
from octoroute.config.check_selection import check_selection
from octoroute.config.check_tokens import check_tokens
from octoroute.config.environment import child
from octoroute.config.reader import ConfigReader, nearest
from octoroute.config.schema.file import Config, FileTable
from octoroute.config.schema.key import Names
from octoroute.config.schema.models import DEFAULT_KIND, EndpointTable, ProviderTable
from octoroute.config.schema.routing import RoutingTable
from octoroute.domain.endpoint import CHAT_TIERS, Capability, Endpoint, ProviderLimits, Secret, Tier
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.thresholds import thresholds_of
from octoroute.upstream.providers import KINDS
from octoroute.upstream.providers.base_url import root_of


class Entry(msgspec.Struct, frozen=True):
    """One endpoint as the file has it. `group` is the name of its tier."""

    group: str
    path: str
    table: EndpointTable


def assemble(file: FileTable, reader: ConfigReader, names: Names, source: str) -> Config:
    """The result may be used only if `reader.problems` is empty."""
    entries = tuple(_entries(file))
    _check_names(entries, reader)
    _check_presence(entries, file, reader)
    _check_routing(file.routing, reader)
    if file.context.critical_at < file.context.warn_at and not reader.wrong("context"):
        reader.problem("context.critical_at", f"must not be below warn_at ({file.context.warn_at:g}); raise it, or lower warn_at")
    ids = _ids(entries, file, reader)
    places = _places(entries)
    by_path = {
        entry.path: (entry.group, _endpoint(entry, endpoint_id, place, file, names, reader))
        for entry, endpoint_id, place in zip(entries, ids, places, strict=True)
        if _provider(entry, file).enabled
    }
    built = list(by_path.values())
    check_connection.server_tls(file, reader)
    check_connection.check(file, [endpoint for _, endpoint in built], reader)
    check_selection(file, built, reader)
    check_clients(file, [endpoint for _, endpoint in built], reader)
    check_tokens(file, [endpoint for _, endpoint in built], reader)
    return Config(
        server=file.server,
        endpoints=tuple(endpoint for _, endpoint in built if endpoint.tier in CHAT_TIERS),
        other_endpoints=tuple(endpoint for _, endpoint in built if endpoint.tier not in CHAT_TIERS),
        limits=dict(_limits(file.providers)),
        aliases=check_aliases(file.aliases, [*(entry.table.name for entry in entries), *ids], reader),
        routing=file.routing,
        selection=file.selection,
        retry=file.retry,
        queue=file.queue,
        health=file.health,
        context=file.context,
        auth=file.auth,
        privacy=file.privacy,
        audit=file.audit,
        cache=file.cache,
        store=file.store,
        batches=file.batches,
        shared=file.shared,
        observability=file.observability,
        otel=file.otel,
        logging=file.logging,
        file=file,
        written=reader.written,
        source=source,
        warnings=tuple(advise(file, names, by_path)),
    )


def _entries(file: FileTable) -> Iterator[Entry]:
    models = file.models
    for group in Tier:
        tables: tuple[EndpointTable, ...] = getattr(models, group.value)
        for index, table in enumerate(tables):
            yield Entry(str(group), child(f"models.{group}", index), table)


def _provider_name(entry: Entry) -> str:
    return entry.table.provider or DEFAULT_KIND


def _alone(entry: Entry) -> bool:
    """True if the endpoint has an address and no provider.

    It inherits nothing, because the key in [providers.openai] must not be sent to every server.
    """
    return entry.table.provider is None and entry.table.base_url is not None


def _provider(entry: Entry, file: FileTable) -> ProviderTable:
    """The table that the endpoint inherits from."""
    table = None if _alone(entry) else file.providers.get(_provider_name(entry))
    return table or ProviderTable(kind=_provider_name(entry))


def _label(entry: Entry, file: FileTable) -> str:
    """The name of the endpoint's provider. An endpoint without a provider belongs to its kind.

    If a provider has that name, with limits and rules of its own, the endpoint belongs to its address instead.
    """
    name = _provider_name(entry)
    if not _alone(entry) or name not in file.providers:
        return name
    return urlsplit(entry.table.base_url or "").netloc or name


def _check_names(entries: tuple[Entry, ...], reader: ConfigReader) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        name = entry.table.name
        if entry.group not in CHAT_TIERS or not name:
            continue
        other = first.setdefault(name, entry)
        if other.group != entry.group:
            path = child(entry.path, "name")
            reader.problem(
                path,
                f"{reader.show(path, name)} is used in {other.group} ({other.path}) and in {entry.group}, but a name belongs to "
                "one tier; rename one of them (replicas in the same tier may share a name)",
            )


def _check_presence(entries: tuple[Entry, ...], file: FileTable, reader: ConfigReader) -> None:
    if not entries and not reader.wrong("models"):
        reader.problem(
            "models", "has no endpoint; add [[models.balanced]] with name and base_url, or start from `octoroute config`"
        )
    elif entries and not any(_provider(entry, file).enabled for entry in entries):
        reader.problem("models", "every endpoint belongs to a provider with enabled = false; enable one of them")


def _check_routing(routing: RoutingTable, reader: ConfigReader) -> None:
    if not reader.wrong("routing.learned"):
        try:
            thresholds_of(routing.learned, [at / 100 for at in range(101)])
        except ConfigError as error:
            for path, _, text in (problem.partition(": ") for problem in error.problems):
                reader.problem(path, text)
    order = CHAT_TIERS
    if order.index(routing.cascade.escalate_to) <= order.index(routing.cascade.tier):
        reader.problem(
            "routing.cascade.escalate_to",
            f"{routing.cascade.escalate_to} is not bigger than routing.cascade.tier ({routing.cascade.tier}); choose a bigger tier",
        )


def _ids(entries: tuple[Entry, ...], file: FileTable, reader: ConfigReader) -> list[str]:
    """A unique id for each entry: the configured one, else name@address, with -2, -3 … for replicas."""
    taken: dict[str, Entry] = {}
    for entry in entries:
        if entry.table.id is None:
            continue
        other = taken.setdefault(entry.table.id, entry)
        if other is not entry:
            path = child(entry.path, "id")
            reader.problem(path, f"{reader.show(path, entry.table.id)} is also the id of {other.path}; give each endpoint its own")
    used = set(taken)
    ids: list[str] = []
    for entry in entries:
        if entry.table.id is not None:
            ids.append(entry.table.id)
            continue
        address = urlsplit(entry.table.base_url or _provider(entry, file).base_url or "").netloc
        stem = quote(f"{entry.table.name}@{address}", safe="/:@+=,;!()[]*'&$")
        number, made = 1, stem
        while made in used:
            number += 1
            made = f"{stem}-{number}"
        used.add(made)
        ids.append(made)
    return ids


def _places(entries: tuple[Entry, ...]) -> list[int]:
    """The position of each entry among its provider's entries of the same tier, from 0; an entry without a provider is at 0."""
    seen: dict[tuple[str, str], int] = {}
    places: list[int] = []
    for entry in entries:
        key = entry.group, _provider_name(entry)
        places.append(0 if _alone(entry) else seen.get(key, 0))
        seen[key] = places[-1] + 1
    return places


def _limits(providers: Mapping[str, ProviderTable]) -> Iterator[tuple[str, ProviderLimits]]:
    for name, table in providers.items():
        limits = ProviderLimits(
            requests_per_minute=table.requests_per_minute,
            tokens_per_minute=table.tokens_per_minute,
            max_in_flight=table.max_in_flight,
        )
        if table.enabled and limits != ProviderLimits():
            yield name, limits


def _endpoint(entry: Entry, endpoint_id: str, place: int, file: FileTable, names: Names, reader: ConfigReader) -> Endpoint:
    table, provider, provider_name = entry.table, _provider(entry, file), _provider_name(entry)
    base_url = table.base_url or provider.base_url
    shared = child("providers", provider_name)
    if base_url is None and not reader.wrong(child(entry.path, "base_url")) and not reader.wrong(child(shared, "base_url")):
        reader.problem(child(entry.path, "base_url"), 'is missing; add it, for example base_url = "http://127.0.0.1:11434/v1"')
    if provider_name not in file.providers and provider_name not in names.kinds and not reader.wrong(shared):
        _unknown_provider(entry, file, names, reader)
    if table.advertised_window is not None and table.context_window is None:
        reader.problem(child(entry.path, "advertised_window"), "requires context_window; add it")
    key = _key(table.api_key if table.api_key is not None else provider.api_key)
    header_tables = ((child(shared, "headers"), provider.headers), (child(entry.path, "headers"), table.headers))
    headers = merge_headers(header_tables, reader)
    if key and not provider.allow_auth_header_override:
        check_credentials(header_tables, provider.kind, reader)
    limits = {Tier.FAST: file.timeouts.fast, Tier.BALANCED: file.timeouts.balanced, Tier.DEEP: file.timeouts.deep}
    timeout_s = (
        table.timeout_seconds or provider.timeout_seconds or limits.get(Tier(entry.group)) or file.server.request_timeout_seconds
    )
    endpoint = Endpoint(
        id=endpoint_id,
        name=table.name,
        tier=Tier(entry.group),
        kind=provider.kind,
        provider=_label(entry, file),
        base_url=root_of(base_url or "", provider.kind) if provider.kind in KINDS else (base_url or "").removesuffix("/"),
        model=table.model or table.name,
        api_key=key,
        signing_key=check_connection.signing_key(shared, provider, reader),
        oauth2=check_connection.oauth2_grant(shared, provider, key, reader),
        region=table.region or provider.region,
        headers=headers,
        api_version=table.api_version or provider.api_version,
        priority=table.priority,
        position=place,
        weight=table.weight,
        max_in_flight=table.max_in_flight,
        max_tokens=table.max_tokens,
        max_output_tokens=table.max_output_tokens,
        temperature=table.temperature,
        context_window=table.context_window,
        advertised_window=table.advertised_window,
        capabilities=frozenset(Capability if table.capabilities is None else table.capabilities),
        wires=check_connection.wires(entry.path, table, provider, reader),
        quirks=table.quirks or provider.quirks,
        price=table.price or listed_price(base_url or "", table.model or table.name),
        tls=check_connection.tls(entry.path, table, shared, provider, reader),
        host=table.host or provider.host,
        proxy=_key(provider.proxy),
        max_connections=provider.max_connections,
        forward_client_key=provider.forward_client_key,
        first_event_timeout_s=timeout_s,
        stream_start_timeout_s=_stream_start_s(
            table.first_event_timeout_seconds, file.server.first_event_timeout_seconds, timeout_s
        ),
        idle_timeout_s=file.server.stream_idle_timeout_seconds,
        health_check=provider.health_check if table.health_check is None else table.health_check,
    )
    check_connection.settings(shared, endpoint, reader)
    return endpoint


def _stream_start_s(own_s: float, server_s: float, timeout_s: float) -> float | None:
    """The endpoint's own limit; the server's where it is shorter than the attempt's. None: the attempt's."""
    return own_s or (server_s if 0 < server_s < timeout_s else None)


def _unknown_provider(entry: Entry, file: FileTable, names: Names, reader: ConfigReader) -> None:
    path = child(entry.path, "provider")
    if reader.wrong(path):
        return
    known = tuple(dict.fromkeys((*names.kinds, *file.providers)))
    close = nearest(_provider_name(entry), known)
    remedy = (
        f'did you mean "{close}"?'
        if close
        else "add a [providers.NAME] table of that name, install the plug-in for it, or use one of these"
    )
    reader.problem(path, f"must be one of {', '.join(known)}, got {reader.show(path, _provider_name(entry))}; {remedy}")


def _key(key: Secret | None) -> Secret | None:
    """None for a blank key, which `${KEY:-}` gives if the variable is not set."""
    return key if key and key.reveal() else None
