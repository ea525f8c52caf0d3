"""An endpoint that does once what a row of the table says, and from then on behaves."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from tests.support.fake import DONE as LAST_FRAME
from tests.support.fake import chunk, completion
from tests.support.hostile import Peer, Seen, Server, answer, serving
from tests.torture.fault_table import DONE, FIRST, HEAD, MID, Phase

PATIENCE_S = 30.0
SLOW_S = 0.05
"""Between two pieces of what comes slowly and never ends."""
POISON = "an answer to somebody else"
SSE = "text/event-stream"
JSON = "application/json"


def begins(who: str, word: str) -> str:
    return f"{who} begins {word}, "


def ends(who: str, word: str) -> str:
    return f"{who} ends {word}."


def asked_word(seen: Seen) -> str:
    """What the question wants to be answered with."""
    return seen.body.decode().rpartition("say ")[2].partition('"')[0]


@dataclass(frozen=True)
class Said:
    """A right answer in four pieces: headers, the beginning, the rest, and the end of the transfer."""

    stream: bool
    head: bytes
    first: bytes
    rest: bytes
    end: bytes

    @property
    def all(self) -> bytes:
        return self.head + self.first + self.rest + self.end


def texts(who: str, word: str, *, stream: bool) -> tuple[bytes, bytes]:
    """The two halves of the body."""
    first, last = begins(who, word), ends(who, word)
    if stream:
        return chunk({"role": "assistant", "content": first}), chunk({"content": last}) + chunk({}, "stop") + LAST_FRAME
    body, middle = json.dumps(completion(first + last)).encode(), len(first) // 2
    at = body.index(first.encode()) + middle
    return body[:at], body[at:]


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def said(
    who: str, word: str, *, stream: bool, framing: str = "chunked", version: str = "1.1", headers: str = "", more: int = 0
) -> Said:
    """`framing`: chunked, length (`more` bytes are promised than sent), or close."""
    first, rest = texts(who, word, stream=stream)
    length = {"chunked": "transfer-encoding: chunked\r\n", "length": f"content-length: {len(first) + len(rest) + more}\r\n"}
    fields = f"content-type: {SSE if stream else JSON}\r\n{length.get(framing, '')}{headers}"
    head = f"HTTP/{version} 200 OK\r\n{fields}\r\n".encode()
    if framing == "chunked":
        return Said(stream, head, framed(first), framed(rest), b"0\r\n\r\n")
    return Said(stream, head, first, rest, b"")


async def behave(peer: Peer) -> None:
    """Answers every question as it should, in the name of the model that was asked."""
    while True:
        seen = await peer.request()
        question = json.loads(seen.body)
        await peer.send(said(question["model"], asked_word(seen), stream=question.get("stream") is True).all)


@dataclass
class Wire:
    """The one exchange that goes wrong."""

    peer: Peer
    phase: Phase
    stream: bool
    who: str
    word: str
    noticed: asyncio.Event
    """Set when the client has what came before the fault, as far as that can be."""
    trap: str
    """The URL of a server that nobody should ask."""
    chance: Random | None = None
    """The client is not waited for, but a moment at random: what is right and the fault may arrive together."""

    def said(self, **more: object) -> Said:
        return said(self.who, self.word, stream=self.stream, **more)  # type: ignore[arg-type]

    async def before(self, good: Said | None = None, *, ended: bool | None = None) -> Said:
        """Reads the question and says what is right until the moment of the fault. `ended`: after the finish the transfer is
        complete too; for a stream it is not unless that is said. Waits until the client has it.
        """
        good = good or self.said()
        ended = not self.stream if ended is None else ended
        await self.peer.request()
        match self.phase:
            case Phase.HEAD:
                return good
            case Phase.FIRST:
                await self.peer.send(good.head)
            case Phase.MID:
                await self.peer.send(good.head + good.first)
            case Phase.DONE:
                await self.peer.send(good.head + good.first + good.rest + (good.end if ended else b""))
        if self.phase is not FIRST and (self.stream or (self.phase is DONE and ended)):
            await self.seen()
        return good

    async def seen(self) -> None:
        if self.chance is not None:
            await asyncio.sleep(self.chance.choice((0.0, 0.0, self.chance.random() * 0.02)))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self.noticed.wait()

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        await self.peer.send(*pieces, pause_s=pause_s)

    async def for_ever(self, piece: bytes, pause_s: float = SLOW_S) -> None:
        """Until the other side leaves, which is a ConnectionError here."""
        while True:
            with contextlib.suppress(TimeoutError):  # under uvloop who drains is not always told that nobody is left
                async with asyncio.timeout(1.0):
                    await self.peer.send(piece)
            await asyncio.sleep(pause_s)

    def body(self, data: bytes) -> bytes:
        """A piece of a chunked body, or bytes beyond its end: a whole answer is over when the transfer is."""
        return data if self.phase is DONE and not self.stream else framed(data)


# The faults. True: the connection is as good as new, and may carry the next question.


async def refused(wire: Wire) -> bool:
    await wire.before(ended=True)
    wire.peer.close()
    return False


async def accept_then_close(wire: Wire) -> bool:
    if wire.phase is not HEAD:
        await wire.before()
    wire.peer.close()
    return False


async def reset(wire: Wire) -> bool:
    await wire.before()
    wire.peer.reset()
    return False


async def half_close(wire: Wire) -> bool:
    await wire.before()
    wire.peer.half_close()
    return False


async def garbage(wire: Wire) -> bool:
    await wire.before()
    others = said(wire.who, POISON, stream=wire.stream).all
    if wire.phase is HEAD:
        await wire.send(b"\x16\x03\x01\x00 this is not HTTP\r\n\r\n")
    elif wire.phase is DONE and not wire.stream:
        await wire.send(others)
    else:
        await wire.send(b"zz\r\n" + others)
    return False


async def oversized_headers(wire: Wire) -> bool:
    good = await wire.before(ended=False)
    boundless = b"x-boundless: " + b"y" * 200_000 + b"\r\n"
    if wire.phase is HEAD:
        await wire.send(b"HTTP/1.1 200 OK\r\n" + boundless + good.all.partition(b"\r\n")[2])
    else:
        await wire.send(b"0\r\n" + boundless + b"\r\n")
    return False


async def slow_headers(wire: Wire) -> bool:
    await wire.before(ended=False)
    await wire.send(b"HTTP/1.1 200 OK\r\n" if wire.phase is HEAD else b"0\r\n")
    await wire.for_ever(b"x-more: y\r\n")
    return False


async def length_too_long(wire: Wire) -> bool:
    good = wire.said(framing="length", more=5000, headers="content-length: 7\r\n" if wire.phase is HEAD else "")
    await wire.before(good, ended=False)
    if wire.phase is HEAD:
        await wire.send(good.all)
    wire.peer.close()
    return False


async def length_too_short(wire: Wire) -> bool:
    full = wire.said(framing="length")
    length = len(full.first + full.rest)
    promised = {HEAD: b"some", FIRST: b"0", MID: b"%d" % (length // 2), DONE: b"%d" % length}[wire.phase]
    head = full.head.replace(b"content-length: %d" % length, b"content-length: " + promised)
    good = Said(wire.stream, head, full.first, full.rest, b"")
    await wire.before(good, ended=True)
    sent = {HEAD: b"", FIRST: head, MID: head + full.first, DONE: good.all}[wire.phase]
    await wire.send(good.all.removeprefix(sent) if wire.phase is not DONE else said(wire.who, POISON, stream=wire.stream).all)
    return False


async def truncated_chunk(wire: Wire) -> bool:
    good = await wire.before(ended=False)
    await wire.send({FIRST: b"a0\r\n", MID: good.rest[: len(good.rest) // 2], DONE: b"0\r\n"}[wire.phase])
    wire.peer.close()
    return False


async def never_ending_body(wire: Wire) -> bool:
    await wire.before()
    more = chunk({"content": "and so on "}) * 20
    match wire.phase:
        case Phase.HEAD:
            await wire.for_ever(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 200, 0.01)
        case Phase.FIRST if wire.stream:
            await wire.for_ever(framed(b": still thinking\n\n" * 3000), 0.01)
        case Phase.FIRST:
            await wire.for_ever(framed(b" " * 50_000))
        case _ if wire.stream:
            await wire.for_ever(framed(more), 0.01)
        case _:
            await wire.for_ever(wire.body(b"and so on " * 5_000))
    return False


async def endless_event(wire: Wire) -> bool:
    await wire.before()
    begun = b'data: {"choices": [{"index": 0, "delta": {"content": "' if wire.stream else b'{"choices": [{"message": {"content": "'
    if wire.phase is FIRST or wire.stream:
        await wire.send(framed(begun))
    await wire.for_ever(wire.body(b"and so on " * 1_000))
    return False


async def endless_comments(wire: Wire) -> bool:
    await wire.before()
    await wire.for_ever(wire.body(b": still here\n\n" if wire.stream else b" "))
    return False


async def silence(wire: Wire) -> bool:
    await wire.before()
    return wire.phase is DONE and not wire.stream


async def dribble(wire: Wire) -> bool:
    good = await wire.before(ended=False)
    sent = {HEAD: b"", FIRST: good.head, MID: good.head + good.first, DONE: good.head + good.first + good.rest}[wire.phase]
    await wire.peer.dribble(good.all.removeprefix(sent))
    return True


BOMB = gzip.compress(bytes(16 * 1024 * 1024), 9)
BOMBS = 64
"""So many members, as gzip may have, are a gigabyte."""


async def gzip_bomb(wire: Wire) -> bool:
    plain = wire.said(framing="close")
    head = wire.said(headers="content-encoding: gzip\r\n").head
    good = Said(wire.stream, head, framed(gzip.compress(plain.first)), framed(gzip.compress(plain.rest)), b"0\r\n\r\n")
    await wire.before(good, ended=False)
    await wire.send(*[framed(BOMB)] * BOMBS, good.end, pause_s=0.02)
    return False


async def redirect(wire: Wire) -> bool:
    await wire.before(ended=True)
    await wire.send(answer(b"", "307 Temporary Redirect", f"location: {wire.trap}"))
    return wire.phase is HEAD


async def continue_100(wire: Wire) -> bool:
    good = await wire.before(ended=True)
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
    if wire.phase is HEAD:
        await wire.send(go_on, go_on, good.all, pause_s=0.01)
        return True
    await wire.send(go_on)
    return wire.phase is DONE


async def http_10(wire: Wire) -> bool:
    good = wire.said(version="1.0", framing="length" if wire.phase is HEAD else "close")
    await wire.before(good, ended=False)
    if wire.phase is HEAD:
        await wire.send(good.all)
    else:
        wire.peer.close()
    return False


async def nonsense(wire: Wire) -> bool:
    good = wire.said()
    page = b"<!doctype html><title>Sign in</title><p>Please sign in to the hotel's network.</p>"
    if wire.phase is HEAD:
        await wire.before()
        await wire.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True
    if wire.phase is FIRST:
        head = good.head.replace((SSE if wire.stream else JSON).encode(), b"text/html")
        await wire.before(Said(wire.stream, head, b"", b"", b""))
        await wire.send(framed(page) + good.end)
        return True
    await wire.before(ended=False)
    await wire.send(framed(b"data: " + page + b"\n\n" if wire.stream else page) + good.end)
    return True


async def flood(wire: Wire) -> bool:
    await wire.before()
    await wire.for_ever(framed(b"and so on " * 20_000), 0.0)
    return False


ACTS: dict[str, Callable[[Wire], Awaitable[bool]]] = {
    "refused": refused,
    "accept-then-close": accept_then_close,
    "reset": reset,
    "half-close": half_close,
    "garbage": garbage,
    "oversized headers": oversized_headers,
    "slow headers": slow_headers,
    "length too long": length_too_long,
    "length too short": length_too_short,
    "truncated chunk": truncated_chunk,
    "never-ending body": never_ending_body,
    "endless event": endless_event,
    "endless comments": endless_comments,
    "silence": silence,
    "1-byte dribble": dribble,
    "gzip bomb": gzip_bomb,
    "redirect": redirect,
    "100-continue": continue_100,
    "HTTP/1.0": http_10,
    "nonsense": nonsense,
    "flood": flood,
}


@dataclass
class Hostile:
    """The endpoint of one cell, at an address that stays its own whether it listens or not."""

    fault: str
    phase: Phase
    stream: bool
    who: str
    word: str
    trap: str
    chance: Random | None = None
    noticed: asyncio.Event = field(default_factory=asyncio.Event)
    acted: asyncio.Event = field(default_factory=asyncio.Event)
    """The fault has happened."""
    hurt: int = 0
    """Connections that carry no further question, and which the gateway still holds."""
    misused: int = 0
    """Of them, those that it sent one on."""
    server: Server = field(default_factory=Server)

    def __post_init__(self) -> None:
        self._place = self._bound()
        self.port: int = self._place.getsockname()[1]
        self._listening = contextlib.AsyncExitStack()

    def _bound(self, port: int = 0) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def listen(self) -> None:
        self.server = await self._listening.enter_async_context(serving(self._script, listener=self._bound(self.port)))

    async def vanish(self) -> None:
        await self._listening.aclose()

    async def close(self) -> None:
        await self.vanish()
        self._place.close()

    async def _script(self, peer: Peer) -> None:
        if self.acted.is_set() or await self._as_new(peer):
            await behave(peer)

    async def _as_new(self, peer: Peer) -> bool:
        """The fault. Whether the connection may carry the next question after it."""
        wire = Wire(peer, self.phase, self.stream, self.who, self.word, self.noticed, self.trap, self.chance)
        self.hurt += 1
        try:
            try:
                if await ACTS[self.fault](wire):
                    return True
            finally:
                self.acted.set()
            if not peer.writer.is_closing():
                self.misused += bool(await peer.reader.read(65536))
            return False
        finally:
            self.hurt -= 1
