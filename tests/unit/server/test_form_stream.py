"""Multipart forms are read alike in pieces of any size, and within limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.errors import BadRequest
from octoroute.server.form_stream import MAX_HEADER_BYTES, MAX_PARTS, FormStream, PartBegin, PartData

BOUNDARY = b"b0undary"


def form(*parts: tuple[bytes, bytes], end: bytes = b"--\r\n") -> bytes:
    return (
        b"".join(b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + b"--" + BOUNDARY + end
    )


def head(name: str, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'Content-Disposition: form-data; name="{name}"{file}'.encode()


def read(data: bytes, size: int = 1 << 20) -> list[tuple[str, str | None, bytes]]:
    stream = FormStream(BOUNDARY)
    parts: list[list] = []
    for at in range(0, len(data), size):
        for event in stream.feed(data[at : at + size]):
            if isinstance(event, PartBegin):
                parts.append([event.name, event.filename, b""])
            else:
                assert isinstance(event, PartData)
                parts[-1][2] += event.data
    stream.check_complete()
    return [tuple(part) for part in parts]


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n--b0undar", b"--b0undary", b"\r\n", b"\r", b"-"]))),
    st.integers(1, 30),
)
def test_the_size_of_the_pieces_does_not_matter(values, size):
    values = [value for value in values if b"\r\n--" + BOUNDARY not in b"\r\n" + value]
    data = form(*((head(f"f{at}"), value) for at, value in enumerate(values[:20])), end=b"--")
    assert read(data, size) == [(f"f{at}", None, value) for at, value in enumerate(values[:20])]


def test_names_files_and_a_preamble():
    data = b"ignored\r\n" + form((b"X: y\r\n" + head("file", 'a\\"b.jsonl'), b"data"), (head("purpose"), b"batch")) + b"epilogue"
    assert read(data) == [("file", 'a"b.jsonl', b"data"), ("purpose", None, b"batch")]


def test_a_file_is_passed_on_while_it_arrives():
    stream = FormStream(BOUNDARY)
    list(stream.feed(form((head("file", "x"), b""))[: -len(b"\r\n--b0undary--\r\n")]))
    for _ in range(100):
        assert sum(len(event.data) for event in stream.feed(b"x" * 10_000)) > 9_000
    assert len(stream._buffer) < 100


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no form",
        form((head("a"), b"x"), end=b""),
        form((head("a"), b"x"))[:-6],
        form((b"X: y", b"x")),
        form((b'Content-Disposition: form-data; filename="x"', b"x")),
        b"--b0undaryX\r\n",
        b"--b0undary" + b" " * MAX_HEADER_BYTES * 2,
        form((b"X: " + b"y" * MAX_HEADER_BYTES, b"x")),
        form(*((head("a"), b"") for _ in range(MAX_PARTS + 1))),
    ],
)
def test_what_is_no_form_is_refused(data):
    for size in (7, 1 << 20):
        with pytest.raises(BadRequest):
            read(data, size)
