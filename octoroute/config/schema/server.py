"""Tables of the server itself: where it listens, its clients, its response cache."""

from __future__ import annotations

from typing import Annotated, Literal

from octoroute.config import rules
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table


class ServerTable(Table, frozen=True, kw_only=True):
    """Where the gateway listens, and the limits of one request."""

    host: Annotated[
        str, Key("an IP address or localhost; anything but loopback without [auth] keys starts with a warning", check=rules.host)
    ] = "127.0.0.1"
    port: Annotated[int, Key("0 takes a free one and logs it", low=0, high=65535)] = 3000
    request_timeout_seconds: Annotated[
        float, Key("one attempt, until the first event of its answer; a whole answer is one event", low=1, high=3600)
    ] = 120.0
    stream_idle_timeout_seconds: Annotated[
        float, Key("the longest silence inside an answer that has begun", above=0, high=86400)
    ] = 300.0
    max_request_bytes: Annotated[int, Key("a larger request is answered 413", low=1, high=1 << 32)] = 33554432
    drain_timeout_seconds: Annotated[float, Key("how long answers in flight may take to finish on SIGTERM", low=0, high=86400)] = (
        30.0
    )
    workers: Annotated[int, Key("processes that share the port", low=1, high=256)] = 1
    upstream: Annotated[
        Literal["native", "aiohttp"],
        Key("the HTTP client towards endpoints: our own, or aiohttp's for servers that ours does not get on with"),
    ] = "native"


class AuthTable(Table, frozen=True, kw_only=True):
    """Who may use the gateway."""

    keys: Annotated[
        tuple[Secret, ...],
        Key(
            "when set, everything but /health* needs one as `Authorization: Bearer` or `x-api-key`",
            check=rules.client_key,
            example='["${OCTOROUTE_API_KEY}"]',
        ),
    ] = ()
    admin_keys: Annotated[
        tuple[Secret, ...],
        Key(
            "for the /admin routes, which are off without one; they are good for every other route too",
            check=rules.client_key,
            example='["${OCTOROUTE_ADMIN_KEY}"]',
        ),
    ] = ()


class CacheTable(Table, frozen=True, kw_only=True):
    """Answers kept in memory, for the same question asked again. Off, it costs nothing."""

    enabled: Annotated[bool, Key("keep whole answers to questions with temperature 0, or with `x-octoroute-cache: use`")] = False
    ttl_seconds: Annotated[float, Key("how long an answer is kept", above=0, high=31536000)] = 300.0
    max_bytes: Annotated[int, Key("of all answers of a process; those not asked for the longest go first", low=1, high=1 << 40)] = (
        67108864
    )
    max_entries: Annotated[int, Key("answers in a process", low=1, high=100000000)] = 10000
    scope: Annotated[
        Literal["key", "everyone"], Key("who shares an answer: those with the same key, or everybody who asks the same")
    ] = "key"
