"""Send one attempt and commit to its first event. The only module that asks endpoints anything.

An `Opened` exists if and only if an answer has begun. A whole answer is a stream of one event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from octoroute.conversation import Conversation
from octoroute.dialects.base import Outbound, Progress
from octoroute.dialects.errors import error_of, retry_after_s
from octoroute.dialects.sse import Cutter, split
from octoroute.errors import (
    Broke,
    Declined,
    Empty,
    Misconfigured,
    Overloaded,
    Throttled,
    TooSlow,
    Unreachable,
    Untrusted,
    UpstreamError,
)
from octoroute.events import (
    Event,
    Failed,
    FinishReason,
    RedactedThinking,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
)
from octoroute.providers.base import Provider
from octoroute.transports.base import Answer, Call, Transport, Trust
from octoroute.transports.trust import trust as make_trust
from octoroute.types import Endpoint, Secret, Tls, Usage

MAX_WHOLE_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
MAX_COMMENTS_BYTES = 1024 * 1024
"""How much may come before the first event: keep-alive comments, not a novel."""
MOMENT_S = 0.05
"""How long an answer that has begun may take to its first word before its beginning is passed on without it."""
WORDLESS_TOKENS = 4
"""What an end of turn may cost; more was spent on something we do not see."""

PASSED_ON = ("content-type", "cache-control", "retry-after", "x-request-id", "request-id", "openai-processing-ms")
PASSED_ON_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to one endpoint."""

    body: bytes
    stream: bool
    api: str = "chat"
    conversation: Conversation | None = None
    """What `body` says, when the client speaks another dialect: the answer is wanted as events, not as bytes."""
    client_headers: Mapping[str, str] = {}
    reading: Callable[[bytes], tuple[bytes, Usage | None]] | None = None
    """How a whole answer becomes the client's, where `body` is of another interface than chat."""
    timeout_s: float | None = None
    """If shorter than the endpoint's."""
    notes: tuple[str, ...] = ()
    """What the client said and this endpoint is not told."""
    wants_words: bool = False
    """An answer that says nothing is raised as Empty."""


class Opened:
    """An answer that has begun. `read()` gives what follows; `close()` it, however it ends."""

    __slots__ = ("_ahead", "_answer", "_cutter", "_failure", "_reader", "endpoint", "headers", "recorder", "stream")

    def __init__(self, endpoint: Endpoint, answer: Answer, reader: Reader, cutter: Cutter | None, first: Part) -> None:
        self.endpoint = endpoint
        self.headers: Mapping[str, str] = _passed_on(answer.headers)
        self.stream = cutter is not None
        self._answer = answer
        self._reader = reader
        self._cutter = cutter
        self._ahead: deque[Part] = deque((first,))
        self.recorder: Callable[[Part], None] | None = None
        """Told of each part as it is read."""
        self._failure: UpstreamError | None = None

    @property
    def progress(self) -> Progress:
        return self._reader.progress

    @property
    def translated(self) -> bool:
        """Its parts are not the endpoint's own bytes."""
        return not isinstance(self._reader, _PassThrough)

    async def read(self) -> Part | None:
        """The next part: the endpoint's own bytes, or their events; None at the answer's proper end.

        Raises Broke when it ends without its finish; what the upstream reports as an error is raised as that error.
        """
        part = self._ahead.popleft() if self._ahead else await self._next()
        if part is not None and self.recorder is not None:
            self.recorder(part)
        return part

    def put_back(self, parts: Iterable[Part]) -> None:
        """They are read again, before anything else."""
        self._ahead.extendleft(reversed(list(parts)))

    async def _next(self) -> Part | None:
        if self._failure is not None:
            raise self._failure
        if self._cutter is None:
            return None
        while True:
            try:
                data = await self._answer.chunk()
            except Broke:
                if not self.progress.finished:
                    raise
                self._cutter = None  # all is said; how the connection ended is nobody's concern
                return None
            if not data:
                return self._end()
            frames = self._cutter.feed(data)
            if frames:
                return self._read(frames)

    def _read(self, frames: bytes) -> Part:
        """What arrived together with a failure, but before it, is delivered before it is raised."""
        try:
            part = self._reader.feed(frames)
            self.raise_failure()
        except UpstreamError as error:
            part = self._reader.before_failure(frames)
            if not part:
                raise
            self._failure = error
        return part

    def _end(self) -> Part | None:
        """The connection has ended well; has the answer?"""
        assert self._cutter is not None
        rest, self._cutter = self._cutter.rest, None
        part = self._reader.end(rest)
        self.raise_failure()
        if not self.progress.finished:
            raise Broke("the upstream's answer stopped before its end")
        return part

    def raise_failure(self) -> None:
        if self.progress.failure is not None:
            raise error_of(self.progress.failure)

    def says_nothing(self, outbound: Outbound, *, framed: bool) -> bool:
        """An answer that is over and was none. One that was cut short, refused, or paid for in tokens is not meant."""
        progress = self.progress
        if not progress.finished or progress.output_chars or progress.reason not in {None, FinishReason.STOP}:
            return False
        if progress.usage is not None and progress.usage.output_tokens > WORDLESS_TOKENS:
            return False
        try:
            return not any(isinstance(event, _WORDS) for event in self._events(outbound, framed=framed))
        except UpstreamError:
            return False

    def _events(self, outbound: Outbound, *, framed: bool) -> Sequence[Event]:
        first = self._ahead[0]
        if not isinstance(first, bytes):
            return first
        if not framed:
            return outbound.decode_whole(first)
        decoder = outbound.decoder()
        return [*decoder.feed(first), *decoder.end()]

    def close(self) -> None:
        self._answer.close()


