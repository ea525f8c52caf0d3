"""Answers kept for the same question asked again: exact match, in memory, bounded, each tenant its own.

Kept is what was answered wholly and well: no error, no refusal, nothing cut off, nothing of another tier than the decided one.
A question is the same when its body is (but for `stream`), in the same dialect, with the same key, decided the same way.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from octoroute.dialects.base import Outbound, Progress
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event, FinishReason
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Request
from octoroute.errors import BadUpstreamResponse, OctorouteError
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import ChunkSink, ResponseStream

MAX_ENTRY_BYTES = 1 << 20
"""A longer answer is not kept."""

Word: TypeAlias = Literal["hit", "miss", "bypass"]

_NOT_THE_QUESTION = frozenset({"stream", "stream_options", "octoroute"})
_UNREPEATABLE = ("logprobs", "top_logprobs", "modalities", "audio", "background", "previous_response_id")
"""Fields that ask for what events cannot say, or for more than an answer."""
_COMPLETE = frozenset({FinishReason.STOP, FinishReason.TOOL_CALLS})
_OVERHEAD_BYTES = 512
_EVENTS = msgspec.json.Decoder(list[Event])
_NUMBER = msgspec.json.Decoder(float | None)


class CacheKey(msgspec.Struct, frozen=True):
    """What may be done for one request."""

    key: bytes | None
    """None: nothing."""
    look: bool = False


class CacheEntry(msgspec.Struct, frozen=True):
    """An answer: as the bytes of its dialect, as events, or as both. `outbound` reads the bytes."""

    endpoint: Endpoint
    outbound: Outbound
    made_at: float
    whole: bytes | None
    events: bytes | None
    """JSON."""
    notes: tuple[str, ...]
    usage: Usage | None

    @property
    def size(self) -> int:
        return len(self.whole or b"") + len(self.events or b"") + _OVERHEAD_BYTES


class ResponseCache:
    def __init__(
        self,
        *,
        ttl_s: float,
        max_bytes: int,
        max_entries: int,
        shared: bool,
        clock: Callable[[], float],
        passes: frozenset[str] = frozenset(),
    ) -> None:
        """`shared`: among all tenants. `passes`: headers of a client that reach an upstream, and may change its answer."""
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._shared = shared
        self._clock = clock
        self._passes = tuple(sorted(passes))
        self._kept: OrderedDict[bytes, CacheEntry] = OrderedDict()
        self.size = 0
        """Bytes, with a guess for what an entry costs beside its answer."""

    def __len__(self) -> int:
        return len(self._kept)

    def key_for(self, request: Request, decision: Decision) -> CacheKey:
        wish = request.headers.get("x-octoroute-cache", "").strip().lower()
        control = {word.strip().lower() for word in request.headers.get("cache-control", "").split(",")}
        if wish == "bypass" or "no-store" in control or not _can_be_repeated(request):
            return CacheKey(None)
        if wish != "use" and not _is_deterministic(request):
            return CacheKey(None)
        try:
            key = self._key(request, decision)
        except (ValueError, TypeError, RecursionError):
            return CacheKey(None)
        return CacheKey(key, "no-cache" not in control)

    def get(self, ticket: CacheKey, request: Request) -> CachedResponse | None:
        if ticket.key is None or not ticket.look:
            return None
        kept = self._kept.get(ticket.key)
        if kept is None:
            return None
        if self._clock() - kept.made_at >= self._ttl_s:
            self._drop(ticket.key)
            return None
        self._kept.move_to_end(ticket.key)
        try:
            return CachedResponse(kept, request, age_s=self._clock() - kept.made_at)
        except OctorouteError:  # these bytes cannot be made into a stream
            return None

    def record(
        self, ticket: CacheKey, opened: ResponseStream, outbound: Outbound, request: Request, notes: tuple[str, ...]
    ) -> ResponseStream:
        """`opened`, remembered if it comes to a good end."""
        if ticket.key is None:
            return opened
        return RecordingResponse(opened, _Memo(self, ticket.key, outbound, request, notes, self._clock))

    def put(self, key: bytes, kept: CacheEntry) -> None:
        if kept.size > min(self._max_bytes, MAX_ENTRY_BYTES):
            return
        self._drop(key)
        self._kept[key] = kept
        self.size += kept.size
        while self.size > self._max_bytes or len(self._kept) > self._max_entries:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size -= kept.size

    def _key(self, request: Request, decision: Decision) -> bytes:
        """Raises ValueError, TypeError, and RecursionError for what has no canonical form."""
        headers = request.headers
        tenant = "" if self._shared else [headers.get(name, "") for name in ("authorization", "x-api-key")]
        told = {name: headers[name] for name in self._passes if name in headers}
        way = [request.dialect, request.api, request.model, decision.tier, sorted(decision.only or ())]
        return hashlib.sha256(msgspec.json.encode([way, tenant, told, _canonical(request.body)], order="sorted")).digest()


def _canonical(body: object) -> Any:
    if isinstance(body, RequestBody):
        return {name: msgspec.json.decode(value) for name, value in body.values.items() if name not in _NOT_THE_QUESTION}
    return body


def _can_be_repeated(request: Request) -> bool:
    body = request.body
    if request.api != "chat":
        return not request.stream
    if not isinstance(body, RequestBody):
        return True
    if any(body.is_set(name) for name in _UNREPEATABLE):
        return False
    return bytes(body.values.get("n", msgspec.Raw(b"1"))) in {b"1", b"null"}


def _is_deterministic(request: Request) -> bool:
    """Temperature 0, said by the client. An embedding has none."""
    body = request.body
    if request.api == "embeddings":
        return True
    if isinstance(body, Conversation):
        return body.temperature == 0.0
    if not isinstance(body, RequestBody) or "temperature" not in body.values:
        return False
    try:
        return _NUMBER.decode(body.values["temperature"]) == 0.0
    except ValueError:
        return False


class _Memo:
    """What has been read of an answer so far."""

    def __init__(
        self,
        cache: ResponseCache,
        key: bytes,
        outbound: Outbound,
        request: Request,
        notes: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._key = key
        self._outbound = outbound
        self._request = request
        self._notes = notes
        self._clock = clock
        self._parts: list[Chunk] = []
        self._size = 0

    def add(self, part: Chunk) -> None:
        self._size += len(part) if isinstance(part, bytes) else 32 * len(part)
        if self._size > MAX_ENTRY_BYTES:
            self._parts.clear()
        else:
            self._parts.append(part)

    def ended(self, opened: ResponseStream) -> None:
        """The answer has come to its own end."""
        if self._size > MAX_ENTRY_BYTES or not self._parts:
            return
        if self._request.api == "chat" and opened.progress.reason not in _COMPLETE:
            return
        whole = events = None
        if not self._request.stream and isinstance(self._parts[0], bytes):
            whole = self._parts[0]
        else:
            try:
                events = msgspec.json.encode(self._events())
            except (BadUpstreamResponse, ValueError, TypeError):
                return
        made = CacheEntry(opened.endpoint, self._outbound, self._clock(), whole, events, self._notes, opened.progress.usage)
        self._cache.put(self._key, made)

    def _events(self) -> Sequence[Event]:
        if all(isinstance(part, bytes) for part in self._parts):
            decoder = self._outbound.decoder()
            return [*decoder.feed(b"".join(part for part in self._parts if isinstance(part, bytes))), *decoder.end()]
        return [event for part in self._parts if not isinstance(part, bytes) for event in part]


class RecordingResponse:
    """An answer that is remembered while it is read."""

    __slots__ = ("_memo", "_opened", "endpoint", "headers", "stream")

    def __init__(self, opened: ResponseStream, memo: _Memo) -> None:
        self._opened = opened
        self._memo: _Memo | None = memo
        self.endpoint = opened.endpoint
        self.headers = opened.headers
        self.stream = opened.stream

    @property
    def progress(self) -> Progress:
        return self._opened.progress

    @property
    def translated(self) -> bool:
        return self._opened.translated

    async def read(self) -> Chunk | None:
        part = await self._opened.read()
        memo = self._memo
        if memo is not None:
            if part is not None:
                memo.add(part)
            if part is None or not self.stream:
                self._memo = None
                memo.ended(self._opened)
        return part

    def pass_on(self, sink: ChunkSink) -> None:
        """Every part is read, to be remembered."""

    def close(self) -> None:
        self._opened.close()


class CachedResponse:
    """A kept answer in an opened one's place."""

    __slots__ = ("_part", "endpoint", "headers", "notes", "progress", "stream", "translated")

    def __init__(self, kept: CacheEntry, request: Request, *, age_s: float) -> None:
        """Raises OctorouteError when a kept answer cannot be read after all."""
        self.notes = kept.notes
        self.endpoint = kept.endpoint
        self.headers: Mapping[str, str] = {"age": str(int(age_s))}
        self.stream = request.stream
        self.progress = Progress()
        self.progress.started = self.progress.finished = True
        self.progress.usage = kept.usage
        self._part: Chunk | None = kept.whole if kept.whole is not None and not request.stream else _events_of(kept)
        self.translated = not isinstance(self._part, bytes)

    async def read(self) -> Chunk | None:
        part, self._part = self._part, None
        return part

    def pass_on(self, sink: ChunkSink) -> None:
        """There is only one part, and it is here."""

    def close(self) -> None:
        pass


def _events_of(kept: CacheEntry) -> Sequence[Event]:
    if kept.events is not None:
        return _EVENTS.decode(kept.events)
    assert kept.whole is not None
    return kept.outbound.decode_response(kept.whole)
