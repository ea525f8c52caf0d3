"""A stream as one JSON array."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.gemini.array_stream import ArrayStream
from tests.support.fake import event


@given(st.lists(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), max_size=3), max_size=4))
def test_the_elements_are_the_frames(reads):
    stream = ArrayStream()
    raw = b"".join(stream.keep_alive + stream.wrap(b"".join(map(event, read)) + b": comment\n\n") for read in reads)
    assert json.loads(raw + stream.end()) == [element for read in reads for element in read]


def test_an_error_is_the_last_element():
    stream = ArrayStream()
    raw = stream.wrap(event({"candidates": []})) + stream.wrap(event({"error": {"code": 502}})) + stream.end()
    assert json.loads(raw)[-1] == {"error": {"code": 502}}
