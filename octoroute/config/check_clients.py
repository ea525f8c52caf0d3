"""Checks of [[auth.clients]]: one key each, no name or key twice, and no provider, model, or region that nothing has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from octoroute.access.credentials import digest_of
from octoroute.access.restrictions import in_region
from octoroute.config.environment import child
from octoroute.config.reader import ConfigReader, nearest
from octoroute.config.schema.access import ClientTable
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.terms import TermsTable
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint
from octoroute.routing.aliases import is_glob


def client_digest(client: ClientTable) -> bytes | None:
    """SHA-256 of the client's key; None: it has none."""
    if client.key is not None:
        return digest_of(client.key.reveal())
    return bytes.fromhex(client.key_sha256) if client.key_sha256 else None


def check_clients(file: FileTable, endpoints: Sequence[Endpoint], reader: ConfigReader) -> None:
    names: dict[str, str] = {}
    digests = {
        digest_of(key.reveal()): child(f"auth.{table}", at)
        for table, keys in (("keys", file.auth.keys), ("admin_keys", file.auth.admin_keys))
        for at, key in enumerate(keys)
    }
    for at, client in enumerate(file.auth.clients):
        path = child("auth.clients", at)
        if client.name and (other := names.setdefault(client.name, path)) != path:
            reader.problem(child(path, "name"), f"is also the name of {other}; rename one of them")
        _check_key(client, path, digests, reader)
        check_targets(client, path, file, endpoints, reader)


def _check_key(client: ClientTable, path: str, digests: dict[bytes, str], reader: ConfigReader) -> None:
    if client.key is not None and client.key_sha256:
        reader.problem(path, "has key and key_sha256; remove one of them")
    digest = client_digest(client)
    if digest is None:
        if not reader.wrong(path):
            reader.problem(path, 'has no key; add key = "${NAME}", or key_sha256')
    elif (other := digests.setdefault(digest, path)) != path:
        reader.problem(path, f"has the key of {other}; give each client its own")


def check_targets(client: TermsTable, path: str, file: FileTable, endpoints: Sequence[Endpoint], reader: ConfigReader) -> None:
    """Problems of what the client may ask for: names that nothing has."""
    if not endpoints or reader.wrong("models"):
        return
    _check_known(client.providers, child(path, "providers"), [endpoint.provider for endpoint in endpoints], "provider", reader)
    names = ["auto", *CHAT_TIERS, *file.aliases]
    for endpoint in endpoints:
        names += [endpoint.name, endpoint.id, f"{endpoint.provider}/{endpoint.name}", f"{endpoint.provider}/{endpoint.model}"]
    _check_known([name for name in client.models if not is_glob(name)], child(path, "models"), names, "model", reader)
    regions = dict.fromkeys(endpoint.region for endpoint in endpoints if endpoint.region)
    for region in client.regions:
        if not any(in_region(endpoint, region) for endpoint in endpoints):
            shown = f"the regions are: {', '.join(regions)}" if regions else "set region in its [providers] table"
            reader.problem(child(path, "regions"), f"{reader.show(child(path, 'regions'), region)} has no provider; {shown}")


def _check_known(given: Iterable[str], path: str, known: Iterable[str], what: str, reader: ConfigReader) -> None:
    known = list(dict.fromkeys(known))
    for name in given:
        if name not in known:
            close = nearest(name, known)
            remedy = f'did you mean "{close}"?' if close else f"use one of {', '.join(known[:20])}"
            reader.problem(path, f"{reader.show(path, name)} is no configured {what}; {remedy}")
