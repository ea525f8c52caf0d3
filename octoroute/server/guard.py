"""What stands before every route: request ids, keys, methods, media types, sizes, and errors in the caller's dialect.

Plain ASGI and plain functions; nothing here wraps the whole application.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from octoroute.domain.endpoint import Secret
from octoroute.domain.ids import new_id
from octoroute.errors import (
    Forbidden,
    HeadersTooLarge,
    OctorouteError,
    TooLarge,
    Unauthorized,
    UpstreamRejected,
    WrongMediaType,
    WrongMethod,
)
from octoroute.server.downstream import ClientGone, Receive, Scope, Send

MAX_HEADER_BYTES = 32 * 1024

_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

log = structlog.stdlib.get_logger("octoroute.api")


class ErrorWriter(Protocol):
    id_header: str

    def status(self, error: OctorouteError) -> int: ...
    def error(self, error: OctorouteError, request_id: str) -> bytes: ...


def headers_of(scope: Scope) -> dict[str, str]:
    """Lower-case names; of a repeated header the last counts. Raises HeadersTooLarge."""
    headers: dict[str, str] = {}
    size = 0
    for name, value in scope["headers"]:
        headers[name.decode("latin-1")] = value.decode("latin-1")
        size += len(name) + len(value) + 4
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"the request's headers are {size} bytes long; at most {MAX_HEADER_BYTES} are taken")
    return headers


def request_id(headers: Mapping[str, str]) -> str:
    """The client's own if it is safe to repeat, otherwise a new one."""
    offered = headers.get("x-request-id")
    if offered is not None and _SAFE_ID.fullmatch(offered):
        return offered
    return new_id()


def id_headers(id_header: str, request_id: str, given: Mapping[str, str]) -> dict[str, str]:
    """`x-request-id`, and the header in which the dialect's clients look for it, unless that holds the upstream's own id."""
    if id_header in given:
        return {"x-request-id": request_id}
    return {"x-request-id": request_id, id_header: request_id}


class ApiKeys:
    """The keys of `[auth]`. Digests are compared, all of them, so that time tells nothing about a key.

    In logs and statistics a key is called by its place in the configuration: `key-1`, `admin-1`.
    """

    def __init__(self, keys: Sequence[Secret], admin_keys: Sequence[Secret] = ()) -> None:
        self._open = not keys
        self._has_admin = bool(admin_keys)
        self._known = [(_digest(key.reveal()), f"admin-{at}") for at, key in enumerate(admin_keys, 1)]
        self._known += [(_digest(key.reveal()), f"key-{at}") for at, key in enumerate(keys, 1)]

    def check(self, headers: Mapping[str, str]) -> str | None:
        """The name of the key that is offered, as `x-api-key` or as a bearer token; None where none is needed.

        Raises Unauthorized.
        """
        if self._open:
            return self._name(headers) if self._has_admin else None
        name = self._name(headers)
        if name is None:
            if not offered_keys(headers):
                raise Unauthorized("a key is missing; send `Authorization: Bearer KEY` or `x-api-key: KEY`")
            raise Unauthorized("the key is not one of this gateway's")
        return name

    def check_admin(self, headers: Mapping[str, str]) -> str:
        """The admin key's name. Raises Forbidden and Unauthorized."""
        if not self._has_admin:
            raise Forbidden('the admin routes are off; set [auth] admin_keys = ["${OCTOROUTE_ADMIN_KEY}"] to use them')
        name = self._name(headers)
        if name is None:
            raise Unauthorized("an admin key is needed here; send `Authorization: Bearer KEY` or `x-api-key: KEY`")
        if not name.startswith("admin-"):
            raise Forbidden("this key is a client's; the admin routes need one of [auth] admin_keys")
        return name

    def _name(self, headers: Mapping[str, str]) -> str | None:
        found = None
        digests = list(map(_digest, offered_keys(headers)))
        for known, name in self._known:
            for digest in digests:
                if hmac.compare_digest(digest, known) and found is None:
                    found = name
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("latin-1", "replace")).digest()


def offered_keys(headers: Mapping[str, str]) -> list[str]:
    """Anthropic's clients may send both headers; either will do."""
    offered: list[str] = []
    if key := headers.get("x-api-key"):
        offered.append(key)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and (key := token.strip()):
        offered.append(key)
    return offered


def check_method(scope: Scope, *allowed: str) -> None:
    if scope["method"] not in allowed:
        allow = ", ".join(allowed)
        raise WrongMethod(f"{scope['path']} takes {allow}, not {scope['method']}", allow=allow)


def check_json(headers: Mapping[str, str]) -> None:
    """`application/json` or `application/*+json`; none at all is taken as JSON."""
    given = headers.get("content-type", "")
    if given == "application/json":
        return
    media_type = given.partition(";")[0].strip().lower()
    if (
        media_type
        and media_type != "application/json"
        and not (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        raise WrongMediaType("the body must be JSON; send `content-type: application/json`")


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """Raises TooLarge, before reading when the client says so itself, and ClientGone."""
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the request body has {announced} bytes; at most {limit} are taken")
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
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def check_size(size: int, limit: int) -> None:
    """Raises TooLarge."""
    if size > limit:
        raise TooLarge(f"the request body is longer than {limit} bytes")


async def send_error(send: Send, error: OctorouteError, writer: ErrorWriter, request_id: str) -> None:
    body = writer.error(error, request_id)
    headers = {"content-type": "application/json"}
    if isinstance(error, UpstreamRejected):
        headers |= error.upstream_headers
        if body is not error.body:
            headers["content-type"] = "application/json"
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
