"""Event streams: cut anywhere they decode alike, and no flipped bit passes."""

from __future__ import annotations

import itertools
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.bedrock.event_stream import MAX_HEADERS_BYTES, EventMessage, EventStreamSplitter, read_messages
from octoroute.errors import BadUpstreamResponse
from tests.support.event_streams import encode_message, header

NAMES = st.text("abcdefgh:-", min_size=1, max_size=20)
MESSAGES = st.lists(
    st.tuples(st.dictionaries(NAMES, st.text(max_size=30), max_size=4), st.binary(max_size=200)), min_size=1, max_size=5
)


def fed(reads) -> list[EventMessage]:
    """As the upstream client reads: complete frames, and the rest at the end."""
    splitter = EventStreamSplitter()
    found = [message for read in reads for message in read_messages(splitter.feed(read))]
    return [*found, *read_messages(splitter.rest)]


@given(MESSAGES, st.lists(st.integers(0, 2000), max_size=12))
def test_cut_at_any_byte_the_messages_are_the_same(said, cuts):
    whole = b"".join(encode_message(headers, payload) for headers, payload in said)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    reads = [whole[start:end] for start, end in itertools.pairwise(places)]
    assert fed(reads) == [EventMessage(headers, payload) for headers, payload in said]
    assert fed(whole[at : at + 1] for at in range(len(whole))) == fed([whole])
    assert [*EventStreamSplitter().split(whole)] == [encode_message(headers, payload) for headers, payload in said]


@given(MESSAGES, st.data())
def test_a_flipped_bit_is_refused(said, data):
    whole = bytearray(b"".join(encode_message(headers, payload) for headers, payload in said))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    size = data.draw(st.integers(1, len(whole)))
    with pytest.raises(BadUpstreamResponse):
        fed(bytes(whole[at : at + size]) for at in range(0, len(whole), size))


@given(MESSAGES, st.data())
def test_a_stream_that_is_cut_off_has_no_message_more(said, data):
    whole = b"".join(encode_message(headers, payload) for headers, payload in said)
    end = data.draw(st.integers(1, len(whole) - 1))
    splitter = EventStreamSplitter()
    complete = splitter.feed(whole[:end])
    assert complete + splitter.rest == whole[:end]
    assert len([*read_messages(complete)]) < len(said)
    if splitter.rest:
        with pytest.raises(BadUpstreamResponse):
            [*read_messages(splitter.rest)]


def test_what_precedes_a_damaged_message_can_be_read():
    good, bad = encode_message({"a": "b"}, b"x"), b"\xff" * 40
    frames = EventStreamSplitter().feed(good + bad)
    messages = read_messages(frames)
    assert next(messages) == EventMessage({"a": "b"}, b"x")
    with pytest.raises(BadUpstreamResponse):
        next(messages)
    assert [*EventStreamSplitter().split(frames)] == [good, bad]


def prelude(length: int, headers: int) -> bytes:
    first = struct.pack(">II", length, headers)
    return first + struct.pack(">I", zlib.crc32(first))


@pytest.mark.parametrize(
    ("length", "headers"),
    [(0, 0), (15, 0), (16, 1), (1 << 31, 0), ((1 << 32) - 1, 16), (1 << 20, MAX_HEADERS_BYTES + 1)],
)
def test_lengths_that_cannot_be_are_refused_at_once(length, headers):
    with pytest.raises(BadUpstreamResponse):
        EventStreamSplitter().feed(prelude(length, headers))


def test_headers_of_every_type_are_skipped_to_the_strings():
    fixed = [(0, b""), (1, b""), (2, b"x"), (3, b"xx"), (4, b"x" * 4), (5, b"x" * 8), (8, b"x" * 8), (9, b"x" * 16)]
    packed = b"".join(b"\x01n" + bytes([kind]) + value for kind, value in fixed)
    packed += b"\x01b\x06" + struct.pack(">H", 3) + b"abc" + header(":event-type", "messageStart")
    assert [*read_messages(encode_message(packed, b"{}"))] == [EventMessage({":event-type": "messageStart"}, b"{}")]


@pytest.mark.parametrize(
    "packed", [b"\x05a", b"\x01a", b"\x01a\x0a", b"\x01a\x07", b"\x01a\x07\x00\x09x", b"\x01a\x07\x00\x01\xff", b"\x02\xff\xfe\x00"]
)
def test_headers_that_cannot_be_read_are_refused(packed):
    with pytest.raises(BadUpstreamResponse):
        [*read_messages(encode_message(packed, b""))]


def test_botocore_reads_the_recorded_stream_and_the_messages_made_here():
    pytest.importorskip("botocore", reason="the e2e group is not installed")
    from tests.support.vendors import aws

    recorded = Path("tests/golden/streams/tools.bedrock.bin").read_bytes()
    events = aws.parsed_stream(recorded)
    assert len(events) == len([*read_messages(recorded)])
    assert next(iter(events[0])) == "messageStart"
    headers = {":event-type": "messageStop", ":message-type": "event"}
    assert aws.encode_message(headers, b"{}") == encode_message(headers, b"{}")
