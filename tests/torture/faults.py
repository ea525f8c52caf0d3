"""Every fault of an endpoint, at every moment of its answer, through the whole gateway: `python -m tests.torture.faults`.

A client's socket, octoroute's own server, and an endpoint that does what a row of `fault_table` says. The client must get what the
table calls right, or the second endpoint's answer where there is one, and in bounded time; the next question to the same endpoint
must be answered; and nothing may be left: no connection, task, descriptor, or place in flight, nor much memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import structlog
import uvloop

from octoroute.dialects.sse import KEEP_ALIVE
from octoroute.transports import TRANSPORTS
from tests.support.hostile import Peer, serving
from tests.support.house import House, endpoint, settings
from tests.torture.fault_scripts import Hostile, behave, begins, ends, texts
from tests.torture.fault_table import ANSWERED, BROKEN, CELLS, DONE, FAILED, MID, Cell, Right

PATIENCE_S = 12.0
"""No cell may take longer, whatever happens."""
LEFT_BEHIND_S = 5.0
"""How long the gateway may take to let go of what nobody needs; a second is promised, and this machine is busy."""
KEEP_ALIVE_S = 0.1
FIRST_EVENT_S, IDLE_S = 1.0, 0.5
"""Where the endpoint never comes to an end by itself. Everywhere else the limits lie beyond PATIENCE_S: no other cell ends by time."""
MEMORY_BYTES = 300_000_000
"""How much one row of the table may cost, all its cells at the same time; each gzip bomb of it is a gigabyte."""
SLOW = frozenset({"slow headers", "never-ending body", "endless event", "endless comments", "silence"})
ENOUGH_PIECES = 5
"""After which the client of an endless stream leaves."""


@dataclass(frozen=True)
class Dialect:
    """How a client asks and how it knows the end."""

    path: str
    asks: Callable[[str, str, bool], dict[str, Any]]
    """Model, text, stream."""
    last: str
    """The event at the end of a stream that is whole."""


def _chat(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


def _messages(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {**_chat(model, text, stream), "max_tokens": 100}


def _responses(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "stream": stream, "input": text}


DIALECTS = {
    "openai": Dialect("/v1/chat/completions", _chat, "[DONE]"),
    "anthropic": Dialect("/v1/messages", _messages, "message_stop"),
    "responses": Dialect("/v1/responses", _responses, "response.completed"),
}
ANTHROPIC_TYPES = {"upstream_timeout": "timeout_error"}
"""Its errors have types where OpenAI's have codes; api_error for all others."""


@dataclass
class Got:
    """What a client saw."""

    status: int = 0
    body: bytes = b""
    endpoint: str = ""
    pieces: int = 0
    cut: str = ""
    """The answer was not complete, by HTTP's own measure."""

    @property
    def events(self) -> list[tuple[str, Any]]:
        """(name, data) of a stream; OpenAI's have no names, but for the last one."""
        found: list[tuple[str, Any]] = []
        for frame in self.body.split(b"\n\n"):
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if not line.startswith(b":") and line)
            data = fields.get(b"data")
            if data == b"[DONE]":
                found.append(("[DONE]", None))
            elif data is not None:
                found.append((fields.get(b"event", b"").decode(), json.loads(data)))
        return found


