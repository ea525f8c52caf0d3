"""How many instructions the gateway executes for a request: `python tools/instructions.py`. Needs valgrind (Debian: valgrind).

The gateway runs under callgrind, as a process of its own. This program is its clients and its endpoint. Only the requests are
counted: not the start, and not a warm-up. The counts repeat within 0.5 %, whatever else runs on the machine. The kernel's work is
not in them, and the garbage collector's is shown apart.

    python tools/instructions.py                                  instructions of each kind of request
    .venv-3.12/bin/python tools/instructions.py --functions 40    with the costliest Python functions; needs Python 3.12 or newer
    python tools/instructions.py --gate                           fails when a kind is over its limit in tools/instructions.json
    python tools/instructions.py --lower                          lowers the limits to what was counted; refuses to raise one

Limits belong to a minor version of Python. Another build of it than the one that was counted may take 5 % more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callgrind import Function, Profile, parse, python_functions

ROOT = Path(__file__).resolve().parents[1]
LIMITS = Path(__file__).with_name("instructions.json")
KEY = "sk-instructions-0123456789abcdef"
CONNECTIONS = 64
WARM_UP = 3
"""Waves of each kind before the count: Python has specialised its code by then, and all connections are open."""
COLLECTOR = "gc_collect_main"
"""The function of CPython that is a run of the garbage collector."""
EVENTS = 20
"""Events of a stream that carry text."""
MARGIN = 1.01
"""A new limit over what was counted: more than two counts of the same program differ."""
OTHER_BUILD = 1.05
"""Builds of one minor version of Python differ by up to 3 %."""
SLOWNESS = 100
"""How many times longer a request takes under callgrind, about."""
START_S = 120.0
ANSWER_S = 60.0
DELAY_S = 1.2
"""After the last response, until what the gateway gathers, such as log lines, is on its way: more than the longest delay."""
IDLE_S = 0.4
"""A gateway that has used no processor time for so long has nothing left to do."""

START = """\
import sys
import octoroute.server.process
for name, module in list(sys.modules.items()):
    if name.startswith("octoroute."):
        for constant, value in list(vars(module).items()):
            if constant.endswith("_S") and isinstance(value, float) and 0.001 < value <= 60:
                slower = 20 if name.startswith("octoroute.store.") else {slowness}
                setattr(module, constant, value * slower)

from octoroute.server.uvicorn_server import UvicornServer
tick = UvicornServer.on_tick

