"""The relay's sense of time: silence is the upstream's, slowness the client's."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

from octoroute.dialects import inbound
from octoroute.domain.outcome import Ending
from octoroute.domain.request import Facts, Request
from octoroute.gateway.relay import Reply

REQUEST = Request(id="r", dialect="openai", model="m", stream=True, body=None, facts=Facts())


class Parts:
    """An answer that gives its parts at once, or falls silent where there is a None."""

    headers = {}
    translated = False

    def __init__(self, *parts: bytes | None, idle_timeout_s: float) -> None:
        self.endpoint = SimpleNamespace(idle_timeout_s=idle_timeout_s)
        self._parts = iter(parts)
        self._silent = False

    async def read(self) -> bytes | None:
        if self._silent:
            await asyncio.sleep(60)
        part = next(self._parts, b"")
        if part is None:
            self._silent = True
            await asyncio.sleep(60)
        return part or None


class Passing(Parts):
    """Hands its parts to the sink, with a pause before each, for as long as that takes them."""

    def __init__(self, *parts: bytes, pause_s: float, idle_timeout_s: float) -> None:
        super().__init__(idle_timeout_s=idle_timeout_s)
        self.left = list(parts)
        self._pause_s = pause_s

    def pass_on(self, sink) -> None:
        self._sink = sink

    async def read(self) -> bytes | None:
        while self.left:
            await asyncio.sleep(self._pause_s)
            if not self._sink(self.left.pop(0)):
                return b""
        await asyncio.sleep(60)
        return None


class Ends:
    decision = None
    warnings = ()

    def __init__(self) -> None:
        self.endings: list[Ending] = []

    def finish(self, ending: Ending, error: Exception | None = None) -> None:
        self.endings.append(ending)


def reply(parts: Parts, ends: Ends) -> Reply:
    return Reply(REQUEST, inbound(time.time)["openai"], parts, ends, {}, None)  # type: ignore[arg-type]


async def test_a_client_that_reads_slowly_does_not_make_the_upstream_silent():
    ends = Ends()
    taken = []
    async for piece in reply(Parts(b"a", b"b", b"c", idle_timeout_s=0.05), ends).pieces():
        taken.append(piece)
        await asyncio.sleep(0.1)
    assert taken == [b"a", b"b", b"c"]
    assert ends.endings == [Ending.ANSWERED]


async def test_a_silent_upstream_is_told_as_an_error():
    ends = Ends()
    parts = Parts(b"a", None, idle_timeout_s=0.1)
    taken = [piece async for piece in reply(parts, ends).pieces(0.03)]
    assert taken[0] == b"a"
    assert b"sent nothing" in taken[-1]
    assert set(taken[1:-1]) == {b": keep-alive\n\n"}
    assert ends.endings == [Ending.BROKEN]


async def test_what_is_passed_on_in_time_leaves_nothing_to_say_in_between():
    said: list[bytes] = []
    parts = Passing(*(b"%d" % n for n in range(12)), pause_s=0.02, idle_timeout_s=0.3)
    taken = [piece async for piece in reply(parts, Ends()).pieces(0.1, lambda data: bool(said.append(data)))]
    assert said == [b"%d" % n for n in range(12)]
    assert taken[0] == b": keep-alive\n\n"  # the first that is late for the client, and not before the last was passed on
    assert b"sent nothing" in taken[-1]


async def test_who_has_more_than_enough_to_read_is_waited_for():
    parts, said = Passing(b"a", b"b", b"c", pause_s=0.0, idle_timeout_s=0.1), []

    def say(data: bytes) -> bool:
        said.append(data)
        return data == b"b"

    pieces = reply(parts, Ends()).pieces(60, say)
    assert await anext(pieces) == b""
    assert said == [b"a", b"b"]
    await asyncio.sleep(0.2)
    assert parts.left == [b"c"]
    assert b"sent nothing" in await anext(pieces)  # not for the time in which the client had enough: there was "c" before it
    assert said == [b"a", b"b", b"c"]