@dataclass
class Case:
    """A cell, as one client meets it."""

    cell: Cell
    stream: bool
    dialect: str
    alone: bool
    """There is no second endpoint."""
    number: int
    trap: str
    hasty: bool = False
    hostile: Hostile = field(init=False)
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    """(endpoint, outcome) that the metrics should have counted."""
    fell_over: bool = False

    def __post_init__(self) -> None:
        self.model = f"case-{self.number}"
        self.bad, self.fit = f"{self.model}-bad", f"{self.model}-fit"
        self.hostile = Hostile(self.cell.fault, self.cell.phase, self.stream, self.bad, self.word(0), self.trap, self.hasty)

    def __str__(self) -> str:
        how = "stream" if self.stream else "whole"
        return f"{self.cell.fault} {self.cell.phase}, {how}, {self.dialect}, {'alone' if self.alone else 'with a second endpoint'}"

    def word(self, question: int) -> str:
        """Nobody else's."""
        return f"{self.model}-{question}-word"

    @property
    def own(self) -> tuple[Right, ...]:
        """What is right when nobody else can be asked."""
        right = self.cell.stream if self.stream else self.cell.whole
        if self.hasty and self.stream and self.cell.phase is MID:
            return (*right, *(Right(504 if "timeout" in each.code else 502, each.code) for each in right if each.code))
        if self.hasty and self.stream and self.cell.phase is DONE:
            return (*right, *FAILED, *BROKEN)
        return right

    def rights(self) -> Iterator[tuple[Right, str]]:
        """What the client may get, and from whom."""
        for right in self.own:
            if right.begun or self.alone:
                yield right, self.bad
            else:
                yield ANSWERED[0], self.fit

    @property
    def endless(self) -> bool:
        return any(right.endless for right in self.own)

    def endpoints(self, fit_url: str) -> list[dict[str, Any]]:
        bad = endpoint(self.hostile.url, self.model, id=self.bad, model=self.bad, priority=2)
        return [bad] if self.alone else [bad, endpoint(fit_url, self.model, id=self.fit, model=self.fit, priority=1)]


def cases(cells: Sequence[Cell], dialects: Sequence[str], trap: str, *, hasty: bool = False) -> list[Case]:
    ways = itertools.product(cells, (False, True), dialects, (True, False))
    return [Case(cell, stream, dialect, alone, number, trap, hasty) for number, (cell, stream, dialect, alone) in enumerate(ways)]


# the client


async def ask(house: House, case: Case, word: str, *, watch: bool = False) -> Got:
    """`watch`: tell the endpoint when its answer has come as far as it can before the fault, and leave an endless one."""
    got, dialect = Got(), DIALECTS[case.dialect]
    sought = (ends if case.cell.phase is DONE else begins)(case.bad, word).encode()
    body = dialect.asks(case.model, f"say {word}", case.stream)
    try:
        async with house.client.stream("POST", dialect.path, json=body) as response:
            got.status, got.endpoint = response.status_code, response.headers.get("x-octoroute-endpoint", "")
            async for piece in response.aiter_raw():
                got.body += piece
                got.pieces += 1
                if watch and case.stream and sought in got.body:
                    case.hostile.noticed.set()
                if watch and case.endless and got.pieces > ENOUGH_PIECES:
                    break
    except httpx2.TransportError as error:
        got.cut = repr(error)
    case.hostile.noticed.set()
    return got


# judgement


def wrong_with(got: Got, right: Right, case: Case, who: str, word: str) -> str | None:
    """Why that is not right; None: it is."""
    if got.cut:
        return f"cut: {got.cut}"
    if got.status != right.status:
        return f"status {got.status}"
    if not right.begun:
        return wrong_error(json.loads(got.body), right, case.dialect)
    if got.endpoint != who:
        return f"answered by {got.endpoint}"
    if not case.stream:
        return wrong_whole(got, case.dialect, begins(who, word) + ends(who, word))
    return wrong_stream(got, right, case.dialect, who, word)


def wrong_error(told: Any, right: Right, dialect: str) -> str | None:
    error = told["error"]
    if dialect == "anthropic":
        said, wanted = (told["type"], error["type"]), ("error", ANTHROPIC_TYPES.get(right.code, "api_error"))
    else:
        said, wanted = error["code"], right.code
    return None if said == wanted and error["message"] else f"error {said}"


def wrong_whole(got: Got, dialect: str, text: str) -> str | None:
    told = json.loads(got.body)
    match dialect:
        case "openai":
            said = told["choices"][0]["message"]["content"]
        case "anthropic":
            said = told["content"][0]["text"]
        case _:
            said = told["output"][0]["content"][0]["text"]
    return None if said == text else f"text {said!r}"


def wrong_stream(got: Got, right: Right, dialect: str, who: str, word: str) -> str | None:
    if begins(who, word).encode() not in got.body:
        return "no beginning"
    if right.endless:
        return None if got.pieces > ENOUGH_PIECES else "it came to an end"
    events, last = got.events, DIALECTS[dialect].last
    is_whole = ends(who, word).encode() in got.body
    names = [name for name, _ in events]
    if not right.code:
        if dialect == "openai" and got.body.replace(KEEP_ALIVE, b"") != b"".join(texts(who, word, stream=True)):
            return "not the endpoint's own bytes"
        return None if is_whole and names.index(last) == len(names) - 1 else "not whole, or it does not end with its end"
    if is_whole or last in names:
        return "a broken stream that is whole, or that has a proper end"
    return wrong_failure(*events[-1], right, dialect)


