"""Runs the checks one after the other, and what they share: the question, the pause between checks, and the reading of answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from octoroute.cli.conform.model_server import ModelServers
from octoroute.cli.conform.probe_client import AnswerStream, BrokenPromise, NotApplicable, ProbeClient, SentEvent, StreamBreak, pick

CHECK_LIMIT_S = 90.0
STEP_LIMIT_S = 5.0
SETTLE_LIMIT_S = 20.0
"""A gateway may let its endpoints rest after the failures of a check. So long the next check waits for an answer."""
SETTLE_INTERVAL_S = 0.5


class Result(StrEnum):
    PASSED = "pass"
    FAILED = "FAIL"
    SKIPPED = "skip"


class Bench:
    """The gateway under test and, if the user has put them behind it, the scripted model servers."""

    def __init__(self, client: ProbeClient, model: str, servers: ModelServers | None, step_limit_s: float = STEP_LIMIT_S) -> None:
        """`step_limit_s`: how long something that happens at once may take on a busy machine."""
        self.client = client
        self.step_limit_s = step_limit_s
        self.model = model
        self._servers = servers

    @property
    def servers(self) -> ModelServers:
        """Raises NotApplicable if there are none."""
        if self._servers is None:
            raise NotApplicable("needs --backend")
        return self._servers

    def question(self, **fields: Any) -> dict[str, Any]:
        """A request to Chat Completions, or to Messages."""
        return {"model": self.model, "messages": [{"role": "user", "content": "Say five words."}], "max_tokens": 64, **fields}

    async def settle(self) -> None:
        """Wait until the gateway answers a plain request again, if its model servers are ours. Raises BrokenPromise."""
        if self._servers is None:
            return
        self._servers.follow()
        until_s = time.monotonic() + SETTLE_LIMIT_S
        while (answer := await self.client.send("POST", "/chat/completions", self.question())).status != 200:
            if time.monotonic() > until_s:
                raise BrokenPromise(
                    f"a plain request gets {answer.status} {SETTLE_LIMIT_S:.0f} s after an earlier check: {shown(answer.body)}"
                )
            await asyncio.sleep(SETTLE_INTERVAL_S)

    @property
    def misunderstanding(self) -> str | None:
        """Why the result of a check says nothing about the gateway: it asked the model servers for what they do not speak."""
        path = None if self._servers is None else self._servers.unknown_path
        return (
            None
            if path is None
            else f"the gateway asks its model servers for {path}; the scripted ones speak /chat/completions only"
        )


class Check(msgspec.Struct, frozen=True):
    id: str
    promise: str
    """What a client relies on, as a sentence."""
    run: Callable[[Bench], Awaitable[None]]
    """Raises BrokenPromise and NotApplicable."""


class CheckReport(msgspec.Struct, frozen=True):
    """The result of one check."""

    id: str
    promise: str
    result: Result
    detail: str = ""
    """What the gateway did instead, or why the check was skipped."""


async def run_checks(checks: Sequence[Check], bench: Bench) -> AsyncIterator[CheckReport]:
    for check in checks:
        result, detail = Result.PASSED, ""
        try:
            async with asyncio.timeout(CHECK_LIMIT_S):
                await check.run(bench)
        except BrokenPromise as error:
            result, detail = Result.FAILED, str(error)
        except NotApplicable as error:
            result, detail = Result.SKIPPED, str(error)
        except StreamBreak as error:
            result, detail = Result.FAILED, f"the stream broke ({error})"
        except TimeoutError:
            result, detail = Result.FAILED, f"no result within {CHECK_LIMIT_S:.0f} s"
        if bench.misunderstanding is not None:
            result, detail = Result.SKIPPED, bench.misunderstanding
        yield CheckReport(check.id, check.promise, result, detail)


def expect(condition: object, otherwise: str) -> None:
    """Raises BrokenPromise."""
    if not condition:
        raise BrokenPromise(otherwise)


def shown(data: bytes | str) -> str:
    """The beginning of a body, for a message."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    return repr(text[:120])


async def collect(stream: AnswerStream) -> list[SentEvent]:
    """Every event of a stream that has to begin well. Raises BrokenPromise and StreamBreak."""
    if stream.status != 200:
        raise BrokenPromise(f"status {stream.status}: {shown(await stream.text())}")
    return [event async for event in stream.events()]


async def collect_cut(stream: AnswerStream) -> tuple[list[SentEvent], bool]:
    """The events, and whether the connection broke after them. Raises BrokenPromise."""
    events: list[SentEvent] = []
    try:
        async for event in stream.events():
            events.append(event)  # noqa: PERF401  what has come before a break counts
    except StreamBreak:
        return events, True
    return events, False


def text_of(events: Sequence[SentEvent]) -> str:
    """The answer's text, from the chunks of Chat Completions. Raises BrokenPromise."""
    return "".join(str(text) for event in events if (text := delta(event, "content")))


def delta(event: SentEvent, *path: str | int) -> Any:
    """What stands at `path` of the first choice's delta; None for the mark of the end and for errors. Raises BrokenPromise."""
    return None if event.is_done or event.is_error else pick(event.fields, "choices", 0, "delta", *path)
