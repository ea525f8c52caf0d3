"""Our own HTTP client over a wire that brings anything: an answer or one of our errors, and nothing of one answer in another."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from octoroute.errors import UpstreamError
from octoroute.upstream.transports.content import MAX_STEP_BYTES
from octoroute.upstream.transports.native.connection import READ_BYTES, ClientConnection
from octoroute.upstream.transports.native.exchange import ClientExchange
from tests.support.laws.cuts import cut, singly

WORDS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 S\r\n", b"204 ", b"304 ", b"\r\n\r\n", b"\r\n ",
    b"content-length: ", b"transfer-encoding: chunked\r\n", b"transfer-encoding: gzip, chunked\r\n", b"connection: close\r\n", b"connection: upgrade\r\n",
    b"upgrade: h2c\r\n", b"keep-alive", b"content-encoding: gzip\r\n", b"content-encoding: deflate\r\n", b"content-encoding: br\r\n", b"trailer: x\r\n",
    b"0\r\n\r\n", b"0\r\n", b"1\r\na\r\n", b";x=y", b"ffffffffffffffff\r\n", b"18446744073709551616", b"-1", b"+5", b"\0", b"\n", b"\x1f\x8b\x08",
)  # fmt: skip
METHODS = ("POST", "GET", "HEAD", "PUT")
MOST_BUFFERED = 2 * READ_BYTES
MOST_SAID = 300_000
SECONDS = 20


def check(data: bytes) -> None:
    """The first byte: methods, cuts, how it ends. The second: how often the end of the bytes is said again."""
    if len(data) > 2:
        asyncio.run(_check(data[0], _said(data[1], data[2:])))


def seeds() -> Iterator[bytes]:
    body = b'{"choices":[{"message":{"content":"hi"}}]}'
    plain = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: 1\r\nX-Request-Id: 2\r\ncontent-length: %d\r\n\r\n%b"
    )
    chunked = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\n{"a":\r\n2\r\n1}\r\n0\r\nx-sum: 1\r\n\r\n'
    squeezed = gzip.compress(body, mtime=0)
    packed = zlib.compress(body)
    for stream in (
        plain % (len(body), body),
        plain % (len(body), body) * 3,
        chunked,
        chunked + plain % (2, b"{}"),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: <x>\r\n\r\n" + plain % (2, b"{}"),
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end",
        b"HTTP/1.1 204 No Content\r\n\r\n" + plain % (2, b"{}"),
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nxyz",
        b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(squeezed), squeezed),
        b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\n\r\n" + packed,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"40\r\n" + b"z" * 64 + b"\r\n",
    ):
        for layout, more in ((0, 0), (0x15, 0), (0x6A, 0), (0x82, 0), (0x40, 0xF0), (0, 0xF9), (4, 0xF9)):
            yield bytes([layout, more]) + stream


def _said(more: int, stream: bytes) -> bytes:
    """Some hundred kilobytes: limits are out of reach for inputs of a fuzzer's size."""
    tail = stream[-(1 << (more & 15)) :]
    return stream + tail * min((more >> 4) ** 3, MOST_SAID // len(tail))


class Told(NamedTuple):
    """What the owner of an answer got to see."""

    status: int
    headers: dict[str, str]
    body: bytes
    fault: type[UpstreamError] | None
    squeezed: bool = False


class Wire:
    """A transport that brings what it is given, until it is cut."""

    def __init__(self) -> None:
        self.cut = self.paused = False

    def write(self, data: bytes) -> None: ...
    def writelines(self, data: Sequence[bytes]) -> None: ...

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None: ...

    def is_closing(self) -> bool:
        return self.cut

    def abort(self) -> None:
        self.cut = True


class Keeper:
    """A pool of one connection."""

    def __init__(self) -> None:
        self.idle = False

    def release(self, connection: ClientConnection) -> None:
        self.idle = True

    def lost(self, connection: ClientConnection) -> None: ...


class Line:
    """A connection and what comes over it."""

    def __init__(self, sock: socket.socket, *, eager: bool) -> None:
        """`eager`: answers are read as they come, otherwise only when nothing more would come."""
        self.wire, self.keeper = Wire(), Keeper()
        self._eager = eager
        self._connection = ClientConnection(self.keeper, sock, memoryview(bytearray(READ_BYTES)))
        self._connection.connection_made(self.wire)
        self._exchange: ClientExchange | None = None
        self._brought = 0

    def ask(self, method: str) -> asyncio.Task[Told]:
        self.keeper.idle = False
        self._brought = 0
        self._exchange = self._connection.begin(method, b"head", b"")
        return asyncio.get_running_loop().create_task(_read(self._exchange))

    async def bring(self, data: bytes) -> None:
        for at in range(0, len(data), READ_BYTES):
            piece = data[at : at + READ_BYTES]
            self._connection.get_buffer(-1)[: len(piece)] = piece
            self._connection.buffer_updated(len(piece))
            self._brought += len(piece)
            exchange = self._exchange
            assert exchange is not None
            assert exchange.size <= MOST_BUFFERED
            assert exchange.has_head or self.wire.cut or self._brought <= MOST_BUFFERED, "a head without end"
            for _ in range(4 if self._eager or self.wire.paused else 0):
                await asyncio.sleep(0)
            if self.wire.cut:
                break
            assert not (self._eager and exchange.has_head and exchange.buffer), "what is here is handed out"
            assert not self.wire.paused, "a reader that reads is not waited for"

    def end(self, *, reset: bool) -> None:
        if not self.wire.cut and not reset:
            self._connection.eof_received()
        self._connection.connection_lost(ConnectionResetError() if reset else None)
        assert self.wire.cut or reset


async def _read(exchange: ClientExchange) -> Told:
    body = b""
    fault = None
    squeezed = False
    try:
        if not await exchange.head():
            return Told(0, {}, b"", None)
        squeezed = "content-encoding" in exchange.headers
        if squeezed:
            exchange.undo_encoding()
        while piece := await exchange.chunk():
            assert len(piece) <= max(MAX_STEP_BYTES, MOST_BUFFERED)
            body += piece
        assert await exchange.chunk() == b""
    except UpstreamError as error:
        fault = type(error)
    finally:
        exchange.close()
    return Told(exchange.status, dict(exchange.headers), body, fault, squeezed)


async def _check(layout: int, stream: bytes) -> None:
    async with asyncio.timeout(SECONDS):
        method, eager, reset = METHODS[layout & 3], bool(layout & 4), bool(layout & 8)
        whole = await answered([stream], method, eager=eager, reset=reset)
        _complete(whole, method)
        for reads in (cut(stream, layout), singly(stream)):
            _same(whole, await answered(reads, method, eager=not eager, reset=reset))
        for reads in (cut(stream, layout), singly(stream, 600)):
            for each, mine, end in await _answers(reads, layout):
                _same(each, await answered([b"".join(mine)], method, eager=eager, reset=end))


async def answered(reads: Sequence[bytes], method: str, *, eager: bool = False, reset: bool = False) -> Told:
    """On a connection of its own."""
    with socket.socket() as sock:
        line = Line(sock, eager=eager)
        answer = line.ask(method)
        for read in reads:
            await line.bring(read)
            if line.wire.cut or line.keeper.idle:
                break
        line.end(reset=reset)
        return await answer


async def _answers(reads: Sequence[bytes], layout: int) -> list[tuple[Told, list[bytes], bool]]:
    """One after the other on one connection, as long as it may be used: each answer, what came since its request, a reset or not."""
    told: list[tuple[Told, list[bytes], bool]] = []
    with socket.socket() as sock:
        line = Line(sock, eager=False)
        answer, mine = line.ask(METHODS[layout & 3]), list[bytes]()
        for read, unasked in zip(reads, itertools.cycle((False, bool(layout & 16))), strict=False):
            if line.keeper.idle:
                told.append((await answer, mine, False))
                if unasked:
                    await line.bring(read)
                    assert line.wire.cut, "bytes beyond the response"
                    break
                answer, mine = line.ask(METHODS[layout & 3]), []
            mine.append(read)
            await line.bring(read)
            if line.wire.cut:
                break
        line.end(reset=bool(layout & 8))
        if not told or told[-1][1] is not mine:
            told.append((await answer, mine, bool(layout & 8)))
    return told


def _complete(told: Told, method: str) -> None:
    """Nothing that was cut short passes for whole."""
    length = told.headers.get("content-length", "")
    told_so = told.status not in {204, 304} and method != "HEAD" and "transfer-encoding" not in told.headers
    if told.fault is None and told_so and length.isdecimal() and not told.squeezed:
        assert len(told.body) == int(length)


def _same(one: Told, other: Told) -> None:
    """Decompressed, what came together with a fault may be lost."""
    if one.fault and one.squeezed:
        short, long = sorted((one.body, other.body), key=len)
        assert long.startswith(short)
        one, other = one._replace(body=b""), other._replace(body=b"")
    assert one == other
