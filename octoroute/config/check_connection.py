"""Checks of TLS, proxy, and client key settings: against each other, and against the files they name."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from octoroute.config import rules
from octoroute.config.environment import child
from octoroute.config.reader import ConfigReader
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.models import EndpointTable, ProviderTable, TlsTable
from octoroute.domain.endpoint import Endpoint, OAuth2Grant, Secret, SigningKey, Tls
from octoroute.upstream.providers import PROVIDERS


def tls(path: str, table: EndpointTable, shared: str, provider: ProviderTable, reader: ConfigReader) -> Tls | None:
    """The TLS settings of the endpoint, else those of its provider; None if neither has any."""
    own = table.tls != TlsTable()
    said = table.tls if own else provider.tls
    where = child(path if own else shared, "tls")
    if said == TlsTable():
        return None
    pins = frozenset(pin for text in said.pin_sha256 if (pin := rules.pin_of(text)))
    found = Tls(
        ca_file=said.ca_file or None, client_cert=said.client_cert or None, client_key=said.client_key or None, pins_sha256=pins
    )
    if found == Tls():
        return None
    # Imported here: it takes half of the start-up time, and few configurations need it.
    from octoroute.upstream.transports import trust  # noqa: PLC0415

    for key, text in trust.problems(found):
        if not reader.wrong(child(where, key)):
            reader.problem(child(where, key), text)
    if reader.wrong(where):
        return found
    base_url = table.base_url or provider.base_url or ""
    if base_url.startswith("http://"):
        reader.problem(where, f"requires https://, but the base_url of {path} has http://; change one of them")
    return msgspec.structs.replace(found, version=trust.version(found))


def server_tls(file: FileTable, reader: ConfigReader) -> None:
    """Checks the certificate and key of the listener."""
    said = file.server.tls
    if not said.cert_file:
        if said.key_file:
            reader.problem("server.tls.key_file", "has no cert_file to go with; add it, or remove this")
        return
    from octoroute.upstream.transports import trust  # noqa: PLC0415  as in `tls`

    for key, text in trust.problems(Tls(client_cert=said.cert_file, client_key=said.key_file or None)):
        path = child("server.tls", {"client_cert": "cert_file", "client_key": "key_file"}[key])
        if not reader.wrong(path):
            reader.problem(path, text)


def wires(path: str, table: EndpointTable, provider: ProviderTable, reader: ConfigReader) -> tuple[str, ...]:
    """The wire formats that the endpoint is asked in. A problem where its kind does not have the configured one."""
    built_in = PROVIDERS.get(provider.kind)
    found = None if built_in is None else built_in.wires(table.wire, table.base_url or provider.base_url or "")
    if found is None and table.wire:
        where = child(path, "wire")
        reader.problem(where, f'must not be set: endpoints of kind {provider.kind} have no API "{table.wire}"; remove it')
    return found or ()


def signing_key(shared: str, provider: ProviderTable, reader: ConfigReader) -> SigningKey | None:
    """The key that signs requests; None if there is none. A problem for half of one.

    `shared`: the path of the provider's table.
    """
    said = {
        "access_key_id": provider.access_key_id or "",
        "secret_access_key": _revealed(provider.secret_access_key),
        "session_token": _revealed(provider.session_token),
    }
    for name in ("access_key_id", "secret_access_key"):
        if not said[name] and any(said.values()) and not reader.wrong(child(shared, name)):
            reader.problem(child(shared, name), "is missing; a key that signs requests has both an access_key_id and its secret")
    if not said["access_key_id"] or not said["secret_access_key"]:
        return None
    token = Secret(said["session_token"]) if said["session_token"] else None
    return SigningKey(id=said["access_key_id"], secret=Secret(said["secret_access_key"]), session_token=token)


def oauth2_grant(shared: str, provider: ProviderTable, key: Secret | None, reader: ConfigReader) -> OAuth2Grant | None:
    """The client credentials; None if there are none. A problem for half of them, or for another credential beside them.

    `shared`: the path of the provider's table. `key`: the endpoint's.
    """
    said, path = provider.oauth2, child(shared, "oauth2")
    secret = _revealed(said.client_secret)
    if not (said.token_url or said.client_id or secret):
        return None
    for name, value in (("token_url", said.token_url), ("client_id", said.client_id), ("client_secret", secret)):
        if not value:
            _once(reader, child(path, name), "is missing; client credentials are a token_url, a client_id, and a client_secret")
    if key is not None or provider.forward_client_key or provider.access_key_id:
        _once(reader, path, "takes the place of api_key, forward_client_key, and access_key_id; remove them, or this")
    if any(name.lower() == "authorization" for name in provider.headers):
        _once(reader, path, "writes the header authorization, which headers has, too; remove one of them")
    return OAuth2Grant(
        token_url=said.token_url,
        client_id=said.client_id,
        client_secret=Secret(secret),
        scope=said.scope,
        audience=said.audience,
        by_header=said.client_auth == "basic",
    )


def _revealed(secret: Secret | None) -> str:
    return secret.reveal() if secret is not None else ""


def settings(shared: str, endpoint: Endpoint, reader: ConfigReader) -> None:
    """Reports what its kind finds missing in the endpoint's settings."""
    built_in = PROVIDERS.get(endpoint.kind)
    problem = built_in.problem(endpoint) if built_in is not None else None
    if problem is not None:
        _once(reader, child(shared, problem[0]), problem[1])


def check(file: FileTable, endpoints: Iterable[Endpoint], reader: ConfigReader) -> None:
    """Checks each provider that an endpoint uses, once."""
    forwarding: dict[str, Endpoint] = {}
    proxied: set[str] = set()
    for endpoint in endpoints:
        if endpoint.forward_client_key:
            forwarding.setdefault(endpoint.provider, endpoint)
            others = {_origin(other) for other in forwarding.values()}
            if len(others | {_origin(endpoint)}) > 1:
                first = next(iter(forwarding))
                _once(
                    reader,
                    child(child("providers", endpoint.provider), "forward_client_key"),
                    f"would send clients' keys to {urlsplit(endpoint.base_url).netloc}, and {first} sends them to "
                    f"{urlsplit(forwarding[first].base_url).netloc}; a client's key belongs to one vendor: set it for one of them",
                )
        if endpoint.proxy is not None:
            proxied.add(endpoint.provider)
    if file.auth.requires_key:
        for name in forwarding:
            path = child(child("providers", name), "forward_client_key")
            reader.problem(path, "would send the gateway's own keys to a vendor, because [auth] has keys; remove one of the two")
    if file.server.upstream != "aiohttp":
        for name in sorted(proxied):
            path = child(child("providers", name), "proxy")
            reader.problem(path, 'is not supported by the native HTTP client; set server.upstream = "aiohttp", or remove it')


def _origin(endpoint: Endpoint) -> tuple[str, str]:
    url = urlsplit(endpoint.base_url)
    return url.scheme, url.netloc


def _once(reader: ConfigReader, path: str, text: str) -> None:
    if not reader.wrong(path):
        reader.problem(path, text)
