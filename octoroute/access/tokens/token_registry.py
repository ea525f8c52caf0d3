"""Tokens that were verified, each known until it expires, as a key is. No token's text is kept, only its SHA-256.

The digest is of the whole token, its issuer included, so that no two tokens share an entry (CVE-2026-35030).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from octoroute.access.credentials import digest_of, offered_keys
from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.access.tokens.compact import looks_like_token, read_token, rejected
from octoroute.access.tokens.issuer import Issuer
from octoroute.access.tokens.key_set import KeySets
from octoroute.access.tokens.signature import check_signature
from octoroute.errors import OctorouteError

MAX_TOKENS = 10_000
"""Verified tokens that are remembered; the least recently used is verified again."""


class TokenRegistry:
    """Gives the key registry the tokens of requests, before the request is judged by it."""

    def __init__(self, issuers: Sequence[Issuer], keys: KeySets, registry: KeyRegistry, wall: Callable[[], float]) -> None:
        """`wall`: seconds since the epoch."""
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._keys = keys
        self._registry = registry
        self._wall = wall
        self._verified: OrderedDict[bytes, KnownKey] = OrderedDict()
        registry.use_tokens(
            self._verified,
            frozenset(issuer.fingerprint for issuer in issuers),
            may_be_privileged=any(issuer.may_be_privileged for issuer in issuers),
        )

    async def admit(self, headers: Mapping[str, str]) -> None:
        """Verify the tokens that the headers hold, unless a key or token in them is known.

        Raises Unauthorized for a token that is not valid, and IdentityUnavailable if that cannot be found out.
        """
        failure: OctorouteError | None = None
        for text in offered_keys(headers):
            digest = digest_of(text)
            if digest in self._verified:
                self._verified.move_to_end(digest)
                return
            if self._registry.knows(digest):
                return
            if looks_like_token(text):
                try:
                    known = await self.verify(text)
                except OctorouteError as error:
                    failure = error
                    continue
                self._verified[digest] = known
                while len(self._verified) > MAX_TOKENS:
                    self._verified.popitem(last=False)
                return
        if failure is not None:
            raise failure

    async def verify(self, text: str, *, audience: str | None = None, nonce: str | None = None) -> KnownKey:
        """Return what the token grants. Raises Unauthorized and IdentityUnavailable.

        `audience`: in place of the configured one. `nonce`: what the claim of that name must be; None: no such claim is read.
        """
        token = read_token(text)
        issuer = self._issuers.get(token.issuer)
        if issuer is None:
            raise rejected("its issuer is not one that this gateway trusts (iss)")
        if token.algorithm not in issuer.algorithms:
            raise rejected("its algorithm is not allowed (alg)")
        expires_at = issuer.check_claims(token, self._wall(), None if audience is None else (audience,))
        if audience is not None and token.claims.get("azp", audience) != audience:
            raise rejected("it is for another client (azp)")
        if nonce is not None and token.claims.get("nonce") != nonce:
            raise rejected("it is the answer to another sign-in (nonce)")
        check_signature(token, await self._keys.of(issuer.issuer, issuer.jwks_url).find(token.key_id), issuer.algorithms)
        principal = issuer.principal(token.claims)
        if self._registry.has_name(principal.name) or (
            principal.budget_holder and self._registry.has_name(principal.budget_holder)
        ):
            raise rejected("its name is that of an API key; set name_prefix in [auth.jwt]")
        return KnownKey(
            digest=digest_of(text),
            principal=principal,
            owner=issuer.owner(token.claims),
            expires_at=expires_at,
            granted_by=issuer.fingerprint,
        )
