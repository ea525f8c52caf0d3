"""A gateway that is wrong in a known way, on a real socket: what `octoroute conform` has to find."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

import httpx2


class Relayed(NamedTuple):
    """What the proxy sends to its client."""

    status: int
    content_type: str
    body: bytes


class NaiveProxy:
    """What an afternoon makes: it forwards each request to the servers in turn, reads the whole answer, and sends it on."""

    def __init__(
        self,
        *ports: int,
        twist: Callable[[Relayed], Relayed] = lambda relayed: relayed,
        twist_request: Callable[[bytes], bytes] = lambda body: body,
        retries: int = 0,
    ) -> None:
        self._urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._turn = 0
        self._twist = twist
        self._twist_request = twist_request
        self._retries = retries

    async def __aenter__(self) -> str:
        """Its URL."""
        self._client = httpx2.AsyncClient(timeout=30, trust_env=False)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._client.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = head.split(" ", 2)
            lengths = [int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")]
            body = self._twist_request(await reader.readexactly(lengths[0]) if lengths else b"")
            for _ in range(self._retries + 1):
                relayed = await self._ask(method, path, body)
            status, kind, found = self._twist(relayed)
            writer.write(
                f"HTTP/1.1 {status} S\r\ncontent-type: {kind}\r\ncontent-length: {len(found)}\r\nconnection: close\r\n\r\n".encode()
            )
            writer.write(found)
            await writer.drain()
        writer.close()

    async def _ask(self, method: str, path: str, body: bytes) -> Relayed:
        url, self._turn = self._urls[self._turn % len(self._urls)], self._turn + 1
        found = bytearray()
        try:
            async with self._client.stream(
                method, url + path, content=body, headers={"content-type": "application/json"}
            ) as answer:
                async for piece in answer.aiter_raw():
                    found += piece
        except httpx2.TransportError as error:
            if not found:
                return Relayed(500, "text/plain", str(error).encode())
            found += (
                b'data: {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
            )
        return Relayed(answer.status_code, answer.headers.get("content-type", "text/plain"), bytes(found))
