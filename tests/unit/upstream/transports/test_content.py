"""Compression is undone in bounded steps, however the compressed bytes are cut."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.content import FREE_BYTES, MAX_RATIO, MAX_STEP_BYTES, Inflater, inflater_for


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=100)
@given(st.binary(max_size=2000), st.lists(st.integers(0, 3000), max_size=10), st.sampled_from([31, 15, -15]))
def test_compression_is_undone_however_it_is_cut(plain: bytes, places: list[int], wbits: int):
    squeezer = zlib.compressobj(wbits=wbits)
    packed = squeezer.compress(plain) + squeezer.flush()
    inflater = Inflater("gzip" if wbits == 31 else "deflate")
    out = b""
    for piece in cut(packed, places):
        out += inflater.feed(piece)
        while inflater.pending:
            out += inflater.feed(b"")
    inflater.finish()
    assert out == plain


def test_a_bomb_is_met_in_small_steps_and_stopped():
    bomb = gzip.compress(bytes(FREE_BYTES * 20), 9)
    inflater = Inflater("gzip")
    total = len(inflater.feed(bomb))

    def rest() -> None:
        nonlocal total
        while inflater.pending:
            piece = inflater.feed(b"")
            assert len(piece) <= MAX_STEP_BYTES
            total += len(piece)

    with pytest.raises(BadUpstreamResponse, match="beyond the limit"):
        rest()
    assert total <= max(FREE_BYTES, MAX_RATIO * len(bomb))


@pytest.mark.parametrize("wbits", [31, 15, -15])
def test_nothing_is_left_inside_at_the_edge_of_a_step(wbits: int):
    for beyond in range(-300, 600, 3):  # where the input is used up with output to come, once in a while
        plain = (b"word of it " * MAX_STEP_BYTES)[: MAX_STEP_BYTES + beyond]
        squeezer = zlib.compressobj(wbits=wbits)
        packed = squeezer.compress(plain) + squeezer.flush()
        inflater = Inflater("gzip" if wbits == 31 else "deflate")
        out = inflater.feed(packed)
        while inflater.pending:
            out += inflater.feed(b"")
        inflater.finish()
        assert out == plain


@pytest.mark.parametrize("name", ["gzip", "x-gzip", " GZIP ", "deflate"])
def test_an_encoding_leaves_no_trace_in_the_headers(name: str):
    headers = {"content-encoding": name, "content-length": "10", "x": "1"}
    assert inflater_for(headers) is not None
    assert headers == {"x": "1"}


@pytest.mark.parametrize("headers", [{}, {"content-encoding": ""}, {"content-encoding": "identity"}])
def test_a_plain_body_needs_no_inflater(headers: dict[str, str]):
    assert inflater_for(dict(headers)) is None


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip"])
def test_an_encoding_that_was_not_offered_is_the_upstreams_failure(name: str):
    with pytest.raises(BadUpstreamResponse):
        inflater_for({"content-encoding": name})


def test_a_body_that_is_cut_short_is_no_body():
    inflater = Inflater("gzip")
    inflater.feed(gzip.compress(b"hello")[:-1])
    with pytest.raises(BadUpstreamResponse):
        inflater.finish()


def test_bytes_after_the_end_of_a_deflated_body_are_refused():
    inflater = Inflater("deflate")
    inflater.feed(zlib.compress(b"hello"))
    with pytest.raises(BadUpstreamResponse):
        inflater.feed(b"x")
