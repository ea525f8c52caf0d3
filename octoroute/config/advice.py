"""Warnings about a configuration that is valid but probably not what its author wants. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from octoroute.config import rules
from octoroute.config.environment import child
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.key import Names
from octoroute.config.schema.limits import LimitsTable
from octoroute.config.schema.models import DEFAULT_KIND, ProviderTable
from octoroute.config.schema.server import ServerTable
from octoroute.config.schema.terms import TermsTable
from octoroute.domain.endpoint import Endpoint


def advise(file: FileTable, names: Names, endpoints: Mapping[str, tuple[str, Endpoint]]) -> Iterator[str]:
    """`endpoints`: tier and endpoint, by the path of its table."""
    yield from _open_door(file.server, locked=file.auth.requires_key)
    yield from _likely_kinds(file.providers, names)
    yield from _pasted_routes(file, endpoints)
    yield from _duplicates(endpoints)
    yield from _unshared_limits(file)
    yield from _without_tls(file)
    if file.routing.shadow.share and file.routing.shadow.judge_tier is None:
        yield (
            "routing.shadow.judge_tier: is not set, so that answers that differ leave no label although they are paid for; set it "
            "to the tier that compares them"
        )


def _unshared_limits(file: FileTable) -> Iterator[str]:
    clients = (*file.auth.clients, *file.auth.jwt.all_issuers)
    is_limited = file.limits != LimitsTable() or any(_is_limited(client) for client in clients)
    if is_limited and file.shared.url is None and file.server.workers == 1:
        yield 'limits: a restart forgets what was spent; set [shared] url = "sqlite:////var/lib/octoroute/limits.db" to keep it'


def _without_tls(file: FileTable) -> Iterator[str]:
    for name, provider in file.providers.items():
        if _is_plain(provider.oauth2.token_url):
            path = child(child("providers", name), "oauth2.token_url")
            yield f"{path}: has http://, so that the client's secret can be read; use https://"
    for issuer in file.auth.jwt.all_issuers:
        if _is_plain(issuer.issuer):
            yield (
                "auth.jwt: an issuer has http://, so that a machine on the way to it could answer with keys of its own, and make "
                "tokens; use https://"
            )


def _is_plain(url: str) -> bool:
    """Whether it leads through a network without TLS."""
    host = urlsplit(url).hostname or ""
    return url.startswith("http://") and not host.startswith("127.") and host not in {"localhost", "::1"}


def _is_limited(client: TermsTable) -> bool:
    return bool(client.requests_per_minute or client.tokens_per_minute or client.max_in_flight or client.budget_usd)


def _open_door(server: ServerTable, *, locked: bool) -> Iterator[str]:
    if not locked and not rules.is_loopback(server.host):
        yield (
            "server.host: other machines can reach this address and [auth] keys is empty, so ANYONE on the network can use your "
            'models at your expense; set [auth] keys = ["${OCTOROUTE_API_KEY}"], or host = "127.0.0.1"'
        )


def _likely_kinds(providers: Mapping[str, ProviderTable], names: Names) -> Iterator[str]:
    for name, table in providers.items():
        if name in names.kinds and name != DEFAULT_KIND and table.kind == DEFAULT_KIND:
            path = child(child("providers", name), "kind")
            yield f'{path}: is "{DEFAULT_KIND}" although the provider is called {name}; set kind = "{name}" if that is its API'


def _pasted_routes(file: FileTable, endpoints: Mapping[str, tuple[str, Endpoint]]) -> Iterator[str]:
    """Warn once for each `base_url` from which a route was removed. Its rest is not shown: it may come from the environment."""
    said: set[str] = set()
    for path, (_, endpoint) in endpoints.items():
        own = _own_base_url(file, path)
        shared = file.providers.get(endpoint.provider)
        written = own or (shared.base_url if shared else None) or ""
        where = child(path if own else child("providers", endpoint.provider), "base_url")
        if written.rstrip("/") != endpoint.base_url and where not in said:
            said.add(where)
            kept = endpoint.base_url if written.startswith(endpoint.base_url) else endpoint.base_url.removesuffix("/v1")
            cut = written.rstrip("/").removeprefix(kept)
            yield f"{where}: ends in a route ({cut}), which is left out; write only the root URL of the API"


def _own_base_url(file: FileTable, path: str) -> str | None:
    group, _, index = path.removeprefix("models.").removesuffix("]").partition("[")
    return getattr(file.models, group)[int(index)].base_url


def _duplicates(endpoints: Mapping[str, tuple[str, Endpoint]]) -> Iterator[str]:
    first: dict[object, str] = {}
    for path, (tier, endpoint) in endpoints.items():
        what = (tier, msgspec.structs.replace(endpoint, id="", position=0, weight=1.0, priority=1, max_in_flight=0, price=None))
        other = first.setdefault(what, path)
        if other != path:
            yield (
                f"{path}: is the same as {other} (name, address, model, and key): it adds no capacity, and a failover to it asks "
                "the same server again; remove one, or give it another address"
            )