def wrong_failure(name: str, told: Any, right: Right, dialect: str) -> str | None:
    """The event that ends a broken stream."""
    match dialect:
        case "openai":
            return wrong_error(told, right, dialect)
        case "anthropic":
            return wrong_error(told, right, dialect) if name == "error" else f"last event {name}"
        case _:
            failed = told.get("response", {}).get("error", told)
            return wrong_error({"error": failed}, right, dialect) if name in {"response.failed", "error"} else f"last event {name}"


def check(got: Got, rights: Sequence[tuple[Right, str]], case: Case, word: str, what: str) -> Right:
    """The one of `rights` that it is."""
    wrong = []
    for right, who in rights:
        try:
            problem = wrong_with(got, right, case, who, word)
        except (ValueError, LookupError, TypeError) as error:
            problem = f"not readable: {error!r}"
        if problem is None:
            return right
        wrong.append(f"{problem}, wanted {right} of {who}")
    told = got.body if len(got.body) < 2000 else got.body[:1000] + b" ... " + got.body[-1000:]
    raise AssertionError(f"{what}: {'; '.join(wrong)}\n  got {got.status} from {got.endpoint}: {told!r}")


# one case


async def tried(house: House, case: Case) -> None:
    """The fault, then an ordinary question to the same endpoint."""
    hostile = case.hostile
    if case.cell.fault != "refused" or case.cell.phase is DONE:
        await hostile.listen()
    got = await ask(house, case, case.word(0), watch=True)
    right = check(got, list(case.rights()), case, case.word(0), "the answer")
    case.fell_over = got.endpoint == case.fit
    case.outcomes.append((got.endpoint if right.begun else case.bad, right.outcome))
    assert len(hostile.server.requests) <= 1, "the endpoint was asked twice"
    if case.cell.fault == "refused":
        if case.cell.phase is DONE:
            await hostile.acted.wait()
            await hostile.vanish()
        hostile.acted.set()
        await hostile.listen()
    await hostile.acted.wait()
    await asyncio.sleep(0.05)  # on this very loop: whatever was sent has been read by now
    got = await ask(house, case, case.word(1))
    check(got, [(ANSWERED[0], case.bad)], case, case.word(1), "the next answer")
    case.outcomes.append((case.bad, "answered"))
    await settled(lambda: hostile.hurt == 0, "a connection that is of no more use is held")
    assert hostile.misused == 0, "a connection that is of no more use was used again"
    assert hostile.server.open <= 1, "more connections are left than one in the pool"


