"""What fuzzing has found in answers, as the wire brought it."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.errors import BadUpstreamResponse
from tests.support.laws import wire

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("status", [b"000", b"020", b"099"])
@pytest.mark.parametrize("framing", [b"transfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", b"content-length: 2\r\n\r\nno"])
def test_a_status_that_is_none_puts_nothing_before_the_answer(status, framing):
    """It passed for an interim answer, and its body for the beginning of the real one's."""
    stream = b"HTTP/1.1 " + status + b" OK\r\n" + framing + ANSWER
    for reads in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        told = asyncio.run(wire.answered(reads, "POST"))
        assert (told.fault, told.body) == (BadUpstreamResponse, b"")


def test_nor_does_it_fill_our_memory():
    endless = b"HTTP/1.1 020 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"ffff\r\n" + bytes(0xFFFF) + b"\r\n") * 8
    assert asyncio.run(wire.answered([endless], "POST")).fault is BadUpstreamResponse
