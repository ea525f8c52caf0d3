"""The exceptions of the package, grouped by the party at fault. The text of an error never contains a key or a prompt.

    OctorouteError
    ├── ConfigError                the operator's configuration; lists every problem
    ├── ClientError                the client's request
    │   ├── BadRequest        400
    │   │   └── ContextTooLong, UnknownPreviousResponse
    │   ├── Unauthorized 401, TooExpensive 402, Forbidden 403
    │   ├── UnknownModel, UnknownRoute, NotStored 404
    │   ├── WrongMethod 405, TooLate 408, TooLarge 413, WrongMediaType 415, HeadersTooLarge 431
    │   └── OverLimit         429  a limit of requests or tokens
    │       └── OverBudget    429  a budget
    ├── RequestCancelled      503  an operator cancelled it
    ├── StorageUnavailable    503  the database is away
    │   └── IdentityUnavailable 503  the issuer of a token is away
    ├── UpstreamError         502  one endpoint's failure
    │   ├── Unreachable       502  no connection
    │   │   └── TlsRejected, NoResources
    │   ├── TooSlow           504  no response in time
    │   ├── Throttled         429  rate limited
    │   ├── Overloaded, Empty 502  at capacity; an empty response
    │   ├── BadUpstreamResponse 502  a server error, or a malformed or truncated response
    │   ├── UpstreamAuthError, NotServed 502  credentials rejected; no such model or address
    │   └── UpstreamRejected  4xx  this request was rejected; relayed unchanged
    └── Exhausted                  no endpoint answered; carries the last real cause

`status` is the HTTP status that the client receives. `code` is a stable word for logs, metrics, and the error body. `kind` is
the error family, which each dialect maps to its own type name. `retryable`: another endpoint may succeed. `blames_endpoint`:
the error counts towards the endpoint's circuit breaker. `repeatable`: the same endpoint may succeed when it is asked again within
the request. `refusal`: what the endpoint's words mean, a `RefusalKind` of dialects.response.refusals; "": it has said nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class OctorouteError(Exception):
    """Base of every error that the package raises on purpose. Unless a subclass says otherwise it is an internal error (500)."""

    status: ClassVar[int] | int = 500
    code: ClassVar[str] | str = "internal_error"
    kind: ClassVar[str] | str = "server_error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.headers: dict[str, str] = {}
        """Response headers that describe the route of the request: tier, endpoint, attempts."""

    retry_after_s: float | None = None
    """Seconds after which a retry may succeed; sent as `retry-after`. None: not known."""


class ConfigError(OctorouteError):
    """The configuration is invalid. Each of `problems` is a sentence that names the key path and the remedy."""

    code = "invalid_configuration"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ClientError(OctorouteError):
    """The client must change its request. `param`: the field as the client named it. `details`: machine-readable facts."""

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
    """The request is malformed or contradicts itself."""


class ContextTooLong(BadRequest):
    """The prompt exceeds the context window of every eligible endpoint; in Anthropic's words, which make coding agents compact."""

    code = "context_length_exceeded"

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"prompt is too long: {tokens} tokens > {limit} maximum", param="messages")


class UnknownPreviousResponse(BadRequest):
    """The conversation that the request continues is not stored, or does not belong to its key. OpenAI's status and code."""

    code = "previous_response_not_found"


class Unauthorized(ClientError):
    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"


class Forbidden(ClientError):
    status = 403
    code = "permission_denied"
    kind = "permission_error"


class TooExpensive(ClientError):
    """The request is estimated to cost more than `selection.max_cost_usd`, or than a whole budget, at every eligible endpoint."""

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


class NotStored(ClientError):
    """No stored response, or item of one, has this id; or it belongs to another key, which must not make a difference."""

    status = 404
    code = "not_stored"
    kind = "not_found_error"


class WrongMethod(ClientError):
    """The route exists but not for this HTTP method. `allow`: the methods it accepts, comma-separated."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class TooLate(ClientError):
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
    """A limit of ours is reached; or every eligible endpoint is at capacity and the queue is full or too slow."""

    status = 429
    code = "rate_limit_exceeded"
    kind = "rate_limit_error"


class OverBudget(OverLimit):
    code = "budget_exceeded"
    kind = "billing_error"


class StorageUnavailable(OctorouteError):
    """The store cannot be read or written now; the text says why."""

    status = 503
    code = "store_unavailable"
    kind = "api_error"
    retry_after_s = 1.0


class IdentityUnavailable(StorageUnavailable):
    code = "identity_unavailable"


class UpstreamError(OctorouteError):
    """An endpoint failed. `message` is for clients: it contains no address and nothing of the upstream's body."""

    status = 502
    code = "upstream_error"
    kind = "api_error"
    retryable: ClassVar[bool] | bool = True
    blames_endpoint: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    refusal: str = ""

    def __init__(self, message: str, *, retry_after_s: float | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.detail = detail
        """The upstream's error text, bounded in length. Logged at debug level only."""


class Unreachable(UpstreamError):
    code = "upstream_unreachable"


class TlsRejected(Unreachable):
    """TLS verification failed. Nothing was sent; the circuit of the endpoint opens at once."""

    code = "upstream_untrusted"


class NoResources(Unreachable):
    """The gateway has no file descriptor or memory for a connection; the endpoint is not at fault."""

    blames_endpoint = False


class TooSlow(UpstreamError):
    status = 504
    code = "upstream_timeout"
    kind = "timeout_error"
    repeatable = False


class Throttled(UpstreamError):
    """The endpoint answered 429. It is healthy and rate limited for `retry_after_s` seconds; None: it named no time."""

    status = 429
    code = "upstream_rate_limited"
    kind = "rate_limit_error"
    blames_endpoint = False


class Overloaded(UpstreamError):
    code = "upstream_overloaded"
    kind = "overloaded_error"


class BadUpstreamResponse(UpstreamError):
    """The endpoint answered 5xx, or its response is malformed or truncated."""

    code = "upstream_failed"


class Empty(UpstreamError):
    """The response has no text, reasoning, or tool call. Raised only once: the model may mean to say nothing."""

    code = "upstream_empty"
    blames_endpoint = False


class UpstreamAuthError(UpstreamError):
    """The endpoint rejected the gateway's credentials, account, or country, not the client's: its circuit opens at once."""

    code = "upstream_misconfigured"


class NotServed(UpstreamError):
    """The endpoint does not have the model or the address that the operator configured."""

    code = "upstream_not_found"
    repeatable = False


class UpstreamRejected(UpstreamError):
    """The endpoint rejected this request (400, 413, 422 …). Relayed with status and body, if no other endpoint may take it."""

    code = "upstream_declined"
    kind = "invalid_request_error"
    retryable = False
    blames_endpoint = False

    def __init__(self, message: str, *, status: int, body: bytes, headers: Mapping[str, str], dialect: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        """The upstream's bytes, in the wire format `dialect`."""
        self.upstream_headers = headers
        self.dialect = dialect


class RequestCancelled(OctorouteError):
    """An operator has cancelled the request while it was under way; a retry would start it again."""

    status = 503
    code = "request_cancelled"
    kind = "api_error"

    def __init__(self) -> None:
        super().__init__("an operator of the gateway has cancelled this request")
        self.headers = {"x-should-retry": "false"}


class Exhausted(OctorouteError):
    """No endpoint answered. `status`, `code`, and `kind` are those of the last failed attempt; 503 if none was possible."""

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


# Aliases: the names of version 1.0, available for one more minor version.
Broke, Declined, Misconfigured = BadUpstreamResponse, UpstreamRejected, UpstreamAuthError
Starved, Untrusted = NoResources, TlsRejected
