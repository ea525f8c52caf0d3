"""The checks before every route: request id, key, method, media type, and size; and errors in the client's dialect.

Plain ASGI and plain functions; nothing here wraps the whole application.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

import structlog
from starlette.requests import HTTPConnection

from octoroute.access.credentials import offered_keys
from octoroute.access.permissions import Permission, roles_with, takes_session
from octoroute.access.tokens.key_set import KeySets
from octoroute.config.schema import Config
from octoroute.domain.ids import new_id
from octoroute.domain.principal import Principal
from octoroute.errors import (
    HeadersTooLarge,
    OctorouteError,
    TooLarge,
    Unauthorized,
    UpstreamRejected,
    WrongMediaType,
    WrongMethod,
)
from octoroute.runtime.access import key_registry, token_registry
from octoroute.runtime.stored_keys import StoredKeys, key_stores
from octoroute.server.audit_trail import AuditTrail
from octoroute.server.decompression import decode_body
from octoroute.server.downstream import ClientGone, Receive, Scope, Send
from octoroute.server.origins import OriginRules
from octoroute.server.sessions import BrowserSessions
from octoroute.upstream.web_client import WebClient

MAX_HEADER_BYTES = 32 * 1024

_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

_ASKING = roles_with(Permission.ASK)
"""Each inference route requires the same, as its line in `access.permissions.ROUTES` says."""

log = structlog.stdlib.get_logger("octoroute.api")


URL_KEY = "x-goog-api-key"
"""The header that stands for a key in the URL."""
FINAL_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 415, 426})
"""Statuses of the gateway's own errors that no retry mends. SDKs retry some of them unless `x-should-retry` says no."""


class ErrorWriter(Protocol):
    """The part of an inbound dialect that writes errors."""

    id_header: str

    def status(self, error: OctorouteError) -> int: ...
    def error(self, error: OctorouteError, request_id: str) -> bytes: ...


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers under lower-case names; the last value of a repeated header wins. Raises HeadersTooLarge."""
    headers: dict[str, str] = {}
    size = 0
    for name, value in scope["headers"]:
        headers[name.decode("latin-1")] = value.decode("latin-1")
        size += len(name) + len(value) + 4
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"the request headers have {size} bytes; the limit is {MAX_HEADER_BYTES} bytes")
    return headers


def target_headers(headers: Mapping[str, str], scope: Scope, key_parameter: str | None) -> dict[str, str]:
    """Return the headers with the pseudo-header `:path` (RFC 9113), and with the key of the URL's `key_parameter` as a header.

    The key is not part of `:path`, so that it is written nowhere.
    """
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    target = scope["path"] + "?" + urlencode([(name, value) for name, value in query if name != key_parameter])
    key = next((value for name, value in query if name == key_parameter), "")
    return {**headers, ":path": target, **({URL_KEY: key} if key else {})}


def request_id(headers: Mapping[str, str]) -> str:
    """Return the client's `x-request-id` if it is safe to write to headers and logs, otherwise a new id."""
    offered = headers.get("x-request-id")
    if offered is not None and _SAFE_ID.fullmatch(offered):
        return offered
    return new_id()


