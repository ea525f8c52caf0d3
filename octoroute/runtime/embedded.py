"""octoroute inside another program: `Gateway` answers the same requests as the HTTP service, without a server.

    async with octoroute.Gateway.from_file("config.toml") as gateway:
        answer = await gateway.ask({"model": "auto", "messages": [{"role": "user", "content": "hello"}]})
        async for chunk in gateway.stream({"model": "auto", "messages": [...]}):
            ...

One gateway belongs to one event loop. Errors are raised as exceptions of `octoroute.errors`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import msgspec

from octoroute.config import environment, load, loads
from octoroute.config.schema import Config
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.response.sse import read_frames
from octoroute.domain.endpoint import Tier
from octoroute.domain.ids import new_id
from octoroute.errors import BadRequest, OctorouteError
from octoroute.gateway.relay import Reply
from octoroute.runtime.assembly import Runtime
from octoroute.telemetry import logging

Dialect: TypeAlias = Literal["openai", "anthropic", "responses", "completions", "embeddings"]
Question: TypeAlias = Mapping[str, Any] | bytes
"""The body of a request to the dialect's HTTP interface: as a dictionary, or as JSON."""


class Answer:
    """A whole answer."""

    __slots__ = ("body", "headers", "request_id")

    def __init__(self, body: bytes, headers: Mapping[str, str], request_id: str) -> None:
        self.body = body
        """JSON in the request's dialect, as the HTTP service would send it."""
        self.headers = headers
        """`x-octoroute-tier`, `x-octoroute-endpoint` and so on, by lower-case name."""
        self.request_id = request_id

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def tier(self) -> Tier:
        return Tier(self.headers["x-octoroute-tier"])

    @property
    def endpoint(self) -> str:
        """The id of the endpoint that answered."""
        return self.headers["x-octoroute-endpoint"]


class Stream:
    """A streamed answer. Iterate to its end, or in `async with`, so that the endpoint is released when the loop is left early.

    Each item is the decoded JSON of one event. The request is sent when the first item is awaited.
    """

    def __init__(self, gateway: Gateway, question: Question, dialect: Dialect, headers: Mapping[str, str] | None) -> None:
        self._items = self._read(gateway, question, dialect, headers)
        self.headers: Mapping[str, str] = {}
        """As `Answer.headers`; empty before the first item."""

    async def _read(
        self, gateway: Gateway, question: Question, dialect: Dialect, headers: Mapping[str, str] | None
    ) -> AsyncGenerator[Any, None]:
        reply = await gateway.begin(question, dialect, headers, stream=True)
        self.headers = reply.headers
        try:
            async for piece in reply.pieces():
                if reply.failure is not None:
                    raise reply.failure
                for _, data in read_frames(piece):
                    if data != b"[DONE]":
                        yield msgspec.json.decode(data)
        finally:
            reply.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._items)

    async def aclose(self) -> None:
        await self._items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


class Gateway:
    """Open it with `async with`, or with `open()` and `close()`. While it is open, endpoints are probed in the background."""

    def __init__(self, config: Config) -> None:
        logging.configure_embedded()
        self._runtime = Runtime(config)
        self._state: Literal["new", "open", "closed"] = "new"

    @classmethod
    def from_file(cls, path: str | Path, *, variables: Mapping[str, str] | None = None) -> Gateway:
        """TOML, JSON, YAML, or a providers.json. `variables`: for `${NAME}`, instead of the process's environment.

        Raises ConfigError with every problem.
        """
        cwd = Path.cwd()
        return cls(load(Path(path), environment.variables(cwd) if variables is None else variables, cwd))

    @classmethod
    def from_dict(cls, configuration: Mapping[str, Any], *, variables: Mapping[str, str] | None = None) -> Gateway:
        """The same tables and keys as in a file. Raises ConfigError with every problem."""
        text = msgspec.json.encode(configuration).decode()
        return cls(loads(text, Path("configuration.json"), environment.variables() if variables is None else variables))

    async def open(self) -> Self:
        if self._state != "new":
            raise RuntimeError(f"the gateway is {self._state}; create a new one")
        self._state = "open"
        await self._runtime.start()
        return self

    async def close(self) -> None:
        """Stop the probes and close every connection; answers under way break. May be called twice."""
        self._state = "closed"
        await self._runtime.stop()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def ask(self, question: Question, *, dialect: Dialect = "openai", headers: Mapping[str, str] | None = None) -> Answer:
        """The whole answer, even if `question` has `stream` set. `headers` as a client would send them, such as hints.

        Raises ClientError for an error in the question, UpstreamRejected if an upstream rejects it, and Exhausted if no endpoint
        could answer.
        """
        reply = await self.begin(question, dialect, headers, stream=False)
        try:
            answer = Answer(reply.body or b"", reply.headers, reply.request.id)
            reply.delivered()
            return answer
        finally:
            reply.close()

    def stream(self, question: Question, *, dialect: Dialect = "openai", headers: Mapping[str, str] | None = None) -> Stream:
        """The answer event by event, even if `question` does not have `stream` set.

        The iteration raises what `ask` raises, and the UpstreamError of an answer that breaks in the middle.
        """
        return Stream(self, question, dialect, headers)

    async def begin(self, question: Question, dialect: Dialect, headers: Mapping[str, str] | None, *, stream: bool) -> Reply:
        """A reply that has begun, to be sent on as bytes; the caller must close it. Raises what `ask` raises."""
        if self._state != "open":
            raise RuntimeError("the gateway is not open; use it in `async with`")
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        request_id = lowered.get("x-request-id") or new_id()
        gateway = self._runtime.gateway
        try:
            request = self._runtime.interfaces[dialect].read(_body(question, stream=stream), request_id=request_id, headers=lowered)
        except OctorouteError as error:
            gateway.rejected(dialect, request_id, error)
            raise
        return await gateway.answer(request)

    def reload(self, configuration: Config) -> None:
        """Takes effect from the next request on; requests under way keep their settings."""
        self._runtime.reload(configuration)

    def clock(self) -> float:
        return self._runtime.gateway.clock()


def _body(question: Question, *, stream: bool) -> bytes:
    """Raises BadRequest, as the HTTP service does."""
    fields: dict[str, Any] = dict(RequestBody.parse(question).values) if isinstance(question, bytes) else dict(question)
    try:
        if stream or "stream" in fields:
            fields["stream"] = stream
        return msgspec.json.encode(fields)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"the question cannot be encoded as JSON: {error}") from error
