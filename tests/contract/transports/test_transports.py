"""What every transport promises, on real sockets against a server that misbehaves: the right bytes or the right error, nothing left."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import zlib
from collections.abc import AsyncIterator

import pytest

from octoroute.errors import BadUpstreamResponse, Unreachable, UpstreamError
from octoroute.upstream.transports import TRANSPORTS
from octoroute.upstream.transports.base import Transport, TransportRequest
from octoroute.upstream.transports.native import NativeTransport
from tests.support.hostile import Peer, Script, answer, chunked, serving

PATIENCE_S = 5.0


@pytest.fixture(params=list(TRANSPORTS))
async def transport(request) -> AsyncIterator[Transport]:
    """Closed at the end of a test, which must leave no task behind."""
    made = TRANSPORTS[request.param]()
    yield made
    await made.close()
    await made.close()
    async with asyncio.timeout(1):
        while asyncio.all_tasks() != {asyncio.current_task()}:
            await asyncio.sleep(0)
    assert getattr(made, "connections", 0) == 0


def post(url: str, body: bytes = b'{"hello": "there"}', *headers: tuple[str, str], **more) -> TransportRequest:
    return TransportRequest(method="POST", url=url, body=body, headers=(("content-type", "application/json"), *headers), **more)


async def ask(transport: Transport, call: TransportRequest, limit: int = 1 << 24) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(PATIENCE_S):
        reply = await transport.send(call)
        try:
            return reply.status, dict(reply.headers), await reply.body(limit)
        finally:
            reply.close()
            reply.close()


def always(*pieces: bytes, pause_s: float = 0.0, then: str = "") -> Script:
    """Answers every request of a connection the same way."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*pieces, pause_s=pause_s)
            if then:
                getattr(peer, then)()
                return

    return script


async def test_a_request_arrives_as_it_was_meant(transport):
    async with serving(always(answer(b"fine", "201 Created", "X-One: 1", "x-one: 2"))) as server:
        status, headers, body = await ask(transport, post(server.url("/v1/a%20b?q=%C3%A9&x=1"), b"12345", ("X-Key", "abc")))
        assert (status, body) == (201, b"fine")
        assert headers["x-one"] == "1, 2"
        (seen,) = server.requests
        assert seen.line == "POST /v1/a%20b?q=%C3%A9&x=1 HTTP/1.1"
        assert seen.body == b"12345"
        names = sorted(line.split(b":")[0].lower() for line in seen.head.split(b"\r\n")[1:] if line)
        assert names == [b"accept-encoding", b"content-length", b"content-type", b"host", b"user-agent", b"x-key"]
        assert seen.header("accept-encoding") == "identity"
        assert seen.header("host") == f"127.0.0.1:{server.port}"


async def test_an_accept_encoding_of_the_callers_own_is_kept(transport):
    async with serving(always(answer())) as server:
        await ask(transport, post(server.url(), b"x", ("Accept-Encoding", "gzip")))
        assert server.requests[0].head.lower().count(b"accept-encoding") == 1
        assert server.requests[0].header("accept-encoding") == "gzip"


async def test_a_post_without_a_body_says_so_and_a_get_does_not(transport):
    async with serving(always(answer())) as server:
        await ask(transport, post(server.url(), b""))
        await ask(transport, TransportRequest(method="GET", url=server.url("")))
        assert [seen.header("content-length") for seen in server.requests] == ["0", None]
        assert server.requests[1].line == "GET / HTTP/1.1"


async def test_one_connection_serves_one_request_after_another(transport):
    async with serving(always(answer())) as server:
        for _ in range(20):
            assert (await ask(transport, post(server.url())))[2] == b"fine"
        assert server.accepted == 1


