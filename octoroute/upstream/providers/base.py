"""What a vendor must provide: addresses and credentials. Pure; one instance serves all endpoints of a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from octoroute.dialects.response.errors import UpstreamErrorBody
from octoroute.dialects.response.unsupported_params import ParameterFix
from octoroute.domain.endpoint import Endpoint

Headers: TypeAlias = tuple[tuple[str, str], ...]
SettingProblem: TypeAlias = tuple[str, str]
"""A key of the configuration, and what is wrong with it."""
FixReader: TypeAlias = Callable[[UpstreamErrorBody], ParameterFix | None]
"""Which parameter an error body complains of, and what to do about it; None: the error is not about one."""


class Provider(Protocol):
    """Members with a value or a body here are optional for plug-ins."""

    kind: str
    dialect: str
    """The wire format its servers speak: a key of `dialects.outbound`."""
    passes: tuple[str, ...]
    """Headers of a client of the same dialect that its servers understand; lower-case names."""
    credential_headers: frozenset[str] = frozenset({"authorization"})
    """Headers that carry the key, in lower case: a configured header of such a name takes the place of `api_key`.

    The configuration reads it of built-in kinds; it takes the default for a plug-in, which is not loaded that early.
    """

    chat_apis: Mapping[str, str] = {}
    """Further wire formats for chat, each with the `api` of its address."""

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        """The address of `api`: "chat", "embeddings", "completions", "count_tokens", or one of `chat_apis` or `PASSED_TIERS`.

        None: this kind does not have it.
        """
        ...

    def wires(self, wire: str, base_url: str) -> tuple[str, ...] | None:
        """`Endpoint.wires` of an endpoint that is configured with `wire`; None: this kind has no such format.

        The configuration asks built-in kinds only.
        """
        del base_url
        return () if wire in {"", "chat"} else None

    def headers(self, endpoint: Endpoint) -> Headers:
        """Credentials and configured headers, the same for all requests. Neither host nor lengths."""
        ...

    def probe_url(self, endpoint: Endpoint) -> str:
        """The address that the health check GETs with `headers(endpoint)`."""
        ...

    def may_drop_params(self, endpoint: Endpoint, *, stream: bool) -> FixReader | None:
        """How to read this server's refusal of a parameter in a client's own request, which is then sent again without it.

        None: the refusal is the client's to see, as with the vendor's own servers.
        """
        del endpoint, stream

    def problem(self, endpoint: Endpoint) -> SettingProblem | None:
        """What the settings of an endpoint lack; None: nothing. The configuration asks built-in kinds only."""
        del endpoint


@runtime_checkable
class RequestSigner(Protocol):
    """A provider whose servers want a signature per request has this method too."""

    def sign(self, endpoint: Endpoint, *, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """The headers to add to this request; a header in `headers` of the same name is replaced.

        `headers` are those of `Provider.headers` and the client's that were passed on. The transport adds host, content-length, and
        accept-encoding afterwards. `endpoint.api_key` is the client's own key where that is forwarded.
        """
        ...