async def slow_tick(self, counter):
    return self.should_exit if counter % {slowness} else await tick(self, counter // {slowness})

UvicornServer.on_tick = slow_tick
from octoroute.cli import main
sys.exit(main())
"""
"""What Python executes: the gateway's command, with the short times of the package SLOWNESS times longer.

A request then meets as many of them as it does without callgrind, such as the delay after which log lines are written together. The
history's are 20 times longer only: what is written of a kind's requests then belongs to its count. The server's seconds,
in which it looks at each connection, are longer too.
"""

CONFIG = """\
[server]
host = "127.0.0.1"
port = {port}

[[models.balanced]]
name = "counted"
base_url = "http://127.0.0.1:{upstream}/v1"

[health]
interval_seconds = 0

[store]
url = "{store}"

[auth]
keys = ["{key}"]

[observability]
log_level = "info"
log_format = "json"
"""


class Stopped(Exception):
    """Why nothing was counted."""


# ---- requests


def _messages(count: int, size: int) -> list[dict[str, str]]:
    """`count` messages of about `size` characters in all, most with a letter outside ASCII."""
    text = "Prosím, vysvětli krok za krokem, proč dotaz trvá tak dlouho. " * (1 + size // count // 60)
    plain = "Explain step by step, please, why the query takes so long. " * (1 + size // count // 60)
    share = size // count
    return [
        {"role": "assistant" if at % 2 else "user", "content": (plain if at == count // 2 else text)[:share]} for at in range(count)
    ]


def _body(size: int, count: int, extra: Mapping[str, Any]) -> bytes:
    question = {"model": "counted", "messages": _messages(count, size), "temperature": 0.2, "max_tokens": 512, **extra}
    return json.dumps(question, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Kind:
    """A kind of request."""

    title: str
    target: str
    body: bytes
    streams: bool = False


_CHAT = "/v1/chat/completions"
_STREAM: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
KINDS: Mapping[str, Kind] = {
    "1k": Kind("1 KB, chat completions", _CHAT, _body(560, 7, {})),
    "32k": Kind("32 KB, chat completions", _CHAT, _body(27_000, 74, {})),
    "stream": Kind(f"stream of {EVENTS} events", _CHAT, _body(560, 7, _STREAM), streams=True),
    "translated": Kind(f"translated stream of {EVENTS} events", "/v1/messages", _body(560, 7, {"stream": True}), streams=True),
}

# ---- the endpoint and the clients

MARK = b"~."
"""In the text of each event: a client counts the events by it."""
_FIELDS = '"id":"chatcmpl-0","created":1700000000,"model":"counted","system_fingerprint":"fp_0"'
_MESSAGE = f'{{"role":"assistant","content":"{"A sentence. " * 50}"}}'
_USAGE = '"usage":{"prompt_tokens":210,"completion_tokens":120,"total_tokens":330}'
_WHOLE = (
    f'{{{_FIELDS},"object":"chat.completion","choices":[{{"index":0,"message":{_MESSAGE},"logprobs":null,"finish_reason":"stop"}}],'
    f"{_USAGE}}}"
).encode()


def _event(choices: str, rest: str = "") -> bytes:
    return f'data: {{{_FIELDS},"object":"chat.completion.chunk","choices":[{choices}]{rest}}}\n\n'.encode()


_TEXT = _event(f'{{"index":0,"delta":{{"content":" word{MARK.decode()}"}},"logprobs":null,"finish_reason":null}}')
_TAIL = (
    _event('{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}')
    + _event("", ',"usage":{"prompt_tokens":210,"completion_tokens":20,"total_tokens":230}')
    + b"data: [DONE]\n\n"
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """An HTTP message with a content-length: (head, body)."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return head, await reader.readexactly(int(length[1]) if length else 0)


@dataclass
class World:
    """The endpoint and the clients, in step.

    All requests of a wave are written while the gateway stands still, and so are all responses, and all streams' next events. The
    gateway finds them all in one turn of its loop, every time, however busy the machine is.
    """

    freeze: Callable[[bool], None] = bool
    """Stops the gateway, or lets it run."""
    clients: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    waiting: list[asyncio.StreamWriter] = field(default_factory=list)
    """The connections of requests that have no response yet."""
    upstream_connections: int = 0
    _complete: asyncio.Event = field(default_factory=asyncio.Event)
    """All requests of the wave are at the endpoint."""

    async def endpoint(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.upstream_connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await _read_message(reader)
                self.waiting.append(writer)
                if len(self.waiting) == CONNECTIONS:
                    self._complete.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.upstream_connections -= 1

    async def connect(self, port: int) -> None:
        """New clients' connections instead of those that there are."""
        for _, writer in self.clients:
            writer.close()
        self.clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]

    def _write(self, writers: Iterable[asyncio.StreamWriter], data: bytes) -> None:
        self.freeze(True)
        for writer in writers:
            writer.write(data)
        self.freeze(False)

    async def _each(self, read: Callable[[asyncio.StreamReader], Awaitable[None]]) -> None:
        async with asyncio.timeout(ANSWER_S):
            for reader, _ in self.clients:
                await read(reader)

    async def send(self, kind: Kind, waves: int) -> None:
        """A request on each connection, so many times. Raises Stopped for any response but the right one."""
        head = (
            f"POST {kind.target} HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nauthorization: Bearer {KEY}\r\n"
            f"content-type: application/json\r\naccept: */*\r\nuser-agent: instructions\r\ncontent-length: {len(kind.body)}\r\n\r\n"
        )
        for _ in range(waves):
            self.waiting, self._complete = [], asyncio.Event()
            self._write((writer for _, writer in self.clients), head.encode() + kind.body)
            async with asyncio.timeout(ANSWER_S):
                await self._complete.wait()
            await (self._answer_streams() if kind.streams else self._answer())

    async def _answer(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_WHOLE)
        self._write(self.waiting, head + _WHOLE)

        async def right(reader: asyncio.StreamReader) -> None:
            head, answer = await _read_message(reader)
            if not head.startswith(b"HTTP/1.1 200") or answer != _WHOLE:
                raise Stopped(f"a wrong response: {head[:200]!r} {answer[:300]!r}")

        await self._each(right)

    async def _answer_streams(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

        async def started(reader: asyncio.StreamReader) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise Stopped(f"a wrong response: {head[:200]!r} {(await reader.read(1000))[:300]!r}")
            await reader.readuntil(MARK)

        async def event(reader: asyncio.StreamReader) -> None:
            await reader.readuntil(MARK)

        async def ended(reader: asyncio.StreamReader) -> None:
            if MARK in await reader.readuntil(b"\r\n0\r\n\r\n"):
                raise Stopped("a stream had an event too many")

        self._write(self.waiting, head + _chunk(_TEXT))
        await self._each(started)
        for _ in range(EVENTS - 1):
            self._write(self.waiting, _chunk(_TEXT))
            await self._each(event)
        self._write(self.waiting, _chunk(_TAIL) + b"0\r\n\r\n")
        await self._each(ended)

    async def end(self) -> None:
        """When the gateway has ended, so do its connections."""
        while self.upstream_connections:  # noqa: ASYNC110 - it is over in a moment
            await asyncio.sleep(0.01)


# ---- the gateway under callgrind


@dataclass
class Gateway:
    """The gateway's process under callgrind. Nothing is collected until `count`."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    dumps: int = 0

    @classmethod
    def start(cls, folder: Path, python: str, upstream: int, *, functions: bool, store: str) -> Gateway:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = int(s.getsockname()[1])
        config = folder / "config.toml"
        config.write_text(CONFIG.format(port=port, upstream=upstream, key=KEY, store=store), encoding="utf-8")
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-line=no"]
        valgrind += [f"--callgrind-out-file={folder / 'out'}", f"--vgdb-prefix={folder / 'vgdb'}"]
        command = [*valgrind, python, "-c", START.format(slowness=SLOWNESS), "-c", str(config)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}  # noqa: TID251 - not the package's
        env |= {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "PYTHONPERFSUPPORT": str(int(functions))}
        env["OCTOROUTE_STATE_DIR"] = str(folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=folder)  # noqa: S603
        return cls(folder, port, process)

    async def ready(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Stopped(f"the gateway does not answer: {self.last_words()}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return

    async def _monitor(self, *words: str) -> None:
        command = ["vgdb", f"--vgdb-prefix={self.folder / 'vgdb'}", f"--pid={self.process.pid}", *words]
        monitor = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, said = await monitor.communicate()
        if monitor.returncode:
            raise Stopped(f"`{' '.join(command)}` failed: {said.decode(errors='replace')[-500:]}")

    @contextlib.asynccontextmanager
    async def count(self) -> AsyncIterator[list[Profile]]:
        """What is executed inside the block; the list has the profile after it."""
        found: list[Profile] = []
        await self._monitor("instrumentation", "on")
        await self._monitor("zero")
        yield found
        await self.settle()
        await self._monitor("dump")
        await self._monitor("instrumentation", "off")
        self.dumps += 1
        with (self.folder / f"out.{self.dumps}").open(encoding="utf-8", errors="replace") as lines:
            found.append(parse(lines))

    async def settle(self) -> None:
        """Wait until nothing is left to do of the requests before."""
        await asyncio.sleep(DELAY_S)
        used, now = -1, self._ticks()
        while used != now:
            await asyncio.sleep(IDLE_S)
            used, now = now, self._ticks()

    def _ticks(self) -> int:
        """Processor time that the gateway has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return int(fields[11]) + int(fields[12])

    def last_words(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]

    def perf_map(self) -> list[str]:
        file = Path(f"/tmp/perf-{self.process.pid}.map")  # noqa: S108 - Python writes it there
        return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []

    def freeze(self, frozen: bool) -> None:
        """When this returns, the gateway stands still, or is free to run."""
        self.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)
        state = Path(f"/proc/{self.process.pid}/stat")
        while frozen and self.process.poll() is None and state.read_text().rpartition(") ")[2][0] != "T":
            time.sleep(0.0001)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        Path(f"/tmp/perf-{self.process.pid}.map").unlink(missing_ok=True)  # noqa: S108 - Python writes it there


@dataclass(frozen=True)
class Count:
    """One kind's figures. Every figure is instructions."""

    profile: Profile
    requests: int
    functions: Mapping[str, Function]
    """By `file:function`; empty without --functions."""

    @property
    def each(self) -> float:
        """Of a request, without the garbage collector: its few runs fall into one count and not into the next."""
        return (self.profile.total - self.profile.inclusive(COLLECTOR)) / self.requests


async def counted(python: str, kinds: list[str], waves: int, *, functions: bool, store: str) -> dict[str, Count]:
    found: dict[str, Count] = {}
    with tempfile.TemporaryDirectory(prefix="octoroute-instructions-") as name:
        world = World()
        server = await asyncio.start_server(world.endpoint, "127.0.0.1", 0, limit=1 << 20)
        gateway = Gateway.start(Path(name), python, server.sockets[0].getsockname()[1], functions=functions, store=store)
        try:
            await gateway.ready()
            world.freeze = gateway.freeze
            for kind in kinds:
                await world.connect(gateway.port)
                await world.send(KINDS[kind], WARM_UP)
                await gateway.settle()
                async with gateway.count() as profiles:
                    await world.send(KINDS[kind], waves)
                named = python_functions(profiles[0], iter(gateway.perf_map())) if functions else {}
                found[kind] = Count(profiles[0], waves * CONNECTIONS, named)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:  # no response in time, or a connection that ended
            raise Stopped(f"{error!r}; the gateway's last words: {gateway.last_words()}") from None
        finally:
            gateway.stop()
            server.close()
            await world.end()
    return found


# ---- limits


@dataclass(frozen=True)
class Verdict:
    """What the gate says: the lines to print, and whether a kind is over its limit."""

    lines: list[str]
    failed: bool


def judge(limits: Mapping[str, Any], python: str, build: str, each: Mapping[str, float]) -> Verdict:
    """`limits` is tools/instructions.json: minor version -> {"build": text, "limits": {kind: instructions a request}}."""
    known = limits.get(python)
    if known is None:
        return Verdict([f"skipped: tools/instructions.json has no limits for Python {python}"], failed=False)
    allowance = 1.0 if known["build"] == build else OTHER_BUILD
    lines, failed = [], False
    if allowance > 1:
        lines.append(f"note: another build of Python {python} than the one that was counted: {allowance - 1:.0%} more is allowed")
    for kind, figure in each.items():
        limit = known["limits"].get(kind)
        if limit is None:
            lines.append(f"{kind}: no limit")
            continue
        over = figure > limit * allowance
        failed |= over
        lines.append(f"{kind}: {figure:,.0f} instructions a request, {'OVER' if over else 'within'} {limit * allowance:,.0f}")
    return Verdict(lines, failed)


def lowered(limits: Mapping[str, Any], python: str, build: str, each: Mapping[str, float]) -> tuple[dict[str, Any], list[str]]:
    """The limits with those lowered that what was counted allows, and the kinds that would have had to be raised, which stay."""
    known = limits.get(python) or {"build": build, "limits": {}}
    new, refused = dict(known["limits"]), []
    for kind, figure in each.items():
        wanted = math.ceil(figure * MARGIN / 100) * 100
        if figure > new.get(kind, math.inf):
            refused.append(f"{kind}: {figure:,.0f} instructions a request, the limit of {new[kind]:,} is not raised")
        new[kind] = min(wanted, new.get(kind, wanted))
    return {**limits, python: {"build": build, "limits": new}}, refused


# ---- the command


def _table(found: Mapping[str, Count]) -> Iterator[str]:
    yield f"{'kind':<12} {'instructions a request':>24} {'an event':>10} {'garbage collector':>18}"
    for kind, count in found.items():
        event = f"{count.each / EVENTS:,.0f}" if KINDS[kind].streams else ""
        yield f"{kind:<12} {count.each:>24,.0f} {event:>10} {count.profile.inclusive(COLLECTOR) / count.requests:>18,.0f}"


def _functions(kind: str, count: Count, top: int) -> Iterator[str]:
    """An inclusive figure holds the callees' too: those of two functions that call each other do not add up."""
    yield f"\n{KINDS[kind].title}: inclusive instructions a request, by Python function"
    rows = sorted(count.functions.items(), key=lambda row: -row[1].inclusive)
    for name, function in rows[:top]:
        each, calls = function.inclusive / count.requests, function.calls / count.requests
        yield f"{each:>12,.0f} {each / count.each:>7.1%} {calls:>8.2f} calls  {name.replace(f'{ROOT}/', '')}"
    calls = sum(function.calls for function in count.functions.values()) / count.requests
    yield f"{calls:>12,.1f} calls and resumptions of Python functions a request"


def _native(kind: str, count: Count, top: int) -> Iterator[str]:
    yield f"\n{KINDS[kind].title}: own instructions a request, by C function"
    rows = sorted(count.profile.functions.items(), key=lambda row: -row[1].own)
    for (file, name), function in rows[:top]:
        each = function.own / count.requests
        yield f"{each:>12,.0f} {each / count.each:>7.1%} {function.calls / count.requests:>8.2f} calls  {name} ({Path(file).name})"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Instructions of a request under callgrind.", epilog=(__doc__ or "").partition("\n\n")[2]
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"comma-separated, of {', '.join(KINDS)} (all)")
    parser.add_argument(
        "--requests",
        type=int,
        default=320,
        help=f"requests of each kind that are counted, a multiple of {CONNECTIONS} (%(default)s)",
    )
    parser.add_argument("--functions", type=int, metavar="N", default=0, help="the N costliest Python functions of each kind")
    parser.add_argument("--native", type=int, metavar="N", default=0, help="the N costliest C functions of each kind")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the gateway (this one)")
    parser.add_argument(
        "--store", default="", metavar="URL", help="where the history is, `none` for nowhere (SQLite, as by default)"
    )
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--gate", action="store_true", help="exit 1 when a kind is over its limit; skip without valgrind")
    parser.add_argument(
        "--lower", action="store_true", help="lower the limits to what was counted; exit 1 when one would have to be raised"
    )
    options = parser.parse_args()
    options.kinds = options.kinds.split(",")
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"no kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    if options.requests < CONNECTIONS or options.requests % CONNECTIONS:
        parser.error(f"--requests is a multiple of {CONNECTIONS}")
    if (options.gate or options.lower) and options.store:
        parser.error("the limits are those of the default store")
    if (options.gate or options.lower) and options.functions:
        parser.error("--functions makes Python execute more; count for the limits without it")
    return options


