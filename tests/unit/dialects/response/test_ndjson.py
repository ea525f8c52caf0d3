"""Cutting a stream of lines anywhere changes nothing, and a line without end is refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.response.ndjson import LineSplitter, read_lines
from octoroute.errors import BadUpstreamResponse

streams = st.lists(st.sampled_from([b'{"a":1}', b"\n", b"\r\n", b"", b'"\xe2\x80\xa8"', b" ", b"x"]), max_size=12).map(b"".join)


@given(streams, st.lists(st.integers(0, 60), max_size=8))
def test_what_is_fed_comes_out_at_line_ends_only(stream, places):
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    framer, out = LineSplitter(), b""
    for start, end in itertools.pairwise(edges):
        lines = framer.feed(stream[start:end])
        assert lines == b"" or lines.endswith(b"\n")
        out += lines
    assert out + framer.rest == stream
    assert b"\n" not in framer.rest
    assert [*read_lines(out), *read_lines(framer.rest)] == list(read_lines(stream))


@given(streams)
def test_lines_are_split_with_their_ends(stream):
    lines = list(LineSplitter().split(stream))
    assert b"".join(lines) == stream
    assert all(line.endswith(b"\n") for line in lines[:-1])
    assert all(line.count(b"\n") <= 1 for line in lines)


def test_only_a_line_feed_ends_a_line():
    assert list(read_lines('"\u2028\u0085"\r\n\r\n 1 \n'.encode())) == ['"\u2028\u0085"'.encode(), b"1"]


def test_a_line_without_end_is_refused():
    framer = LineSplitter(limit=10)
    assert framer.feed(b"x" * 10) == b""
    with pytest.raises(BadUpstreamResponse, match="longer than 10 bytes"):
        framer.feed(b"x")


def test_long_lines_that_end_pass():
    framer = LineSplitter(limit=10)
    framer.feed(b"x" * 9)
    assert framer.feed(b"\n" + b"y" * 9) == b"x" * 9 + b"\n"
