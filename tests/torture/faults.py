"""Every fault of an endpoint, at every moment of its answer, through the whole gateway: `python tests/torture/faults.py`.

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
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import structlog
import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from octoroute.upstream.transports import TRANSPORTS
from tests.support.hostile import Peer, serving
from tests.support.live_gateway import LiveGateway, endpoint, settings
from tests.torture.fault_client import DIALECTS, Got, ask, wrong_with
from tests.torture.fault_scripts import Hostile, begins, behave, ends
from tests.torture.fault_table import ANSWERED, BROKEN, CELLS, DONE, FAILED, FAULTS, FLOOD, LATE, STALLED, Cell, Right

PATIENCE_S = 30.0
"""No cell may take longer, whatever happens."""
LEFT_BEHIND_S = 5.0
"""How long the gateway may take to let go of what nobody needs; a second is promised, and this machine is busy."""
FIRST_EVENT_S, IDLE_S = 1.0, 0.5
"""Only for what must end by time. Everywhere else the limits, and keep-alives, lie beyond PATIENCE_S."""
NEVER_S = 3 * PATIENCE_S
ENOUGH_S = 0.7
"""After which the client of an endless stream leaves."""
MEMORY_BYTES = 500_000_000
"""How much one row of the table may cost, all its cells at the same time; each gzip bomb of it is a gigabyte."""
FLOOD_BYTES = 1_000_000_000


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
    chance: Random | None = None
    hostile: Hostile = field(init=False)
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    """(endpoint, outcome) that the metrics should have counted."""
    fell_over: bool = False
    waits_for: str = "the answer"

    def __post_init__(self) -> None:
        self.model = f"case-{self.number}"
        self.bad, self.fit, self.again = f"{self.model}-bad", f"{self.model}-fit", f"{self.model}-again"
        self.hostile = Hostile(self.cell.fault, self.cell.phase, self.stream, self.bad, self.word(0), self.trap, self.chance)

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
        if self.chance is None:
            return right
        if self.cell.phase is DONE:  # it may have taken the answer's last bytes along
            return (*right, *FAILED, *(BROKEN if self.stream else ()))
        return (*right, *(Right(504 if each in STALLED else 502, each.code) for each in right if each.begun and each.code))

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

    @property
    def late(self) -> bool:
        return any(right in LATE for right in self.own)

    def watch(self, body: bytes) -> float | None:
        """Tells the endpoint when its answer has come as far as it can before the fault. In how many seconds its client leaves."""
        sought = (ends if self.cell.phase is DONE else begins)(self.bad, self.word(0)).encode()
        if not self.stream or self.hostile.noticed.is_set() or sought not in body:
            return None
        self.hostile.noticed.set()
        return ENOUGH_S if self.endless else None

    def endpoints(self, fit_url: str) -> Iterator[dict[str, Any]]:
        """The bad one, the fit one, and the bad one once more, without a limit of time, for when it behaves."""
        provider = "impatient" if self.late else "patient"
        yield endpoint(self.hostile.url, self.model, id=self.bad, model=self.bad, priority=2, provider=provider)
        if not self.alone:
            yield endpoint(fit_url, self.model, id=self.fit, model=self.fit, priority=1, provider="patient")
        yield endpoint(self.hostile.url, self.again, id=self.again, model=self.again, provider="patient")


def cases(cells: Sequence[Cell], dialects: Sequence[str], trap: str, seed: int | None) -> list[Case]:
    chance = None if seed is None else Random(seed)
    ways = itertools.product(cells, (False, True), dialects, (True, False))
    return [Case(cell, stream, dialect, alone, number, trap, chance) for number, (cell, stream, dialect, alone) in enumerate(ways)]


def check(got: Got, rights: Sequence[tuple[Right, str]], case: Case, word: str, what: str) -> Right:
    """The one of `rights` that it is."""
    wrong = []
    for right, who in rights:
        try:
            problem = wrong_with(got, right, who, word, case.dialect, stream=case.stream)
        except (ValueError, LookupError, TypeError) as error:
            problem = f"not readable: {error!r}"
        if problem is None:
            return right
        wrong.append(f"{problem}, wanted {right} of {who}")
    told = got.body if len(got.body) < 2000 else got.body[:1000] + b" ... " + got.body[-1000:]
    raise AssertionError(f"{what}: {'; '.join(wrong)}\n  got {got.status} from {got.endpoint}: {told!r}")


# one case


async def asked(gateway: LiveGateway, case: Case, model: str, word: str, *, watch: Callable[[bytes], float | None]) -> Got:
    return await ask(gateway.client, case.dialect, model, word, stream=case.stream, watch=watch)


async def tried(gateway: LiveGateway, case: Case) -> None:
    """The fault, then an ordinary question to the same endpoint."""
    hostile = case.hostile
    if case.cell.fault != "refused" or case.cell.phase is DONE:
        await hostile.listen()
    got = await asked(gateway, case, case.model, case.word(0), watch=case.watch)
    hostile.noticed.set()
    right = check(got, list(case.rights()), case, case.word(0), "the answer")
    case.fell_over = got.endpoint == case.fit
    case.outcomes.append((got.endpoint if right.begun else case.bad, right.outcome))
    assert len(hostile.server.requests) <= 1, "the endpoint was asked twice"
    case.waits_for = "the fault to be over"
    if case.cell.fault == "refused":
        if case.cell.phase is DONE:
            await hostile.acted.wait()
            await hostile.vanish()
        hostile.acted.set()
        await hostile.listen()
    if not hostile.server.accepted:  # on a slow day the gateway gives up before the endpoint has noticed
        hostile.acted.set()
    await hostile.acted.wait()
    await asyncio.sleep(0.05)  # on this very loop: whatever was sent has been read by now
    case.waits_for = "the next answer"
    got = await asked(gateway, case, case.again, case.word(1), watch=lambda body: None)
    check(got, [(ANSWERED[0], case.again)], case, case.word(1), "the next answer")
    case.outcomes.append((case.again, "answered"))
    await gone(lambda: hostile.hurt, "connections are held that are of no more use")
    assert hostile.misused == 0, "a connection that is of no more use was used again"
    assert hostile.server.open <= 1, "more connections are left than one in the pool"


async def gone(left: Callable[[], object], what: str) -> None:
    """Until nothing is left."""
    try:
        async with asyncio.timeout(LEFT_BEHIND_S):
            while left():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what}: {left()}") from None


async def judged(gateway: LiveGateway, case: Case, patience_s: float) -> str | None:
    """What was wrong."""
    try:
        async with asyncio.timeout(patience_s):
            await tried(gateway, case)
    except TimeoutError:
        return f"{case}: waited {patience_s:g} s for {case.waits_for}"
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
async def running_gateway(transport: str, endpoints: Sequence[dict[str, Any]], *, stalls: bool) -> AsyncIterator[LiveGateway]:
    """`stalls`: silence inside a stream has an end."""
    tree = settings(
        endpoints,
        server={"upstream": transport, "stream_idle_timeout_seconds": IDLE_S if stalls else NEVER_S},
        providers={"impatient": {"timeout_seconds": FIRST_EVENT_S}, "patient": {"timeout_seconds": NEVER_S}},
        retry={"max_attempts": 0},
        health={"failure_threshold": 1000},
    )
    gateway = await LiveGateway.open(tree, keep_alive_s=NEVER_S)
    try:
        yield gateway
    finally:
        await gateway.close()


@dataclass(frozen=True)
class Tried:
    cases: int
    grown_bytes: int


async def row(
    transport: str,
    cells: Sequence[Cell],
    dialects: Sequence[str],
    *,
    seed: int | None = None,
    patience_s: float = PATIENCE_S,
    most_bytes: int = MEMORY_BYTES,
) -> Tried:
    """All cases of these cells at once, on one gateway. Raises AssertionError with all that was wrong.

    `seed`: faults do not wait until the client has what came before them.
    """
    async with serving(behave):
        pass  # uvloop keeps a spare descriptor from its first listener on
    descriptors, resident = open_descriptors(), memory()
    async with contextlib.AsyncExitStack() as others:
        trap = await others.enter_async_context(nobody_asks())
        fit = await others.enter_async_context(serving(behave))
        tried = cases(cells, dialects, trap, seed)
        for case in tried:
            others.push_async_callback(case.hostile.close)
        before = asyncio.all_tasks()
        endpoints = [each for case in tried for each in case.endpoints(fit.url("/v1"))]
        async with running_gateway(transport, endpoints, stalls=any(cell.stream == STALLED for cell in cells)) as gateway:
            idle = asyncio.all_tasks() - before
            told = await asyncio.gather(*[judged(gateway, case, patience_s) for case in tried])
            wrong = [each for each in told if each]
            assert not wrong, f"{len(wrong)} of {len(tried)}:\n" + "\n".join(wrong)
            counted(gateway, tried)
            ports = {case.hostile.port: str(case) for case in tried}
            await gone(lambda: [ports[port] for port, count in held(ports).items() if count > 1], "more is left than a pool needs")
            await others.aclose()
            await gone(lambda: [ports[port] for port in held(ports)], "connections to endpoints that have hung up are held")
            await gone(lambda: (asyncio.all_tasks() - before) ^ idle, "tasks are left")
    grown = memory(peak=True) - resident
    assert grown < most_bytes, f"{grown} bytes more, at the most {most_bytes}"
    await gone(lambda: max(0, open_descriptors() - descriptors), "descriptors are left")
    return Tried(len(tried), grown)


def counted(gateway: LiveGateway, tried: Sequence[Case]) -> None:
    """The metrics say what the clients saw, and nothing is in flight."""
    samples = gateway.metrics()
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
        codes = {code for endpoint, code in failures if endpoint == case.bad}
        assert not case.fell_over or set() < codes <= {right.code for right in case.own}, f"{case}: attempts failed with {codes}"


# what the kernel knows


LOOPBACK = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"


def held(ports: Container[int]) -> Counter[int]:
    """Connections to these ports that this side has not closed, by port: established, or given up by the other side alone."""
    found: set[tuple[str, int]] = set()  # where connections come and go the kernel's list may name one twice
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        host, _, port = remote.partition(":")
        if host == LOOPBACK and state in {"01", "08"} and int(port, 16) in ports:
            found.add((local, int(port, 16)))
    return Counter(port for _, port in found)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def memory(*, peak: bool = False) -> int:
    """Resident bytes, or the most there have been since this was last asked without `peak`."""
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


# the long form


def rows() -> dict[str, tuple[Cell, ...]]:
    return {fault: tuple(cell for cell in CELLS if cell.fault == fault) for fault in FAULTS}


def run(work: Coroutine[Any, Any, Tried], loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop) -> Tried:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work)


LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def plan(rounds: int) -> Iterator[tuple[str, Callable[[], Tried]]]:
    """Everything the long form does, by name."""
    every = list(DIALECTS)
    for transport, (fault, cells) in itertools.product(TRANSPORTS, rows().items()):
        for name, loop in LOOPS.items():
            yield f"{transport}, {name}: {fault}", partial(_row, loop, transport, cells, every)
        for seed in range(rounds):
            yield f"{transport}, together {seed}: {fault}", partial(_row, uvloop.new_event_loop, transport, cells, every, seed=seed)
        for cell in cells:
            name = f"{transport}, alone: {fault} {cell.phase}"
            yield name, partial(_row, uvloop.new_event_loop, transport, [cell], every, most_bytes=MEMORY_BYTES // 2)
    for transport in TRANSPORTS:
        limits = {"patience_s": 3 * PATIENCE_S, "most_bytes": FLOOD_BYTES}
        yield f"{transport}: flood", partial(_row, uvloop.new_event_loop, transport, [FLOOD], ["openai"], **limits)


def _row(loop: Callable[[], asyncio.AbstractEventLoop], *args: Any, **more: Any) -> Tried:
    return run(row(*args, **more), loop)


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="what has this in its name")
    parser.add_argument("--rounds", type=int, default=5, help="how often faults come together with what was before them")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    started, tried, failed = time.monotonic(), 0, 0
    for name, work in plan(args.rounds):
        if args.only not in name:
            continue
        since = time.monotonic()
        try:
            done = work()
        except AssertionError as error:
            failed += 1
            _tell(f"FAILED {name}: {error}")
        else:
            tried += done.cases
            _tell(f"{done.cases:5} {time.monotonic() - since:6.1f} s {done.grown_bytes / 1e6:6.1f} MB  {name}")
    _tell(json.dumps({"cases": tried, "failed rows": failed, "seconds": round(time.monotonic() - started)}))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
