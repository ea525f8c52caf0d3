"""Request bodies in a content coding come out as they went in, within their limit, or are a clear error."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.errors import BadRequest, TooLarge, WrongMediaType
from octoroute.server import decompression
from octoroute.server.decompression import MAX_MEMBERS, codings_of, decode_body

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


CODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
LIMIT = 1 << 20


async def decoded(body: bytes, codings: str, limit: int = LIMIT) -> bytes:
    return await decode_body(body, {"content-encoding": codings}, limit)


@given(st.binary(max_size=3000), st.lists(st.sampled_from(sorted(CODERS)), max_size=3))
@settings(max_examples=60)
def test_codings_are_removed_in_reverse_order(content, codings):
    body = content
    for name in codings:
        body = CODERS[name](body)
    assert asyncio.run(decoded(body, ", ".join(codings))) == content


@pytest.mark.parametrize("coding", CODERS)
async def test_a_large_body_and_one_of_exactly_the_limit(coding):
    content = os.urandom(999) * 700
    body = CODERS[coding](content)
    assert await decoded(body, coding, len(content)) == content
    with pytest.raises(TooLarge, match=f"{len(content) - 1} bytes once its {coding} coding"):
        await decoded(body, coding, len(content) - 1)


async def test_a_bare_deflate_stream_is_deflate_too():
    assert await decoded(bare_deflate(b'{"model":"auto"}'), "deflate") == b'{"model":"auto"}'


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_body_may_have_several_members(coding):
    parts = [b"one ", b"", b"two " * 90_000, b"three"]
    assert await decoded(b"".join(map(CODERS[coding], parts)), coding) == b"".join(parts)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("content", [b"", b"x"])
async def test_members_have_a_limit(coding, content):
    member = CODERS[coding](content)
    assert await decoded(member * (MAX_MEMBERS - 1), coding) == content * (MAX_MEMBERS - 1)
    with pytest.raises(BadRequest):
        await decoded(member * (MAX_MEMBERS + 1), coding)


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("spoil", ["cut", "nothing", "plain", "flipped", "tail"])
async def test_a_spoilt_body_is_a_400_that_names_the_coding(coding, spoil):
    body = CODERS[coding](b'{"model":"auto","input":"hello"}' * 40)
    spoilt = {
        "cut": body[:-1],
        "nothing": b"",
        "plain": b'{"model":"auto"}',
        "flipped": body[:6] + bytes(byte ^ 0xFF for byte in body[6:20]) + body[20:],
        "tail": body + b"\x00rest",
    }[spoil]
    with pytest.raises(BadRequest, match=f"content-encoding: the request body is not valid {coding}"):
        await decoded(spoilt, coding)


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("twice", [False, True])
async def test_a_bomb_is_stopped_at_the_limit_and_others_are_served_meanwhile(coding, twice, monkeypatch):
    monkeypatch.setattr(decompression, "_SLICE_BYTES", 64 * 1024)
    bomb = CODERS[coding](bytes(1 << 26))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(count())
    with pytest.raises(TooLarge):
        await decoded(CODERS[coding](bomb) if twice else bomb, f"{coding}, {coding}" if twice else coding)
    other.cancel()
    assert turns > 1


async def test_a_zstd_frame_may_not_ask_for_a_large_window():
    options = {zstd.CompressionParameter.window_log: 27}
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(b"x" * 1000, compressor.CONTINUE) + compressor.flush()
    with pytest.raises(BadRequest):
        await decoded(body, "zstd")


@pytest.mark.parametrize(
    ("value", "codings"),
    [("gzip", ["gzip"]), (" GZIP , identity,, zstd", ["gzip", "zstd"]), ("identity", []), ("", []), ("x-gzip", ["x-gzip"])],
)
def test_codings_by_their_names(value, codings):
    assert codings_of(value) == codings


@pytest.mark.parametrize("value", ["br", "gzip, br", "compress", "utf-8", "gzip;q=1", "dcz" * 100])
def test_an_unknown_coding_is_a_415_that_names_it_and_what_is_accepted(value):
    with pytest.raises(WrongMediaType) as caught:
        codings_of(value)
    assert value.split(", ")[-1][:40] in caught.value.message
    assert "gzip, deflate, zstd" in caught.value.message
    assert len(caught.value.message) < 200
    assert caught.value.headers["accept-encoding"] == "gzip, deflate, zstd"


def test_many_codings_are_a_415():
    with pytest.raises(WrongMediaType, match="more than 3 codings"):
        codings_of("gzip, gzip, gzip, gzip")


async def test_identity_leaves_the_body_alone():
    assert await decoded(b"\x1f\x8b not gzip", "identity") == b"\x1f\x8b not gzip"
