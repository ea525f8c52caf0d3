"""The gateway's own HTTP client, by itself."""

from __future__ import annotations

import asyncio
import contextlib

from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.native import NativeTransport


@contextlib.asynccontextmanager
async def native(**options):
    transport = NativeTransport(**options)
    try:
        yield transport
    finally:
        await transport.close()
        assert transport.connections == 0


def post(url: str, body: bytes = b"{}") -> TransportRequest:
    return TransportRequest(method="POST", url=url, body=body)


async def ask(transport: NativeTransport, request: TransportRequest) -> bytes:
    async with asyncio.timeout(5):
        response = await transport.send(request)
        try:
            return await response.body(1 << 20)
        finally:
            response.close()
