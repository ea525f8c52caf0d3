"""Tables of providers and endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from octoroute.config import rules
from octoroute.domain import text_check
from octoroute.domain.endpoint import Capability, Price, Secret
from octoroute.domain.option import Key, Table

Headers = Annotated[
    Mapping[str, str],
    Key(
        "extra HTTP headers for the upstream",
        check=rules.header_value,
        check_name=text_check.header_name,
        secret=True,
        example='{ X-Team = "search" }',
    ),
]


class TlsTable(Table, frozen=True, kw_only=True):
    """Whom an https endpoint must prove to be, and who we are. Files are PEM; their paths are taken from the current directory."""

    ca_file: Annotated[
        str | None, Key("the only authorities to believe; the system's when not said", check=rules.path, example='""')
    ] = None
    client_cert: Annotated[str | None, Key("our own certificate, for servers that ask for one", check=rules.path, example='""')] = (
        None
    )
    client_key: Annotated[
        str | None, Key("its key, without a passphrase; in the file of client_cert when not said", check=rules.path, example='""')
    ] = None
    pin_sha256: Annotated[
        tuple[str, ...],
        Key("SHA-256 of the server's certificate (DER) in hex; one of these it must be, besides being valid", check=rules.pin),
    ] = ()


Quirks = Annotated[
    tuple[str, ...],
    Key(
        "habits of an OpenAI-compatible server, laid over each other; guessed from address and model when not said",
        names="quirks",
        example='["vllm"]',
    ),
]


class ProviderTable(Table, frozen=True, kw_only=True):
    """Settings that endpoints share: an endpoint with `provider = "NAME"` inherits them, and its own keys win."""

    kind: Annotated[str, Key("the API its servers speak; openai is any OpenAI-compatible server", names="kinds")] = "openai"
    base_url: Annotated[
        str | None, Key("the API's root, as in an SDK's base_url", check=rules.base_url, example='"https://api.openai.com/v1"')
    ] = None
    api_key: Annotated[Secret | None, Key("sent as the kind wants it", check=rules.credential, example='"${OPENAI_API_KEY}"')] = (
        None
    )
    headers: Headers = msgspec.field(default_factory=dict[str, str])
    api_version: Annotated[str | None, Key("azure only", check=rules.version, example='"2024-10-21"')] = None
    enabled: Annotated[bool, Key("false leaves its endpoints out; variables that only it uses need not be set")] = True
    timeout_seconds: Annotated[
        float | None, Key("instead of server.request_timeout_seconds and [timeouts]", low=1, high=3600, example="90")
    ] = None
    requests_per_minute: Annotated[int, Key("all its endpoints together; 0 is no limit", low=0, high=1000000000)] = 0
    tokens_per_minute: Annotated[int, Key("all its endpoints together; 0 is no limit", low=0, high=1000000000000)] = 0
    max_in_flight: Annotated[int, Key("all its endpoints at the same time; 0 is no limit", low=0, high=1000000)] = 0
    max_connections: Annotated[
        int, Key("open at the same time to one host; further requests wait; 0 is no limit", low=0, high=100000)
    ] = 0
    allow_auth_header_override: Annotated[
        bool, Key("true lets a credential in headers stand in for api_key; otherwise having both is an error")
    ] = False
    forward_client_key: Annotated[
        bool, Key("true sends a client's own key instead of api_key, which is for clients without one; for one vendor only")
    ] = False
    proxy: Annotated[
        Secret | None,
        Key(
            'URL of an HTTP proxy on the way, such as http://10.0.0.1:3128; needs server.upstream = "aiohttp"',
            check=rules.proxy,
            example='""',
        ),
    ] = None
    quirks: Quirks = ()
    tls: Annotated[TlsTable, Key("whom its endpoints must prove to be; see tls")] = TlsTable()


class EndpointTable(Table, frozen=True, kw_only=True):
    """One model at one address."""

    name: Annotated[str, Key("what a client may ask for; replicas share it", check=rules.model_name, required=True)] = ""
    base_url: Annotated[
        str | None,
        Key("the API's root; required here or in its provider", check=rules.base_url, example='"http://127.0.0.1:11434/v1"'),
    ] = None
    provider: Annotated[
        str | None, Key("a kind, or the NAME of a [providers.NAME] table to inherit from; openai when not said", example='"openai"')
    ] = None
    model: Annotated[
        str | None, Key("what the upstream is asked for; the name when not said", check=text_check.label, example='"qwen3:8b"')
    ] = None
    id: Annotated[
        str | None, Key("unique; made from name and address when not said", check=rules.endpoint_id, example='"fast-a"')
    ] = None
    api_key: Annotated[Secret | None, Key("sent as the kind wants it", check=rules.credential, example='"${MODEL_API_KEY}"')] = None
    headers: Headers = msgspec.field(default_factory=dict[str, str])
    api_version: Annotated[str | None, Key("azure only", check=rules.version, example='"2024-10-21"')] = None
    max_tokens: Annotated[
        int | None,
        Key("output budget where the wire format requires one, and for /chat", low=1, high=4294967295, example="4096"),
    ] = None
    max_output_tokens: Annotated[
        int | None,
        Key(
            "of one answer; a larger wish is lowered in requests that are translated",
            low=1,
            high=4294967295,
            example="8192",
        ),
    ] = None
    temperature: Annotated[float | None, Key("for /chat only", low=0, high=2, example="0.7")] = None
    weight: Annotated[float, Key("its share among endpoints of the same priority", above=0)] = 1.0
    priority: Annotated[int, Key("higher is tried first", low=0, high=255)] = 1
    context_window: Annotated[
        int | None, Key("tokens; a longer prompt goes elsewhere", low=1, high=1000000000, example="65536")
    ] = None
    advertised_window: Annotated[
        int | None,
        Key(
            "the window that clients believe in; token counts they are told are scaled to it; needs context_window",
            low=1,
            high=1000000000,
            example="200000",
        ),
    ] = None
    capabilities: Annotated[
        tuple[Capability, ...] | None, Key("what it can do; everything when not said", example='["tools", "vision", "json"]')
    ] = None
    max_in_flight: Annotated[int, Key("requests at the same time; 0 is no limit", low=0, high=1000000)] = 0
    price: Annotated[Price | None, Key("USD per million tokens", example="{ input = 0.15, output = 0.60 }")] = None
    quirks: Quirks = ()
    tls: Annotated[TlsTable, Key("whom it must prove to be, instead of the provider's; see tls")] = TlsTable()


class ModelsTable(Table, frozen=True, kw_only=True):
    """The endpoints of each tier. A tier without one falls to the next bigger tier, then to the next smaller."""

    fast: Annotated[tuple[EndpointTable, ...], Key("small and cheap")] = ()
    balanced: Annotated[tuple[EndpointTable, ...], Key("the middle")] = ()
    deep: Annotated[tuple[EndpointTable, ...], Key("the best there is")] = ()
    embedding: Annotated[tuple[EndpointTable, ...], Key("for /v1/embeddings")] = ()
