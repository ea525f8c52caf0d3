"""The client's side of an inference request: its body, which may have arrived already, and the response.

Octoroute's own server implements it directly. On another server, or behind a middleware that wraps ASGI messages, it is built
from those messages.
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
"""The key of the scope's `extensions` under which octoroute's server passes a `Downstream`."""
WATCH_AFTER_S = 0.1
"""On other servers, watching for a disconnect starts after this time, so that a faster request needs no watcher task."""


class ClientGone(Exception):
    """The client disconnected; no response can be delivered."""


class ResponseBroken(Exception):
    """A response that has begun cannot be completed, and its format has no error event: the connection must be closed."""


class Downstream(Protocol):
    """One client and its response. A method that returns a bool says whether `drain` must be awaited before writing more."""

    gone: bool
    """The client disconnected, and the task of its request was cancelled because of that."""

    def body(self) -> bytes | None:
        """Return the whole body, once, if all of it has arrived; None: use `receive`. Raises ClientGone."""
        ...

    def watch_disconnect(self) -> None:
        """Cancel the current task when the client disconnects."""
        ...

    def unwatch_disconnect(self) -> None: ...

    def answer(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Send a complete response with status 200."""
        ...

    def begin(self, headers: Mapping[str, str]) -> bool:
        """Start a streamed response with status 200."""
        ...

    def write(self, piece: bytes) -> bool: ...

    def end(self) -> bool: ...

    async def drain(self) -> None: ...


def downstream_of(scope: Scope, receive: Receive, send: Send) -> Downstream:
    """Return the server's own `Downstream` if its messages are not wrapped, otherwise one built from the messages."""
    direct: Any = scope.get("extensions", _NONE).get(EXTENSION)
    if direct is not None and direct.send == send and direct.receive == receive:
        return direct
    return AsgiDownstream(receive, send)


_NONE: Mapping[str, Any] = {}


class AsgiDownstream:
    """A client behind ASGI messages; what is written is sent by `drain`."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._pending: list[Message] = []
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
        self._pending.append({"type": "http.response.body", "body": piece, "more_body": True})
        return True

    def end(self, piece: bytes = b"") -> bool:
        self._pending.append({"type": "http.response.body", "body": piece})
        return True

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        self._pending.append({"type": "http.response.start", "status": status, "headers": encoded})

    async def drain(self) -> None:
        pending, self._pending = self._pending, []
        for message in pending:
            await self._send(message)
