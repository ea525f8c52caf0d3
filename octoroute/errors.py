"""Everything that can go wrong, by who is at fault.

    OctorouteError
    ├── ConfigError            the operator: what was wrong, all of it
    ├── ClientError            the caller
    │   ├── BadRequest 400     ContextTooLong 400
    │   ├── Unauthorized 401   Forbidden 403
    │   ├── TooExpensive 402
    │   ├── UnknownModel 404   UnknownRoute 404
    │   ├── WrongMethod 405    TooLate 408
    │   ├── TooLarge 413       HeadersTooLarge 431
    │   ├── WrongMediaType 415
    │   └── OverLimit 429
    ├── UpstreamError          an endpoint
    │   ├── Unreachable 502    no connection
    │   │   ├── TlsRejected    its certificate, or ours, was rejected
    │   │   └── NoResources    the gateway has no descriptor or memory left for a connection
    │   ├── TooSlow 504        no answer in time
    │   ├── Throttled 429      rate limited
    │   ├── Overloaded 502     at capacity
    │   ├── BadUpstreamResponse 502  it failed, or its response is malformed
    │   ├── Empty 502          an empty response
    │   ├── UpstreamAuthError 502    it rejected our credentials
    │   └── UpstreamRejected 4xx     it rejected this request; relayed unchanged
    ├── Exhausted              no endpoint answered; carries the last real cause
    └── StoreError             history could not be kept

`status` is what a client sees, `code` a stable word for logs, metrics, and the error body, `kind` the error family that
dialects map to their own type names. `retryable`: another endpoint may do better. `blames_endpoint`: counts towards its
circuit. The text of an error never holds a key or a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class OctorouteError(Exception):
    status: ClassVar[int] | int = 500
    code: ClassVar[str] | str = "internal_error"
    kind: ClassVar[str] | str = "server_error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.headers: dict[str, str] = {}
        """Headers that tell the client which way its request went."""

    retry_after_s: float | None = None


class ConfigError(OctorouteError):
    """The configuration cannot be used. `problems` are whole sentences, each naming its key path and the remedy."""

    code = "invalid_configuration"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ClientError(OctorouteError):
    """The caller's to mend. `param` names the offending field as the caller wrote it, `details` are for its program to read."""

    status = 400
    code = "invalid_request"
    kind = "invalid_request_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.param = param
        self.retry_after_s = retry_after_s
        self.details = details


class BadRequest(ClientError):
    pass


class ContextTooLong(BadRequest):
    """No endpoint that may answer has a window for it. The words are the ones that make agents compact themselves."""

    code = "context_length_exceeded"

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"prompt is too long: {tokens} tokens > {limit} maximum", param="messages")


class Unauthorized(ClientError):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"


class Forbidden(ClientError):
    status = 403
    code = "permission_denied"
    kind = "permission_error"


class TooExpensive(ClientError):
    """Everybody who could answer would probably cost more than `selection.max_cost_usd`."""

    status = 402
    code = "cost_limit_exceeded"
    kind = "billing_error"


class UnknownModel(ClientError):
    status = 404
    code = "model_not_found"
    kind = "not_found_error"


class UnknownRoute(ClientError):
    status = 404
    code = "unknown_route"
    kind = "not_found_error"


class WrongMethod(ClientError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class TooLate(ClientError):
    """The request did not come to its end."""

    status = 408
    code = "request_timeout"


class TooLarge(ClientError):
    status = 413
    code = "request_too_large"
    kind = "request_too_large"


class WrongMediaType(ClientError):
    status = 415
    code = "unsupported_media_type"


class HeadersTooLarge(ClientError):
    status = 431
    code = "headers_too_large"


class OverLimit(ClientError):
    status = 429
    code = "rate_limit_exceeded"
    kind = "rate_limit_error"


class UpstreamError(OctorouteError):
    """An endpoint did not do its part. `message` is for clients: it holds no address and nothing of the upstream's body."""

    status = 502
    code = "upstream_error"
    kind = "api_error"
    retryable: ClassVar[bool] = True
    blames_endpoint: ClassVar[bool] = True

    def __init__(self, message: str, *, retry_after_s: float | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.detail = detail
        """For the log at debug only: what the upstream said, bounded."""


class Unreachable(UpstreamError):
    code = "upstream_unreachable"


class TlsRejected(Unreachable):
    """Its TLS certificate is not one that the configuration believes. Nothing was sent; the endpoint opens at once."""

    code = "upstream_untrusted"


class NoResources(Unreachable):
    """No descriptor or no memory for a connection: it is no endpoint's fault."""

    blames_endpoint = False


class TooSlow(UpstreamError):
    status = 504
    code = "upstream_timeout"
    kind = "timeout_error"


class Throttled(UpstreamError):
    """429: the endpoint is well, and wants a rest of `retry_after_s` (None: it did not say)."""

    status = 429
    code = "upstream_rate_limited"
    kind = "rate_limit_error"
    blames_endpoint = False


class Overloaded(UpstreamError):
    code = "upstream_overloaded"
    kind = "overloaded_error"


class BadUpstreamResponse(UpstreamError):
    """A 5xx, an answer that is no answer, or one that stopped before its end."""

    code = "upstream_failed"


class Empty(UpstreamError):
    """An answer without a word, a thought, or a call. Only raised while somebody is left to be asked; such answers may be meant."""

    code = "upstream_empty"
    blames_endpoint = False


class UpstreamAuthError(UpstreamError):
    """401, 402, 403: our credentials, not the client's. The endpoint opens at once."""

    code = "upstream_misconfigured"


class UpstreamRejected(UpstreamError):
    """The upstream answered about this very request (400, 404, 413, 422 …): relayed with status and body, not retried."""

    code = "upstream_declined"
    kind = "invalid_request_error"
    retryable = False
    blames_endpoint = False

    def __init__(self, message: str, *, status: int, body: bytes, headers: Mapping[str, str], dialect: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        """The upstream's own bytes, in `dialect`."""
        self.upstream_headers = headers
        self.dialect = dialect


class Exhausted(OctorouteError):
    """Nobody answered. Status, code, and kind are those of the last real cause; 503 when nobody could even be asked."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 503,
        code: str = "no_endpoint_available",
        kind: str = "api_error",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.kind = kind
        self.retry_after_s = retry_after_s


class StoreError(OctorouteError):
    code = "store_unavailable"


# The names of version 1.0, kept for one minor version.
Broke = BadUpstreamResponse
Declined = UpstreamRejected
Misconfigured = UpstreamAuthError
Starved = NoResources
Untrusted = TlsRejected
