"""The law of a byte stream: however it is cut into reads, the same answer or the same refusal comes out of it."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket

from hypothesis import example, given, settings
from hypothesis import strategies as st

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.native.connection import READ_BYTES, ClientConnection
from tests.support.laws.wire import Keeper, Wire


async def answered(reads: list[bytes], method: str) -> tuple[int, dict[str, str], bytes, bool]:
    """(status, headers, body as far as it goes, whether it was whole)"""
    wire, keeper = Wire(), Keeper()
    with socket.socket() as sock:
        connection = ClientConnection(keeper, sock, memoryview(bytearray(READ_BYTES)))
        connection.connection_made(wire)
        exchange = connection.begin(method, b"", b"")
        for read in reads:
            if wire.cut:
                break
            connection.get_buffer(-1)[: len(read)] = read
            connection.buffer_updated(len(read))
        if not wire.cut:
            connection.eof_received()
        connection.connection_lost(None)
    whole = True
    body = b""
    try:
        if not await exchange.head():
            return 0, {}, b"", False
        exchange.undo_encoding()
        while piece := await exchange.chunk():
            body += piece
    except BadUpstreamResponse:
        whole = False
    return exchange.status, dict(exchange.headers), body, whole


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


interim = st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nlink: <a>\r\n\r\n"])
status = st.sampled_from([b"200 OK", b"404 Not Found", b"204 No Content", b"304 Not Modified", b"500 "])
extra = st.lists(
    st.sampled_from([b"x-a: 1\r\n", b"X-A: 2\r\n", b"empty:\r\n", b"connection: close\r\n", b"content-type: a/b;  c=d \r\n"]),
    max_size=4,
)
content = st.binary(max_size=300)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    body = draw(content)
    head = draw(interim) + draw(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.0 "])) + draw(status) + b"\r\n" + b"".join(draw(extra))
    if draw(st.booleans()):
        body = gzip.compress(body)
        head += b"content-encoding: gzip\r\n"
    match draw(st.sampled_from(["length", "chunks", "end"])):
        case "length":
            return head + b"content-length: %d\r\n\r\n" % len(body) + body
        case "chunks":
            pieces = [piece for piece in cut(body, draw(st.lists(st.integers(0, 300), max_size=4))) if piece]
            tail = draw(st.sampled_from([b"0\r\n\r\n", b"0\r\nx-sum: 1\r\n\r\n"]))
            return head + b"transfer-encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + tail
        case _:
            return head + b"\r\n" + body


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    message = bytearray(draw(messages()))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(message)))
        match draw(st.sampled_from(["drop", "put", "cut"])):
            case "drop":
                del message[place : place + draw(st.integers(1, 5))]
            case "put":
                message[place:place] = draw(
                    st.one_of(st.binary(max_size=4), st.sampled_from([b"\r\n", b"\n", b":", b"0\r\n\r\n", b"\0"]))
                )
            case _:
                del message[place:]
    return bytes(message)


@settings(max_examples=400)
@given(st.one_of(messages(), mangled()), st.lists(st.integers(0, 1000), max_size=12), st.sampled_from(["POST", "HEAD"]))
@example(b"HTTP/1.1 200 OK\r\nempty:\r\nx: 1\r\ncontent-length: 0\r\n\r\n", [17, 22, 23, 24], "POST")
def test_every_way_to_cut_it_reads_the_same(message: bytes, places: list[int], method: str):
    whole = asyncio.run(answered([message] if message else [], method))
    assert asyncio.run(answered(cut(message, places), method)) == whole
    assert asyncio.run(answered([message[i : i + 1] for i in range(len(message))], method)) == whole


@settings(max_examples=100)
@given(messages())
def test_a_regular_message_is_whole(message: bytes):
    status, headers, _, whole = asyncio.run(answered([message], "POST"))
    assert whole
    assert status in {200, 404, 204, 304, 500}
    assert "content-encoding" not in headers


def test_an_empty_header_does_not_swallow_the_next():
    message = b"HTTP/1.1 200 OK\r\nempty:\r\nx: 1\r\ncontent-length: 2\r\n\r\nab"
    assert asyncio.run(answered([message], "POST")) == (200, {"empty": "", "x": "1", "content-length": "2"}, b"ab", True)
