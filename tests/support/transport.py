"""A transport without sockets: what each endpoint answers is a list of steps."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from octoroute.errors import UpstreamError
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.content import ResponseBody


@dataclass
class Script:
    """`head`: an error instead of an answer, or None. A step is bytes, an error, a number of loop turns, or "for ever"."""

    head: UpstreamError | None = None
    status: int = 200
    content_type: str = "text/event-stream"
    steps: Sequence[bytes | UpstreamError | int | str] = ()
    turns: int = 0
    """Before the head."""


class ScriptedAnswer(ResponseBody):
    def __init__(self, script: Script) -> None:
        self._inflater = None
        self.status = script.status
        self.headers: Mapping[str, str] = {"content-type": script.content_type}
        self._steps = iter(script.steps)
        self.closed = 0
        self.reading = False

    async def _raw(self) -> bytes:
        assert not self.closed, "read after close"
        assert not self.reading, "read twice at once"
        self.reading = True
        try:
            for step in self._steps:
                if isinstance(step, bytes):
                    return step
                if isinstance(step, UpstreamError):
                    raise step
                if step == "for ever":
                    await asyncio.Event().wait()
                for _ in range(int(step)):
                    await asyncio.sleep(0)
            return b""
        finally:
            self.reading = False

    def close(self) -> None:
        self.closed += 1


@dataclass
class ScriptedTransport:
    scripts: Sequence[Script]
    """One a call; the last one again and again."""
    calls: list[TransportRequest] = field(default_factory=list)
    answers: list[ScriptedAnswer] = field(default_factory=list)

    async def send(self, call: TransportRequest) -> ScriptedAnswer:
        script = self.scripts[min(len(self.calls), len(self.scripts) - 1)]
        self.calls.append(call)
        for _ in range(script.turns):
            await asyncio.sleep(0)
        if script.head is not None:
            raise script.head
        answer = ScriptedAnswer(script)
        self.answers.append(answer)
        return answer

    async def close(self) -> None:
        pass