_WORDS = (TextDelta, ThinkingDelta, RedactedThinking, RefusalDelta, ToolCallStarted)
Part = bytes | Sequence[Event]
"""A piece of an answer: wire bytes to pass on, or events to encode."""


class Begun(Protocol):
    """What an `Opened` is to those who read it."""

    endpoint: Endpoint
    headers: Mapping[str, str]
    stream: bool

    @property
    def progress(self) -> Progress: ...

    @property
    def translated(self) -> bool: ...

    async def read(self) -> Part | None: ...

    def close(self) -> None: ...


class Reader(Protocol):
    """What both ways of reading an answer have in common."""

    progress: Progress

    def feed(self, frames: bytes) -> Part: ...

    def before_failure(self, frames: bytes) -> Part:
        """The good part of the frames last fed, among which a failure was."""
        ...

    def end(self, rest: bytes) -> Part | None: ...

    def whole(self, body: bytes) -> Part: ...


class _PassThrough:
    """The endpoint's bytes, read along."""

    __slots__ = ("_outbound", "_tap", "progress")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._tap = outbound.tap()
        self.progress = self._tap.progress

    def feed(self, frames: bytes) -> Part:
        self._tap.feed(frames)
        return frames

    def before_failure(self, frames: bytes) -> Part:
        tap = self._outbound.tap()
        good = 0
        for frame in split(frames):
            try:
                tap.feed(frame)
            except Broke:
                break
            if tap.progress.failure is not None:
                break
            good += len(frame)
        return frames[:good]

    def end(self, rest: bytes) -> Part | None:
        if rest.strip():
            self._tap.feed(rest)
        return rest or None

    def whole(self, body: bytes) -> Part:
        self._tap.whole(body)
        return body


class _Decoding:
    """Events, for an encoder of another dialect."""

    __slots__ = ("_conversation", "_decoder", "_endpoint", "_last", "_outbound", "progress")

    def __init__(self, outbound: Outbound, conversation: Conversation | None, endpoint: Endpoint) -> None:
        self._outbound = outbound
        self._conversation = conversation
        self._endpoint = endpoint
        self._decoder = outbound.decoder(conversation, endpoint)
        self._last: Sequence[Event] = ()
        self.progress = Progress()

    def feed(self, frames: bytes) -> Part:
        self._last = self._decoder.feed(frames)
        return self._saw(self._last)

    def before_failure(self, frames: bytes) -> Part:  # noqa: ARG002 - a decoder has a memory and is not asked twice
        last, self._last = self._last, ()
        return [event for event in last if not isinstance(event, Failed)]

    def end(self, rest: bytes) -> Part | None:
        last = list(self._decoder.feed(rest)) if rest.strip() else []
        return self._saw([*last, *self._decoder.end()]) or None

    def whole(self, body: bytes) -> Part:
        return self._saw(self._outbound.decode_whole(body, self._conversation, self._endpoint))

    def _saw(self, events: Sequence[Event]) -> Sequence[Event]:
        self.progress.saw(events)
        return events


