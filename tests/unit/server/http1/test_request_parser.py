"""What the parser of requests does not take, and where its limits are."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.errors import BadRequest, HeadersTooLarge
from octoroute.server.http1.request_parser import MAX_TARGET_BYTES, RequestParser
from tests.support.http1 import answering, connect, never, turns


async def test_what_follows_a_chunked_body_is_no_header():
    seen = []

    async def app(scope, receive, send):
        await receive()
        seen.extend(scope["headers"])
        await answering()(scope, receive, send)

    connection, wire, _ = connect(app)
    connection.data_received(
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
    )
    await turns()
    assert seen == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
    assert wire.out.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("rest", [b"0\r\nx: ", b"2;"], ids=["a trailer", "a chunk's extension"])
async def test_what_stands_around_a_body_has_an_end(rest):
    connection, wire, _ = connect(never)
    connection.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n" + rest)
    for _ in range(20):
        connection.data_received(b"x" * 5000)
    await turns()
    assert wire.out.startswith(b"HTTP/1.1 431 ")
    assert wire.ended


class Consumer:
    """Takes requests, and has them as (method, version, target, header names, body, whether the connection stays)."""

    def __init__(self) -> None:
        self.waited_s = 0
        self.begun: list[tuple[str, str, bytes, list[bytes], bool, SimpleNamespace]] = []

    def begin_request(self, method, version, url, headers, *, keep_alive):
        body = SimpleNamespace(data=b"", finished=False)
        body.feed = lambda data: setattr(body, "data", body.data + data)
        body.finish = lambda: setattr(body, "finished", True)
        self.begun.append((method, version, url, [name for name, _ in headers], keep_alive, body))
        return SimpleNamespace(complete=False, request_body=body)

    @property
    def requests(self):
        return [(*request[:5], request[5].data, request[5].finished) for request in self.begun]


PIPELINE = (
    b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"
    b"POST /b?c HTTP/1.1\r\nHost: x\r\ncontent-length: 3\r\n\r\nabc"
    b"POST /d HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    b"POST /e HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\nhi"
    b"GET /f HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
)
REQUESTS = [
    ("GET", "1.1", b"/a", [b"host"], True, b"", True),
    ("POST", "1.1", b"/b?c", [b"host", b"content-length"], True, b"abc", True),
    ("POST", "1.1", b"/d", [b"host", b"transfer-encoding"], True, b"abc", True),
    ("POST", "1.1", b"/e", [b"host", b"connection", b"content-length"], True, b"hi", True),
    ("GET", "1.1", b"/f", [b"host", b"connection"], False, b"", True),
]


@given(st.lists(st.integers(0, len(PIPELINE))))
def test_requests_are_the_same_wherever_the_bytes_are_cut(cuts):
    consumer = Consumer()
    parser = RequestParser(consumer)
    edges = [0, *sorted(cuts), len(PIPELINE)]
    for start, end in pairwise(edges):
        parser.feed(PIPELINE[start:end])
    assert consumer.requests == REQUESTS
    assert not parser.in_head
    assert parser.receiving is None


@pytest.mark.parametrize(
    "data", [b"\0", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
)
def test_what_is_no_http_is_a_400(data):
    with pytest.raises(BadRequest, match="not valid HTTP"):
        RequestParser(Consumer()).feed(data)


def test_a_head_of_any_length_is_a_431_once_it_is_too_long():
    parser = RequestParser(Consumer())
    parser.feed(b"GET / HTTP/1.1\r\nx: ")
    with pytest.raises(HeadersTooLarge):
        for _ in range(20):
            parser.feed(b"y" * 5000)


def test_progress_of_the_client_starts_its_time_anew():
    consumer = Consumer()
    parser = RequestParser(consumer)
    for data in (b"POST / HTTP/1.1\r\n", b"host: x\r\ncontent-length: 9\r\n\r\n", b"abc", b"def"):
        consumer.waited_s = 7
        parser.feed(data)
        assert consumer.waited_s == 0


def parsed(data: bytes) -> Consumer:
    consumer = Consumer()
    RequestParser(consumer).feed(data)
    return consumer


def test_white_space_after_a_value_is_no_part_of_it():
    seen = []
    consumer = Consumer()
    taken = consumer.begin_request
    consumer.begin_request = lambda *args, **more: (seen.extend(args[3]), taken(*args, **more))[1]
    RequestParser(consumer).feed(b"GET / HTTP/1.1\r\nhost: x \t\r\na:\t b c\t \r\nempty: \r\n\r\n")
    assert seen == [(b"host", b"x"), (b"a", b"b c"), (b"empty", b"")]


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"3.0", b"1.2", b"11"])
def test_other_versions_are_not_spoken(version):
    with pytest.raises(BadRequest):
        parsed(b"GET / HTTP/%b\r\nhost: x\r\n\r\n" % version)


def test_the_request_line_of_http_0_9_is_not_spoken():
    with pytest.raises(BadRequest, match=r"send HTTP/1\.1"):
        parsed(b"GET /\r\n\r\n")


def test_a_target_has_its_own_limit_however_it_arrives():
    assert parsed(b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"x" * (MAX_TARGET_BYTES - 1))).requests
    line = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"x" * MAX_TARGET_BYTES)
    with pytest.raises(HeadersTooLarge, match="target"):
        parsed(line)
    parser = RequestParser(Consumer())
    with pytest.raises(HeadersTooLarge, match="target"):
        for at in range(0, len(line), 100):
            parser.feed(line[at : at + 100])


HANDSHAKE = b"GET /s HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"


@pytest.mark.parametrize("cut", [0, 10, len(HANDSHAKE) - 1])
def test_a_request_for_a_websocket_ends_the_parsing(cut):
    consumer = Consumer()
    taken = []
    consumer.begin_socket = lambda url, headers, rest: taken.append((url, dict(headers)[b"upgrade"], rest))
    parser = RequestParser(consumer)
    for piece in (HANDSHAKE[:cut], HANDSHAKE[cut:] + b"\x81rest"):
        parser.feed(piece)
    assert taken == [(b"/s", b"websocket", b"\x81rest")]
    assert consumer.requests == []


@pytest.mark.parametrize("more", [b"content-length: 1\r\n", b"transfer-encoding: chunked\r\n"])
def test_one_with_a_body_is_refused(more):
    with pytest.raises(BadRequest) as caught:
        RequestParser(Consumer()).feed(HANDSHAKE[:-2] + more + b"\r\nx")
    assert caught.value.status == 426


@pytest.mark.parametrize("head", [b"POST /s HTTP/1.1", b"GET /s HTTP/1.0"])
def test_another_method_or_version_is_answered_without_it(head):
    consumer = Consumer()
    RequestParser(consumer).feed(head + HANDSHAKE[15:])
    [(_, _, url, names, *_)] = consumer.requests
    assert url == b"/s"
    assert b"upgrade" not in names
