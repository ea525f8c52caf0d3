"""Inputs for the laws of translation."""

from __future__ import annotations

from hypothesis import strategies as st

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8) | st.sampled_from(
    ["", " ", "<think>", "</think>", "STOP"]
)


def to_client(decoder, encoder, frames):
    events = []
    raw = b""
    for frame in frames:
        got = decoder.feed(frame)
        events += got
        raw += encoder.encode(got)
    got = decoder.end()
    return raw + encoder.encode(got), [*events, *got]


ids = st.sampled_from(["t1", "t2", "t3", "odd id", "call_0"])


results = st.builds(
    lambda id, content, bad: {"type": "tool_result", "tool_use_id": id, "content": content, "is_error": bad},
    ids,
    texts,
    st.booleans(),
)


MANY = 30_000
