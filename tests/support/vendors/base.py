"""Shared by the four vendors' servers: a checked request, the reply, and the function that decides it.

A `Vendor` turns bytes into `Asked` and `Says` into bytes with its own SDK's types; the rest of the tests knows no wire format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.fake import Exchange, Seen, Step, stream, whole


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any]
    id: str = ""


@dataclass(frozen=True)
class Result:
    call_id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Image:
    media_type: str
    data: str


@dataclass
class Asked:
    """What the server understood. `turns` are (role, what was said), in order; a role is user, assistant, or system."""

    model: str
    stream: bool
    system: str = ""
    turns: list[tuple[str, str | Call | Result | Image | Thought]] = field(default_factory=list)
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    choice: str | None = None
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None

    def said(self, kind: type) -> list[Any]:
        return [what for _, what in self.turns if isinstance(what, kind)]

    def results(self) -> dict[str, str]:
        """Of every call in the history that was answered, in a form no vendor's ids show in."""
        calls = {call.id: call for call in self.said(Call)}
        return {spelled(calls[result.call_id]): result.text for result in self.said(Result)}


def spelled(call: Call) -> str:
    return f"{call.name}({','.join(str(value) for _, value in sorted(call.arguments.items()))})"


@dataclass(frozen=True)
class Says:
    text: str = ""
    calls: Sequence[Call] = ()
    finish: str = "stop"
    """stop, tools, length, or refusal."""
    refusal: str = ""
    thinking: str = ""
    """Said before all else."""
    input: int = 100
    cached: int = 40
    """Of the input."""
    output: int = 20


class Vendor(Protocol):
    kind: str
    model: str
    path: str
    """Below the fake's address: what stands in `base_url`."""

    def read(self, seen: Seen) -> Asked:
        """Raises AssertionError with what is not right with the request."""
        ...

    def whole(self, says: Says) -> bytes: ...

    def frames(self, says: Says) -> list[bytes]: ...

    def error(self, status: int, message: str) -> bytes: ...

    def broken(self, says: Says) -> list[bytes]:
        """The first half of an answer, and then an error in the stream."""
        ...


class Server:
    """A vendor's server in a fake: `answers` decides what is said; what was asked, and what was wrong with it, is kept."""

    def __init__(self, vendor: type[Vendor], answers: Callable[[Asked], Says]) -> None:
        self.vendor = vendor()
        self.answers = answers
        self.asked: list[Asked] = []
        self.wrong: list[str] = []

    async def __call__(self, exchange: Exchange) -> None:
        try:
            asked = self.vendor.read(exchange.seen)
        except AssertionError as problem:
            self.wrong.append(str(problem))
            step = whole(self.vendor.error(400, str(problem)), 400)
        else:
            self.asked.append(asked)
            says = self.answers(asked)
            step: Step = stream(self.vendor.frames(says)) if asked.stream else whole(self.vendor.whole(says))
        await step(exchange)


def check(found: Sequence[str]) -> None:
    assert not found, "; ".join(found[:5])