async def test_a_name_is_resolved(transport):
    async with serving(always(answer())) as server:
        assert (await ask(transport, post(server.url(host="localhost"))))[0] == 200


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
async def test_bodies_of_any_size_go_both_ways(transport, size):
    body = random.Random(size).randbytes(size)

    async def echo(peer: Peer) -> None:
        while True:
            await peer.send(answer((await peer.request()).body))

    async with serving(echo) as server:
        for _ in range(2):
            assert (await ask(transport, post(server.url(), body)))[2] == body
        assert server.accepted == 1


TEXT = b"every word of it " * 500
SQUEEZED = gzip.compress(TEXT)
RAW_DEFLATE = zlib.compressobj(wbits=-15)
RAW = RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()

GOOD: dict[str, tuple[Script, int, bytes]] = {
    "in one packet": (always(answer(TEXT)), 200, TEXT),
    "a byte at a time": (always(*[bytes([b]) for b in answer(b"slowly")], pause_s=0.0005), 200, b"slowly"),
    "slow headers": (always(b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 2\r", b"\n\r\n", b"ok", pause_s=0.02), 200, b"ok"),
    "chunks": (always(chunked(b"one", b"two", TEXT)), 200, b"onetwo" + TEXT),
    "chunks with extensions and trailers": (
        always(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\none\r\n0\r\nx-sum: 1\r\n\r\n"), 200, b"one",
    ),
    "until the connection ends": (always(b"HTTP/1.1 200 OK\r\n\r\n", TEXT, then="close"), 200, TEXT),
    "until half of the connection ends": (always(b"HTTP/1.1 200 OK\r\n\r\n", TEXT, then="half_close"), 200, TEXT),
    "HTTP/1.0": (always(b"HTTP/1.0 200 OK\r\n\r\nold", then="close"), 200, b"old"),
    "HTTP/1.0 with a length": (always(b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", then="close"), 200, b"old"),
    "connection: close": (always(answer(b"bye", "200 OK", "connection: close"), then="close"), 200, b"bye"),
    "100-continue first": (always(b"HTTP/1.1 100 Continue\r\n\r\n" + answer()), 200, b"fine"),
    "103 and headers first": (
        always(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", answer(), pause_s=0.01), 200, b"fine",
    ),
    "204": (always(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, b""),
    "304": (always(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n"), 304, b""),
    "a redirect is an answer": (always(answer(b"", "302 Found", "location: http://127.0.0.1:1/")), 302, b""),
    "an error is an answer": (always(answer(b"no", "503 Busy", "retry-after: 3")), 503, b"no"),
    "cookies are not kept": (always(answer(b"ok", "200 OK", "set-cookie: a=b")), 200, b"ok"),
    "gzip nobody asked for": (always(answer(SQUEEZED, "200 OK", "content-encoding: gzip")), 200, TEXT),
    "gzip in dribbles": (always(*(chunked(*[SQUEEZED[i : i + 7] for i in range(0, len(SQUEEZED), 7)])[:-5].split(b"XX")), b"0\r\n\r\n"), 200, SQUEEZED),
    "gzip of several members": (always(answer(SQUEEZED + SQUEEZED, "200 OK", "content-encoding: x-gzip")), 200, TEXT * 2),
    "deflate": (always(answer(zlib.compress(TEXT), "200 OK", "content-encoding: deflate")), 200, TEXT),
    "bare deflate": (always(answer(RAW, "200 OK", "content-encoding: Deflate")), 200, TEXT),
    "compressed nothing": (always(answer(b"", "200 OK", "content-encoding: gzip")), 200, b""),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
async def test_every_regular_answer_is_read(transport, name):
    script, status, body = GOOD[name]
    async with serving(script) as server:
        for _ in range(3):
            got = await ask(transport, post(server.url()))
            assert (got[0], got[2]) == (status, body)
            assert "content-encoding" not in got[1]
        assert all(seen.header("cookie") is None for seen in server.requests)
        await transport.close()
        assert await server.deserted()


def hang_up(then: str, *before: bytes) -> Script:
    """Without reading the request, or after some bytes of an answer to it."""

    async def script(peer: Peer) -> None:
        if before:
            await peer.request()
            await peer.send(*before)
            await asyncio.sleep(0.01)  # a reset must not overtake what was sent before it
        getattr(peer, then)()

    return script


BOMB = gzip.compress(gzip.compress(bytes(400_000_000), 9), 9)
HEAD = b"HTTP/1.1 200 OK\r\n"

BAD: dict[str, Script] = {
    "accept then close": hang_up("close"),
    "accept then reset": hang_up("reset"),
    "accept then half-close": hang_up("half_close"),
    "close after the request": always(then="close"),
    "reset after the request": always(then="reset"),
    "half-close after the request": always(then="half_close"),
    "close within the head": hang_up("close", b"HTTP/1.1 200 OK\r\ncontent-le"),
    "reset within the head": hang_up("reset", b"HTTP/1.1 200 OK\r\ncontent-le"),
    "close within the body": hang_up("close", HEAD + b"content-length: 10\r\n\r\nhalf"),
    "reset within the body": hang_up("reset", HEAD + b"content-length: 10\r\n\r\nhalf"),
    "half-close within the body": hang_up("half_close", HEAD + b"content-length: 10\r\n\r\nhalf"),
    "close within a chunk": hang_up("close", HEAD + b"transfer-encoding: chunked\r\n\r\na\r\nhalf"),
    "close between chunks": hang_up("close", HEAD + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    "close before the last line": hang_up("close", HEAD + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"),
    "reset where the end is the end": hang_up("reset", HEAD + b"\r\nhalf"),
    "a bad chunk size": always(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nhalf\r\n0\r\n\r\n"),
    "a negative chunk size": always(HEAD + b"transfer-encoding: chunked\r\n\r\n-4\r\nhalf\r\n0\r\n\r\n"),
    "an enormous chunk size": always(HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\nhalf"),
    "garbage": always(b"\x16\x03\x01 I am not HTTP at all\r\n\r\n"),
    "half a status line": always(b"HTTP/1.1 banana\r\n\r\n"),
    "an unknown version": always(b"HTTP/7.3 200 OK\r\ncontent-length: 0\r\n\r\n"),
    "an oversized header": always(HEAD + b"x: " + b"y" * 200_000 + b"\r\n\r\n"),
    "headers without end": always(HEAD, *[b"x-%d: y\r\n" % i for i in range(20_000)]),
    "too many headers": always(HEAD + b"".join(b"x-%d: y\r\n" % i for i in range(500)) + b"content-length: 0\r\n\r\n"),
    "a header with a NUL": always(HEAD + b"x: \x00\r\ncontent-length: 0\r\n\r\n"),
    "a length that is no number": always(HEAD + b"content-length: +4\r\n\r\nfour"),
    "two lengths": always(HEAD + b"content-length: 4\r\ncontent-length: 5\r\n\r\nfour!"),
    "length and chunks": always(HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n"),
    "chunks and length": always(HEAD + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n4\r\nfour\r\n0\r\n\r\n"),
    "an unknown transfer-encoding": always(HEAD + b"transfer-encoding: gzip\r\n\r\nhalf"),
    "a coding on top of the chunks": always(HEAD + b"transfer-encoding: chunked, gzip\r\n\r\nhalf"),
    "an upgrade nobody asked for": always(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello"),
    "interim answers without end": always(*[b"HTTP/1.1 103 Hints\r\nlink: </%d>\r\n\r\n" % i for i in range(5_000)], then="close"),
}  # fmt: skip


async def dripping(peer: Peer) -> None:
    await peer.request()
    await peer.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for number in range(40):
        await peer.send(b"2\r\n%02d\r\n" % number)
        if number % 4:
            await asyncio.sleep(0.001)
    await peer.send(b"0\r\n\r\n")


@pytest.mark.parametrize("takes", [0.0, 0.5, 1.0])
async def test_what_flows_is_all_there_and_in_order_however_much_the_sink_takes(transport, takes):
    chance, got = random.Random(takes), b""

    def sink(data: bytes) -> bool:
        nonlocal got
        got += data
        return chance.random() < takes

    async with serving(dripping) as server, asyncio.timeout(10):
        answer = await transport.send(post(server.url()))
        while (data := await answer.flow(sink)) != b"":
            got += data or b""
        answer.close()
    assert got == b"".join(b"%02d" % number for number in range(40))


async def test_what_flows_may_break_off(transport):
    async def breaking(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
        await asyncio.sleep(0.05)
        await peer.send(b"2\r\ncd\r\n")
        peer.close()

    got = []
    async with serving(breaking) as server, asyncio.timeout(10):
        answer = await transport.send(post(server.url()))
        with pytest.raises(BadUpstreamResponse):
            while True:
                got.append(await answer.flow(lambda data: not got.append(data)))
        answer.close()
    assert b"".join(data for data in got if data) == b"abcd"


@pytest.mark.parametrize("name", BAD)
async def test_every_irregular_answer_is_broke(transport, name):
    if name == "reset where the end is the end" and not isinstance(transport, NativeTransport):
        pytest.skip("aiohttp takes the reset for the end; its transport says so")
    async with serving(BAD[name]) as server:
        for _ in range(2):
            with pytest.raises(BadUpstreamResponse) as caught:
                await ask(transport, post(server.url()))
            assert str(server.port) not in str(caught.value)
        assert await server.deserted()
        heads = [seen.head for seen in server.requests]
        assert len(heads) <= 2  # no POST twice


BAD_CONTENT: dict[str, Script] = {
    "an encoding nobody asked for": always(answer(b"xx", "200 OK", "content-encoding: br")),
    "two encodings": always(answer(BOMB, "200 OK", "content-encoding: gzip, gzip")),
    "gzip that is none": always(answer(b"not gzip", "200 OK", "content-encoding: gzip")),
    "gzip cut short": always(answer(SQUEEZED[:-9], "200 OK", "content-encoding: gzip")),
    "gzip with a tail": always(answer(SQUEEZED + b"tail", "200 OK", "content-encoding: gzip")),
    "a gzip bomb": always(answer(gzip.compress(bytes(100_000_000), 9), "200 OK", "content-encoding: gzip")),
    "longer than the limit": always(answer(b"x" * 20_000_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CONTENT)
async def test_a_whole_answer_with_impossible_content_is_broke(transport, name):
    async with serving(BAD_CONTENT[name]) as server:
        for _ in range(2):
            with pytest.raises(BadUpstreamResponse):
                await ask(transport, post(server.url()))
        await transport.close()
        assert await server.deserted()


BAD_LATER: dict[str, bytes] = {
    "a chunk size that is no number": b"zz\r\nhello\r\n0\r\n\r\n",
    "another head": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a trailer of 200,000 bytes": b"0\r\nx: " + b"y" * 200_000,
}


@pytest.mark.parametrize("name", BAD_LATER)
async def test_nonsense_in_the_middle_of_a_body_reaches_who_waits_for_more(transport, name):
    read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(b"one", end=b""))
        await read.wait()
        await peer.send(BAD_LATER[name])

    async with serving(script) as server, asyncio.timeout(PATIENCE_S):
        reply = await transport.send(post(server.url()))
        assert await reply.chunk() == b"one"
        asyncio.get_running_loop().call_later(0.01, read.set)
        with pytest.raises(BadUpstreamResponse):
            await reply.chunk()
        reply.close()
        assert await server.deserted()


SILENT: dict[str, Script] = {
    "silence": always(b"", pause_s=60),
    "silence within the head": always(b"HTTP/1.1 200 OK\r\n", pause_s=60),
    "silence within the body": always(HEAD + b"content-length: 10\r\n\r\nhalf", pause_s=60),
    "a body without end": always(HEAD + b"transfer-encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 10_000, pause_s=0.005),
    "too few bytes for the length": always(HEAD + b"content-length: 100\r\n\r\nfour", pause_s=60),
}


@pytest.mark.parametrize("name", SILENT)
async def test_whoever_gives_up_takes_the_connection_along(transport, name):
    async with serving(SILENT[name]) as server:

        async def impatient() -> None:
            reply = await transport.send(post(server.url()))
            try:
                await reply.body(1 << 20)
            finally:
                reply.close()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await impatient()
        await asyncio.sleep(0.02)
        assert getattr(transport, "connections", 0) == 0


async def test_closing_an_answer_midway_cuts_its_connection(transport):
    async with serving(always(HEAD + b"content-length: 10000000\r\n\r\n", b"x" * 1000)) as server:
        reply = await transport.send(post(server.url()))
        assert await reply.chunk()
        assert server.open == 1
        reply.close()
        assert await server.deserted()


async def test_closing_the_transport_cuts_everything(transport):
    async with serving(always(HEAD + b"content-length: 10\r\n\r\nhalf")) as server:
        reply = await transport.send(post(server.url()))
        await transport.close()
        with pytest.raises(UpstreamError):
            await reply.body(100)
        reply.close()
        assert await server.deserted()
        with pytest.raises(Unreachable, match="closed"):
            await transport.send(post(server.url()))


async def test_nobody_listening_is_unreachable(transport):
    async with serving(always(answer())) as server:
        pass
    with pytest.raises(Unreachable, match="refused"):
        await ask(transport, post(server.url()))


async def test_a_name_that_does_not_exist_is_unreachable(transport):
    with pytest.raises(Unreachable, match="could not be resolved"):
        await ask(transport, post("http://does-not-exist.invalid/v1"))


async def test_a_handshake_that_never_ends_is_unreachable_in_time(transport):
    async def mute(peer: Peer) -> None:
        await peer.reader.read()

    async with serving(mute) as server:
        with pytest.raises(Unreachable, match="timed out"):
            await ask(transport, post(f"https://127.0.0.1:{server.port}/", connect_timeout_s=0.1))
        assert await server.deserted()


async def test_a_server_without_tls_is_unreachable_by_https(transport):
    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as server:
        with pytest.raises(Unreachable):
            await ask(transport, post(f"https://127.0.0.1:{server.port}/"))


INJECTIONS = {
    "a header's value": TransportRequest(method="POST", url="http://127.0.0.1:1/", headers=(("x", "a\r\nevil: 1"),)),
    "a bare LF": TransportRequest(method="POST", url="http://127.0.0.1:1/", headers=(("x", "a\nevil: 1"),)),
    "a header's name": TransportRequest(method="POST", url="http://127.0.0.1:1/", headers=(("x: 1\r\nevil", "a"),)),
    "the path": TransportRequest(method="POST", url="http://127.0.0.1:1/a\r\nevil: 1"),
    "a blank in the path": TransportRequest(method="POST", url="http://127.0.0.1:1/a HTTP/1.1"),
    "the method": TransportRequest(method="POST / HTTP/1.1\r\nevil: 1\r\n\r\nGET", url="http://127.0.0.1:1/"),
    "framing": TransportRequest(method="POST", url="http://127.0.0.1:1/", headers=(("Transfer-Encoding", "chunked"),)),
    "length": TransportRequest(method="POST", url="http://127.0.0.1:1/", headers=(("content-length", "0"),)),
    "another scheme": TransportRequest(method="POST", url="file:///etc/passwd"),
    "no host": TransportRequest(method="POST", url="http:///v1"),
    "no port": TransportRequest(method="POST", url="http://127.0.0.1:http/"),
    "a user": TransportRequest(method="POST", url="http://user:secret@127.0.0.1:1/"),
    "beyond latin-1": TransportRequest(method="POST", url="http://127.0.0.1:1/", headers=(("x", "\u20ac"),)),
}


@pytest.mark.parametrize("name", INJECTIONS)
async def test_what_could_be_read_as_two_requests_is_never_sent(transport, name):
    with pytest.raises(Unreachable, match="the request cannot be sent") as caught:
        await transport.send(INJECTIONS[name])
    assert "evil" not in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_head_request_has_no_body(transport):
    async with serving(always(HEAD + b"content-length: 100\r\n\r\n")) as server:
        for _ in range(2):
            assert (await ask(transport, TransportRequest(method="HEAD", url=server.url())))[::2] == (200, b"")


async def test_an_answer_may_come_before_the_request_is_written(transport):
    async def early(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(answer(b"too large", "413 Content Too Large", "connection: close"))
        await asyncio.sleep(0.1)

    async with serving(early) as server:
        for _ in range(3):
            assert (await ask(transport, post(server.url(), bytes(30_000_000))))[::2] == (413, b"too large")
        assert server.accepted == 3
        assert await server.deserted()


async def test_what_is_left_of_a_request_answered_early_is_not_the_next_one(transport):
    async def early(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(answer(b"too large", "413 Content Too Large"))
        await asyncio.sleep(0.05)

    async with serving(early) as server:
        for _ in range(3):
            assert (await ask(transport, post(server.url(), bytes(30_000_000))))[::2] == (413, b"too large")
        assert server.accepted == 3


async def test_bytes_after_an_answer_are_not_the_next_one(transport):
    async def twice(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer(b"mine") + answer(b"smuggled", "200 OK", "x-evil: 1"))

    async with serving(twice) as server:
        for _ in range(3):
            status, headers, body = await ask(transport, post(server.url()))
            assert (status, body) == (200, b"mine")
            assert "x-evil" not in headers


async def test_bytes_on_an_idle_connection_end_it(transport):
    sent = asyncio.Event()

    async def late(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer(b"mine"))
            await asyncio.sleep(0.02)
            await peer.send(answer(b"smuggled"))
            sent.set()

    async with serving(late) as server:
        for _ in range(3):
            assert (await ask(transport, post(server.url())))[2] == b"mine"
            await sent.wait()
            sent.clear()
            await asyncio.sleep(0.05)
        assert server.accepted == 3


async def test_a_connection_that_ended_while_idle_costs_nothing(transport):
    async with serving(always(answer(), then="close")) as server:
        for pause_s in (0.0, 0.02, 0.0, 0.0, 0.02):
            assert (await ask(transport, post(server.url())))[2] == b"fine"
            await asyncio.sleep(pause_s)
        assert len(server.requests) == 5


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_post_the_server_has_read_is_not_sent_again(transport, then):
    async def second_fails(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        await peer.request()
        getattr(peer, then)()

    async with serving(second_fails) as server:
        assert (await ask(transport, post(server.url(), b"1")))[2] == b"fine"
        with pytest.raises(BadUpstreamResponse):
            await ask(transport, post(server.url(), b"2"))
        assert [seen.body for seen in server.requests] == [b"1", b"2"]


async def test_a_slow_reader_stops_the_sender(transport):
    piece = b"x" * 65536

    async def flood(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(piece) * 1600), *[piece] * 1600)

    async with serving(flood) as server:
        reply = await transport.send(post(server.url()))
        size = len(await reply.chunk())
        await asyncio.sleep(0.2)
        stopped_at = server.sent
        assert stopped_at < 20_000_000  # what two kernels keep, and a bounded buffer here
        await asyncio.sleep(0.05)
        assert server.sent == stopped_at
        while data := await reply.chunk():
            size += len(data)
        assert size == len(piece) * 1600
        reply.close()


async def test_the_first_bytes_are_here_before_the_last(transport):
    gate = asyncio.Event()

    async def stream(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(b"data: 1\n\n", end=b""))
        await gate.wait()
        await peer.send(b"3\r\nend\r\n0\r\n\r\n")

    async with serving(stream) as server, asyncio.timeout(PATIENCE_S):
        reply = await transport.send(post(server.url()))
        assert await reply.chunk() == b"data: 1\n\n"
        gate.set()
        assert await reply.chunk() == b"end"
        assert await reply.chunk() == b""
        assert await reply.chunk() == b""
        reply.close()


async def echo_slowly(peer: Peer) -> None:
    """Streams the request's own id back, in pieces of uneven pace."""
    rng = random.Random(peer.number)
    while True:
        seen = await peer.request()
        pieces = [seen.body + b"."] * rng.randint(1, 6)
        whole = chunked(*pieces)
        cut = rng.randint(1, len(whole) - 1)
        await peer.send(whole[:cut])
        await asyncio.sleep(rng.choice([0, 0, 0.001, 0.003]))
        await peer.send(whole[cut:])


@pytest.mark.parametrize("seed", range(3))
async def test_cancelling_at_random_moments_poisons_nothing(transport, seed):
    rng = random.Random(seed)
    done = cancelled = 0

    async def one(server, number: int, patience_s: float | None) -> None:
        nonlocal done, cancelled
        name = b"request-%d" % number
        try:
            async with asyncio.timeout(patience_s):
                reply = await transport.send(post(server.url(), name))
                try:
                    body = await reply.body(10_000)
                finally:
                    reply.close()
            assert body
            assert body == (name + b".") * body.count(b".")
            done += 1
        except TimeoutError:
            cancelled += 1

    async with serving(echo_slowly) as server:
        for wave in range(30):
            async with asyncio.TaskGroup() as group:
                for i in range(16):
                    patience_s = rng.choice([None, 0, rng.uniform(0, 0.006)])
                    group.create_task(one(server, wave * 16 + i, patience_s))
        assert done > 50
        assert cancelled > 50
        await transport.close()
        assert await server.deserted()


@pytest.mark.parametrize("seed", range(3))
async def test_no_post_is_ever_read_twice(transport, seed):
    """Whatever a server does after it has read a request, the request is its own: no other connection sees it."""

    async def moody(peer: Peer) -> None:
        rng = random.Random(seed * 1000 + peer.number)
        while True:
            seen = await peer.request()
            match rng.choice(["answer"] * 6 + ["answer and close", "close", "reset", "half"]):
                case "answer":
                    await peer.send(answer(seen.body))
                case "answer and close":
                    await peer.send(answer(seen.body))
                    await asyncio.sleep(rng.choice([0, 0.001]))
                    return peer.close()
                case "close":
                    return peer.close()
                case "reset":
                    return peer.reset()
                case _:
                    await peer.send(answer(seen.body)[:-2])
                    return peer.close()

    broke = 0
    async with serving(moody) as server:

        async def one(number: int) -> None:
            nonlocal broke
            try:
                assert (await ask(transport, post(server.url(), b"id-%d" % number)))[2] == b"id-%d" % number
            except BadUpstreamResponse:
                broke += 1

        for wave in range(40):
            async with asyncio.TaskGroup() as group:
                for i in range(10):
                    group.create_task(one(wave * 10 + i))
        bodies = [seen.body for seen in server.requests]
        assert len(bodies) == len(set(bodies))
        assert 20 < broke < 200


@pytest.mark.parametrize("seed", range(2))
async def test_cancelling_while_connecting_leaks_nothing(transport, seed):
    rng = random.Random(seed)
    async with serving(always(answer())) as server:

        async def one() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rng.uniform(0, 0.003)):
                    await ask(transport, post(server.url(host=rng.choice(["localhost", "127.0.0.1"]))))

        for _ in range(20):
            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(one())
        await transport.close()
        assert await server.deserted()