class _Whole:
    """For answers that never come in pieces."""

    __slots__ = ("progress",)

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def feed(self, frames: bytes) -> Part:
        raise NotImplementedError

    def before_failure(self, frames: bytes) -> Part:
        raise NotImplementedError

    def end(self, rest: bytes) -> Part | None:
        raise NotImplementedError


class _AsStream(_Whole):
    """A whole answer of the client's format to somebody who waits for a stream of pieces that look the same: its only piece."""

    __slots__ = ("_tap",)

    def __init__(self, outbound: Outbound) -> None:
        self._tap = outbound.tap()
        super().__init__(self._tap.progress)

    def whole(self, body: bytes) -> Part:
        self._tap.whole(body)
        return b"data: " + msgspec.json.format(body, indent=-1) + b"\n\ndata: [DONE]\n\n"


class _Interpreted(_Whole):
    """A whole answer in other words."""

    __slots__ = ("_reading",)

    def __init__(self, reading: Callable[[bytes], tuple[bytes, Usage | None]]) -> None:
        super().__init__(Progress())
        self._reading = reading

    def whole(self, body: bytes) -> Part:
        answer, self.progress.usage = self._reading(body)
        self.progress.started = self.progress.finished = True
        return answer


class _Line(NamedTuple):
    """Where an endpoint's interface is and how it is spoken to: worked out once, for as long as `endpoint` is that object."""

    endpoint: Endpoint
    url: str
    headers: tuple[tuple[str, str], ...]
    passes: tuple[str, ...]
    trust: Trust | None
    proxy: str | None


class _Silence:
    """In the place of an endpoint's answer, where nobody was asked."""

    status = 200
    headers: Mapping[str, str] = {}

    async def chunk(self) -> bytes:
        return b""

    async def body(self, limit: int) -> bytes:  # noqa: ARG002 - there is none
        return b""

    def close(self) -> None:
        pass


def unasked(endpoint: Endpoint, outbound: Outbound, events: Sequence[Event]) -> Opened:
    """The answer that `endpoint` would give, made without it."""
    reader = _Decoding(outbound, None, endpoint)
    reader.progress.saw(events)
    return Opened(endpoint, _Silence(), reader, None, events)


