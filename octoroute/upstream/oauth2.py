"""Access tokens for endpoints by OAuth 2.0 client credentials (RFC 6749, 4.4): one fetch for all that wait, renewed in time.

A token that the endpoint refuses is renewed once. No secret and no token is in an error or a log.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus, urlsplit

import msgspec
import structlog

from octoroute.domain.endpoint import OAuth2Grant
from octoroute.errors import BadUpstreamResponse, UpstreamAuthError, UpstreamError
from octoroute.upstream.providers.base import Headers
from octoroute.upstream.transports.base import Transport, TransportRequest, TransportResponse
from octoroute.upstream.web_client import WebAnswer, WebClient

DEFAULT_LIFETIME_S = 300.0
"""Of a token whose server does not say."""
MAX_LIFETIME_S = 7 * 86400.0
RENEW_SHARE, RENEW_BEFORE_S = 0.2, 300.0
"""A token is renewed in the background when this share of its life, at most so long, is left."""
MIN_AGE_S = 1.0
"""A younger token that an endpoint refuses is not renewed: another would be refused as well."""
RETRY_S = 10.0
"""After a renewal in the background has failed, while the present token is still valid."""
_REFUSED = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "invalid_grant", "access_denied", "invalid_target"})
"""Error codes that blame the credentials or the settings (RFC 6749, 5.2; RFC 8707, 2)."""

log = structlog.stdlib.get_logger("octoroute.oauth2")


class TokenAnswer(msgspec.Struct, frozen=True):
    """RFC 6749, 5.1. Some servers write the number as a text."""

    access_token: str
    expires_in: float | str | None = None
    token_type: str = "Bearer"  # noqa: S105 - a kind of token


class _TokenError(msgspec.Struct, frozen=True):
    error: str = ""


class _CurrentToken:
    """The token of one grant."""

    def __init__(self) -> None:
        self.token = ""
        self.since = self.renew_at = self.ends_at = float("-inf")
        self.task: asyncio.Task[UpstreamError | None] | None = None


class AccessTokens:
    """Sends requests with the token of their endpoint."""

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._transport = transport
        self._web = WebClient(transport)
        self._clock = clock
        self._held: dict[OAuth2Grant, _CurrentToken] = {}

    async def send(self, grant: OAuth2Grant, request: TransportRequest) -> TransportResponse:
        """As `Transport.send`, once more with a new token if the response is 401. Raises UpstreamError if there is no token."""
        held = self._held.setdefault(grant, _CurrentToken())
        token = grant.latest.text = await self._token(grant, held)
        response = await self._transport.send(_with_token(request, token))
        if response.status != 401 or self._clock() - held.since < MIN_AGE_S:
            return response
        response.close()
        if held.token == token:
            held.ends_at = float("-inf")
        token = grant.latest.text = await self._token(grant, held)
        return await self._transport.send(_with_token(request, token))

    async def close(self) -> None:
        tasks = [held.task for held in self._held.values() if held.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _token(self, grant: OAuth2Grant, held: _CurrentToken) -> str:
        now = self._clock()
        if now < held.renew_at and now < held.ends_at:
            return held.token
        task = held.task
        if task is None:
            task = held.task = asyncio.get_running_loop().create_task(self._renew(grant, held))
        if now < held.ends_at:
            return held.token
        error = await asyncio.shield(task)
        if error is not None:  # each request has an error of its own, to which its attempts are added
            raise type(error)(error.message, retry_after_s=error.retry_after_s, detail=error.detail)
        return held.token

    async def _renew(self, grant: OAuth2Grant, held: _CurrentToken) -> UpstreamError | None:
        """Return why there is no new token; None: there is one."""
        host = urlsplit(grant.token_url).netloc
        try:
            fields, headers = token_request(grant)
            found = read_answer(await self._web.post_form(grant.token_url, fields, headers), host)
            lifetime_s = _lifetime_s(found)
            held.token, held.since = found.access_token, self._clock()
            held.ends_at = held.since + lifetime_s
            held.renew_at = held.ends_at - min(lifetime_s * RENEW_SHARE, RENEW_BEFORE_S)
        except UpstreamError as error:
            held.renew_at = self._clock() + RETRY_S
            log.warning(
                "no token for an endpoint", token_server=host, client_id=grant.client_id, error=error.detail or error.message
            )
            return error
        finally:
            held.task = None
        return None


def token_request(grant: OAuth2Grant) -> tuple[Mapping[str, str], Headers]:
    """The fields and headers that ask for a token."""
    fields = {"grant_type": "client_credentials", "scope": grant.scope, "audience": grant.audience}
    fields = {name: value for name, value in fields.items() if value}
    if not grant.by_header:
        return {**fields, "client_id": grant.client_id, "client_secret": grant.client_secret.reveal()}, ()
    return fields, (basic(grant.client_id, grant.client_secret.reveal()),)


def basic(client_id: str, secret: str) -> tuple[str, str]:
    """The header of a client (RFC 6749, 2.3.1: both parts are form-encoded first)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "authorization", "Basic " + base64.b64encode(pair.encode()).decode()


def read_answer(answer: WebAnswer, host: str) -> TokenAnswer:
    """Raises UpstreamAuthError if the client is refused, and BadUpstreamResponse for any other answer without a usable token."""
    if answer.status == 200:
        try:
            found = msgspec.json.decode(answer.body, type=TokenAnswer)
        except ValueError:
            raise BadUpstreamResponse("the endpoint's token server sent no token", detail=f"{host}: malformed answer") from None
        usable = found.access_token.isascii() and found.access_token.isprintable() and " " not in found.access_token
        if not found.access_token or not usable or found.token_type.lower() != "bearer":
            raise BadUpstreamResponse("the endpoint's token server sent no token", detail=f"{host}: no bearer token")
        return found
    try:
        code = msgspec.json.decode(answer.body, type=_TokenError).error
    except ValueError:
        code = ""
    detail = f"{host}: status {answer.status}{f', {code}' if code in _REFUSED else ''}"
    if code in _REFUSED or answer.status in {401, 403}:
        raise UpstreamAuthError("the endpoint's token server refuses the gateway's credentials", detail=detail)
    raise BadUpstreamResponse("the endpoint's token server failed", detail=detail)


def _lifetime_s(answer: TokenAnswer) -> float:
    try:
        seconds = float(answer.expires_in if answer.expires_in is not None else DEFAULT_LIFETIME_S)
    except ValueError:
        seconds = DEFAULT_LIFETIME_S
    return min(max(seconds, 0.0), MAX_LIFETIME_S) if seconds == seconds else DEFAULT_LIFETIME_S  # noqa: PLR0124 - NaN


def _with_token(request: TransportRequest, token: str) -> TransportRequest:
    return msgspec.structs.replace(request, headers=_bearer(request.headers, token))


@functools.lru_cache(maxsize=256)
def _bearer(headers: Headers, token: str) -> Headers:
    """The same object for the same values, which the transport validates once."""
    return (*(pair for pair in headers if pair[0].lower() != "authorization"), ("authorization", f"Bearer {token}"))
