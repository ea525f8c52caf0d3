"""An answer that is passed on in the moment it arrives says what one says that is read part by part, and fails as it fails."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import BadUpstreamResponse, UpstreamError
from octoroute.upstream.readers import DecodingReader, PassThroughReader
from octoroute.upstream.response import UpstreamResponse
from tests.support.chunks import DONE, chunk, sse, usage

ENDPOINT = Endpoint(id="a", name="a", tier=Tier.FAST, kind="openai", provider="p", base_url="http://127.0.0.1:1/v1", model="m")
FIRST = chunk(content="one")
FAILURE = sse({"error": {"message": "out of memory", "type": "server_error"}})
STREAMS = [
    [chunk(content="two"), chunk(content="three"), chunk("stop"), usage(), DONE],
    [chunk(content="two") + chunk("stop"), DONE, b"whatever"],
    [chunk(content="two"), chunk(content="three") + FAILURE, chunk(content="never")],
    [FAILURE],
    [chunk(content="two"), b"data: {\n\n", chunk(content="never")],
    [chunk(content="two") + b"data: {\n\n"],
    [chunk(content="two")],
    [chunk("stop") + DONE],
    [b": keep-alive\n\n", chunk(content="two"), b": keep-alive\n\n", chunk("stop"), DONE],
]


class Pouring:
    """Gives its pieces to the sink for as long as that takes them."""

    status = 200
    headers = {}

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def chunk(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def flow(self, sink) -> bytes | None:
        while self.pieces:
            if not sink(self.pieces.pop(0)):
                return None
        return b""

    def close(self) -> None:
        pass


def opened(pieces, *, translated):
    reader = DecodingReader(OpenAIOutbound(), None, ENDPOINT) if translated else PassThroughReader(OpenAIOutbound())
    return UpstreamResponse(ENDPOINT, Pouring(*pieces), reader, FrameSplitter(), reader.feed(FIRST))


async def read(answer, told) -> str:
    """How it ends."""
    try:
        while (part := await answer.read()) is not None:
            told.extend([part] if part and isinstance(part, bytes) else part)
    except UpstreamError as error:
        return error.code
    return "over"


@pytest.mark.parametrize("translated", [False, True])
@given(stream=st.sampled_from(STREAMS), cuts=st.sets(st.integers(1, 2000), max_size=6), rests=st.lists(st.booleans(), max_size=12))
def test_what_is_passed_on_is_what_would_have_been_read(translated, stream, cuts, rests):
    text = b"".join(stream)
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    usual, passed = [], []
    ends = asyncio.run(read(opened(pieces, translated=translated), usual))
    answer, resting = opened(pieces, translated=translated), iter(rests)

    def sink(part) -> bool:
        passed.extend([part] if isinstance(part, bytes) else part)
        return not next(resting, False)

    answer.pass_on(sink)
    assert asyncio.run(read(answer, passed)) == ends
    if translated:
        assert passed == usual
    else:
        assert b"".join(passed) == b"".join(usual)


async def test_who_has_enough_is_told_so_and_goes_on_later():
    answer, passed = opened([chunk(content="two"), chunk(content="three"), DONE], translated=False), []

    def sink(part) -> bool:
        passed.append(part)
        return False

    answer.pass_on(sink)
    assert await answer.read() == FIRST
    assert await answer.read() == b""
    assert passed == [chunk(content="two")]
    assert await answer.read() == b""
    assert passed == [chunk(content="two"), chunk(content="three")]


async def test_a_sink_that_fails_is_no_failure_of_the_upstream():
    answer = opened([chunk(content="two"), DONE], translated=False)

    def sink(part) -> bool:
        raise RuntimeError("a bug")

    answer.pass_on(sink)
    await answer.read()
    assert await answer.read() == b""
    with pytest.raises(RuntimeError, match="a bug"):
        await answer.read()


async def test_what_somebody_records_is_read_and_not_passed_on():
    answer, recorded = opened([chunk("stop"), DONE], translated=False), []
    answer.record(recorded.append)
    answer.pass_on(lambda part: pytest.fail("nobody recorded it"))
    told = []
    assert await read(answer, told) == "over"
    assert recorded == told


async def test_an_answer_without_an_end_is_broken_either_way():
    answer = opened([chunk(content="two")], translated=False)
    answer.pass_on(lambda part: True)
    await answer.read()
    with pytest.raises(BadUpstreamResponse, match="before its end"):
        await answer.read()


def test_once_closed_it_holds_nobody():
    class Holder:
        def __init__(self) -> None:
            self.answer = opened([], translated=False)
            self.answer.pass_on(self.take)

        def take(self, part) -> bool:
            return True

    gc.disable()
    try:
        holder = Holder()
        there = weakref.ref(holder)
        holder.answer.close()
        del holder
        assert there() is None
    finally:
        gc.enable()
