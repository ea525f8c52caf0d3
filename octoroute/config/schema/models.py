"""Tables of providers and endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from octoroute.config import rules
from octoroute.config.schema.oauth2 import OAuth2Table
from octoroute.domain import text_check
from octoroute.domain.endpoint import Capability, Secret
from octoroute.domain.option import Key, Table
from octoroute.domain.price import Price

Headers = Annotated[
    Mapping[str, str],
    Key(
        "extra HTTP headers for requests to the endpoint",
        check=rules.header_value,
        check_name=text_check.header_name,
        secret=True,
        example='{ X-Team = "search" }',
    ),
]


class TlsTable(Table, frozen=True, kw_only=True):
    """TLS: trusted CAs, certificate pins, client certificate. Files are PEM; relative paths start at the current directory."""

    ca_file: Annotated[str | None, Key("the only trusted CAs; default: the system's", check=rules.path, example='""')] = None
    client_cert: Annotated[str | None, Key("client certificate, for servers that require one", check=rules.path, example='""')] = (
        None
    )
    client_key: Annotated[
        str | None,
        Key(
            "private key of client_cert, without a passphrase; default: in the same file as client_cert",
            check=rules.path,
            example='""',
        ),
    ] = None
    pin_sha256: Annotated[
        tuple[str, ...],
        Key("SHA-256 of the server's certificate (DER) in hex; a valid certificate must also match one of them", check=rules.pin),
    ] = ()


Host = Annotated[
    str,
    Key(
        "Host header, and TLS server name, instead of the host in base_url; for a site behind an ingress or an IP address",
        check=rules.host_header,
        example='"qwen.team.example.com"',
    ),
]

Quirks = Annotated[
    tuple[str, ...],
    Key(
        "deviations of an OpenAI-compatible server, combined; default: detected from address and model",
        names="quirks",
        example='["vllm"]',
    ),
]


class ProviderTable(Table, frozen=True, kw_only=True):
    """Settings that endpoints share. An endpoint with `provider = "NAME"` inherits them; its own keys take precedence."""

    kind: Annotated[str, Key("API of its servers; openai is any OpenAI-compatible server", names="kinds")] = "openai"
    base_url: Annotated[
        str | None, Key("root URL of the API, as in an SDK's base_url", check=rules.base_url, example='"https://api.openai.com/v1"')
    ] = None
    api_key: Annotated[
        Secret | None,
        Key("the vendor's key, sent in the header that the kind requires", check=rules.credential, example='"${OPENAI_API_KEY}"'),
    ] = None
    access_key_id: Annotated[
        str | None,
        Key(
            "id of the key that signs each request; for kind bedrock only", check=rules.credential, example='"${AWS_ACCESS_KEY_ID}"'
        ),
    ] = None
    secret_access_key: Annotated[
        Secret | None,
        Key("secret of the key that signs each request", check=rules.credential, example='"${AWS_SECRET_ACCESS_KEY}"'),
    ] = None
    session_token: Annotated[
        Secret | None,
        Key("session token of a temporary access_key_id", check=rules.credential, example='"${AWS_SESSION_TOKEN:-}"'),
    ] = None
    oauth2: Annotated[OAuth2Table, Key("OAuth 2.0 client credentials; see oauth2")] = OAuth2Table()
    region: Annotated[
        str,
        Key(
            "region of its servers; kind bedrock signs with it where the host in base_url names none",
            check=rules.region,
            example='"us-east-1"',
        ),
    ] = ""
    headers: Headers = msgspec.field(default_factory=dict[str, str])
    api_version: Annotated[
        str | None, Key("version of the API; for kind azure only", check=rules.version, example='"2024-10-21"')
    ] = None
    enabled: Annotated[bool, Key("false excludes its endpoints; variables that only it uses may then be unset")] = True
    timeout_seconds: Annotated[
        float | None,
        Key("replaces server.request_timeout_seconds and [timeouts] for its endpoints", low=1, high=3600, example="90"),
    ] = None
    health_check: Annotated[bool, Key("false sends its servers no background probes, for servers that any request wakes up")] = True
    requests_per_minute: Annotated[
        int, Key("requests per minute to all its endpoints together; 0 is no limit", low=0, high=1000000000)
    ] = 0
    tokens_per_minute: Annotated[
        int, Key("tokens per minute of all its endpoints together; 0 is no limit", low=0, high=1000000000000)
    ] = 0
    max_in_flight: Annotated[int, Key("concurrent requests to all its endpoints together; 0 is no limit", low=0, high=1000000)] = 0
    max_connections: Annotated[
        int, Key("open connections to one host; further requests wait; 0 is no limit", low=0, high=100000)
    ] = 0
    allow_auth_header_override: Annotated[
        bool, Key("true sends a credential in headers instead of api_key; false makes having both an error")
    ] = False
    forward_client_key: Annotated[
        bool, Key("true sends the client's own key, and api_key for clients without one; possible for one vendor only")
    ] = False
    proxy: Annotated[
        Secret | None,
        Key(
            'URL of an HTTP proxy, such as http://10.0.0.1:3128; requires server.upstream = "aiohttp"',
            check=rules.proxy,
            example='""',
        ),
    ] = None
    quirks: Quirks = ()
    host: Host = ""
    tls: Annotated[TlsTable, Key("TLS settings of its endpoints; see tls")] = TlsTable()


DEFAULT_KIND = ProviderTable().kind


class EndpointTable(Table, frozen=True, kw_only=True):
    """One model at one address."""

    name: Annotated[str, Key("model name that clients request; replicas share it", check=rules.model_name, required=True)] = ""
    base_url: Annotated[
        str | None,
        Key("root URL of the API; required here or in the provider", check=rules.base_url, example='"http://127.0.0.1:11434/v1"'),
    ] = None
    provider: Annotated[
        str | None, Key("a kind, or the NAME of a [providers.NAME] table to inherit from; default: openai", example='"openai"')
    ] = None
    model: Annotated[
        str | None, Key("model name that is sent to the server; default: name", check=text_check.label, example='"qwen3:8b"')
    ] = None
    id: Annotated[
        str | None, Key("unique identifier; default: made from name and address", check=rules.endpoint_id, example='"fast-a"')
    ] = None
    api_key: Annotated[
        Secret | None,
        Key("the vendor's key, sent in the header that the kind requires", check=rules.credential, example='"${MODEL_API_KEY}"'),
    ] = None
    region: Annotated[
        str, Key("region of the server, instead of the provider's; for regions and privacy", check=rules.region, example='"local"')
    ] = ""
    headers: Headers = msgspec.field(default_factory=dict[str, str])
    api_version: Annotated[
        str | None, Key("version of the API; for kind azure only", check=rules.version, example='"2024-10-21"')
    ] = None
    max_tokens: Annotated[
        int | None,
        Key("output limit if the client sets none and the API requires one, and for /chat", low=1, high=4294967295, example="4096"),
    ] = None
    max_output_tokens: Annotated[
        int | None,
        Key(
            "largest output of the model; a larger limit in a translated request is lowered to it",
            low=1,
            high=4294967295,
            example="8192",
        ),
    ] = None
    temperature: Annotated[float | None, Key("sampling temperature; for /chat only", low=0, high=2, example="0.7")] = None
    weight: Annotated[float, Key("share of requests among endpoints of the same priority", above=0)] = 1.0
    priority: Annotated[int, Key("endpoints with a higher priority are tried first", low=0, high=255)] = 1
    context_window: Annotated[
        int | None, Key("context window in tokens; longer prompts go to other endpoints", low=1, high=1000000000, example="65536")
    ] = None
    advertised_window: Annotated[
        int | None,
        Key(
            "context window that clients assume; reported token counts are scaled to it; requires context_window",
            low=1,
            high=1000000000,
            example="200000",
        ),
    ] = None
    capabilities: Annotated[
        tuple[Capability, ...] | None, Key("what the model supports; default: everything", example='["tools", "vision", "json"]')
    ] = None
    max_in_flight: Annotated[int, Key("concurrent requests to this endpoint; 0 is no limit", low=0, high=1000000)] = 0
    timeout_seconds: Annotated[
        float,
        Key("replaces the provider's timeout_seconds, [timeouts], and server.request_timeout_seconds; 0: theirs", low=0, high=3600),
    ] = 0.0
    first_event_timeout_seconds: Annotated[
        float, Key("replaces server.first_event_timeout_seconds; 0: the server's", low=0, high=3600)
    ] = 0.0
    health_check: Annotated[bool | None, Key("false: no background probes; default: the provider's", example="false")] = None
    price: Annotated[
        Price | None,
        Key(
            "prices in USD per million tokens; default: the vendor's list price, if octoroute knows it",
            example="{ input = 0.15, output = 0.60 }",
        ),
    ] = None
    wire: Annotated[
        Literal["", "chat", "responses"],
        Key(
            "OpenAI's API that chat is asked by: chat/completions or responses; default: the client's own where the host is "
            "api.openai.com, chat elsewhere",
            example='"responses"',
        ),
    ] = ""
    quirks: Quirks = ()
    host: Host = ""
    tls: Annotated[TlsTable, Key("TLS settings of this endpoint, instead of the provider's; see tls")] = TlsTable()


class ModelsTable(Table, frozen=True, kw_only=True):
    """The endpoints of each tier. A tier without one is replaced by the next bigger tier, else by the next smaller one."""

    fast: Annotated[tuple[EndpointTable, ...], Key("small, inexpensive models")] = ()
    balanced: Annotated[tuple[EndpointTable, ...], Key("medium models")] = ()
    deep: Annotated[tuple[EndpointTable, ...], Key("the most capable models")] = ()
    embedding: Annotated[tuple[EndpointTable, ...], Key("models for /v1/embeddings")] = ()
    audio: Annotated[tuple[EndpointTable, ...], Key("models for /v1/audio/transcriptions, translations, and speech")] = ()
    image: Annotated[tuple[EndpointTable, ...], Key("models for /v1/images/generations, edits, and variations")] = ()
    rerank: Annotated[tuple[EndpointTable, ...], Key("models for /v1/rerank")] = ()
    moderation: Annotated[tuple[EndpointTable, ...], Key("models for /v1/moderations")] = ()
    decision: Annotated[tuple[EndpointTable, ...], Key("models for /v1/decisions and /v1/systemone")] = ()
