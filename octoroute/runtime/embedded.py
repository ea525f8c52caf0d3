"""octoroute inside another program: `Gateway` answers the same questions as the HTTP service, without a server.

    async with octoroute.Gateway.from_file("config.toml") as gateway:
        answer = await gateway.ask({"model": "auto", "messages": [{"role": "user", "content": "hello"}]})
        async for chunk in gateway.stream({"model": "auto", "messages": [...]}):
            ...

One gateway belongs to one event loop. What goes wrong is raised, as an error of `octoroute.errors`.
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
"""What the dialect's HTTP interface takes as a body: as a dictionary, or as JSON."""


class Answer:
    """A whole answer."""

    __slots__ = ("body", "headers", "request_id")

    def __init__(self, body: bytes, headers: Mapping[str, str], request_id: str) -> None:
        self.body = body
        """JSON in the question's dialect, as the HTTP service would send it."""
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
        """The id of who answered."""
        return self.headers["x-octoroute-endpoint"]


class Stream:
    """A streamed answer: iterate over it, to its end or in `async with`, so that its endpoint is told when you leave early.

    Each item is the JSON of one event, decoded. Nothing is asked before the first one is wanted.
    """

    def __init__(self, gateway: Gateway, question: Question, dialect: Dialect, headers: Mapping[str, str] | None) -> None:
        self._items = self._read(gateway, question, dialect, headers)
        self.headers: Mapping[str, str] = {}
        """As `Answer.headers`, from the first item on."""

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
    """Open it with `async with`, or with `open()` and `close()`: while it is open, endpoints are probed in the background."""

    def __init__(self, config: Config) -> None:
        logging.configure_embedded()
        self._building = Runtime(config)
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
            raise RuntimeError(f"the gateway is {self._state}; make another one")
        self._state = "open"
        await self._building.start()
        return self

    async def close(self) -> None:
        """Ends the probes, and cuts every connection; answers under way are broken. Closing twice is harmless."""
        self._state = "closed"
        await self._building.stop()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def ask(self, question: Question, *, dialect: Dialect = "openai", headers: Mapping[str, str] | None = None) -> Answer:
        """The whole answer, even if `question` says `stream`. `headers`: hints and the like, as a client would send them.

        Raises ClientError for what is wrong with the question, Declined for what an upstream says is, and Exhausted when nobody
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
        """The answer as it comes, even if `question` does not say `stream`. Raises, from the first item on, what `ask` does,
        and the UpstreamError of an answer that breaks in the middle.
        """
        return Stream(self, question, dialect, headers)

    async def begin(self, question: Question, dialect: Dialect, headers: Mapping[str, str] | None, *, stream: bool) -> Reply:
        """An answer that has begun, for those who send it on as bytes; close it. Raises as `ask` does."""
        if self._state != "open":
            raise RuntimeError("the gateway is not open; use it in `async with`")
        given = {name.lower(): value for name, value in (headers or {}).items()}
        request_id = given.get("x-request-id") or new_id()
        gateway = self._building.gateway
        try:
            request = self._building.interfaces[dialect].read(_body(question, stream=stream), request_id=request_id, headers=given)
        except OctorouteError as error:
            gateway.rejected(dialect, request_id, error)
            raise
        return await gateway.answer(request)

    def reload(self, configuration: Config) -> None:
        """From the next question on; answers under way finish as they began."""
        self._building.reload(configuration)

    def clock(self) -> float:
        return self._building.gateway.clock()


def _body(question: Question, *, stream: bool) -> bytes:
    """Raises BadRequest, as for what comes by HTTP."""
    fields: dict[str, Any] = dict(RequestBody.parse(question).values) if isinstance(question, bytes) else dict(question)
    try:
        if stream or "stream" in fields:
            fields["stream"] = stream
        return msgspec.json.encode(fields)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"the question cannot be written as JSON: {error}") from error
