"""Summaries in histories: whole exchanges, stable chunks, and everything else byte for byte in its order."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.history_summary import (
    TAG,
    WRAPPER_CHARS,
    divide,
    replace_chunks,
    select_chunks,
    transcript,
)
from octoroute.dialects.request.truncation import History, HistoryMessage, select_messages
from octoroute.domain.conversation import Audio, Conversation, Document, Image, Role, Text, Thinking, ToolCall, ToolResult, Turn

messages = st.lists(
    st.builds(HistoryMessage, st.sampled_from(["system", "user", "assistant", "results"]), st.integers(0, 60), st.booleans()),
    max_size=25,
)


def history(told):
    return History("messages", [b'{"at" : %d}' % at for at in range(len(told))], told)


@given(messages, st.integers(1, 80))
def test_chunks_hold_no_message_twice_and_nothing_that_must_stay(told, chunk_chars):
    chunks = divide(told, chunk_chars)
    indexes = [index for chunk in chunks for index in chunk.indexes]
    assert len(indexes) == len(set(indexes))
    assert all(told[index].kind != "system" for index in indexes)
    required = select_messages(told, sum(told[index].chars for index in indexes)) if indexes else None
    assert required is None or not set(indexes) & {at for at in required if told[at].chars}
    assert max((at for at, message in enumerate(told) if message.kind == "user"), default=-1) not in indexes
    assert all(chunk.is_whole is (chunk.chars >= chunk_chars) for chunk in chunks)
    assert all(chunk.chars == sum(told[index].chars for index in chunk.indexes) for chunk in chunks)


@given(messages, st.integers(1, 80))
def test_a_result_is_where_its_call_is(told, chunk_chars):
    chunk_of = {index: at for at, chunk in enumerate(divide(told, chunk_chars)) for index in chunk.indexes}
    call = None
    for at, message in enumerate(told):
        if message.kind == "assistant":
            call = at
        elif message.kind == "results" and call is not None:
            assert chunk_of.get(at) == chunk_of.get(call)


@given(st.lists(st.integers(1, 60), min_size=3, max_size=20), st.integers(1, 80))
def test_chunks_of_a_growing_history_stay(sizes, chunk_chars):
    told = [HistoryMessage(kind, size) for size in sizes for kind in ("user", "assistant")]
    ask = HistoryMessage("user", 1)
    before = [chunk for chunk in divide([*told[:-2], ask], chunk_chars) if chunk.is_whole]
    assert [chunk for chunk in divide([*told, ask], chunk_chars) if chunk.is_whole][: len(before)] == before


@given(messages, st.integers(1, 80), st.integers(1, 2000), st.integers(0, 20))
def test_what_stays_keeps_bytes_and_order_and_enough_goes(told, chunk_chars, drop, summary_chars):
    chunks = select_chunks(divide(told, chunk_chars), drop, summary_chars)
    if chunks is None:
        return
    raws = replace_chunks(history(told), dict.fromkeys(chunks, "s" * summary_chars))
    gone = {index for chunk in chunks for index in chunk.indexes}
    kept = [raw for raw in raws if TAG.encode() not in raw]
    assert kept == [b'{"at" : %d}' % at for at in range(len(told)) if at not in gone]
    added = sum(len(json.loads(raw)["content"]) for raw in raws if TAG.encode() in raw)
    assert sum(told[index].chars for index in gone) - added >= drop
    assert len(raws) - len(kept) == len({chunk.segment for chunk in chunks})


def test_a_summary_stands_where_its_messages_stood():
    told = [HistoryMessage(kind, 1000) for kind in ("system", "user", "assistant", "user", "assistant", "results", "assistant")]
    chunks = divide(told, 500)[:2]
    assert [chunk.indexes for chunk in chunks] == [(1,), (2,)]
    raws = replace_chunks(history(told), dict(zip(chunks, ("one", "two"), strict=True)))
    assert len(raws) == 6
    summary = json.loads(raws[1])
    assert summary["role"] == "user"
    assert summary["content"].startswith(f'<{TAG} messages="2">')
    assert summary["content"].endswith(f"\n\none\n\ntwo\n</{TAG}>")
    assert len(summary["content"]) - len("one\n\ntwo") < WRAPPER_CHARS


def test_work_after_the_last_question_is_condensed_too():
    told = [HistoryMessage("user", 10)] + [HistoryMessage(kind, 300) for _ in range(4) for kind in ("assistant", "results")]
    chunks = divide(told, 500)
    assert [chunk.indexes for chunk in chunks] == [(1, 2), (3, 4), (5, 6)]
    assert {chunk.segment for chunk in chunks} == {1}


def test_no_question_no_chunks():
    assert divide([HistoryMessage("assistant", 100)] * 3, 10) == []


def test_geminis_messages_have_parts():
    told = [HistoryMessage("user", 900), HistoryMessage("assistant", 900), HistoryMessage("user", 1)]
    (chunk,) = divide(told, 1500)
    first, _ = replace_chunks(History("contents", [b"{}"] * 3, told), {chunk: "s"})
    assert json.loads(first)["parts"][0]["text"].startswith(f"<{TAG}")


def test_a_transcript_tells_who_said_what():
    turns = (
        Turn(Role.USER, (Text("look"), Image(data="AA=="), Document(text="inside", title="a.txt"), Audio("AA==", "wav"))),
        Turn(Role.ASSISTANT, (Thinking("secret"), ToolCall("1", "f", '{"a":1}'), ToolCall("2", "g", ""))),
        Turn(Role.USER, (ToolResult("1", (Text("done"),)), ToolResult("2", (Text("no"),), is_error=True))),
    )
    assert transcript(Conversation(turns=turns), 10_000).splitlines() == [
        "USER: look", "USER: [image]", "USER: [file a.txt] inside", "USER: [audio]", 'ASSISTANT calls f: {"a":1}',
        "ASSISTANT calls g: {}", "TOOL RESULT: done", "TOOL ERROR: no",
    ]  # fmt: skip


@given(st.text(min_size=1, max_size=400), st.integers(2, 100))
def test_a_long_transcript_keeps_both_ends(text, limit):
    told = transcript(Conversation(turns=(Turn(Role.USER, (Text("A" + text + "Z"),)),)), limit)
    if len("USER: A" + text + "Z") > limit:
        assert told.startswith("USER: A"[: limit // 2])
        assert told.endswith("Z")
        assert len(told) <= limit + 40
