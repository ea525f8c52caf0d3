"""Single sign-on at an OpenID Connect provider: the authorization code flow with PKCE, a state, and a nonce (RFC 6749, 7636, 9207).

What a sign-in needs later is in a signed cookie of the browser that began it, so that no other browser can end it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
import structlog

from octoroute.access.key_registry import KnownKey
from octoroute.access.tokens.key_set import Discovery, discover
from octoroute.config.schema.tokens import LoginTable
from octoroute.errors import BadRequest, Forbidden, IdentityUnavailable, OctorouteError, Unauthorized, UnknownRoute
from octoroute.runtime.assembly import Runtime
from octoroute.server.downstream import Scope
from octoroute.server.guard import AccessRules
from octoroute.server.origins import scheme_of
from octoroute.server.sessions import cookie_of
from octoroute.upstream.oauth2 import basic

COOKIE = "octoroute-login"
LIFETIME_S = 600.0
"""How long signing in at the provider may take."""
DISCOVERY_S = 600.0
_PURPOSE = "login"
_CODE = re.compile(r"[a-z_]{1,40}")

log = structlog.stdlib.get_logger("octoroute.sign_in")


class PendingSignIn(msgspec.Struct, frozen=True, kw_only=True):
    state: str
    nonce: str
    verifier: str
    next: str
    expires_at: float
    """Seconds since the epoch."""


class Departure(NamedTuple):
    """Where the browser goes to sign in, and the `set-cookie` that it takes along."""

    url: str
    cookie: str


class CodeAnswer(msgspec.Struct, frozen=True):
    id_token: str


class SingleSignOn:
    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules
        self._discovered: tuple[str, float, Discovery] | None = None

    @property
    def is_on(self) -> bool:
        return bool(self._login.client_id)

    @property
    def _login(self) -> LoginTable:
        return self._runtime.config.auth.login

    async def begin(self, next_path: str, scope: Scope, headers: Mapping[str, str]) -> Departure:
        """Raises UnknownRoute if there is no single sign-on, and IdentityUnavailable."""
        if not self.is_on:
            raise UnknownRoute("there is no single sign-on here; [auth.login] client_id sets it up")
        provider = await self._provider()
        pending = PendingSignIn(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            next=next_path,
            expires_at=self._runtime.wall() + LIFETIME_S,
        )
        asked = {
            "response_type": "code",
            "client_id": self._login.client_id,
            "redirect_uri": self._redirect_uri(scope, headers),
            "scope": " ".join(self._login.scopes),
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": challenge(pending.verifier),
            "code_challenge_method": "S256",
        }
        address = provider.authorization_endpoint
        sessions = self._rules.sessions
        cookie = sessions.cookie(COOKIE, sessions.signer.sign(_PURPOSE, pending), LIFETIME_S, scope, headers)
        return Departure(f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", cookie)

    def pending(self, headers: Mapping[str, str]) -> PendingSignIn:
        """Return the sign-in that this browser has begun. Raises BadRequest if there is none."""
        text = cookie_of(headers, COOKIE)
        found = self._rules.sessions.signer.read(_PURPOSE, text, PendingSignIn) if text else None
        if found is None or found.expires_at <= self._runtime.wall():
            raise BadRequest("this sign-in was not begun in this browser, or too long ago; begin again")
        return found

    async def end(self, pending: PendingSignIn, query: Mapping[str, str], scope: Scope, headers: Mapping[str, str]) -> KnownKey:
        """Return what the provider's ID token grants. Raises OctorouteError."""
        if not hmac.compare_digest(query.get("state", "").encode(), pending.state.encode()):
            raise BadRequest("this is the answer to another sign-in (state); begin again")
        issuer = self._issuer
        if query.get("iss", issuer) != issuer:
            raise BadRequest("another identity provider has answered (iss); begin again")
        if "code" not in query:
            code = query.get("error", "")
            raise Forbidden(f"the identity provider has not signed you in{f' ({code})' if _CODE.fullmatch(code) else ''}")
        tokens = self._rules.tokens
        assert tokens is not None  # the configuration has no [auth.login] without [auth.jwt]
        text = await self._exchange(query["code"], pending, self._redirect_uri(scope, headers))
        known = await tokens.verify(text, audience=self._login.client_id, nonce=pending.nonce)
        return msgspec.structs.replace(known, expires_at=None)  # the session has a lifetime of its own

    def end_cookie(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Return the `set-cookie` that removes the cookie of a sign-in that has ended."""
        return self._rules.sessions.cookie(COOKIE, "", 0, scope, headers)

    @property
    def _issuer(self) -> str:
        return self._login.issuer or self._runtime.config.auth.jwt.issuer

    async def _provider(self) -> Discovery:
        issuer, now = self._issuer, self._runtime.wall()
        if self._discovered is None or self._discovered[0] != issuer or not 0 <= now - self._discovered[1] < DISCOVERY_S:
            try:
                found = await discover(issuer, self._runtime.web.get)
            except (OctorouteError, ValueError) as error:
                raise _unavailable(issuer, error) from None
            if not found.authorization_endpoint or not found.token_endpoint:
                raise _unavailable(issuer, ValueError("the discovery document has no authorization_endpoint or token_endpoint"))
            self._discovered = issuer, now, found
        return self._discovered[2]

    async def _exchange(self, code: str, pending: PendingSignIn, redirect_uri: str) -> str:
        """Return the ID token for the code."""
        provider, login = await self._provider(), self._login
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": pending.verifier,
            "client_id": login.client_id,
        }
        secret = login.client_secret.reveal() if login.client_secret is not None else ""
        headers: tuple[tuple[str, str], ...] = ()
        if secret and "client_secret_basic" in provider.token_endpoint_auth_methods_supported:
            headers = (basic(login.client_id, secret),)
        elif secret:
            fields["client_secret"] = secret
        try:
            answer = await self._runtime.web.post_form(provider.token_endpoint, fields, headers)
        except OctorouteError as error:
            raise _unavailable(self._issuer, error) from None
        if answer.status != 200:
            log.warning("the identity provider has refused a code", issuer=self._issuer, status=answer.status)
            raise Unauthorized("the identity provider has refused this sign-in; begin again, or check client_id and client_secret")
        try:
            return msgspec.json.decode(answer.body, type=CodeAnswer).id_token
        except ValueError:
            raise _unavailable(self._issuer, ValueError("the answer has no id_token")) from None

    def _redirect_uri(self, scope: Scope, headers: Mapping[str, str]) -> str:
        own = f"{scheme_of(scope, headers)}://{headers.get('host', '')}{self._rules.root_path}"
        return (self._login.public_url.rstrip("/") or own) + "/login/callback"


def challenge(verifier: str) -> str:
    """The code challenge S256 (RFC 7636, 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _unavailable(issuer: str, error: Exception) -> IdentityUnavailable:
    why = error.message if isinstance(error, OctorouteError) else str(error)
    log.warning("the identity provider cannot be used", issuer=issuer, error=why)
    return IdentityUnavailable("the identity provider cannot be reached; try again, or use a key")
