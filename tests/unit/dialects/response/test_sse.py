"""Cutting a stream anywhere changes nothing: neither the bytes, nor where frames may be parted, nor the events in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.response import sse
from octoroute.errors import BadUpstreamResponse

fields = st.sampled_from(["data: ", "data:", ": ", ":", "event: ", "id: ", "retry: ", "data", "odd: "])
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
frames = st.lists(
    st.lists(st.builds(lambda field, text: (field + text).encode(), fields, texts), min_size=1, max_size=3), max_size=6
)


@st.composite
def streams(draw):
    """Bytes of a stream, every line with an end of its own choosing, and cuts to make in it."""
    data = b"".join(b"".join(line + draw(ends) for line in frame) + draw(ends) for frame in draw(frames))
    data += draw(st.sampled_from([b"", b"data: unfinished", b"\r", b"\n"]))
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=12)))
    return data, [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(streams())
def test_what_is_fed_comes_out_byte_for_byte(stream):
    data, pieces = stream
    cutter = sse.FrameSplitter()
    assert b"".join(cutter.feed(piece) for piece in pieces) + cutter.rest == data


@given(streams())
def test_every_piece_that_comes_out_ends_where_a_frame_may_end(stream):
    _, pieces = stream
    cutter = sse.FrameSplitter()
    for piece in pieces:
        out = cutter.feed(piece)
        if out:
            assert out.replace(b"\r\n", b"\n").replace(b"\r", b"\n").endswith(b"\n\n")


def events(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    cutter = sse.FrameSplitter()
    found = [event for piece in pieces for event in sse.read_frames(cutter.feed(piece))]
    return [*found, *sse.read_frames(cutter.rest)]


@given(streams())
def test_any_chunking_reads_the_same_events(stream):
    data, pieces = stream
    assert events(pieces) == events([data]) == events([data[at : at + 1] for at in range(len(data))])


@given(frames, ends)
def test_the_events_are_what_the_standard_says(lines, end):
    data = b"".join(b"".join(line + end for line in frame) + end for frame in lines)
    expected = []
    for frame in lines:
        name, texts = "", []
        for line in frame:
            field, _, value = line.partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if field == b"data":
                texts.append(value)
            elif field == b"event":
                name = value.decode()
        if texts and (name == "error" or b"".join(texts).strip()):  # blank data says nothing
            expected.append((name, b"\n".join(texts)))
    assert events([data]) == expected


@given(streams())
def test_split_parts_a_stream_without_losing_a_byte(stream):
    data, _ = stream
    parts = list(sse.split(data))
    assert b"".join(parts) == data
    assert all(parts)
    assert [event for part in parts for event in sse.read_frames(part)] == events([data])


@given(
    st.binary(min_size=0, max_size=40).filter(lambda data: b"\n" not in data and b"\r" not in data),
    st.none() | st.sampled_from(["error", "message_stop"]),
)
def test_a_frame_we_write_reads_as_what_we_wrote(data, name):
    said = name == "error" or data.strip() not in {b"", b"null"}
    assert events([sse.frame(data, name)]) == ([(name or "", data)] if said else [])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_field_named_error_is_an_event_of_that_name(end):
    raw = end.join([b'error: {"code":400}', b"", b"data: [DONE]", b"", b""])
    assert events([raw]) == [("error", b'{"code":400}'), ("", b"[DONE]")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_json_without_a_frame_is_read_whole(end):
    bare = end.join([b"{", b'  "error": {"message": "no"}', b"}"])
    for raw in (bare, bare + end, bare + end + end, bare + end + b"data: [DONE]" + end + end):
        name, data = events([raw])[0]
        assert (name, data.replace(b"\r", b"")) == (sse.BARE, bare.replace(b"\r", b""))


def test_line_separators_inside_json_are_no_line_ends():
    data = 'data: "\u2028\u2029\u0085\x0b\x0c"\n\n'.encode()
    assert events([data]) == [("", data[6:-2])]


def test_a_byte_order_mark_is_not_part_of_the_first_field():
    assert events([b"\xef\xbb\xbfdata: 1\n\n"]) == [("", b"1")]


def test_a_byte_order_mark_further_on_reads_the_same_however_it_is_cut():
    """Found by fuzzing: one at the beginning of a read was taken off, one inside a read was not."""
    frames = [b"data: 1\n\n", b"\xef\xbb\xbfevent: x\ndata: 2\n\n", b"data: \xef\xbb\xbf3\n\n"]
    assert events(frames) == events([b"".join(frames)]) == [("", b"1"), ("x", b"2"), ("", b"\xef\xbb\xbf3")]


def test_a_frame_without_end_is_not_kept_for_ever():
    cutter = sse.FrameSplitter(limit=100)
    cutter.feed(b"data: " + b"x" * 90)
    with pytest.raises(BadUpstreamResponse, match="longer than 100 bytes"):
        cutter.feed(b"x" * 10)


def test_a_long_frame_in_small_pieces_costs_no_more_than_its_length():
    """A frame is looked at once, however many pieces it comes in: 4 MiB in 1 KiB pieces would take minutes otherwise."""
    cutter = sse.FrameSplitter()
    for _ in range(4096):
        assert cutter.feed(b"x" * 1024) == b""
    assert len(cutter.feed(b"\n\n")) == 4096 * 1024 + 2
