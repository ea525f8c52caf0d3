"""The transcript of an answer: the same from bytes of any size as from events, and unreadable bytes are no error."""

from __future__ import annotations

import json
import time

from hypothesis import given
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.domain.events import Finished, FinishReason, RefusalDelta, TextDelta, ToolCallDelta, ToolCallStarted
from octoroute.gateway.transcript import Transcript
from tests.support.fake import chunk, completion, tokens

OPENAI = dialects.outbound(time.monotonic)["openai"]


def of(*parts, stream=True) -> Transcript:
    transcript = Transcript(OPENAI, stream=stream)
    for part in parts:
        transcript.feed(part)
    return transcript


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6), st.integers(1, 40))
def test_a_stream_reads_as_its_text_however_it_is_cut(words, size):
    raw = b"".join([chunk({"role": "assistant", "content": ""}), *tokens(words)])
    splitter = FrameSplitter()
    parts = [frames for at in range(0, len(raw), size) if (frames := splitter.feed(raw[at : at + size]))]
    transcript = of(*parts)
    text = "".join(f"{word} " for word in words)  # as the fake server sends them
    assert (transcript.text, transcript.finished, transcript.readable) == (text, True, True)
    assert transcript.characters == len(text)


def test_a_whole_body_and_events_read_alike():
    whole = of(json.dumps(completion("hello")).encode(), stream=False)
    events = of([TextDelta("hel"), TextDelta("lo")], [Finished(FinishReason.STOP)])
    assert whole.text == events.text == "hello"
    assert whole.answer(None, json_wanted=False).finish_reason == events.answer(None, json_wanted=False).finish_reason == "stop"


def test_tool_calls_are_put_together_and_count_as_characters():
    transcript = of([ToolCallStarted(0, "c", "f"), ToolCallDelta(0, '{"a":'), ToolCallDelta(0, "1}"), ToolCallDelta(9, "lost")])
    answer = transcript.answer(None, json_wanted=False)
    assert (answer.tool_calls, answer.tools, transcript.characters) == ([("f", '{"a":1}')], None, 7)


def test_a_refusal_is_the_reason():
    answer = of([RefusalDelta("no"), Finished(FinishReason.STOP)]).answer(None, json_wanted=True)
    assert (answer.text, answer.finish_reason, answer.json_wanted) == ("no", "refusal", True)


def test_unreadable_bytes_are_no_error_and_nothing_after_them_is_read():
    transcript = of(b"data: {nonsense\n\n", *tokens(["later"]))
    transcript.end()
    assert (transcript.readable, transcript.text, transcript.finished) == (False, "", False)