def id_headers(id_header: str, request_id: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that carry the request id: `x-request-id`, and the header in which the dialect's clients look for it.

    An id of the upstream that `given` holds under `id_header` is not overwritten.
    """
    if id_header in given:
        return {"x-request-id": request_id}
    return {"x-request-id": request_id, id_header: request_id}


PRINCIPAL = "octoroute.principal"
"""Where the scope of a request has its `Principal`."""


def principal_of(request: HTTPConnection) -> Principal | None:
    """Return the client of a request that has passed the check of its key; None: keys are not used."""
    return request.scope.get(PRINCIPAL)


class AccessRules:
    """The settings that are checked before a request reaches the gateway; `apply` replaces them after a reload."""

    def __init__(
        self,
        config: Config,
        web: WebClient,
        wall: Callable[[], float] = time.time,
        key_file: Path | None = None,
        state_directory: Path | None = None,
    ) -> None:
        """`web` fetches the keys of token issuers. `wall`: seconds since the epoch. `key_file`: the key store; None: there is none.

        `state_directory`: for sessions.
        """
        self._key_sets = KeySets(web.get, time.monotonic)
        self._wall = wall
        stores = key_stores(config, key_file)
        self.stored = StoredKeys(stores, lambda: self.keys) if stores else None
        self.sessions = BrowserSessions(lambda: self.keys, wall, state_directory, lambda: self.root_path)
        self.apply(config)

    def apply(self, config: Config) -> None:
        self.keys = key_registry(config, self._wall)
        if self.stored is not None:
            self.stored.apply()
        self.tokens = token_registry(config.auth, self._key_sets, self.keys, self._wall)
        """None: no token is accepted."""
        self.audit = AuditTrail(Path(config.audit.file), self._wall) if config.audit.file else None
        self.origins = OriginRules(config)
        self.max_request_bytes = config.server.max_request_bytes
        self._forwards_keys = any(endpoint.forward_client_key for endpoint in (*config.endpoints, *config.other_endpoints))
        self.root_path = config.server.root_path.rstrip("/")
        """Every route is below it; empty: none is."""

    def refused(self, error: OctorouteError, scope: Scope, headers: Mapping[str, str]) -> None:
        """Write a refusal to the audit log, if there is one and the error is one."""
        if self.audit is not None:
            known: Principal | None = scope.get(PRINCIPAL)
            name = self.keys.name(headers) if known is None else known.name
            self.audit.refused(name, scope.get("method", "GET"), scope["path"], error)

    async def close(self) -> None:
        """End what is under way in the background."""
        await self._key_sets.close()
        if self.audit is not None:
            await self.audit.close()

    async def admit_token(self, headers: Mapping[str, str]) -> None:
        """Before the checks of a key: verify a token that the headers hold. Raises as `TokenRegistry.admit`."""
        if self.tokens is not None:
            await self.tokens.admit(headers)

    async def admit(self, scope: Scope, headers: Mapping[str, str]) -> Principal | None:
        """Return the client, by key, or by the session of a browser where one counts.

        Raises Unauthorized, and Forbidden for a page of another site.
        """
        if "cookie" in headers and takes_session(scope["path"]) and not offered_keys(headers):
            found = await self.sessions.principal(scope, headers)
            if found is not None:
                return found
        await self.admit_token(headers)
        return self.keys.check(headers)

    def identify(self, headers: Mapping[str, str]) -> tuple[Principal | None, Mapping[str, str]]:
        """Return the client, as `KeyRegistry.check` does, and the headers that may be forwarded.

        If an endpoint is sent clients' keys (`forward_client_key`), the gateway's own are removed.
        Raises Unauthorized, and Forbidden for a role that may not ask models.
        """
        principal = self.keys.check(headers)
        if principal is not None and principal.role not in _ASKING:
            self.keys.authorize(principal, Permission.ASK)
        if principal is not None and self._forwards_keys:
            headers = self.keys.without_own(headers)
        return principal, headers

    async def identify_token(self, headers: Mapping[str, str]) -> tuple[Principal | None, Mapping[str, str]]:
        """As `identify`, where tokens are accepted. Raises as `admit_token`, too."""
        await self.admit_token(headers)
        return self.identify(headers)


def check_method(scope: Scope, *allowed: str) -> None:
    """Raises WrongMethod."""
    if scope["method"] not in allowed:
        raise wrong_method(scope["path"], scope["method"], ", ".join(allowed))


def wrong_method(path: str, method: str, allow: str) -> WrongMethod:
    """`allow`: the allowed methods, comma-separated."""
    return WrongMethod(f"{path} does not allow {method}; use {allow}", allow=allow)


def check_form(headers: Mapping[str, str]) -> None:
    """As `check_json`, but multipart/form-data is accepted too. Raises WrongMediaType."""
    if headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return
    try:
        check_json(headers)
    except WrongMediaType as error:
        raise WrongMediaType("the body must be multipart/form-data or JSON; send one of these as content-type") from error


def check_json(headers: Mapping[str, str]) -> None:
    """Accept `application/json`, `application/*+json`, and a missing content type. Raises WrongMediaType."""
    content_type = headers.get("content-type", "")
    if content_type == "application/json":
        return
    media_type = content_type.partition(";")[0].strip().lower()
    if (
        media_type
        and media_type != "application/json"
        and not (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        raise WrongMediaType("the body must be JSON; send `content-type: application/json`")


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the body without its content coding.

    Raises ClientGone, TooLarge (before anything is read if `content-length` exceeds the limit), and what `decode_body` raises.
    """
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the request body has {announced} bytes; the limit is {limit} bytes")
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        check_size(size, limit)
        pieces.append(piece)
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return await decode_body(body, headers, limit) if "content-encoding" in headers else body


def check_size(size: int, limit: int) -> None:
    """Raises TooLarge."""
    if size > limit:
        raise TooLarge(f"the request body exceeds the limit of {limit} bytes")


async def send_error(send: Send, error: OctorouteError, writer: ErrorWriter, request_id: str) -> None:
    """Send the error in the dialect of `writer`; a rejection by the upstream is relayed with its body and headers."""
    body = writer.error(error, request_id)
    headers = {"content-type": "application/json"}
    if isinstance(error, UpstreamRejected):
        headers |= error.upstream_headers
        if body is not error.body:
            headers["content-type"] = "application/json"
    elif writer.status(error) in FINAL_STATUSES:
        headers["x-should-retry"] = "false"
    headers |= {**error.headers, **id_headers(writer.id_header, request_id, headers)}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, WrongMethod):
        headers["allow"] = error.allow
    if isinstance(error, Unauthorized):
        headers["www-authenticate"] = "Bearer"
    encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send_body(send, writer.status(error), body, encoded)


async def send_body(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
