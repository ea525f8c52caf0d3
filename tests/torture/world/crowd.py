"""Clients that ask without a pause, over sockets of their own, and know exactly what became of each question."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.support.live_gateway import post, question


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def complete(self) -> bool:
        """For a 200: whether all of it came, a stream with its proper end."""
        if self.headers["content-type"].startswith("text/event-stream"):
            return self.body.endswith(b"data: [DONE]\n\n")
        return json.loads(self.body)["choices"][0]["finish_reason"] == "stop"


class Line:
    """One connection of a client's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Line:
        """Raises ConnectionRefusedError where nobody listens."""
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def ask(self, body: bytes, headers: str = "") -> Answer:
        """Raises IncompleteReadError or ConnectionError for an answer that is not whole."""
        self._writer.write(post(body, headers=headers))
        await self._writer.drain()
        return await self.answer()

    async def answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        if headers.get("transfer-encoding") == "chunked":
            body = await self._chunks()
        else:
            body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(first.split()[1]), headers, body)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return body

    def close(self) -> None:
        self._writer.close()


async def ask(url: str, *, model: str = "auto", key: str = "", headers: str = "", stream: bool = False) -> Answer:
    """One question over one connection. `headers`: lines of the head."""
    line = await Line.open(url)
    with contextlib.closing(line):
        body = json.dumps(question(model=model, stream=stream)).encode()
        return await line.ask(body, keyed(key) + headers + "connection: close\r\n")


def told(answer: Answer) -> str:
    """In a word."""
    return str(answer.status) if answer.status != 200 or answer.complete else "incomplete"


def keyed(key: str) -> str:
    return f"authorization: Bearer {key}\r\n" if key else ""


class Crowd:
    """So many clients, every other one for streams, every third with a new connection for each question."""

    def __init__(self, url: str, size: int, models: Sequence[str] = ("auto",), key: str = "", pause_s: float = 0.0) -> None:
        self._url = url
        self._keyed = keyed(key)
        self._pause_s = pause_s
        self._going = True
        self.ended: Counter[str] = Counter()
        """Questions by what became of them: a status, `incomplete`, or `lost:` and how."""
        self.refused = 0
        """Connections."""
        self._clients = [asyncio.ensure_future(self._client(n, models[n % len(models)])) for n in range(size)]

    @property
    def answered(self) -> int:
        return self.ended["200"]

    async def until(self, answered: int, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while self.answered < answered:
                for client in self._clients:
                    if client.done():
                        await client
                await asyncio.sleep(0.005)

    async def leave(self, within_s: float = 60.0) -> None:
        """Each with its last answer."""
        self._going = False
        await self.gone(within_s)

    async def gone(self, within_s: float = 60.0) -> None:
        """When nobody lets anybody in any more."""
        async with asyncio.timeout(within_s):
            await asyncio.gather(*self._clients)

    async def _client(self, number: int, model: str) -> None:
        body = json.dumps(question(model=model, stream=number % 2 == 0)).encode()
        headers = self._keyed + ("connection: close\r\n" if number % 3 == 0 else "")
        while self._going:
            try:
                line = await Line.open(self._url)
            except ConnectionRefusedError:
                self.refused += 1
                return
            except ConnectionError as error:
                self.ended[f"lost: {error!r}"] += 1
                return
            with contextlib.closing(line):
                if not await self._stay(line, body, headers):
                    return

    async def _stay(self, line: Line, body: bytes, headers: str) -> bool:
        """Until the connection is closed; False when something was lost on it."""
        while self._going:
            try:
                answer = await line.ask(body, headers)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self.ended[f"lost: {error!r}"] += 1
                return False
            self.ended[told(answer)] += 1
            if answer.headers.get("connection") == "close":
                break
            await asyncio.sleep(self._pause_s)
        return True
