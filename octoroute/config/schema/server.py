"""Tables of the server itself: where it listens, its clients, its response cache."""

from __future__ import annotations

from typing import Annotated, Literal

from octoroute.config import job_rules, rules
from octoroute.domain import text_check
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table


class ServerTlsTable(Table, frozen=True, kw_only=True):
    """HTTPS without a proxy in front. Files are PEM; relative paths start at the current directory; a reload reads them again."""

    cert_file: Annotated[
        str,
        Key("certificate, with the intermediate ones; blank: HTTP", check=rules.path, example='""'),
    ] = ""
    key_file: Annotated[
        str,
        Key("its private key, without a passphrase; blank: in the same file", check=rules.path, example='""'),
    ] = ""


class ServerTable(Table, frozen=True, kw_only=True):
    """Where the gateway listens, and the limits of one request."""

    host: Annotated[
        str,
        Key(
            "listening address, an IP address or localhost; any but loopback without [auth] keys causes a warning", check=rules.host
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Key("listening port; 0 chooses a free one and logs it", low=0, high=65535)] = 3000
    request_timeout_seconds: Annotated[
        float,
        Key(
            "time limit of one attempt until the response begins; for a non-streaming response, until all of it is there",
            low=1,
            high=3600,
        ),
    ] = 120.0
    first_event_timeout_seconds: Annotated[
        float,
        Key(
            "time limit of one attempt of a stream until its first event, where it is shorter; 0: as request_timeout_seconds",
            low=0,
            high=3600,
        ),
    ] = 0.0
    stream_idle_timeout_seconds: Annotated[
        float, Key("longest time without data in a response that has begun", above=0, high=86400)
    ] = 300.0
    max_request_bytes: Annotated[
        int, Key("largest request body, decompressed; a larger one gets status 413", low=1, high=1 << 32)
    ] = 33554432
    drain_timeout_seconds: Annotated[
        float, Key("how long requests in flight may take to finish after SIGTERM", low=0, high=86400)
    ] = 30.0
    shutdown_delay_seconds: Annotated[
        float,
        Key(
            "how long after SIGTERM new connections are still accepted while /health/ready is 503, before requests are drained",
            low=0,
            high=3600,
        ),
    ] = 0.0
    keep_alive_seconds: Annotated[
        float,
        Key("how long an idle connection of a client stays open; longer than the load balancer keeps its own", above=0, high=86400),
    ] = 75.0
    client_write_timeout_seconds: Annotated[
        float,
        Key("a client that takes no byte of its response for so long is disconnected, and the endpoint freed", low=1, high=86400),
    ] = 60.0
    workers: Annotated[int, Key("number of processes that share the port", low=1, high=256)] = 1
    root_path: Annotated[
        str, Key("path that every route is below, for a proxy that keeps it", check=rules.root_path, example='"/llm"')
    ] = ""
    cors_origins: Annotated[
        tuple[str, ...],
        Key(
            'origins whose web pages may use the gateway; "*" is every page; their preflights need no key',
            check=rules.origin,
            example='["https://chat.example.com"]',
        ),
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        Key(
            "Host names that are served without [auth] keys, besides loopback and the bound address",
            check=rules.allowed_host,
            example='["octoroute", "host.docker.internal"]',
        ),
    ] = ()
    tls: Annotated[ServerTlsTable, Key("HTTPS; see server.tls")] = ServerTlsTable()
    upstream: Annotated[
        Literal["native", "aiohttp"],
        Key("HTTP client for endpoints: native, or aiohttp if the native client is incompatible with a server"),
    ] = "native"


class StoreTable(Table, frozen=True, kw_only=True):
    """What outlives a request: its entry in the history, and what clients of the Responses API store. See `docs/history.md`."""

    url: Annotated[
        Secret,
        Key(
            "`sqlite:///FILE` (a fourth slash begins an absolute path), `postgresql://…`, or none; empty: octoroute.db in the "
            "state directory",
            check=rules.store_url,
        ),
    ] = Secret("")
    retention_days: Annotated[int, Key("how long the history of a request is kept; hourly sums: 400 days", low=1, high=3650)] = 30
    bodies: Annotated[
        bool, Key("true keeps the bodies of requests and responses with the history; PROMPTS AND ANSWERS ARE THEN ON DISK")
    ] = False
    bodies_max_bytes: Annotated[
        int, Key("what is kept of each body: its beginning, after masking secrets", low=1024, high=1048576)
    ] = 262144
    bodies_retention_days: Annotated[int, Key("how long bodies are kept, and not longer than retention_days", low=1, high=3650)] = 7
    bodies_except: Annotated[
        tuple[str, ...], Key("names of keys of whose requests no body is kept", check=text_check.label, example='["legal"]')
    ] = ()
    encryption_keys: Annotated[
        tuple[Secret, ...],
        Key(
            "seal bodies and stored responses: the first key seals, all open; from `octoroute store key`, through the environment",
            check=job_rules.encryption_key,
            example="[]",
        ),
    ] = ()
    responses_ttl_seconds: Annotated[
        float,
        Key(
            "how long a response is stored, from when it was made or last continued; 0: none is stored",
            low=0,
            high=31536000,
        ),
    ] = 86400.0
    responses_max_bytes: Annotated[
        int,
        Key(
            "size limit of all stored responses in each process; the key with the most of them loses the least recently used first",
            low=0,
            high=1 << 40,
        ),
    ] = 268435456


class BatchesTable(Table, frozen=True, kw_only=True):
    """Files and batches of OpenAI's Batch API, in the store. See `docs/batches.md`."""

    concurrency: Annotated[
        int, Key("requests of batches at once in each process, beside those of clients; 0: batches rest", low=0, high=1000)
    ] = 4
    hours: Annotated[
        str,
        Key("when requests of batches are made, in UTC; blank: always", check=job_rules.hours, example='"22:00-06:00"'),
    ] = ""
    max_file_bytes: Annotated[int, Key("largest file that is taken", low=1, high=1 << 34)] = 209715200
    max_stored_bytes: Annotated[int, Key("of all files of one key", low=1, high=1 << 44)] = 1073741824
    retention_days: Annotated[int, Key("how long files and finished batches are kept", low=1, high=3650)] = 30


class CacheTable(Table, frozen=True, kw_only=True):
    """Response cache in memory, for requests that are repeated exactly."""

    enabled: Annotated[
        bool, Key("true caches complete responses to requests with temperature 0 or the header `x-octoroute-cache: use`")
    ] = False
    ttl_seconds: Annotated[float, Key("how long a response stays in the cache", above=0, high=31536000)] = 300.0
    max_bytes: Annotated[
        int, Key("size limit in each process; the least recently used responses are removed first", low=1, high=1 << 40)
    ] = 67108864
    max_entries: Annotated[int, Key("largest number of responses in each process", low=1, high=100000000)] = 10000
    scope: Annotated[
        Literal["key", "everyone"], Key("key: clients with the same key share responses; everyone: all clients do")
    ] = "key"
