"""The bytes of a response: head, content length, and chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.server.http1.framing import ResponseFraming, head_of
from tests.support.http1 import GET, answering, connect, turns

NOSNIFF = b"x-content-type-options: nosniff\r\n"


@pytest.mark.parametrize(
    ("request_", "app", "answer"),
    [
        (GET.replace(b"GET", b"HEAD"), answering(headers=[(b"content-length", b"5")]), b"HTTP/1.1 200 OK\r\n" + NOSNIFF + b"content-length: 5\r\n\r\n"),
        (GET.replace(b"GET", b"HEAD"), answering(), b"HTTP/1.1 200 OK\r\n" + NOSNIFF + b"\r\n"),
        (GET, answering(b"", 204), b"HTTP/1.1 204 No Content\r\n" + NOSNIFF + b"\r\n"),
        (GET, answering(b"", 304), b"HTTP/1.1 304 Not Modified\r\n" + NOSNIFF + b"\r\n"),
        (GET, answering(b"", 299), b"HTTP/1.1 299 \r\n" + NOSNIFF + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        (GET, answering(b"c", pieces=[b"ab"]), b"HTTP/1.1 200 OK\r\n" + NOSNIFF + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
    ],
)  # fmt: skip
async def test_framing(request_, app, answer):
    connection, wire, _ = connect(app)
    connection.data_received(request_)
    await turns()
    assert wire.out == answer
    assert not wire.closed


async def test_an_old_client_gets_no_chunks_and_the_end_of_its_connection():
    connection, wire, _ = connect(answering(b"c", pieces=[b"ab"]))
    connection.data_received(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    await turns()
    assert wire.out == b"HTTP/1.1 200 OK\r\n" + NOSNIFF + b"connection: close\r\n\r\nabc"
    assert wire.closed


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "a\x7f"])
async def test_no_header_becomes_two(value):
    with pytest.raises(ValueError, match="control character"):
        head_of(200, [("x", "fine"), ("y", value)])
    connection, wire, _ = connect(answering(headers=[(b"x", value.encode())]))
    connection.data_received(GET)
    await turns()
    assert wire.out.startswith(b"HTTP/1.1 500 ")
    assert value.encode() not in wire.out


def test_a_header_may_hold_what_latin_1_can():
    assert (
        head_of(200, [("x", "caf\u00e9\ta"), ("y", "\u2603")])
        == b"HTTP/1.1 200 OK\r\n" + NOSNIFF + b"x: caf\xe9\ta\r\ny: ?\r\n\r\n"
    )


def body_of(data: bytes) -> bytes:
    """Of a response without content length: its chunks, put together."""
    head, end, rest = data.partition(b"\r\n\r\n")
    assert end and b"transfer-encoding: chunked" in head
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        body += rest[:length]
        rest = rest[length + 2 :]
        if not length:
            assert rest == b""
            return body
    raise AssertionError("no last chunk")


@given(st.lists(st.binary(max_size=40)), st.binary(max_size=40), st.booleans())
def test_pieces_are_framed_so_that_the_body_comes_out_again(pieces, last, announced):
    body = b"".join(pieces) + last
    fields = [("content-length", str(len(body)))] if announced else []
    framing = ResponseFraming(200, fields, bodiless=False, old=False)
    data = b"".join(map(framing.encode, pieces)) + framing.encode_last(last)
    assert framing.take_head() == b""
    assert (data.partition(b"\r\n\r\n")[2] if announced else body_of(data)) == body


def test_the_head_goes_with_the_first_piece_or_alone_and_never_twice():
    framing = ResponseFraming(200, [("content-length", "2")], bodiless=False, old=False)
    head = b"HTTP/1.1 200 OK\r\n" + NOSNIFF + b"content-length: 2\r\n\r\n"
    assert framing.encode(b"") == b""
    assert framing.encode(b"a") == head + b"a"
    assert framing.encode_last(b"b") == b"b"
    framing = ResponseFraming(200, [("content-length", "2")], bodiless=False, old=False)
    assert framing.take_head() == head
    assert framing.encode_last(b"ab") == b"ab"


@pytest.mark.parametrize(("pieces", "last"), [([b"abc"], b""), ([], b"abc"), ([b"a"], b""), ([b"a", b"b"], b"c")])
def test_a_body_that_is_not_as_long_as_announced_is_a_bug(pieces, last):
    framing = ResponseFraming(200, [("content-length", "2")], bodiless=False, old=False)
    with pytest.raises(RuntimeError, match="than its content-length"):
        for piece in pieces:
            framing.encode(piece)
        framing.encode_last(last)