async def settled(true: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(LEFT_BEHIND_S):
            while not true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(what) from None


async def judged(house: House, case: Case) -> str | None:
    """What was wrong."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await tried(house, case)
    except TimeoutError:
        return f"{case}: no end after {PATIENCE_S:g} s"
    except Exception as error:  # noqa: BLE001 - reported with its case
        return f"{case}: {error if isinstance(error, AssertionError) else repr(error)}"
    return None


# many of them on one gateway


@contextlib.asynccontextmanager
async def nobody_asks() -> AsyncIterator[str]:
    """The URL of a server that must be left alone."""

    async def script(peer: Peer) -> None:
        await peer.request()

    async with serving(script) as server:
        yield server.url("/trap")
        assert server.accepted == 0, "somebody followed a redirect"


@contextlib.asynccontextmanager
async def gateway(transport: str, endpoints: Sequence[dict[str, Any]], *, slow: bool) -> AsyncIterator[House]:
    limits = (FIRST_EVENT_S, IDLE_S) if slow else (3 * PATIENCE_S, 3 * PATIENCE_S)
    tree = settings(
        endpoints,
        server={"upstream": transport, "request_timeout_seconds": limits[0], "stream_idle_timeout_seconds": limits[1]},
        retry={"max_attempts": 0},
        health={"failure_threshold": 1000},
    )
    house = await House.open(tree, **{"keep_alive_s": KEEP_ALIVE_S} if slow else {})
    try:
        yield house
    finally:
        await house.close()


async def row(transport: str, cells: Sequence[Cell], dialects: Sequence[str], *, hasty: bool = False) -> int:
    """All cases of these cells at once, on one gateway. Returns how many; raises AssertionError with all that was wrong."""
    async with serving(behave):
        pass  # uvloop keeps a spare descriptor from its first listener on
    descriptors, resident = open_descriptors(), memory()
    async with contextlib.AsyncExitStack() as others:
        trap = await others.enter_async_context(nobody_asks())
        fit = await others.enter_async_context(serving(behave))
        tried = cases(cells, dialects, trap, hasty=hasty)
        for case in tried:
            others.push_async_callback(case.hostile.close)
        before = asyncio.all_tasks()
        endpoints = [each for case in tried for each in case.endpoints(fit.url("/v1"))]
        async with gateway(transport, endpoints, slow=any(cell.fault in SLOW for cell in cells)) as house:
            idle = asyncio.all_tasks() - before
            wrong = [each for each in await asyncio.gather(*[judged(house, case) for case in tried]) if each]
            assert not wrong, f"{len(wrong)} of {len(tried)}:\n" + "\n".join(wrong)
            counted(house, tried)
            ports = [case.hostile.port for case in tried]
            await settled(lambda: set(held(ports).values()) <= {1}, "more connections are left than one in each pool")
            await others.aclose()
            await settled(lambda: not held(ports), "connections to endpoints that have hung up are held")
            await settled(lambda: asyncio.all_tasks() - before == idle, "tasks are left")
    grown = memory(peak=True) - resident
    assert grown < MEMORY_BYTES, f"{grown} bytes more"
    await settled(lambda: open_descriptors() <= descriptors, f"descriptors are left: {open_descriptors()} instead of {descriptors}")
    return len(tried)


def counted(house: House, tried: Sequence[Case]) -> None:
    """The metrics say what the clients saw, and nothing is in flight."""
    samples = house.metrics()
    assert not any(value for (name, _), value in samples.items() if "inflight" in name), "something is in flight"
    outcomes = Counter[tuple[str, str]]()
    failures = Counter[tuple[str, str]]()
    for (name, labels), value in samples.items():
        label = dict(labels)
        if name == "octoroute_outcomes_total":
            outcomes[label["endpoint"], label["outcome"]] += int(value)
        if name == "octoroute_attempts_total" and label["error"]:
            failures[label["endpoint"], label["error"]] += int(value)
    expected = Counter(outcome for case in tried for outcome in case.outcomes)
    assert outcomes == expected, f"counted {outcomes - expected}, and not {expected - outcomes}"
    for case in tried:
        codes = {code for (endpoint, code), _ in failures.items() if endpoint == case.bad}
        assert not case.fell_over or codes <= {right.code for right in case.own}, f"{case}: attempts failed with {codes}"


# what the kernel knows


def held(ports: Sequence[int]) -> Counter[int]:
    """Connections to these ports that this side has not closed, by port: established, or given up by the other side alone."""
    found = Counter[int]()
    wanted = set(ports)
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, *_ = line.split()
        port = int(remote.rpartition(":")[2], 16)
        if port in wanted and state in {"01", "08"}:
            found[port] += 1
    return found


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def memory(*, peak: bool = False) -> int:
    """Resident bytes, or the most there have been since this was last asked without `peak`."""
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


# the long form


def rows(*, only: str = "") -> Iterator[tuple[str, tuple[Cell, ...]]]:
    for fault in dict.fromkeys(cell.fault for cell in CELLS):
        if only in fault:
            yield fault, tuple(cell for cell in CELLS if cell.fault == fault)


def run(work: Any) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="faults whose name has this in it")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    failed = 0
    for transport in TRANSPORTS:
        for fault, cells in rows(only=args.only):
            since = time.monotonic()
            try:
                count = run(row(transport, cells, list(DIALECTS)))
                print(f"{transport:8} {fault:20} {count:4} {time.monotonic() - since:6.2f} s")
            except AssertionError as error:
                failed += 1
                print(f"{transport:8} {fault:20} FAILED {time.monotonic() - since:6.2f} s\n{error}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
