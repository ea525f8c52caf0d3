"""A token issuer on a real socket: its discovery document, its keys, which rotate, and the tokens that it signs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "octoroute"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def private_key(name: str) -> Any:
    """RSA unless the name begins with a curve."""
    if name.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    if name.startswith("ed"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=1024 if name.startswith("short") else 2048)


def algorithm_of(name: str) -> str:
    return {"ec": "ES256", "ed": "EdDSA"}.get(name[:2], "RS256")


def public_jwk(name: str) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name(algorithm_of(name))
    return {**json.loads(algorithm.to_jwk(private_key(name).public_key())), "kid": name, "use": "sig"}


class FakeIssuer:
    def __init__(self, *names: str) -> None:
        self.names = list(names or ("one", "ec-one", "ed-one"))
        self.served: list[str] = []
        """Paths that were asked for."""
        self.is_down = False
        self.hangs = False
        self.port = 0
        self.forms: list[str] = []
        """Heads and bodies of POSTs."""
        self.answers: dict[str, Any] = {}
        """Further answers, by path."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/realm"

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [public_jwk(name) for name in self.names]}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            if head.startswith("POST"):
                length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:"))
                self.forms.append(head + (await reader.readexactly(length)).decode())
            self.served.append(path)
            if self.hangs:
                await reader.read()
            body = json.dumps(self._answer(path)).encode()
            status = b"503 Down" if self.is_down else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
            await writer.drain()
        writer.close()

    def _answer(self, path: str) -> Any:
        if path in self.answers:
            return self.answers[path]
        if path.endswith("/openid-configuration"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", "token_endpoint": f"{self.url}/token"}
        return self.jwks

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: str = "one", *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """`header`: members besides alg and typ; a None removes one. A claim that is None is left out."""
        names = {"typ": "JWT", "alg": algorithm_of(key), "kid": key, **(header or {})}
        return signed({name: value for name, value in names.items() if value is not None}, self.claims(**claims), key)


def signed(header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, key: str, algorithm: str = "") -> str:
    """A token of exactly these bytes, signed by the key's own algorithm, whatever the header says."""
    parts = [b64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, claims)]
    signature = jwt.get_algorithm_by_name(algorithm or algorithm_of(key)).sign(".".join(parts).encode(), private_key(key))
    return ".".join([*parts, b64(signature)])


def config(issuer: FakeIssuer, **more: Any) -> dict[str, Any]:
    """The table [auth.jwt]."""
    return {"issuer": issuer.url, "audience": [AUDIENCE], "algorithms": ["RS256", "ES256", "EdDSA"], **more}