class Upstream:
    def __init__(self, transport: Transport, providers: Mapping[str, Provider], outbound: Mapping[str, Outbound]) -> None:
        self._transport = transport
        self._providers = providers
        self._outbound = outbound
        self._lines: dict[tuple[str, str, bool], _Line] = {}
        self._trusts: dict[Tls, Trust] = {}

    def provider(self, endpoint: Endpoint) -> Provider:
        return self._providers[endpoint.kind]

    def serves(self, endpoint: Endpoint, api: str, *, stream: bool) -> bool:
        """Whether its kind has such an interface; a plug-in that cannot even say has not."""
        try:
            return self.provider(endpoint).url(endpoint, api, stream=stream) is not None
        except UpstreamError:
            return False

    def outbound(self, endpoint: Endpoint) -> Outbound:
        return self._outbound[self.provider(endpoint).dialect]

    async def open(self, endpoint: Endpoint, question: Question) -> Opened:
        """Ask, and wait for the first event. Raises UpstreamError; then nothing is left open."""
        timeout_s = min(endpoint.first_event_timeout_s, question.timeout_s or endpoint.first_event_timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._transport.send(self._call(endpoint, question))
                try:
                    return await self._commit(endpoint, question, answer)
                except BaseException:
                    answer.close()
                    raise
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {timeout_s:g} s") from None

    async def ask(self, endpoint: Endpoint, api: str, body: bytes, client_headers: Mapping[str, str]) -> bytes:
        """A side question (how many tokens?), answered whole. Raises UpstreamError."""
        question = Question(body=body, stream=False, api=api, client_headers=client_headers)
        try:
            async with asyncio.timeout(endpoint.first_event_timeout_s):
                answer = await self._transport.send(self._call(endpoint, question))
                try:
                    if answer.status != 200:
                        forwarded = endpoint.forward_client_key and _clients_key(question) is not None
                        raise await self._refusal(self.outbound(endpoint), answer, about_the_client=forwarded)
                    return await answer.body(MAX_ERROR_BYTES)
                finally:
                    answer.close()
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {endpoint.first_event_timeout_s:g} s") from None

    async def probe(self, endpoint: Endpoint, timeout_s: float) -> None:
        """Is it alive? Raises UpstreamError when it is not; a server without a list of models (404, 405) is."""
        provider = self.provider(endpoint)
        call = Call(
            method="GET",
            url=provider.probe_url(endpoint),
            headers=provider.headers(endpoint),
            connect_timeout_s=timeout_s,
            trust=self._trust(endpoint),
            proxy=endpoint.proxy.reveal() if endpoint.proxy else None,
        )
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._transport.send(call)
                try:
                    await answer.body(MAX_WHOLE_BYTES)
                finally:
                    answer.close()
        except TimeoutError:
            raise TooSlow(f"the probe was not answered within {timeout_s:g} s") from None
        alive = {401, 403, 404, 405, 429} if endpoint.forward_client_key and endpoint.api_key is None else {404, 405, 429}
        if not (200 <= answer.status < 300 or answer.status in alive):
            raise _by_status(answer.status, answer.headers, b"", provider.dialect)

    def _call(self, endpoint: Endpoint, question: Question) -> Call:
        key = (endpoint.id, question.api, question.stream)
        line = self._lines.get(key)
        if line is None or line.endpoint is not endpoint:  # after a reload the same id may mean another address
            line = self._lines[key] = self._line(endpoint, question)
        headers = line.headers
        if endpoint.forward_client_key and (key_of_client := _clients_key(question)):
            headers = self.provider(endpoint).headers(msgspec.structs.replace(endpoint, api_key=key_of_client))
        passed = tuple((name, question.client_headers[name]) for name in line.passes if name in question.client_headers)
        if passed and question.conversation is None:
            names = {name for name, _ in passed}
            headers = (*(header for header in headers if header[0] not in names), *passed)
        return Call(
            method="POST",
            url=line.url,
            headers=headers,
            body=question.body,
            connect_timeout_s=endpoint.connect_timeout_s,
            trust=line.trust,
            proxy=line.proxy,
            max_connections=endpoint.max_connections,
        )

    def _line(self, endpoint: Endpoint, question: Question) -> _Line:
        provider = self.provider(endpoint)
        url = provider.url(endpoint, question.api, stream=question.stream)
        if url is None:
            raise Unreachable(f"endpoints of kind {endpoint.kind} have no {question.api} interface")
        proxy = endpoint.proxy.reveal() if endpoint.proxy else None
        return _Line(endpoint, url, provider.headers(endpoint), provider.passes, self._trust(endpoint), proxy)

    def _trust(self, endpoint: Endpoint) -> Trust | None:
        """The same object for the same settings: connections are shared by its identity. Raises Untrusted."""
        if endpoint.tls is None:
            return None
        found = self._trusts.get(endpoint.tls)
        if found is None:
            try:
                found = self._trusts[endpoint.tls] = make_trust(endpoint.tls)
            except OSError as error:
                raise Untrusted("the gateway's certificate files for this endpoint cannot be read", detail=str(error)) from error
        return found

    async def _commit(self, endpoint: Endpoint, question: Question, answer: Answer) -> Opened:
        outbound = self.outbound(endpoint)
        if answer.status != 200:
            forwarded = endpoint.forward_client_key and _clients_key(question) is not None
            raise await self._refusal(outbound, answer, about_the_client=forwarded)
        unstreamed = question.stream and _is_json(answer)  # it ignored `stream`: its one piece is made into a stream
        reader = _reader(outbound, question, endpoint, unstreamed=unstreamed)
        if question.stream and not unstreamed:
            opened = await self._first_event(endpoint, question, answer, reader)
        else:
            body = await answer.body(MAX_WHOLE_BYTES)
            opened = Opened(endpoint, answer, reader, None, reader.whole(body))
        opened.raise_failure()
        if question.wants_words and opened.says_nothing(outbound, framed=question.stream and not unstreamed):
            raise Empty("the upstream's answer was empty")
        return opened

    async def _first_event(self, endpoint: Endpoint, question: Question, answer: Answer, reader: Reader) -> Opened:
        opening = _Opening(answer, reader)
        while not reader.progress.started:
            if not await opening.more():
                return Opened(endpoint, answer, reader, None, opening.part)
        if question.wants_words:
            try:
                async with asyncio.timeout(MOMENT_S):
                    while not reader.progress.has_spoken:
                        if not await opening.more():
                            return Opened(endpoint, answer, reader, None, opening.part)
            except TimeoutError:
                pass  # it has begun, and takes its time
        return Opened(endpoint, answer, reader, opening.cutter, opening.part)

    async def _refusal(self, outbound: Outbound, answer: Answer, *, about_the_client: bool = False) -> UpstreamError:
        """What a status other than 200 means; the contract's table. `about_the_client`: the key was the client's own, so that
        what is wrong with it, or its quota, is nobody else's concern.
        """
        try:
            body = await answer.body(MAX_ERROR_BYTES)
        except Broke:
            body = b""
        headers = answer.headers
        error = outbound.read_error(answer.status, headers, body)
        if about_the_client and answer.status in {401, 402, 403, 429}:
            text = "the upstream does not accept your key, or it is over its limit"
            error = Declined(text, status=answer.status, body=body, headers=headers, dialect=outbound.name)
        elif error is None:
            error = _by_status(answer.status, headers, body, outbound.name)
        if isinstance(error, Declined):
            error.headers = _passed_on(headers)
            if 400 <= answer.status < 500:
                error.status = answer.status
        error.detail = error.detail or body[:500].decode("utf-8", "replace")
        return error


def _clients_key(question: Question) -> Secret | None:
    headers = question.client_headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = (token.strip() if scheme.lower() == "bearer" else "") or headers.get("x-api-key", "")
    return Secret(key) if key else None


class _Opening:
    """The beginning of a stream, held back until it is known to be one."""

    __slots__ = ("_answer", "_held", "_reader", "_size", "cutter")

    def __init__(self, answer: Answer, reader: Reader) -> None:
        self._answer = answer
        self._reader = reader
        self._held: list[Part] = []
        self._size = 0
        self.cutter = Cutter()

    @property
    def part(self) -> Part:
        return _join(self._held)

    async def more(self) -> bool:
        """False when that was all. Raises Broke when it is no answer."""
        progress = self._reader.progress
        data = await self._answer.chunk()
        if not data:
            last = self._reader.end(self.cutter.rest)
            if not progress.finished and progress.failure is None:
                raise Broke("the upstream's answer ended before it began")
            if last:
                self._held.append(last)
            return False
        self._size += len(data)
        if self._size > MAX_COMMENTS_BYTES and not progress.started and len(self.cutter.rest) < self._size // 2:
            raise Broke("the upstream sent comments without end and no answer")
        frames = self.cutter.feed(data)
        if frames:
            self._held.append(self._reader.feed(frames))
        return True


def _reader(outbound: Outbound, question: Question, endpoint: Endpoint, *, unstreamed: bool) -> Reader:
    if question.reading is not None:
        return _Interpreted(question.reading)
    if unstreamed and question.api != "chat":
        return _AsStream(outbound)
    if question.conversation is not None or unstreamed:
        return _Decoding(outbound, question.conversation, endpoint)
    return _PassThrough(outbound)


def _by_status(status: int, headers: Mapping[str, str], body: bytes, dialect: str) -> UpstreamError:
    wait_s = retry_after_s(headers, None)
    if status == 429:
        return Throttled("the upstream limits its rate", retry_after_s=wait_s)
    if status in {401, 402, 403}:
        return Misconfigured(f"the upstream refuses the gateway's credentials (status {status}); this is not about your key")
    if status in {503, 529}:
        return Overloaded("the upstream is overloaded", retry_after_s=wait_s)
    if status == 504:
        return TooSlow("the upstream timed out (status 504)")
    if status in {408, 409, 425} or status >= 500:
        return Broke(f"the upstream failed with status {status}", retry_after_s=wait_s)
    if 400 <= status < 500:
        return Declined(
            f"the upstream refused the request with status {status}",
            status=status,
            body=body,
            headers=headers,
            dialect=dialect,
        )
    return Broke(f"the upstream answered with status {status}, which is no answer to a question")


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _join(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, bytes) for part in parts):
        return b"".join(part for part in parts if isinstance(part, bytes))
    return [event for part in parts if not isinstance(part, bytes) for event in part]


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)}
