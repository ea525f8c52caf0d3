"""Who asks, as the hot routes see it: a question that may be here already, and the shortest way back that the server knows.

Our own server offers it beside ASGI's messages; on any other server, and behind whoever listens at the messages, it is made of
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

EXTENSION = "octoroute.client"
"""Where the scope's `extensions` hold a Client."""
WATCH_AFTER_S = 0.1
"""On other servers, a hang-up before this is noticed this late: a request that is done by then costs no watcher."""


class ClientGone(Exception):
    """The client hung up before we were done; there is nobody to tell."""


class Downstream(Protocol):
    """What returns a bool says whether `drain` must be awaited before there is more to say."""

    gone: bool
    """The client has left, and its task was cancelled for that."""

    def body(self) -> bytes | None:
        """The whole body, once, if all of it is here; otherwise it comes by `receive`. Raises ClientGone."""
        ...

    def watch_disconnect(self) -> None:
        """From now on the task of this request is cancelled when its client leaves."""
        ...

    def unwatch_disconnect(self) -> None: ...

    def answer(self, headers: Mapping[str, str], body: bytes) -> bool:
        """A whole 200."""
        ...

    def begin(self, headers: Mapping[str, str]) -> bool:
        """A 200 in pieces."""
        ...

    def write(self, piece: bytes) -> bool: ...

    def end(self) -> bool: ...

    async def drain(self) -> None: ...


def downstream_of(scope: Scope, receive: Receive, send: Send) -> Downstream:
    direct: Any = scope.get("extensions", _NONE).get(EXTENSION)
    if direct is not None and direct.send == send and direct.receive == receive:
        return direct
    return AsgiDownstream(receive, send)


_NONE: Mapping[str, Any] = {}


class AsgiDownstream:
    """A client at the other end of ASGI's messages: what is said to it waits for `drain`."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._unsaid: list[Message] = []
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.gone = False

    def body(self) -> bytes | None:
        return None

    def watch_disconnect(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._start, task)

    def unwatch_disconnect(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _start(self, task: asyncio.Task[Any]) -> None:
        self._watcher = asyncio.ensure_future(self._watch(task))

    async def _watch(self, task: asyncio.Task[Any]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        task.cancel()

    def answer(self, headers: Mapping[str, str], body: bytes) -> bool:
        self._head(200, {**headers, "content-length": str(len(body))})
        return self.end(body)

    def begin(self, headers: Mapping[str, str]) -> bool:
        self._head(200, headers)
        return True

    def write(self, piece: bytes) -> bool:
        self._unsaid.append({"type": "http.response.body", "body": piece, "more_body": True})
        return True

    def end(self, piece: bytes = b"") -> bool:
        self._unsaid.append({"type": "http.response.body", "body": piece})
        return True

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        self._unsaid.append({"type": "http.response.start", "status": status, "headers": encoded})

    async def drain(self) -> None:
        unsaid, self._unsaid = self._unsaid, []
        for message in unsaid:
            await self._send(message)
