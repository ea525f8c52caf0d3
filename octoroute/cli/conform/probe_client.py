"""The client of the checks: reads answers strictly, as the APIs' own SDKs do, and never repeats a request."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 60.0
_FIELDS = frozenset({"data", "event", "id", "retry", ""})
"""Of server-sent events (WHATWG HTML, 9.2.6); the empty one is a comment."""


class BrokenPromise(Exception):
    """What the gateway did, and what it should have done; for the table."""


class NotApplicable(Exception):
    """Why the check does not apply to this gateway."""


class StreamBreak(Exception):
    """The connection ended before the body did."""


class ProbeAnswer(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object of the body. Raises BrokenPromise."""
        return json_object(self.body, f"a response with status {self.status}")


class SentEvent(msgspec.Struct, frozen=True):
    name: str
    data: str

    @property
    def is_done(self) -> bool:
        return self.data == "[DONE]"

    @property
    def fields(self) -> dict[str, Any]:
        """Raises BrokenPromise."""
        return json_object(self.data.encode(), "an event")

    @property
    def is_error(self) -> bool:
        """Of either API: an object `error`, or an event of that name."""
        if self.name == "error":
            return True
        with contextlib.suppress(BrokenPromise):
            return bool(self.fields.get("error"))
        return False


def json_object(data: bytes, where: str) -> dict[str, Any]:
    """Raises BrokenPromise if `data` is no JSON object."""
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(found := json.loads(data), dict):
            return cast("dict[str, Any]", found)
    raise BrokenPromise(f"{where} is not a JSON object: {data[:80].decode('utf-8', 'replace')!r}")


def pick(value: Any, *path: str | int) -> Any:
    """What stands at `path` in decoded JSON; None if there is nothing. The gateway may have sent anything."""
    for step in path:
        if isinstance(step, str):
            value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
        else:
            value = cast("list[Any]", value)[step] if isinstance(value, list) and step < len(cast("list[Any]", value)) else None
    return value


class EventReader:
    """Splits the bytes of an event stream into events."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> Iterator[SentEvent]:
        """The events that `data` completes. Raises BrokenPromise for a line that is no field, and for bytes that are no UTF-8."""
        lines = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line:
                self._field(line)
            else:
                if self._data:
                    yield SentEvent(self._name, "\n".join(self._data))
                self._name, self._data = "", []

    def _field(self, line: bytes) -> None:
        try:
            name, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            raise BrokenPromise(f"the stream is not UTF-8: {line[:60]!r}") from None
        if name not in _FIELDS:
            raise BrokenPromise(f"a line of the stream is no field of an event: {line[:60].decode('utf-8', 'replace')!r}")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        elif name == "event":
            self._name = value.removeprefix(" ")


class AnswerStream:
    """The response to a request for a stream."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.content_type = response.headers.get("content-type", "")

    async def events(self) -> AsyncIterator[SentEvent]:
        """Raises StreamBreak and BrokenPromise."""
        import httpx2  # noqa: PLC0415  commands import lazily

        reader = EventReader()
        try:
            async for piece in self._response.aiter_bytes():
                for event in reader.feed(piece):
                    yield event
        except httpx2.TransportError as error:
            raise StreamBreak(type(error).__name__) from None

    async def text(self) -> str:
        """The body, for a message. Raises StreamBreak."""
        import httpx2  # noqa: PLC0415  commands import lazily

        try:
            return (await self._response.aread()).decode("utf-8", "replace")
        except httpx2.TransportError as error:
            raise StreamBreak(type(error).__name__) from None


class ProbeClient:
    """Sends requests to the gateway under test."""

    def __init__(self, url: str, key: str) -> None:
        """`url`: with or without the `/v1` that OpenAI's SDK wants. `key`: "" sends none."""
        import httpx2  # noqa: PLC0415  commands import lazily

        self.root = url.rstrip("/").removesuffix("/v1")
        self.key = key
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> ProbeAnswer:
        """`path` is below `/v1`. A `body` of bytes is sent as it is, anything else as JSON.

        Raises BrokenPromise if nothing answers.
        """
        import httpx2  # noqa: PLC0415  commands import lazily

        request = self._request(method, path, body, self.key if key is None else key)
        try:
            response = await self._client.send(request)
        except httpx2.TransportError as error:
            raise BrokenPromise(f"{method} {path}: no answer ({type(error).__name__})") from None
        return ProbeAnswer(response.status_code, dict(response.headers), response.content)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[AnswerStream]:
        """Leaving the context closes the connection. Raises BrokenPromise if nothing answers."""
        import httpx2  # noqa: PLC0415  commands import lazily

        request = self._request("POST", path, body, self.key)
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.TransportError as error:
            raise BrokenPromise(f"POST {path}: no answer ({type(error).__name__})") from None
        try:
            yield AnswerStream(response)
        finally:
            await response.aclose()

    def _request(self, method: str, path: str, body: Any, key: str) -> httpx2.Request:
        headers = {"accept-encoding": "identity"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        if path.startswith("/messages"):
            headers["anthropic-version"] = "2023-06-01"
            if key:
                headers["x-api-key"] = key
        if body is None:
            return self._client.build_request(method, f"{self.root}/v1{path}", headers=headers)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers["content-type"] = "application/json"
        return self._client.build_request(method, f"{self.root}/v1{path}", headers=headers, content=content)