def _interpreter(python: str) -> tuple[str, str]:
    """(minor version, whole version text) of an interpreter. Raises Stopped when it cannot run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2]); print(' '.join(sys.version.split()))"
    try:
        asked = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - named by the caller
    except (OSError, subprocess.CalledProcessError) as error:
        raise Stopped(f"{python}: {error}") from None
    version, build = asked.stdout.splitlines()
    return version, build


def run(options: argparse.Namespace) -> int:
    version, build = _interpreter(options.python)
    if options.functions and tuple(map(int, version.split("."))) < (3, 12):
        raise Stopped(f"--functions needs Python 3.12 or newer, {options.python} is {version}; name one with --python")
    missing = [program for program in ("valgrind", "vgdb") if shutil.which(program) is None]
    if missing:
        if options.gate:
            sys.stdout.write(f"skipped: {missing[0]} is not installed (Debian: apt-get install valgrind)\n")
            return 0
        raise Stopped(f"{missing[0]} is not installed; Debian: apt-get install valgrind")
    waves = options.requests // CONNECTIONS
    try:
        found = asyncio.run(counted(options.python, options.kinds, waves, functions=options.functions > 0, store=options.store))
    except Stopped as error:  # it is no verdict on the gateway: once more
        sys.stderr.write(f"instructions: {error}; counting again\n")
        found = asyncio.run(counted(options.python, options.kinds, waves, functions=options.functions > 0, store=options.store))
    each = {kind: count.each for kind, count in found.items()}
    lines = [f"Python {build}", *_table(found)]
    for kind, count in found.items():
        lines += [
            *(_functions(kind, count, options.functions) if options.functions else ()),
            *(_native(kind, count, options.native) if options.native else ()),
        ]
    failed = False
    limits = json.loads(LIMITS.read_text(encoding="utf-8")) if LIMITS.exists() else {}
    if options.gate:
        verdict = judge(limits, version, build, each)
        lines, failed = [*lines, *verdict.lines], verdict.failed
    if options.lower:
        limits, refused = lowered(limits, version, build, each)
        LIMITS.write_text(json.dumps(limits, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        lines, failed = [*lines, *refused], bool(refused)
    if options.json:
        options.json.write_text(json.dumps({"python": build, "instructions": each}, indent=1), encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(failed)


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except Stopped as error:
        sys.exit(f"instructions: {error}")
